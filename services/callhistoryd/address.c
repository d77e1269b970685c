/* callhistoryd/address: texts to sockets. */
#include "address.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { HOST_SIZE = 256, PORT_SIZE = 8 };

static const char unix_scheme[] = "unix:";

bool address_is_unix(const char *address)
{
	return !strncmp(address, unix_scheme, sizeof(unix_scheme) - 1);
}

/* Parts "host:port" at its last colon; brackets of a v6 host go. */
static int split(const char *address, char host[HOST_SIZE], char port[PORT_SIZE])
{
	const char *colon = strrchr(address, ':');
	if (!colon || strlen(colon + 1) >= PORT_SIZE || strspn(colon + 1, "0123456789") != strlen(colon + 1) || !colon[1])
		return -EINVAL;
	size_t length = (size_t)(colon - address);
	if (length >= 2 && address[0] == '[' && colon[-1] == ']') {
		++address;
		length -= 2;
	}
	if (length >= HOST_SIZE)
		return -EINVAL;
	memcpy(host, address, length);
	host[length] = '\0';
	strcpy(port, colon + 1);
	return 0;
}

bool address_is_valid(const char *address)
{
	char host[HOST_SIZE], port[PORT_SIZE];
	if (address_is_unix(address))
		return address[sizeof(unix_scheme) - 1] != '\0';
	return !split(address, host, port) && strtol(port, NULL, 10) <= 65535;
}

int address_resolve(const char *address, struct addrinfo **out)
{
	char host[HOST_SIZE], port[PORT_SIZE];
	struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
	if (split(address, host, port))
		return -EINVAL;
	return getaddrinfo(*host ? host : NULL, port, &hints, out) ? -EINVAL : 0;
}

/* A socket file that nobody answers on is left over from a crash. */
static int check_unix(const char *path)
{
	struct sockaddr_un name = {.sun_family = AF_UNIX};
	if (strlen(path) >= sizeof(name.sun_path))
		return 0;
	strcpy(name.sun_path, path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return 0;
	int result = connect(fd, (const struct sockaddr *)&name, sizeof(name)) ? 0 : -EADDRINUSE;
	close(fd);
	return result;
}

/* SO_REUSEADDR looks past connections that have ended, not past a listener. */
static int check_tcp(const struct addrinfo *info)
{
	int one = 1;
	int fd = socket(info->ai_family, info->ai_socktype | SOCK_CLOEXEC, info->ai_protocol);
	if (fd < 0)
		return 0;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (info->ai_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one));
	int result = bind(fd, info->ai_addr, info->ai_addrlen) && errno == EADDRINUSE ? -EADDRINUSE : 0;
	close(fd);
	return result;
}

int address_check_free(const char *address)
{
	struct addrinfo *list;
	int result = 0;
	if (address_is_unix(address))
		return check_unix(address + sizeof(unix_scheme) - 1);
	if (address_resolve(address, &list))
		return 0;
	for (const struct addrinfo *info = list; info && !result; info = info->ai_next)
		result = check_tcp(info);
	freeaddrinfo(list);
	return result;
}

int address_set_port(char *out, size_t size, const char *address, int port)
{
	const char *colon = strrchr(address, ':');
	if (!colon)
		return -EINVAL;
	int length = snprintf(out, size, "%.*s:%d", (int)(colon - address), address, port);
	return length < 0 || (size_t)length >= size ? -EINVAL : 0;
}
