/* address: parses addresses and checks them. */
#include "base/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { HOST_SIZE = 254, PORT_MAX = 65535 };

static const char unix_scheme[] = "unix:";

struct parts {
	char host[HOST_SIZE]; /* without brackets */
	char port[6];
};

/* Splits "host:port" at its last colon. */
static enum address_kind split(const char *address, size_t length, struct parts *parts)
{
	const char *colon = memrchr(address, ':', length);
	size_t host = colon ? (size_t)(colon - address) : 0, digits = colon ? length - host - 1 : 0;
	if (digits < 1 || digits >= sizeof(parts->port) || host >= sizeof(parts->host))
		return ADDRESS_INVALID;
	const bool bracketed = host > 2 && address[0] == '[' && colon[-1] == ']';
	snprintf(parts->host, sizeof(parts->host), "%.*s", (int)host - 2 * bracketed, address + bracketed);
	snprintf(parts->port, sizeof(parts->port), "%.*s", (int)digits, colon + 1);
	if (strspn(parts->port, "0123456789") != digits || strtol(parts->port, NULL, 10) > PORT_MAX)
		return ADDRESS_INVALID;
	struct in6_addr binary;
	if (bracketed)
		return inet_pton(AF_INET6, parts->host, &binary) == 1 ? ADDRESS_IPV6 : ADDRESS_INVALID;
	if (inet_pton(AF_INET, parts->host, &binary) == 1)
		return ADDRESS_IPV4;
	for (const char *at = parts->host; *at; at++)
		if ((unsigned char)*at <= ' ' || *at == 0x7f || strchr("/,;@?#[]:", *at))
			return ADDRESS_INVALID;
	return host ? ADDRESS_NAME : ADDRESS_ALL;
}

enum address_kind address_parse(const char *address, size_t length, bool listen)
{
	struct parts parts;
	if (length >= sizeof(unix_scheme) - 1 && address_is_unix(address)) {
		const size_t path = length - (sizeof(unix_scheme) - 1);
		return path > 0 && path < sizeof(((struct sockaddr_un *)0)->sun_path) ? ADDRESS_UNIX : ADDRESS_INVALID;
	}
	enum address_kind kind = split(address, length, &parts);
	if (kind != ADDRESS_INVALID && !listen && (kind == ADDRESS_ALL || strtol(parts.port, NULL, 10) == 0))
		return ADDRESS_INVALID;
	return kind;
}

bool address_is_unix(const char *address)
{
	return !strncmp(address, unix_scheme, sizeof(unix_scheme) - 1);
}

bool address_is_valid(const char *address)
{
	return address_parse(address, strlen(address), true) != ADDRESS_INVALID;
}

int address_unix(const char *address, struct sockaddr_un *out)
{
	if (address_parse(address, strlen(address), true) != ADDRESS_UNIX)
		return -EINVAL;
	*out = (struct sockaddr_un){.sun_family = AF_UNIX};
	strcpy(out->sun_path, address + sizeof(unix_scheme) - 1);
	return 0;
}

int address_resolve(const char *address, struct addrinfo **out)
{
	struct parts parts;
	struct addrinfo hints = {
	    .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
	if (split(address, strlen(address), &parts) == ADDRESS_INVALID)
		return -EINVAL;
	int result = getaddrinfo(*parts.host ? parts.host : NULL, parts.port, &hints, out);
	return !result ? 0 : result == EAI_MEMORY ? -ENOMEM : -EADDRNOTAVAIL;
}

/* A socket file on which connect() is refused is left over from a crash. */
static int check_unix(const char *address)
{
	struct sockaddr_un name;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return 0;
	int result = address_unix(address, &name) || connect(fd, (struct sockaddr *)&name, sizeof(name)) ? 0 : -EADDRINUSE;
	close(fd);
	return result;
}

/* SO_REUSEADDR ignores connections that have ended, not a listener. [::] includes the same port of IPv4. */
static int check_tcp(const struct addrinfo *info, bool shared)
{
	int one = 1;
	int fd = socket(info->ai_family, info->ai_socktype | SOCK_CLOEXEC, info->ai_protocol);
	if (fd < 0)
		return 0;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (shared)
		setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one));
	int result = bind(fd, info->ai_addr, info->ai_addrlen) && errno == EADDRINUSE ? -EADDRINUSE : 0;
	close(fd);
	return result;
}

int address_check_free(const char *address, bool shared)
{
	struct addrinfo *list;
	int result = 0;
	if (address_is_unix(address))
		return check_unix(address);
	if (address_resolve(address, &list))
		return 0;
	for (const struct addrinfo *info = list; info && !result; info = info->ai_next)
		result = check_tcp(info, shared);
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

bool address_network(const struct sockaddr_storage *address, uint64_t *network)
{
	const struct in6_addr *in6 = &((const struct sockaddr_in6 *)address)->sin6_addr;
	if (address->ss_family != AF_INET && address->ss_family != AF_INET6)
		return false;
	*network = 0;
	if (address->ss_family == AF_INET)
		*network = ((const struct sockaddr_in *)address)->sin_addr.s_addr;
	else if (IN6_IS_ADDR_V4MAPPED(in6))
		memcpy(network, &in6->s6_addr[12], 4);
	else
		memcpy(network, in6, sizeof(*network));
	return true;
}

void address_limit_unsent(int fd)
{
	static const int bytes = 128 * 1024;
	setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &bytes, sizeof(bytes));
}
