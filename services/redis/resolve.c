/* redis/resolve: a c-ares channel for each resolution, so that a changed resolv.conf is read. */
#include "redis/resolve.h"

#include <ares.h>
#include <errno.h>
#include <netdb.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { SOCKETS_MAX = 16, ADDRESSES_MAX = 32, TRY_MS = 2000, TRIES = 3 };

struct resolver {
	ares_channel channel;
	bool has_channel, done;
	ares_socket_t sockets[SOCKETS_MAX]; /* those that c-ares reads */
	size_t socket_count;
	struct sockaddr_storage addresses[ADDRESSES_MAX];
	socklen_t lengths[ADDRESSES_MAX];
	size_t count;
};

static void socket_changed(void *data, ares_socket_t fd, int readable, int writable)
{
	struct resolver *resolver = data;
	size_t i = 0;
	while (i < resolver->socket_count && resolver->sockets[i] != fd)
		++i;
	bool known = i < resolver->socket_count;
	if (readable || writable) {
		if (!known && resolver->socket_count < SOCKETS_MAX)
			resolver->sockets[resolver->socket_count++] = fd;
	} else if (known) {
		resolver->sockets[i] = resolver->sockets[--resolver->socket_count];
	}
}

static void add_address(struct resolver *resolver, const struct sockaddr *address, socklen_t length)
{
	if (resolver->count == ADDRESSES_MAX || length > sizeof(resolver->addresses[0]))
		return;
	memcpy(&resolver->addresses[resolver->count], address, length);
	resolver->lengths[resolver->count++] = length;
}

static void resolved(void *data, int status, int timeouts, struct ares_addrinfo *result)
{
	struct resolver *resolver = data;
	(void)timeouts;
	resolver->done = true;
	if (status != ARES_SUCCESS || !result)
		return;
	for (const struct ares_addrinfo_node *node = result->nodes; node; node = node->ai_next)
		add_address(resolver, node->ai_addr, node->ai_addrlen);
	ares_freeaddrinfo(result);
}

/* Takes an address in numbers; false when it is a name. */
static bool take_number(struct resolver *resolver, const char *host, const char *port)
{
	const struct addrinfo hints = {
	    .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV};
	struct addrinfo *address = NULL;
	if (getaddrinfo(host, port, &hints, &address))
		return false;
	add_address(resolver, address->ai_addr, address->ai_addrlen);
	freeaddrinfo(address);
	return resolver->done = true;
}

static int ask(struct resolver *resolver, const char *host, const char *port)
{
	struct ares_options options = {
	    .timeout = TRY_MS, .tries = TRIES, .sock_state_cb = socket_changed, .sock_state_cb_data = resolver};
	const struct ares_addrinfo_hints hints = {
	    .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = ARES_AI_NUMERICSERV};
	if (ares_init_options(&resolver->channel, &options, ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB))
		return -ENOMEM;
	resolver->has_channel = true;
	ares_getaddrinfo(resolver->channel, host, port, &hints, resolved, resolver);
	return 0;
}

int resolver_create(struct resolver **out, const char *host, const char *port)
{
	struct resolver *resolver = calloc(1, sizeof(*resolver));
	if (!resolver)
		return -ENOMEM;
	int result = take_number(resolver, host, port) ? 0 : ask(resolver, host, port);
	if (result) {
		resolver_destroy(resolver);
		return result;
	}
	*out = resolver;
	return 0;
}

int resolver_step(struct resolver *resolver, unsigned attempt, struct sockaddr_storage *address, socklen_t *length)
{
	/* Replies change the list of sockets, so a copy is walked; the last call is for c-ares' own timeouts. */
	ares_socket_t sockets[SOCKETS_MAX];
	size_t count = resolver->socket_count;
	memcpy(sockets, resolver->sockets, sizeof(sockets));
	for (size_t i = 0; i < count && !resolver->done; ++i)
		ares_process_fd(resolver->channel, sockets[i], sockets[i]);
	if (!resolver->done)
		ares_process_fd(resolver->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
	if (!resolver->done)
		return 0;
	if (!resolver->count)
		return -EHOSTUNREACH;
	size_t chosen = attempt % resolver->count;
	*address = resolver->addresses[chosen];
	*length = resolver->lengths[chosen];
	return 1;
}

void resolver_destroy(struct resolver *resolver)
{
	if (!resolver)
		return;
	if (resolver->has_channel)
		ares_destroy(resolver->channel);
	free(resolver);
}
