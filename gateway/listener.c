/* listener: addresses to sockets. */
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

static int read_inet(const char *text, struct address *out)
{
	struct addrinfo *found;
	int result = address_resolve(text, &found);
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

/* Binds; with `shared`, further sockets of this program may bind the same port. */
static int bind_socket(const struct address *address, int shared, int *out)
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
	if ((shared && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on))) ||
	    bind(fd, (const struct sockaddr *)&address->storage, address->length)) {
		int result = -errno;
		close(fd);
		return result;
	}
	*out = fd;
	return 0;
}

static int open_unix(const char *text, int *out)
{
	struct address address = {.length = sizeof(struct sockaddr_un)};
	struct sockaddr_un *name = (struct sockaddr_un *)&address.storage;
	int result = address_unix(text, name);
	if (result)
		return result;
	result = bind_socket(&address, 0, out);
	if (result == -EADDRINUSE && !address_check_free(text, false)) {
		unlink(name->sun_path);
		result = bind_socket(&address, 0, out);
	}
	return result;
}

static int open_inet(const char *text, size_t count, int *fds, size_t *opened)
{
	struct address address;
	int result = address_check_free(text, false);
	if (!result)
		result = read_inet(text, &address);
	while (!result && *opened < count) {
		result = bind_socket(&address, 1, &fds[*opened]);
		if (result)
			break;
		/* All other sockets use the port that the first one got. */
		if (getsockname(fds[(*opened)++], (struct sockaddr *)&address.storage, &address.length))
			result = -errno;
	}
	return result;
}

int listener_open(const char *address, size_t count, int *fds, int *port)
{
	size_t opened = 0;
	int result, bound = 0;
	if (address_is_unix(address)) {
		result = count == 1 ? open_unix(address, &fds[0]) : -EINVAL;
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
	struct sockaddr_un name;
	if (!address_unix(address, &name))
		unlink(name.sun_path);
}
