/* listener: resolves an address, and binds and listens on its sockets. */
#include "listener.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/address.h"

enum { LISTENER_BACKLOG = 4096 };

struct address {
	struct sockaddr_storage storage;
	socklen_t length;
};

/* Resolves the address to bind. Fails if a program listens there; removes a socket file that none listens on. */
static int find_address(const char *text, struct address *out)
{
	struct sockaddr_un *name = (struct sockaddr_un *)&out->storage;
	struct addrinfo *found;
	int result = address_check_free(text, false);
	if (result)
		return result;
	if (address_is_unix(text)) {
		out->length = sizeof(*name);
		result = address_unix(text, name);
		if (!result)
			unlink(name->sun_path);
		return result;
	}
	result = address_resolve(text, &found);
	if (result)
		return result;
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

/* Creates a socket and binds it. With SO_REUSEPORT each worker's socket has the same port. */
static int bind_socket(const struct address *address, int *out)
{
	int on = 1, off = 0;
	int family = address->storage.ss_family;
	int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (family != AF_UNIX) {
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
		address_limit_unsent(fd);
	}
	if (family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
	if ((family != AF_UNIX && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on))) ||
	    bind(fd, (const struct sockaddr *)&address->storage, address->length)) {
		int result = -errno;
		close(fd);
		return result;
	}
	*out = fd;
	return 0;
}

int listener_open(const char *address, size_t count, int *fds, int *port)
{
	struct address where = {.length = 0};
	size_t opened = 0;
	int result = count > 1 && address_is_unix(address) ? -EINVAL : find_address(address, &where);
	while (!result && opened < count) {
		result = bind_socket(&where, &fds[opened]);
		if (result)
			break;
		/* All other sockets use the port that the first one got. */
		where.length = sizeof(where.storage);
		if (getsockname(fds[opened++], (struct sockaddr *)&where.storage, &where.length))
			result = -errno;
	}
	for (size_t i = 0; !result && i < opened; i++)
		if (listen(fds[i], LISTENER_BACKLOG))
			result = -errno;
	if (!result)
		*port = address_port(&where);
	while (result && opened)
		close(fds[--opened]);
	return result;
}

void listener_remove(const char *address)
{
	struct sockaddr_un name;
	if (!address_unix(address, &name))
		unlink(name.sun_path);
}
