/*
 * redis/socket: own sockets rather than hiredis' context, which would not set
 * close-on-exec, would raise SIGPIPE and would abort when out of memory.
 */
#include "redis/socket.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { KEEPALIVE_IDLE_S = 15, KEEPALIVE_INTERVAL_S = 5, KEEPALIVE_PROBES = 3, UNANSWERED_MS = 30000 };

/* Opens a socket and begins to connect it. A failed option is no failure: the connection works without. */
static int begin(const struct sockaddr *address, socklen_t length)
{
	int fd = socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (address->sa_family != AF_UNIX) {
		const int on = 1, idle = KEEPALIVE_IDLE_S, interval = KEEPALIVE_INTERVAL_S, probes = KEEPALIVE_PROBES;
		const unsigned unanswered = UNANSWERED_MS;
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
		setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
		setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof(idle));
		setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof(interval));
		setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof(probes));
		setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &unanswered, sizeof(unanswered));
	}
	if (connect(fd, address, length) && errno != EINPROGRESS) {
		int result = -errno;
		close(fd);
		return result;
	}
	return fd;
}

static int begin_unix(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	size_t length = strlen(path);
	if (length >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	memcpy(address.sun_path, path, length + 1);
	return begin((const struct sockaddr *)&address, sizeof(address));
}

static int begin_tcp(const char *host, const char *port, unsigned attempt)
{
	const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
	struct addrinfo *addresses = NULL;
	if (getaddrinfo(host, port, &hints, &addresses))
		return -EHOSTUNREACH;
	unsigned count = 0;
	for (struct addrinfo *a = addresses; a; a = a->ai_next)
		++count;
	struct addrinfo *chosen = addresses;
	for (unsigned i = count ? attempt % count : 0; i; --i)
		chosen = chosen->ai_next;
	int result = begin(chosen->ai_addr, chosen->ai_addrlen);
	freeaddrinfo(addresses);
	return result;
}

int socket_connect(const struct redis_url *url, unsigned attempt)
{
	return url->path ? begin_unix(url->path) : begin_tcp(url->host, url->port, attempt);
}

int socket_connected(int fd)
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

void socket_abort(int fd)
{
	const struct linger at_once = {.l_onoff = 1, .l_linger = 0};
	if (fd < 0)
		return;
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	close(fd);
}
