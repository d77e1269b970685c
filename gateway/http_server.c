/*
 * http_server: accepts connections, finds those that have something to do, and
 * watches their time.
 *
 * Sockets are watched edge-triggered for both directions from accept to close,
 * so a request costs no epoll_ctl(). A connection remembers what an event said
 * until a call returns EAGAIN.
 */
#include "http.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "admission.h"
#include "base/clock.h"
#include "http_internal.h"
#include "tls.h"
#include "worker_resources.h"

enum {
	EVENTS = 128,
	ACCEPTS = 64, /* in one round */
	TURNED_AWAY_MAX = 64,
	DISCONNECTED_AFTER_US = 100 * 1000, /* an older request of a client that disconnected is cancelled */
	SWEEP_EVERY_US = 1000 * 1000,
	IDLE_US = 1000 * 1000, /* without a request for so long, pooled memory is freed */
	KEPT_WHEN_IDLE = 16,
	QUIESCE_ROUNDS = 1024,
};

static const char too_many[] =
    "HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nRetry-After: 1\r\nCache-Control: no-store\r\n"
    "Content-Type: application/json; charset=utf-8\r\nContent-Length: 68\r\n\r\n"
    "{\"status\":0,\"error\":503,\"message\":\"too many connections are in use\"}";

int http_create(struct http **out, struct worker *worker, const struct http_options *options)
{
	struct epoll_event event = {.events = EPOLLIN};
	int result = -ENOMEM;
	struct http *http = calloc(1, sizeof(*http));
	if (!http) {
		close(options->listen_fd);
		return result;
	}
	http->worker = worker;
	http->options = *options;
	http->options.tls_cert = http->options.tls_key = NULL; /* the texts are the caller's */
	http->connections.next = http->connections.previous = &http->connections;
	http->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	http->poll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (http->poll_fd < 0 || epoll_ctl(http->poll_fd, EPOLL_CTL_ADD, options->listen_fd, &event))
		result = -errno;
	else
		result = options->tls_cert ? tls_context_create(&http->tls, options->tls_cert, options->tls_key) : 0;
	if (result)
		http_destroy(http);
	else
		*out = http;
	return result;
}

int http_reload(struct http *http, const char *tls_cert, const char *tls_key)
{
	struct ssl_ctx_st *tls;
	int result = tls_context_create(&tls, tls_cert, tls_key);
	if (result)
		return result;
	tls_context_destroy(http->tls);
	http->tls = tls;
	return 0;
}

/* ---- New connections ---- */

static void add(struct http *http, int fd, const struct sockaddr_storage *address)
{
	const int on = 1;
	struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET};
	struct connection *connection = calloc(1, sizeof(*connection));
	if (!connection) {
		close(fd);
		return;
	}
	connection->http = http;
	connection->fd = fd;
	connection->deadline_us = http->now_us + http->options.idle_timeout_us;
	connection->next = http->connections.next;
	connection->previous = &http->connections;
	connection->next->previous = connection->previous->next = connection;
	connection->admitted = admission_enter(http->options.admission, address, &connection->admission_slot);
	http->turned_away += !connection->admitted;
	metrics_connections(worker_metrics(http->worker), (int64_t)++http->connection_count);
	if (address->ss_family != AF_UNIX)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	event.data.ptr = connection;
	if (epoll_ctl(http->poll_fd, EPOLL_CTL_ADD, fd, &event) ||
	    (http->tls && !(connection->tls = tls_session_create(http->tls, fd))) ||
	    (!connection->admitted && http->turned_away > TURNED_AWAY_MAX)) {
		connection_close(connection);
	} else if (!connection->admitted) {
		metrics_refused_connection(worker_metrics(http->worker));
		connection_turn_away(connection, too_many, sizeof(too_many) - 1);
	}
}

/* Descriptors have run out: closes the oldest connection that waits, which would else wait for ever. */
static void refuse_one(struct http *http)
{
	close(http->spare_fd);
	int fd = accept4(http->options.listen_fd, NULL, NULL, SOCK_CLOEXEC);
	if (fd >= 0)
		close(fd);
	http->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	metrics_refused_connection(worker_metrics(http->worker));
}

/* Returns how many connections were accepted, at most ACCEPTS. */
static int accept_some(struct http *http)
{
	int count = 0;
	while (!http->quiesced && count < ACCEPTS) {
		struct sockaddr_storage address = {0};
		socklen_t length = sizeof(address);
		int fd = accept4(http->options.listen_fd, (struct sockaddr *)&address, &length, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd >= 0) {
			/* A client of a UNIX socket has no name, whose family may then be missing too. */
			add(http, fd, &address);
			count++;
		} else if (errno == EMFILE || errno == ENFILE) {
			refuse_one(http);
			break;
		} else if (errno != ECONNABORTED && errno != EINTR) {
			break;
		}
	}
	return count;
}

/* ---- The loop ---- */

static void take_events(struct http *http)
{
	struct epoll_event events[EVENTS];
	int count = epoll_wait(http->poll_fd, events, EVENTS, 0);
	for (int i = 0; i < count; i++) {
		struct connection *connection = events[i].data.ptr;
		if (!connection) {
			accept_some(http);
			continue;
		}
		if (events[i].events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))
			connection->peer_closed = true;
		if (events[i].events & ~(uint32_t)EPOLLOUT)
			connection->readable = true;
		connection_make_ready(connection);
	}
}

void http_run(struct http *http)
{
	http->now_us = clock_monotonic_us();
	take_events(http);
	struct connection *connection = http->ready_first, *next;
	http->ready_first = http->ready_last = NULL;
	for (; connection; connection = next) {
		next = connection->ready_next;
		bool more = connection_run(connection);
		connection->ready = false;
		if (connection->state == CONNECTION_CLOSED)
			free(connection);
		else if (more)
			connection_make_ready(connection);
	}
}

int http_poll_fd(const struct http *http)
{
	return http->poll_fd;
}

bool http_is_ready(const struct http *http)
{
	return http->ready_first != NULL;
}

static void cancel_abandoned(struct http *http, int64_t now_us)
{
	for (struct request *request = http->suspended_first, *next; request; request = next) {
		next = request->next;
		if (now_us - request->start_us < DISCONNECTED_AFTER_US)
			return;
		if (request->abandoned || !request->connection->peer_closed)
			continue;
		request->abandoned = true;
		/* Its closure may run inside, and answer. */
		if (request->context.cancel)
			request->context.cancel(&request->context);
	}
}

void http_tick(struct http *http, int64_t now_us)
{
	cancel_abandoned(http, now_us);
	if (now_us < http->sweep_us)
		return;
	http->sweep_us = now_us + SWEEP_EVERY_US;
	for (struct connection *c = http->connections.next; c != &http->connections; c = c->next)
		if (now_us >= c->deadline_us) {
			c->expired = true;
			c->deadline_us = CLOCK_NEVER;
			connection_make_ready(c);
		}
	if (now_us - http->busy_us > IDLE_US)
		http_release(http, KEPT_WHEN_IDLE);
}

/* ---- The end ---- */

void http_quiesce(struct http *http)
{
	if (http->quiesced)
		return;
	http->now_us = clock_monotonic_us();
	for (int round = 0; round < QUIESCE_ROUNDS && accept_some(http) > 0; round++)
		;
	http->quiesced = true;
	close(http->options.listen_fd);
}

size_t http_connections(const struct http *http)
{
	return http->connection_count;
}

size_t http_suspended(const struct http *http)
{
	return http->suspended_count;
}

int64_t http_busy_us(const struct http *http)
{
	return http->busy_us;
}

void http_destroy(struct http *http)
{
	if (!http)
		return;
	while (http->connections.next != &http->connections) {
		struct connection *connection = http->connections.next;
		connection_close(connection);
	}
	/* Those in the list were closed, but left for it to free. */
	for (struct connection *connection = http->ready_first, *next; connection; connection = next) {
		next = connection->ready_next;
		free(connection);
	}
	if (!http->quiesced)
		close(http->options.listen_fd);
	http_release(http, 0);
	tls_context_destroy(http->tls);
	if (http->poll_fd >= 0)
		close(http->poll_fd);
	if (http->spare_fd >= 0)
		close(http->spare_fd);
	free(http);
}
