/*
 * http: how libmicrohttpd is used here.
 *
 * The daemon has its own epoll descriptor and no thread (design: one thread,
 * no locks). libmicrohttpd calls on_request() once after the headers, for each
 * piece of the body, and once more when the request is complete; an answer
 * queued before that last call makes it close the connection, so answers wait
 * for it unless the rest of the request isn't wanted.
 *
 * While a connection is suspended libmicrohttpd watches neither its time nor
 * its socket; http_tick() does. A connection's struct lives from accept to
 * close, a request from its first line to the end of its answer.
 */
#include "http.h"

#include <errno.h>
#include <microhttpd.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "access.h"
#include "base/clock.h"
#include "response.h"
#include "routes.h"
#include "trace.h"
#include "worker.h"

enum {
	CONNECTION_MEMORY = 8 * 1024, /* request line, headers and the answer's headers together */
	REQUESTS_KEPT = 256,
	LINE_GRACE_US = 10 * 1000000, /* beyond the idle time, for a first line that trickles in */
	ANSWER_TIME_US = 60 * 1000000,
	GONE_AFTER_US = 100 * 1000, /* a request this old is worth a look at its socket */
	SWEEP_EVERY_US = 1000 * 1000,
	BACKLOG_ROUNDS = 1024,
};

struct connection {
	struct connection *next, *previous;
	struct MHD_Connection *mhd;
	struct http *http;
	int fd;
	int64_t deadline_us;
};

struct http {
	struct MHD_Daemon *daemon;
	struct worker *worker;
	struct http_options options;
	int epoll_fd;
	struct connection connections; /* head of a ring */
	size_t connection_count;
	struct request *suspended_first, *suspended_last; /* oldest first */
	size_t suspended_count;
	struct request *free; /* by next */
	size_t free_count;
	int64_t sweep_us;
	bool quiesced;
};

/* ---- requests ---- */

static struct request *request_take(struct http *http)
{
	struct request *request = http->free;
	if (request) {
		http->free = request->next;
		http->free_count--;
	} else {
		request = request_create(http->worker);
	}
	if (request)
		request_reset(request);
	return request;
}

static void request_give_back(struct http *http, struct request *request)
{
	if (http->free_count >= REQUESTS_KEPT) {
		request_destroy(request);
		return;
	}
	request->next = http->free;
	http->free = request;
	http->free_count++;
}

void http_suspend(struct request *request)
{
	struct http *http = request->connection->http;
	MHD_suspend_connection(request->connection->mhd);
	request->connection->deadline_us = CLOCK_NEVER;
	request->suspended = true;
	request->next = NULL;
	request->previous = http->suspended_last;
	*(http->suspended_last ? &http->suspended_last->next : &http->suspended_first) = request;
	http->suspended_last = request;
	http->suspended_count++;
}

static void resume(struct http *http, struct request *request)
{
	*(request->previous ? &request->previous->next : &http->suspended_first) = request->next;
	*(request->next ? &request->next->previous : &http->suspended_last) = request->previous;
	http->suspended_count--;
	request->suspended = false;
	MHD_resume_connection(request->connection->mhd);
}

void http_answer(struct request *request)
{
	struct connection *connection = request->connection;
	if (request->counted)
		worker_release(request->worker);
	request->counted = false;
	request->answered = true;
	request->broken = response_queue(request, connection->mhd, worker_is_draining(request->worker)) != 0;
	connection->deadline_us = clock_monotonic_us() + ANSWER_TIME_US;
	if (request->suspended)
		resume(connection->http, request);
}

/* ---- libmicrohttpd's callbacks ---- */

static enum MHD_Result on_header(void *data, enum MHD_ValueKind kind, const char *name, const char *value)
{
	(void)kind;
	request_header(data, name, value);
	return MHD_YES;
}

static void read_ids(struct request *request)
{
	struct trace_source *source = worker_trace(request->worker);
	const struct request_headers *headers = &request->headers;
	request->request_id = trace_request_id_is_sane(headers->request_id) ? headers->request_id
	                                                                    : trace_request_id_make(source, request->arena);
	request->traceparent_sent = trace_parent_is_valid(headers->traceparent);
	request->traceparent = request->traceparent_sent ? headers->traceparent : trace_parent_make(source, request->arena);
}

/* The headers are in. What can't be read on is answered now, which ends the connection. */
static void on_headers(struct request *request, const char *method, const char *version)
{
	uint64_t length;
	MHD_get_connection_values(request->connection->mhd, MHD_HEADER_KIND, on_header, request);
	request->headers_read = true;
	request->method = request_method_of(method);
	request->http_1_1 = version[0] && version[1] && version[7] == '1';
	read_ids(request);
	if (request->target)
		routes_find(request);
	switch (request_check_framing(request, &length)) {
	case REQUEST_MISFRAMED:
		answer_error(request, 400, "headers are malformed: see Content-Length, Transfer-Encoding and Host");
		http_answer(request);
		break;
	case REQUEST_TOO_LARGE:
		/* A client that has sent its body already is read to the end, so that it sees the answer and no reset. */
		request->body_too_large = true;
		if (request->headers.expects_continue || length > REQUEST_DISCARD_MAX)
			routes_dispatch(request);
		break;
	case REQUEST_FRAMED:
		break;
	}
}

static enum MHD_Result on_request(void *data, struct MHD_Connection *mhd, const char *url, const char *method,
                                  const char *version, const char *body, size_t *length, void **slot)
{
	struct request *request = *slot;
	(void)data;
	(void)mhd;
	(void)url;
	if (!request || request->magic != REQUEST_MAGIC || request->broken)
		return MHD_NO;
	if (!request->headers_read) {
		on_headers(request, method, version);
	} else if (*length) {
		request_body(request, body, *length);
		*length = 0;
		if (request->body_received > REQUEST_DISCARD_MAX)
			return MHD_NO;
	} else if (!request->answered && !request->suspended) {
		routes_dispatch(request);
	}
	return request->broken ? MHD_NO : MHD_YES;
}

/*
 * Takes the target over, and its query away from libmicrohttpd, which would make a record of each parameter that nobody reads;
 * with more of them than fit its memory, 0.9.75 loses the state of the connection. It hands out its own writable buffer here,
 * before it looks at the query.
 */
static const char *take_target(struct request *request, const char *target)
{
	const char *taken = arena_printf(request->arena, "%s", target);
	char *query = strchr(target, '?');
	if (query)
		query[1] = '\0';
	return taken;
}

/* The request line is in: the request begins. Its result is the slot of the later callbacks. */
static void *on_target(void *data, const char *target, struct MHD_Connection *mhd)
{
	struct http *http = data;
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
	struct connection *connection = info ? info->socket_context : NULL;
	struct request *request = connection ? request_take(http) : NULL;
	if (!request)
		return NULL;
	request->connection = connection;
	request->received_us = clock_monotonic_us();
	connection->deadline_us = request->received_us + http->options.request_timeout_us;
	request->target = take_target(request, target ? target : "");
	return request;
}

static int64_t idle_deadline(const struct http *http)
{
	return clock_monotonic_us() + (int64_t)http->options.idle_timeout_s * 1000000 + LINE_GRACE_US;
}

static void on_completed(void *data, struct MHD_Connection *mhd, void **slot, enum MHD_RequestTerminationCode end)
{
	struct http *http = data;
	struct request *request = *slot;
	(void)mhd;
	if (!request)
		return;
	*slot = NULL;
	request->connection->deadline_us = idle_deadline(http);
	access_finish(request, end == MHD_REQUEST_TERMINATED_COMPLETED_OK);
	request->magic = 0;
	request_give_back(http, request);
}

static void on_connection(void *data, struct MHD_Connection *mhd, void **slot, enum MHD_ConnectionNotificationCode what)
{
	struct http *http = data;
	struct connection *connection = *slot;
	if (what == MHD_CONNECTION_NOTIFY_STARTED) {
		const union MHD_ConnectionInfo *info = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD);
		connection = malloc(sizeof(*connection));
		if (connection) {
			*connection = (struct connection){http->connections.next,       &http->connections, mhd, http,
			                                  info ? info->connect_fd : -1, idle_deadline(http)};
			connection->next->previous = connection;
			connection->previous->next = connection;
			http->connection_count++;
		}
		*slot = connection;
	} else if (connection) {
		connection->next->previous = connection->previous;
		connection->previous->next = connection->next;
		http->connection_count--;
		free(connection);
		*slot = NULL;
	}
	metrics_connections(worker_metrics(http->worker), (int64_t)http->connection_count);
}

static void on_log(void *data, const char *format, va_list arguments)
{
	struct http *http = data;
	char line[512];
	if (!log_enabled(worker_log(http->worker), LOG_DEBUG))
		return;
	vsnprintf(line, sizeof(line), format, arguments);
	log_write(worker_log(http->worker), LOG_DEBUG, "libmicrohttpd", "detail", line, NULL);
}

/* Paths are decoded by routes, the query by contract; libmicrohttpd leaves both as they are. */
static size_t keep_encoded(void *data, struct MHD_Connection *mhd, char *text)
{
	size_t length = 0;
	(void)data;
	(void)mhd;
	while (text[length])
		length++;
	return length;
}

/* ---- life ---- */

static const char tls_versions[] = "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2";

static struct MHD_Daemon *start(struct http *http)
{
	const struct http_options *options = &http->options;
	struct MHD_OptionItem tls[] = {
	    {MHD_OPTION_HTTPS_MEM_CERT, 0, (void *)(uintptr_t)options->tls_cert},
	    {MHD_OPTION_HTTPS_MEM_KEY, 0, (void *)(uintptr_t)options->tls_key},
	    {MHD_OPTION_HTTPS_PRIORITIES, 0, (void *)(uintptr_t)tls_versions},
	    {MHD_OPTION_END, 0, NULL},
	};
	unsigned flags = MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG;
	if (options->tls_cert)
		flags |= MHD_USE_TLS;
	return MHD_start_daemon(
	    flags, 0, NULL, NULL, on_request, http, MHD_OPTION_EXTERNAL_LOGGER, on_log, http, MHD_OPTION_LISTEN_SOCKET,
	    options->listen_fd, MHD_OPTION_CONNECTION_LIMIT, options->max_connections, MHD_OPTION_CONNECTION_TIMEOUT,
	    options->idle_timeout_s, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_MEMORY,
	    MHD_OPTION_URI_LOG_CALLBACK, on_target, http, MHD_OPTION_UNESCAPE_CALLBACK, keep_encoded, http,
	    MHD_OPTION_NOTIFY_COMPLETED, on_completed, http, MHD_OPTION_NOTIFY_CONNECTION, on_connection, http,
	    MHD_OPTION_SIGPIPE_HANDLED_BY_APP, 1, MHD_OPTION_ARRAY, options->tls_cert ? tls : tls + 3, MHD_OPTION_END);
}

int http_create(struct http **out, struct worker *worker, const struct http_options *options)
{
	const union MHD_DaemonInfo *info;
	struct http *http = calloc(1, sizeof(*http));
	if (!http) {
		close(options->listen_fd);
		return -ENOMEM;
	}
	http->worker = worker;
	http->options = *options;
	http->connections.next = http->connections.previous = &http->connections;
	http->daemon = start(http);
	info = http->daemon ? MHD_get_daemon_info(http->daemon, MHD_DAEMON_INFO_EPOLL_FD) : NULL;
	if (!info) {
		/* libmicrohttpd closes the listening socket of a daemon that it stops, and leaves it open where it made none. */
		if (http->daemon)
			MHD_stop_daemon(http->daemon);
		else
			close(options->listen_fd);
		free(http);
		return -EINVAL;
	}
	http->epoll_fd = info->epoll_fd;
	*out = http;
	return 0;
}

void http_run(struct http *http)
{
	MHD_run(http->daemon);
}

int http_poll_fd(const struct http *http)
{
	return http->epoll_fd;
}

int http_poll_timeout_ms(const struct http *http, int most_ms)
{
	unsigned long long timeout;
	if (MHD_get_timeout(http->daemon, &timeout) == MHD_YES && timeout < (unsigned long long)most_ms)
		return (int)timeout;
	return most_ms;
}

static bool has_gone(const struct connection *connection)
{
	struct pollfd socket = {.fd = connection->fd, .events = POLLRDHUP};
	return poll(&socket, 1, 0) > 0 && socket.revents & (POLLRDHUP | POLLHUP | POLLERR);
}

static void cancel_abandoned(struct http *http, int64_t now_us)
{
	for (struct request *request = http->suspended_first, *next; request; request = next) {
		next = request->next;
		if (now_us - request->start_us < GONE_AFTER_US)
			return;
		if (request->abandoned || !has_gone(request->connection))
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
	/* libmicrohttpd then finds the socket at its end and closes the connection itself. */
	for (struct connection *c = http->connections.next; c != &http->connections; c = c->next)
		if (now_us >= c->deadline_us) {
			shutdown(c->fd, SHUT_RDWR);
			c->deadline_us = CLOCK_NEVER;
		}
}

void http_quiesce(struct http *http)
{
	struct pollfd waiting = {.fd = http->options.listen_fd, .events = POLLIN};
	if (http->quiesced)
		return;
	http->quiesced = true;
	for (int round = 0; round < BACKLOG_ROUNDS && poll(&waiting, 1, 0) > 0; round++)
		MHD_run(http->daemon);
	if (MHD_quiesce_daemon(http->daemon) != MHD_INVALID_SOCKET)
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

void http_destroy(struct http *http)
{
	if (!http)
		return;
	MHD_stop_daemon(http->daemon);
	while (http->free) {
		struct request *next = http->free->next;
		request_destroy(http->free);
		http->free = next;
	}
	free(http);
}
