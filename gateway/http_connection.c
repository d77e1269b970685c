/*
 * http_connection: requests and answers on one connection, one after the
 * other: head, body, handler, answer. The next request is looked at once the
 * answer before it has been sent.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "access.h"
#include "admission.h"
#include "base/clock.h"
#include "base/trace_parent.h"
#include "http_internal.h"
#include "response.h"
#include "routes.h"
#include "tls.h"
#include "trace.h"
#include "worker_resources.h"

enum {
	REQUESTS_KEPT = 256,
	INPUTS_KEPT = 256,
	ANSWER_TIME_US = 60 * 1000000, /* for a client to take its answer */
	LINGER_US = 2 * 1000000,
	DISCARD_MAX = 1 << 20, /* bytes that are read from a client that has its last answer */
};

/* ---- Pools ---- */

static struct request *take_request(struct http *http)
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
	http->busy_us = http->now_us;
	return request;
}

static void give_back_request(struct http *http, struct request *request)
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

static struct http_input *take_input(struct http *http)
{
	struct http_input *input = http->free_inputs;
	if (input) {
		http->free_inputs = input->next;
		http->free_input_count--;
	} else {
		input = malloc(sizeof(*input));
	}
	if (input)
		input->begin = input->end = 0;
	return input;
}

/* Gives the input buffer back. What it holds is lost. */
static void drop_input(struct connection *connection)
{
	struct http *http = connection->http;
	struct http_input *input = connection->input;
	if (!input)
		return;
	connection->input = NULL;
	if (http->free_input_count >= INPUTS_KEPT) {
		free(input);
		return;
	}
	input->next = http->free_inputs;
	http->free_inputs = input;
	http->free_input_count++;
}

void http_release(struct http *http, size_t keep)
{
	while (http->free_count > keep) {
		struct request *request = http->free;
		http->free = request->next;
		http->free_count--;
		request_destroy(request);
	}
	while (http->free_input_count > keep) {
		struct http_input *input = http->free_inputs;
		http->free_inputs = input->next;
		http->free_input_count--;
		free(input);
	}
}

/* ---- Bytes in and out ---- */

static size_t unread(const struct connection *connection)
{
	return connection->input ? connection->input->end - connection->input->begin : 0;
}

/* As recv(), or a negative errno. */
static ssize_t receive(struct connection *connection, void *bytes, size_t size)
{
	if (connection->tls)
		return tls_read(connection->tls, bytes, size);
	ssize_t got;
	do
		got = recv(connection->fd, bytes, size, 0);
	while (got < 0 && errno == EINTR);
	if (got < 0)
		return -errno;
	/* A short read has emptied the socket: bytes that come later are a new event. The end would be none after its own event. */
	if ((size_t)got < size && !connection->peer_closed)
		connection->readable = false;
	return got;
}

enum filled { FILLED, BLOCKED, ENDED };

/* Reads what the socket has into the input buffer, which is not full of unread bytes. */
static enum filled fill(struct connection *connection)
{
	struct http_input *input = connection->input;
	if (!connection->readable)
		return BLOCKED;
	if (!input && !(input = connection->input = take_input(connection->http)))
		return ENDED;
	if (input->begin) {
		memmove(input->bytes, input->bytes + input->begin, input->end - input->begin);
		input->end -= input->begin;
		input->begin = 0;
	}
	ssize_t got = receive(connection, input->bytes + input->end, sizeof(input->bytes) - input->end);
	if (got > 0) {
		input->end += (size_t)got;
		return FILLED;
	}
	if (got != -EAGAIN)
		return ENDED;
	connection->readable = false;
	return BLOCKED;
}

/* Sends the rest of the answer: 0, -EAGAIN, or another negative errno. */
static int transmit(struct connection *connection)
{
	const struct answer *answer = &connection->request->answer;
	const size_t head = answer->head.length, total = head + answer->sent_length;
	while (connection->sent < total) {
		const size_t at = connection->sent;
		struct iovec parts[2] = {
		    {answer->head.data + (at < head ? at : head), at < head ? head - at : 0},
		    {(char *)(uintptr_t)answer->sent_bytes + (at > head ? at - head : 0), total - (at > head ? at : head)},
		};
		const struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
		const struct iovec *part = &parts[parts[0].iov_len ? 0 : 1];
		ssize_t sent = connection->tls ? tls_write(connection->tls, part->iov_base, part->iov_len)
		                               : sendmsg(connection->fd, &message, MSG_NOSIGNAL);
		if (sent < 0 && !connection->tls)
			sent = errno == EINTR ? 0 : -errno;
		else if (!sent)
			return -EPIPE;
		if (sent < 0)
			return (int)sent;
		connection->sent += (size_t)sent;
	}
	return 0;
}

/* ---- Answers ---- */

void http_suspend(struct request *request)
{
	struct http *http = request->connection->http;
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
}

/* Whether bytes wait that can't begin a request: the body of a client that announced none, or worse. */
static bool has_garbage(const struct connection *connection)
{
	const size_t length = unread(connection);
	const char *bytes = length ? connection->input->bytes + connection->input->begin : NULL;
	return bytes && bytes[0] != '\r' && !http_head_begins(bytes, length);
}

/* Corrects what was charged when the request began to what its answer takes. */
static void charge_answer(struct request *request)
{
	struct memory_budget *memory = worker_memory(request->worker);
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
	struct http *http = connection->http;
	if (request->counted)
		worker_release(request->worker);
	request->counted = false;
	request->answered = true;
	request->close =
	    request->close || !request->keep_alive || worker_is_draining(request->worker) || has_garbage(connection);
	if (clock_unix_ms() / 1000 != http->date_second)
		http->date_second = response_date(http->date);
	response_write(request, http->date);
	charge_answer(request);
	connection->state = CONNECTION_SENDING;
	connection->sent = 0;
	connection->deadline_us = clock_monotonic_us() + ANSWER_TIME_US;
	if (request->suspended)
		resume(http, request);
	connection_make_ready(connection);
}

static bool refuse(struct connection *connection, int status, const char *message)
{
	struct request *request = connection->request;
	request->close = true;
	request->start_us = connection->http->now_us;
	answer_error(request, status, message);
	http_answer(request);
	return true;
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

/* Makes the request that begins now. False when out of memory: the connection is closed. */
static bool begin(struct connection *connection)
{
	struct request *request = take_request(connection->http);
	if (!request) {
		connection_close(connection);
		return false;
	}
	connection->request = request;
	request->connection = connection;
	request->method = REQUEST_OTHER;
	request->received_us = connection->http->now_us;
	return true;
}

/* Answers bytes that are no head. */
static bool refuse_head(struct connection *connection, int status)
{
	const char *message = status == 400   ? "the request is malformed: lines must end in CR LF"
	                      : status == 414 ? "the target is longer than 8 KiB"
	                                      : "the headers are larger than 8 KiB";
	if (!begin(connection))
		return true;
	read_ids(connection->request);
	return refuse(connection, status, message);
}

/* ---- Requests ---- */

static void linger(struct connection *connection)
{
	drop_input(connection);
	connection->state = CONNECTION_LINGERING;
	connection->deadline_us = connection->http->now_us + LINGER_US;
	if (connection->tls)
		tls_shutdown(connection->tls);
	shutdown(connection->fd, SHUT_WR);
}

static void on_field(void *data, const char *name, const char *value)
{
	request_header(data, name, value);
}

static bool dispatch(struct connection *connection)
{
	if (!unread(connection))
		drop_input(connection);
	connection->state = CONNECTION_WAITING;
	connection->deadline_us = CLOCK_NEVER;
	routes_dispatch(connection->request);
	return true;
}

static bool dispatch_too_large(struct connection *connection)
{
	connection->request->body_too_large = true;
	connection->request->close = true;
	return dispatch(connection);
}

/* The head's bytes are in: makes a request of them. */
static bool begin_request(struct connection *connection, size_t length)
{
	static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
	struct http_input *input = connection->input;
	struct http_head head;
	if (!begin(connection))
		return true;
	struct request *request = connection->request;
	char *bytes = arena_copy(request->arena, input->bytes + input->begin, length);
	input->begin += length;
	if (!bytes) {
		connection_close(connection);
		return true;
	}
	int result = http_head_parse(bytes, length, &head, on_field, request);
	if (head.method)
		request->method = request_method_of(head.method);
	request->http_1_0 = head.http_1_0;
	request->keep_alive = head.keep_alive;
	read_ids(request);
	if (result)
		return refuse(connection, head.status, head.message);
	request->target = head.target;
	routes_find(request);
	connection->unframed = !head.chunked && !head.has_length;
	connection->body_left = head.length;
	connection->chunks = (struct http_chunks){0};
	request->chunked = head.chunked;
	connection->state = CONNECTION_BODY;
	if (head.length > REQUEST_BODY_MAX)
		return dispatch_too_large(connection);
	if (head.expects_continue && !unread(connection) && (head.chunked || head.length)) {
		/* Nothing else is on its way, so the socket takes these few bytes. */
		ssize_t sent = connection->tls ? tls_write(connection->tls, go_on, sizeof(go_on) - 1)
		                               : send(connection->fd, go_on, sizeof(go_on) - 1, MSG_NOSIGNAL);
		if (sent != sizeof(go_on) - 1)
			connection_close(connection);
	}
	return true;
}

/* The deadlines of a connection that waits for bytes: idle, or with a part of a request. */
static void wait_for_bytes(struct connection *connection, bool has_part)
{
	const struct http *http = connection->http;
	if (!has_part) {
		drop_input(connection);
	} else if (!connection->receiving) {
		connection->receiving = true;
		connection->deadline_us = http->now_us + http->options.request_timeout_us;
	}
}

/* Each of these returns whether there is more to do now. */
static bool read_head(struct connection *connection)
{
	for (;;) {
		const size_t length = unread(connection);
		struct http_input *input = connection->input;
		const char *bytes = length ? input->bytes + input->begin : NULL;
		/* Some clients end a body with an empty line that they do not count. */
		const bool blank = length && bytes[0] == '\r' && !connection->blank_skipped;
		if (blank && length > 1 && bytes[1] == '\n') {
			input->begin += 2;
			connection->blank_skipped = true;
			continue;
		}
		if (length && !(blank && length == 1)) {
			size_t end;
			if (!http_head_begins(bytes, length)) {
				if (!connection->unframed)
					return refuse_head(connection, 400);
				linger(connection);
				return true;
			}
			int status = http_head_find(bytes, length, &connection->head_line, &end);
			if (!status) {
				wait_for_bytes(connection, true);
				return begin_request(connection, end);
			}
			if (status > 0)
				return refuse_head(connection, status);
		}
		switch (fill(connection)) {
		case FILLED:
			break;
		case ENDED:
			connection_close(connection);
			return false;
		case BLOCKED:
			wait_for_bytes(connection, length != 0);
			return false;
		}
	}
}

/* Takes what is in the buffer. True when the body is over, one way or the other. */
static bool take_body(struct connection *connection)
{
	struct http_input *input = connection->input;
	struct request *request = connection->request;
	const char *bytes = input ? input->bytes + input->begin : NULL, *data;
	size_t length = unread(connection), used = 0;
	if (!request->chunked) {
		used = length < connection->body_left ? length : (size_t)connection->body_left;
		if (used) {
			request_body(request, bytes, used);
			input->begin += used;
			connection->body_left -= used;
		}
		return !connection->body_left && dispatch(connection);
	}
	while (length) {
		size_t piece = 0;
		enum http_chunks_result result =
		    http_chunks_read(&connection->chunks, input->bytes + input->begin, length, &used, &data, &piece);
		input->begin += used;
		length -= used;
		if (result == HTTP_CHUNKS_MALFORMED)
			return refuse(connection, 400, "the chunked body is malformed");
		if (result == HTTP_CHUNKS_END)
			return dispatch(connection);
		if (result == HTTP_CHUNKS_DATA)
			request_body(request, data, piece);
		if (request->body_too_large)
			return dispatch_too_large(connection);
	}
	return false;
}

static bool read_body(struct connection *connection)
{
	while (!take_body(connection)) {
		switch (fill(connection)) {
		case FILLED:
			break;
		case ENDED:
			connection_close(connection);
			return false;
		case BLOCKED:
			if (!unread(connection))
				drop_input(connection);
			return false;
		}
	}
	return true;
}

/* The answer is out, or will never be: the request is over. */
static void end_request(struct connection *connection, bool sent)
{
	struct request *request = connection->request;
	connection->request = NULL;
	memory_give(worker_memory(request->worker), request->charged);
	access_finish(request, sent);
	give_back_request(connection->http, request);
}

static bool send_answer(struct connection *connection)
{
	const struct http *http = connection->http;
	const struct answer *answer = &connection->request->answer;
	int result = answer->head.failed ? -ENOMEM : transmit(connection);
	if (result == -EAGAIN)
		return false;
	if (result) {
		connection_close(connection);
		return false;
	}
	bool close = connection->request->close;
	end_request(connection, true);
	if (close) {
		linger(connection);
		return true;
	}
	connection->state = CONNECTION_HEAD;
	connection->head_line = 0;
	connection->blank_skipped = connection->receiving = false;
	connection->deadline_us = http->now_us + http->options.idle_timeout_us;
	return true;
}

static bool discard(struct connection *connection)
{
	char bytes[16 * 1024];
	while (connection->readable && connection->discarded < DISCARD_MAX) {
		ssize_t got = recv(connection->fd, bytes, sizeof(bytes), 0);
		if (got > 0) {
			connection->discarded += (size_t)got;
		} else if (got < 0 && errno == EAGAIN) {
			connection->readable = false;
		} else if (got == 0 || errno != EINTR) {
			connection_close(connection);
			return false;
		}
	}
	if (connection->readable)
		connection_close(connection);
	return false;
}

/* ---- Life ---- */

static void run_expired(struct connection *connection)
{
	static const char message[] = "the request was not complete in time";
	connection->expired = false;
	if (connection->state == CONNECTION_BODY)
		refuse(connection, 408, message);
	else if (connection->state == CONNECTION_HEAD && connection->receiving && begin(connection)) {
		read_ids(connection->request);
		refuse(connection, 408, message);
	} else {
		connection_close(connection);
	}
}

bool connection_run(struct connection *connection)
{
	if (connection->expired)
		run_expired(connection);
	for (;;) {
		switch (connection->state) {
		case CONNECTION_HEAD:
			if (!read_head(connection))
				return false;
			break;
		case CONNECTION_BODY:
			if (!read_body(connection))
				return false;
			break;
		case CONNECTION_SENDING:
			if (!send_answer(connection))
				return false;
			/* The other connections' turn. */
			return connection->state == CONNECTION_LINGERING || connection->readable || unread(connection);
		case CONNECTION_LINGERING:
			return discard(connection);
		default:
			return false;
		}
	}
}

void connection_make_ready(struct connection *connection)
{
	struct http *http = connection->http;
	if (connection->ready)
		return;
	connection->ready = true;
	connection->ready_next = NULL;
	*(http->ready_last ? &http->ready_last->ready_next : &http->ready_first) = connection;
	http->ready_last = connection;
}

void connection_close(struct connection *connection)
{
	struct http *http = connection->http;
	if (connection->state == CONNECTION_CLOSED)
		return;
	if (connection->request)
		end_request(connection, false);
	drop_input(connection);
	tls_session_destroy(connection->tls);
	close(connection->fd);
	if (connection->admitted)
		admission_leave(http->options.admission, connection->admission_slot);
	else
		http->turned_away--;
	connection->next->previous = connection->previous;
	connection->previous->next = connection->next;
	http->connection_count--;
	metrics_connections(worker_metrics(http->worker), (int64_t)http->connection_count);
	connection->state = CONNECTION_CLOSED;
	if (!connection->ready)
		free(connection);
}

void connection_turn_away(struct connection *connection, const char *text, size_t length)
{
	if (!connection->tls && send(connection->fd, text, length, MSG_NOSIGNAL) == (ssize_t)length)
		linger(connection);
	else
		connection_close(connection);
}
