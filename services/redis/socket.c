/*
 * redis/socket: own sockets rather than hiredis' context, which would not set
 * close-on-exec, would raise SIGPIPE and would abort when out of memory.
 */
#include "redis/socket.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <unistd.h>

int redis_socket_connect(const struct sockaddr *address, socklen_t length)
{
	const int on = 1;
	int fd = socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	/* Where it fails, the connection works without. */
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (connect(fd, address, length) && errno != EINPROGRESS) {
		int result = -errno;
		close(fd);
		return result;
	}
	return fd;
}

int redis_socket_connected(int fd)
{
	struct pollfd poll_fd = {.fd = fd, .events = POLLOUT};
	if (poll(&poll_fd, 1, 0) <= 0)
		return 0;
	int error = 0;
	socklen_t length = sizeof(error);
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length))
		return -errno;
	return error ? -error : 1;
}

/* What a transfer came to: how many bytes, 0: not now, or a negative errno. */
static ssize_t outcome(ssize_t length)
{
	return length >= 0 ? length : errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR ? 0 : -errno;
}

ssize_t redis_socket_send(int fd, const void *data, size_t length)
{
	return outcome(send(fd, data, length, MSG_NOSIGNAL));
}

ssize_t redis_socket_receive(int fd, void *data, size_t size)
{
	ssize_t length = recv(fd, data, size, 0);
	return length ? outcome(length) : -EPIPE;
}

void redis_socket_abort(int fd)
{
	const struct linger at_once = {.l_onoff = 1, .l_linger = 0};
	if (fd < 0)
		return;
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	close(fd);
}
