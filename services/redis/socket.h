/* redis/socket: non-blocking stream sockets. */
#ifndef CALLHISTORY_REDIS_SOCKET_H
#define CALLHISTORY_REDIS_SOCKET_H

#include <sys/socket.h>

/*
 * Begins to connect, without waiting. Returns a descriptor whose connection may still be under way, or a negative errno.
 * TCP: the kernel gives the connection up when sent bytes stay unacknowledged for `unanswered_ms`.
 */
int socket_connect(const struct sockaddr *address, socklen_t length, unsigned unanswered_ms);

/* The same for a unix socket. */
int socket_connect_unix(const char *path);

/* How far a connection is: 1 there, 0 still under way, negative errno when it failed. */
int socket_connected(int fd);

/* Closes at once and drops the bytes that the kernel has not sent yet, so that no abandoned command is delivered. Takes -1. */
void socket_abort(int fd);

#endif
