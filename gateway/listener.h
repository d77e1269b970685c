/*
 * listener: listening sockets for HTTP. One per worker on one port by
 * SO_REUSEPORT, so that the kernel distributes connections.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/*
 * Opens `count` listening sockets (non-blocking) on "host:port" (port 0: any), "[v6]:port" or "unix:path" (count 1) and
 * writes them to fds[]. A port that another program listens on is refused. A socket file that nobody listens on is
 * replaced. *port is the port, 0 for unix. Returns 0, -EADDRINUSE, -EADDRNOTAVAIL, -EINVAL or another negative errno;
 * no socket is left open then.
 */
int listener_open(const char *address, size_t count, int *fds, int *port);

/* Removes the socket file of a "unix:path" address; nothing for others. */
void listener_remove(const char *address);
