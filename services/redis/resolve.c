/* redis/resolve: a c-ares channel for each resolution, so that a changed resolv.conf is read. */
#include "redis/resolve.h"

#include <ares.h>
#include <errno.h>
#include <netdb.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/*
 * A late answer to an earlier question counts for nothing, so the first one is waited for as long as a slow server may
 * take.
 */
enum { SOCKETS_MAX = 16, TRY_MS = 6000, TRIES = 2 };

struct resolver {
	ares_channel channel;
	bool done;
	struct ares_addrinfo *found;        /* NULL: nothing */
	ares_socket_t sockets[SOCKETS_MAX]; /* those that c-ares reads */
	size_t socket_count;
};

static void socket_changed(void *data, ares_socket_t fd, int readable, int writable)
{
	struct resolver *resolver = data;
	size_t i = 0;
	while (i < resolver->socket_count && resolver->sockets[i] != fd)
		++i;
	if (i == resolver->socket_count && (readable || writable) && i < SOCKETS_MAX)
		resolver->sockets[resolver->socket_count++] = fd;
	else if (i < resolver->socket_count && !readable && !writable)
		resolver->sockets[i] = resolver->sockets[--resolver->socket_count];
}

static void resolved(void *data, int status, int timeouts, struct ares_addrinfo *result)
{
	struct resolver *resolver = data;
	(void)timeouts;
	(void)status;
	resolver->done = true;
	resolver->found = result;
}

int redis_resolver_create(struct resolver **out, const char *host, const char *port)
{
	struct resolver *resolver = calloc(1, sizeof(*resolver));
	struct ares_options options = {
	    .timeout = TRY_MS, .tries = TRIES, .sock_state_cb = socket_changed, .sock_state_cb_data = resolver};
	const struct ares_addrinfo_hints hints = {
	    .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = ARES_AI_NUMERICSERV};
	if (!resolver ||
	    ares_init_options(&resolver->channel, &options, ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB)) {
		free(resolver);
		return -ENOMEM;
	}
	ares_getaddrinfo(resolver->channel, host, port, &hints, resolved, resolver);
	*out = resolver;
	return 0;
}

/* The address for an attempt; NULL: there are none. */
static const struct ares_addrinfo_node *choose(const struct ares_addrinfo *found, unsigned attempt)
{
	const struct ares_addrinfo_node *node = found ? found->nodes : NULL;
	for (unsigned i = 0; node && i < attempt; ++i)
		node = node->ai_next ? node->ai_next : found->nodes;
	return node;
}

int redis_resolver_step(struct resolver *resolver, unsigned attempt, struct sockaddr_storage *address,
                        socklen_t *length)
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
	const struct ares_addrinfo_node *node = choose(resolver->found, attempt);
	if (!node || node->ai_addrlen > sizeof(*address))
		return -EHOSTUNREACH;
	memcpy(address, node->ai_addr, node->ai_addrlen);
	*length = node->ai_addrlen;
	return 1;
}

void redis_resolver_destroy(struct resolver *resolver)
{
	if (!resolver)
		return;
	ares_destroy(resolver->channel);
	ares_freeaddrinfo(resolver->found);
	free(resolver);
}
