/* redis/socket: a non-blocking stream socket to where a URL points. */
#ifndef CALLHISTORY_REDIS_SOCKET_H
#define CALLHISTORY_REDIS_SOCKET_H

#include "redis/url.h"

/*
 * Begins to connect; a name's addresses are taken in turn by `attempt`. Waits for nothing but the name service.
 * Returns a descriptor whose connection may still be under way, or a negative errno.
 */
int socket_connect(const struct redis_url *url, unsigned attempt);

/* How far a connection is: 1 there, 0 still under way, negative errno when it failed. */
int socket_connected(int fd);

/* Closes at once and drops the bytes that the kernel has not sent yet, so that no abandoned command is delivered. Takes -1. */
void socket_abort(int fd);

#endif
