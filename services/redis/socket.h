/* redis/socket: non-blocking stream sockets. */
#pragma once

#include <sys/socket.h>
#include <sys/types.h>

/*
 * Begins to connect, without waiting. Returns a descriptor whose connection may still be under way, or a negative
 * errno.
 */
int redis_socket_connect(const struct sockaddr *address, socklen_t length);

/* How far a connection is: 1 there, 0 still under way, negative errno when it failed. */
int redis_socket_connected(int fd);

/*
 * Send or receive what is possible without waiting. How many bytes, 0: not now, -EPIPE: the peer has closed, or
 * another negative errno.
 */
ssize_t redis_socket_send(int fd, const void *data, size_t length);
ssize_t redis_socket_receive(int fd, void *data, size_t size);

/*
 * Closes at once and drops the bytes that the kernel has not sent yet, so that no abandoned command is delivered.
 * Takes -1.
 */
void redis_socket_abort(int fd);
