/*
 * http_events: the life of connections and requests, as libmicrohttpd tells
 * it: on_request() is called once after the headers, for each piece of the
 * body, and once more when the request is complete. An answer queued before
 * that last call makes it close the connection, so answers wait for it unless
 * the rest of the request isn't wanted.
 */
#include <stdlib.h>
#include <string.h>

#include "access.h"
#include "base/clock.h"
#include "base/trace_parent.h"
#include "http_internal.h"
#include "response.h"
#include "routes.h"
#include "trace.h"
#include "worker.h"

enum {
	REQUESTS_KEPT = 256,
	LINE_GRACE_US = 10 * 1000000, /* beyond the idle time, for a first line that trickles in */
	ANSWER_TIME_US = 60 * 1000000,
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
	request_rest(request);
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
	bool last = worker_is_draining(request->worker) || connection->generation != connection->http->generation;
	request->broken = response_queue(request, connection->mhd, last) != 0;
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
	request->http_1_1 = !strcmp(version, "HTTP/1.1");
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

enum MHD_Result http_on_request(void *data, struct MHD_Connection *mhd, const char *url, const char *method,
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
	const char *taken = arena_copy(request->arena, target, strlen(target));
	char *query = strchr(target, '?');
	if (query)
		query[1] = '\0';
	return taken;
}

/* The request line is in: the request begins. Its result is the slot of the later callbacks. */
void *http_on_target(void *data, const char *target, struct MHD_Connection *mhd)
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

void http_on_completed(void *data, struct MHD_Connection *mhd, void **slot, enum MHD_RequestTerminationCode end)
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

void http_on_connection(void *data, struct MHD_Connection *mhd, void **slot, enum MHD_ConnectionNotificationCode what)
{
	struct http *http = data;
	struct connection *connection = *slot;
	if (what == MHD_CONNECTION_NOTIFY_STARTED) {
		const union MHD_ConnectionInfo *info = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD);
		connection = malloc(sizeof(*connection));
		if (connection) {
			*connection = (struct connection){
			    .next = http->connections.next,
			    .previous = &http->connections,
			    .mhd = mhd,
			    .http = http,
			    .fd = info ? info->connect_fd : -1,
			    .generation = http->generation,
			    .deadline_us = idle_deadline(http),
			};
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
