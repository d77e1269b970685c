/* listener: addresses to sockets. */
#include "listener.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { LISTENER_BACKLOG = 4096 };

struct address {
	struct sockaddr_storage storage;
	socklen_t length;
};

static int read_unix(const char *path, struct address *out)
{
	struct sockaddr_un *un = (struct sockaddr_un *)&out->storage;
	size_t length = strlen(path);
	if (!length || length >= sizeof(un->sun_path))
		return -EINVAL;
	memset(&out->storage, 0, sizeof(out->storage));
	un->sun_family = AF_UNIX;
	memcpy(un->sun_path, path, length + 1);
	out->length = sizeof(*un);
	return 0;
}

static int read_inet(const char *text, struct address *out)
{
	char host[256];
	const char *colon = strrchr(text, ':');
	if (!colon || (size_t)(colon - text) >= sizeof(host) || !colon[1] ||
	    strspn(colon + 1, "0123456789") != strlen(colon + 1))
		return -EINVAL;
	size_t length = (size_t)(colon - text);
	if (length >= 2 && text[0] == '[' && text[length - 1] == ']') {
		text++;
		length -= 2;
	} else if (memchr(text, ':', length)) {
		return -EINVAL;
	}
	memcpy(host, text, length);
	host[length] = '\0';
	struct addrinfo hints = {
	    .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
	struct addrinfo *found = NULL;
	int result = getaddrinfo(length ? host : NULL, colon + 1, &hints, &found);
	if (result)
		return result == EAI_MEMORY ? -ENOMEM : result == EAI_SERVICE ? -EINVAL : -EADDRNOTAVAIL;
	memcpy(&out->storage, found->ai_addr, found->ai_addrlen);
	out->length = found->ai_addrlen;
	freeaddrinfo(found);
	return 0;
}

static int address_port(const struct address *address)
{
	if (address->storage.ss_family == AF_INET)
		return ntohs(((const struct sockaddr_in *)&address->storage)->sin_port);
	if (address->storage.ss_family == AF_INET6)
		return ntohs(((const struct sockaddr_in6 *)&address->storage)->sin6_port);
	return 0;
}

/* Binds; with `shared`, further sockets of this program may bind the same port. */
static int bind_socket(const struct address *address, int shared, int *out)
{
	int on = 1, off = 0;
	int family = address->storage.ss_family;
	int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (family != AF_UNIX)
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
	if ((shared && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on))) ||
	    bind(fd, (const struct sockaddr *)&address->storage, address->length)) {
		int result = -errno;
		close(fd);
		return result;
	}
	*out = fd;
	return 0;
}

/* Whether something answers on a socket file. */
static int unix_is_served(const struct address *address)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return 0;
	int served = connect(fd, (const struct sockaddr *)&address->storage, address->length) == 0;
	close(fd);
	return served;
}

static int open_unix(const char *path, int *out)
{
	struct address address;
	int result = read_unix(path, &address);
	if (result)
		return result;
	result = bind_socket(&address, 0, out);
	if (result == -EADDRINUSE && !unix_is_served(&address)) {
		unlink(path);
		result = bind_socket(&address, 0, out);
	}
	return result;
}

/* Binding without SO_REUSEPORT fails where any other socket listens, even one that has it. */
static int probe_port(const struct address *address)
{
	int fd;
	if (address_port(address) == 0)
		return 0;
	int result = bind_socket(address, 0, &fd);
	if (!result)
		close(fd);
	return result;
}

static int open_inet(const char *text, size_t count, int *fds, size_t *opened)
{
	struct address address;
	int result = read_inet(text, &address);
	if (!result)
		result = probe_port(&address);
	while (!result && *opened < count) {
		result = bind_socket(&address, 1, &fds[*opened]);
		if (result)
			break;
		/* The others need the port that the first one was given. */
		if (getsockname(fds[(*opened)++], (struct sockaddr *)&address.storage, &address.length))
			result = -errno;
	}
	return result;
}

int listener_open(const char *address, size_t count, int *fds, int *port)
{
	size_t opened = 0;
	int result, bound = 0;
	if (!strncmp(address, "unix:", 5)) {
		result = count == 1 ? open_unix(address + 5, &fds[0]) : -EINVAL;
		opened = result ? 0 : 1;
	} else {
		result = open_inet(address, count, fds, &opened);
	}
	for (size_t i = 0; !result && i < opened; i++)
		if (listen(fds[i], LISTENER_BACKLOG))
			result = -errno;
	if (!result) {
		struct address first = {.length = sizeof(first.storage)};
		if (!getsockname(fds[0], (struct sockaddr *)&first.storage, &first.length))
			bound = address_port(&first);
		*port = bound;
		return 0;
	}
	while (opened)
		close(fds[--opened]);
	return result;
}

void listener_remove(const char *address)
{
	if (!strncmp(address, "unix:", 5))
		unlink(address + 5);
}
