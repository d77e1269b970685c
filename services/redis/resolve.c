/*
 * redis/resolve: a c-ares channel for each question, so that a changed resolv.conf is read, and a late answer to an
 * earlier question is one too.
 */
#include "redis/resolve.h"

#include <ares.h>
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

/*
 * A name server may be slow, so a question waits for long; and questions and answers get lost, so it is asked again
 * meanwhile: after a second, and two seconds later.
 */
enum { SOCKETS_MAX = 16, TRY_MS = 6000, TRIES = 2, QUESTIONS = 3, AGAIN_US = 1000000 };

struct question {
	ares_channel channel;
	bool done;
	struct ares_addrinfo *found;        /* NULL: nothing */
	ares_socket_t sockets[SOCKETS_MAX]; /* those that c-ares reads */
	size_t socket_count;
};

struct resolver {
	const char *host, *port;
	struct question questions[QUESTIONS];
	size_t asked; /* how many of them */
	int64_t again_us;
};

static void socket_changed(void *data, ares_socket_t fd, int readable, int writable)
{
	struct question *question = data;
	size_t i = 0;
	while (i < question->socket_count && question->sockets[i] != fd)
		++i;
	if (i == question->socket_count && (readable || writable) && i < SOCKETS_MAX)
		question->sockets[question->socket_count++] = fd;
	else if (i < question->socket_count && !readable && !writable)
		question->sockets[i] = question->sockets[--question->socket_count];
}

static void resolved(void *data, int status, int timeouts, struct ares_addrinfo *result)
{
	struct question *question = data;
	(void)timeouts;
	(void)status;
	question->done = true;
	question->found = result;
}

static int ask(struct resolver *resolver)
{
	struct question *question = &resolver->questions[resolver->asked];
	struct ares_options options = {
	    .timeout = TRY_MS, .tries = TRIES, .sock_state_cb = socket_changed, .sock_state_cb_data = question};
	/* c-ares 1.18 asks name servers for 127.0.0.1, too, if any family will do. */
	int family = inet_pton(AF_INET, resolver->host, &(struct in_addr){0}) ? AF_INET : AF_UNSPEC;
	const struct ares_addrinfo_hints hints = {
	    .ai_family = family, .ai_socktype = SOCK_STREAM, .ai_flags = ARES_AI_NUMERICSERV};
	if (ares_init_options(&question->channel, &options, ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB))
		return -ENOMEM;
	resolver->again_us = clock_monotonic_us() + ((int64_t)AGAIN_US << resolver->asked);
	++resolver->asked;
	ares_getaddrinfo(question->channel, resolver->host, resolver->port, &hints, resolved, question);
	return 0;
}

int redis_resolver_create(struct resolver **out, const char *host, const char *port)
{
	struct resolver *resolver = calloc(1, sizeof(*resolver));
	if (!resolver)
		return -ENOMEM;
	resolver->host = host;
	resolver->port = port;
	int result = ask(resolver);
	if (result)
		free(resolver);
	else
		*out = resolver;
	return result;
}

/* Whether a question has its answer. */
static bool step_question(struct question *question)
{
	/* Replies change the list of sockets, so a copy is walked; the last call is for c-ares' own timeouts. */
	ares_socket_t sockets[SOCKETS_MAX];
	size_t count = question->socket_count;
	memcpy(sockets, question->sockets, sizeof(sockets));
	for (size_t i = 0; i < count && !question->done; ++i)
		ares_process_fd(question->channel, sockets[i], sockets[i]);
	ares_process_fd(question->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
	return question->done;
}

int redis_resolver_step(struct resolver *resolver, unsigned attempt, struct sockaddr_storage *address,
                        socklen_t *length)
{
	size_t answered = 0;
	while (answered < resolver->asked && !step_question(&resolver->questions[answered]))
		++answered;
	if (answered == resolver->asked) {
		if (resolver->asked < QUESTIONS && clock_monotonic_us() >= resolver->again_us)
			ask(resolver);
		return 0;
	}
	const struct ares_addrinfo *found = resolver->questions[answered].found;
	const struct ares_addrinfo_node *node = found ? found->nodes : NULL;
	while (node && attempt--)
		node = node->ai_next ? node->ai_next : found->nodes;
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
	for (size_t i = 0; i < resolver->asked; ++i) {
		ares_destroy(resolver->questions[i].channel);
		ares_freeaddrinfo(resolver->questions[i].found);
	}
	free(resolver);
}
