/* rpc/address: telling literal addresses from names. */
#include "rpc/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { HOST_MAXIMUM = 254, ADDRESS_MAXIMUM = 4096 };

enum kind { KIND_INVALID, KIND_NAME, KIND_IPV4, KIND_IPV6 };

struct parts {
	char host[HOST_MAXIMUM]; /* without brackets */
	int port;
};

static int parse_port(const char *text, size_t length, bool listen)
{
	if (length == 0 || length > 5 || strspn(text, "0123456789") < length)
		return -1;
	int port = 0;
	for (size_t i = 0; i < length; i++)
		port = port * 10 + (text[i] - '0');
	return port > 65535 || (port == 0 && !listen) ? -1 : port;
}

static bool host_characters(const char *host)
{
	for (; *host; host++)
		if ((unsigned char)*host <= ' ' || *host == 0x7f || strchr("/,;@?#[]:", *host))
			return false;
	return true;
}

/* Splits one "host:port" of `length` bytes. */
static enum kind split(const char *address, size_t length, bool listen, struct parts *parts)
{
	const char *colon = memrchr(address, ':', length);
	if (!colon || colon == address)
		return KIND_INVALID;
	parts->port = parse_port(colon + 1, length - (size_t)(colon + 1 - address), listen);
	size_t host = (size_t)(colon - address);
	bool bracketed = host > 2 && address[0] == '[' && address[host - 1] == ']';
	if (bracketed) {
		address++;
		host -= 2;
	}
	if (parts->port < 0 || host >= sizeof(parts->host))
		return KIND_INVALID;
	memcpy(parts->host, address, host);
	parts->host[host] = '\0';
	struct in6_addr binary;
	if (bracketed)
		return inet_pton(AF_INET6, parts->host, &binary) == 1 ? KIND_IPV6 : KIND_INVALID;
	if (inet_pton(AF_INET, parts->host, &binary) == 1)
		return KIND_IPV4;
	return host_characters(parts->host) ? KIND_NAME : KIND_INVALID;
}

static bool unix_valid(const char *address)
{
	size_t length = strlen(address + 5);
	return length > 0 && length < sizeof(((struct sockaddr_un *)0)->sun_path);
}

bool rpc_address_valid(const char *address, bool listen)
{
	struct parts parts;
	if (strncmp(address, "unix:", 5) == 0)
		return unix_valid(address);
	size_t length = strlen(address);
	return length < ADDRESS_MAXIMUM && split(address, length, listen, &parts) != KIND_INVALID;
}

static bool has_scheme(const char *address)
{
	static const char *const schemes[] = {"dns:", "ipv4:", "ipv6:"};
	for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++)
		if (strncmp(address, schemes[i], strlen(schemes[i])) == 0)
			return true;
	return false;
}

/* The kind that all parts of a list are of. */
static enum kind list_kind(const char *address)
{
	enum kind all = KIND_INVALID;
	for (const char *at = address;;) {
		struct parts parts;
		size_t length = strcspn(at, ",");
		enum kind kind = split(at, length, false, &parts);
		bool first = at == address, last = at[length] == '\0';
		if (kind == KIND_INVALID || (!first && kind != all) || (kind == KIND_NAME && !(first && last)))
			return KIND_INVALID;
		all = kind;
		if (last)
			return all;
		at += length + 1;
	}
}

int rpc_address_target(const char *address, char **out)
{
	static const char *const prefixes[] = {[KIND_NAME] = "dns:///", [KIND_IPV4] = "ipv4:", [KIND_IPV6] = "ipv6:"};
	const char *prefix = "";
	if (strlen(address) >= ADDRESS_MAXIMUM)
		return -EINVAL;
	if (strncmp(address, "unix:", 5) == 0) {
		if (!unix_valid(address))
			return -EINVAL;
	} else if (!has_scheme(address)) {
		enum kind kind = list_kind(address);
		if (kind == KIND_INVALID)
			return -EINVAL;
		prefix = prefixes[kind];
	}
	char *target;
	if (asprintf(&target, "%s%s", prefix, address) < 0)
		return -ENOMEM;
	*out = target;
	return 0;
}

int rpc_address_targets(const char *address, char *targets[RPC_TARGETS], size_t *count)
{
	/* A path may hold a comma, so that only one with another socket behind it is a list. Each part is a target of its own. */
	bool is_unix = strncmp(address, "unix:", 5) == 0;
	bool is_list = strchr(address, ',') && !has_scheme(address) && (!is_unix || strstr(address, ",unix:"));
	int result = is_list ? -EINVAL : rpc_address_target(address, &targets[0]);
	size_t n = result ? 0 : 1;
	if (result != -EINVAL || !strchr(address, ',') || has_scheme(address))
		goto end;
	for (const char *at = address;; at++) {
		size_t length = strcspn(at, ",");
		char *part = n < RPC_TARGETS ? strndup(at, length) : NULL;
		result = part ? rpc_address_target(part, &targets[n]) : n < RPC_TARGETS ? -ENOMEM : -EINVAL;
		free(part);
		if (result)
			break;
		n++;
		at += length;
		if (*at == '\0')
			break;
	}
end:
	if (!result)
		*count = n;
	while (result && n > 0)
		free(targets[--n]);
	return result;
}

static int try_unix(const char *path)
{
	struct sockaddr_un name = {.sun_family = AF_UNIX};
	snprintf(name.sun_path, sizeof(name.sun_path), "%s", path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -EINVAL;
	int result = connect(fd, (struct sockaddr *)&name, sizeof(name)) == 0 ? -EADDRINUSE : -EADDRNOTAVAIL;
	close(fd);
	return result;
}

static int try_bind(const struct addrinfo *found, bool exclusive)
{
	int on = 1;
	int fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -EADDRNOTAVAIL;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (!exclusive)
		setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));
	int result = bind(fd, found->ai_addr, found->ai_addrlen) == 0 ? -EADDRINUSE : -errno;
	close(fd);
	return result == -EADDRINUSE ? result : -EADDRNOTAVAIL;
}

int rpc_address_bind_error(const char *address, bool exclusive)
{
	struct parts parts;
	char port[8];
	struct addrinfo *found = NULL, hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
	if (strncmp(address, "unix:", 5) == 0)
		return try_unix(address + 5);
	if (split(address, strlen(address), true, &parts) == KIND_INVALID)
		return -EINVAL;
	snprintf(port, sizeof(port), "%d", parts.port);
	if (getaddrinfo(parts.host, port, &hints, &found) != 0)
		return -EADDRNOTAVAIL;
	int result = try_bind(found, exclusive);
	freeaddrinfo(found);
	return result;
}
