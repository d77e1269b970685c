/*
 * http_events: the life of connections and requests. http_guard.c begins a request; libmicrohttpd calls
 * http_on_request() once after the constant head (see http_guard.c), and once more when it may be answered.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mix.h"
#include "base/trace.h"
#include "http_internal.h"
#include "route.h"
#include "tls.h"
#include "worker.h"

enum {
	REQUESTS_KEPT = 256,
	ANSWER_TIME_US = 60 * 1000000, /* time that a client has to read its answer */
};

/* ---- Requests ---- */

struct request *http_begin(struct connection *connection)
{
	struct http *http = connection->http;
	struct request *request = TAILQ_FIRST(&http->free);
	if (request) {
		TAILQ_REMOVE(&http->free, request, entry);
		http->free_count--;
	} else {
		request = request_create(http->worker);
	}
	http->worker->busy_us = connection->received_us = http->now_us;
	connection->request = request;
	if (!request)
		return NULL;
	request->connection = connection;
	request->method = REQUEST_OTHER; /* until its line has been read */
	return request;
}

static void give_back_request(struct http *http, struct request *request)
{
	if (http->free_count >= REQUESTS_KEPT) {
		request_destroy(request);
		return;
	}
	request_reset(request);
	TAILQ_INSERT_HEAD(&http->free, request, entry);
	http->free_count++;
}

void http_events_release(struct http *http, size_t keep)
{
	while (http->free_count > keep) {
		struct request *request = TAILQ_FIRST(&http->free);
		TAILQ_REMOVE(&http->free, request, entry);
		http->free_count--;
		request_destroy(request);
	}
}

/* Whether this one is in the sample. */
static bool is_sampled(struct request *request)
{
	double share = request->worker->gateway->settings->access_log;
	if (share <= 0 || !log_enabled(request->worker->gateway->log, LOG_INFO))
		return false;
	return (double)(mix_next(&request->worker->random) >> 11) * 0x1p-53 < share;
}

/*
 * Numbers are masked, tokens never written. The route comes first: of the errors of one route, one line is written in
 * each interval (see log_start()).
 */
static void write_access_line(struct request *request, int status, int64_t duration_us)
{
	const enum log_level level = status == 500 ? LOG_ERROR : LOG_INFO;
	char number[64], code[16], duration[32], bytes[32], trace[TRACE_ID_SIZE];
	const char *phone = request->contract.phone;
	snprintf(code, sizeof(code), "%d", status);
	snprintf(duration, sizeof(duration), "%lld", (long long)duration_us);
	snprintf(bytes, sizeof(bytes), "%zu", request->answer.body.length);
	log_write(request->worker->gateway->log, level, "request", "route", routes_label(routes_index(request->route)),
	          "method", request_method_names[request->method], "status", code, "duration_us", duration, "bytes", bytes,
	          "phone", phone ? log_mask_number(number, sizeof(number), phone) : NULL, "request_id", request->request_id,
	          "traceparent", request->traceparent, "trace_id", trace_parent_id(trace, request->traceparent),
	          "grpc_status", request->context.status ? status_name((int)request->context.status) : NULL, NULL);
}

/* Counts a finished request, and logs it if it is in the sample; `sent`: its answer was sent completely. */
static void report(struct request *request, bool sent)
{
	int64_t duration_us = clock_monotonic_us() - request->connection->received_us;
	/* A request without an answer, or whose answer was not taken, counts as ended by the client (499). */
	int status = request->answered && sent ? request->answer.status : 499;
	metrics_request(request->worker->metrics, routes_index(request->route), request->method, status, duration_us);
	if (status == 500 || is_sampled(request))
		write_access_line(request, status, duration_us);
}

void http_free_body(struct request *request)
{
	memory_give(&request->worker->gateway->memory, request->large.length);
	buffer_free(&request->large);
	request->body_length = 0;
}

/* The answer was sent or never will be: the request has ended. */
static void end_request(struct connection *connection, bool sent)
{
	struct request *request = connection->request;
	if (!request)
		return;
	connection->request = NULL;
	http_free_body(request);
	memory_give(&request->worker->gateway->memory, request->charged);
	/* One that has not arrived completely is not counted. */
	if (connection->state >= CONNECTION_CONSTANT_HEAD)
		report(request, sent);
	give_back_request(connection->http, request);
}

void http_suspend(struct request *request)
{
	struct http *http = request->connection->http;
	MHD_suspend_connection(request->connection->mhd);
	request->suspended = true;
	TAILQ_INSERT_TAIL(&http->suspended, request, entry);
}

static void resume(struct http *http, struct request *request)
{
	TAILQ_REMOVE(&http->suspended, request, entry);
	request->suspended = false;
	MHD_resume_connection(request->connection->mhd);
	http->resumed = true;
}

/* Compresses the body if the client accepts it. */
static void compress(struct request *request)
{
	struct answer *answer = &request->answer;
	if (answer->body.length <= COMPRESS_MINIMUM)
		return;
	request_answer_header(request, "Vary", "Accept-Encoding");
	if (compress_accepted(request->headers.accept_encoding) &&
	    !compress_gzip(request->worker->compressor, &answer->body))
		request_answer_header(request, "Content-Encoding", "gzip");
}

static bool add_headers(const struct request *request, struct MHD_Response *response)
{
	const struct answer *answer = &request->answer;
	bool added = !answer->content_type || MHD_add_response_header(response, "Content-Type", answer->content_type);
	for (size_t i = 0; added && i < answer->header_count; i++)
		added = MHD_add_response_header(response, answer->headers[i].name, answer->headers[i].value);
	return added && (!request->close || MHD_add_response_header(response, "Connection", "close"));
}

/* Gives the answer to libmicrohttpd. Its body stays in the request's buffer until it is sent, and is never copied. */
static bool queue_answer(struct request *request)
{
	static const char out_of_memory[] = "{\"status\":0,\"error\":503,\"message\":\"the gateway is out of memory\"}";
	struct answer *answer = &request->answer;
	const void *body = answer->body.data;
	request_answer_header(request, "Cache-Control", "no-store");
	request_answer_header(request, "X-Request-Id", request->request_id);
	if (request->traceparent_sent)
		request_answer_header(request, "traceparent", request->traceparent);
	if (!answer->body.failed)
		compress(request);
	size_t length = answer->content_type ? answer->body.length : 0;
	if (answer->body.failed || (answer->content_type && !length)) {
		answer->status = 503;
		body = out_of_memory;
		length = sizeof(out_of_memory) - 1;
	}
	struct MHD_Response *response =
	    MHD_create_response_from_buffer(length, (void *)(uintptr_t)body, MHD_RESPMEM_PERSISTENT);
	bool queued = response && add_headers(request, response) &&
	              MHD_queue_response(request->connection->mhd, (unsigned)answer->status, response) == MHD_YES;
	if (response)
		MHD_destroy_response(response);
	return queued;
}

/*
 * Corrects the charge that was made when the request began to the size of its answer. One that exceeds the budget only
 * here is sent: upstream_written() has refused what can be large.
 */
static void charge_answer(struct request *request)
{
	struct memory_budget *memory = &request->worker->gateway->memory;
	const size_t taken = request->answer.body.capacity;
	if (taken < request->charged)
		memory_give(memory, request->charged - taken);
	else if (!memory_take(memory, taken - request->charged))
		return;
	request->charged = taken;
}

void http_answer(struct request *request)
{
	struct connection *connection = request->connection;
	if (request->counted)
		worker_release(request->worker);
	request->counted = false;
	request->answered = true;
	if (worker_is_draining(request->worker) || http_guard_has_garbage(connection))
		request->close = true;
	connection->deadline_us = clock_monotonic_us() + ANSWER_TIME_US;
	/* libmicrohttpd must read a resumed connection again even without an event. */
	if (!request->suspended && !request->close && http_guard_has_more(connection))
		http_suspend(request);
	request->broken = !queue_answer(request);
	charge_answer(request);
	if (request->suspended)
		resume(connection->http, request);
}

/* ---- libmicrohttpd's callbacks ---- */

static void read_ids(struct request *request)
{
	uint64_t *random = &request->worker->random;
	const struct request_headers *headers = &request->headers;
	request->request_id = trace_request_id_is_sane(headers->request_id) ? headers->request_id
	                                                                    : trace_request_id_make(random, request->arena);
	request->traceparent_sent = trace_parent_is_valid(headers->traceparent);
	request->traceparent = request->traceparent_sent ? headers->traceparent : trace_parent_make(random, request->arena);
}

static struct connection *connection_of(struct MHD_Connection *mhd)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
	return info ? info->socket_context : NULL;
}

enum MHD_Result http_on_request(void *data, struct MHD_Connection *mhd, const char *url, const char *method,
                                const char *version, const char *body, size_t *length, void **slot)
{
	const struct connection *connection = connection_of(mhd);
	struct request *request = connection ? connection->request : NULL;
	(void)data;
	(void)url;
	(void)method;
	(void)version;
	(void)body;
	(void)length;
	/* Bytes that bypassed the guard are not a request. */
	if (!request || connection->state != CONNECTION_ANSWERING)
		return MHD_NO;
	if (!*slot) {
		*slot = request;
	} else if (!request->answered && !request->suspended) {
		read_ids(request);
		routes_dispatch(request);
	}
	return request->broken ? MHD_NO : MHD_YES;
}

void http_on_completed(void *data, struct MHD_Connection *mhd, void **slot, enum MHD_RequestTerminationCode end)
{
	struct http *http = data;
	struct connection *connection = connection_of(mhd);
	*slot = NULL;
	if (!connection)
		return;
	const bool last = !connection->request || connection->request->close || end != MHD_REQUEST_TERMINATED_COMPLETED_OK;
	end_request(connection, end == MHD_REQUEST_TERMINATED_COMPLETED_OK);
	http_guard_next(connection, last);
	connection->deadline_us = http->now_us + http->idle_timeout_us;
}

static void on_started(struct http *http, struct MHD_Connection *mhd, void **slot)
{
	const union MHD_ConnectionInfo *socket = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD);
	struct connection *connection = socket ? http->by_fd[socket->connect_fd] : NULL;
	*slot = connection;
	if (!connection)
		return;
	connection->mhd = mhd;
	if (!http->tls)
		return;
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_GNUTLS_SESSION);
	connection->tls_session = info ? info->tls_session : NULL;
	connection->tls = tls_use(http->tls);
	/* Without this, a session would use the certificate that the daemon was started with. */
	if (!connection->tls_session || tls_set(connection->tls, connection->tls_session))
		connection->state = CONNECTION_ENDED;
}

void http_on_connection(void *data, struct MHD_Connection *mhd, void **slot, enum MHD_ConnectionNotificationCode what)
{
	struct http *http = data;
	struct connection *connection = *slot;
	if (what == MHD_CONNECTION_NOTIFY_STARTED) {
		on_started(http, mhd, slot);
	} else if (connection) {
		*slot = NULL;
		end_request(connection, false);
		http->by_fd[connection->fd] = NULL;
		http_linger(connection);
	}
}
