/*
 * http_guard: feeds libmicrohttpd whole requests only, one at a time, in a canonical form.
 *
 * libmicrohttpd parses heads leniently: NUL, a bare LF, "85, 85" as Content-Length or the unframed body of a GET change
 * where a request ends. It answers the requests that it refuses itself, without the contract's JSON, and the releases
 * 0.9.75 and 1.0 refuse and answer differently. No option changes it. So every byte is parsed here, by http_head and
 * http_chunks, into a request. Once that is complete, or refused, libmicrohttpd reads a constant head in its place, and
 * http_events.c answers the request. After the last request of a connection libmicrohttpd reads the end of the
 * connection.
 *
 * libmicrohttpd reads with recv() and gnutls_record_recv(). Both are defined here and interpose those of the C library
 * and GnuTLS. This relies on three facts: the dynamic linker finds the program's definitions first (checked at start by
 * http_guard_check()); libmicrohttpd calls nothing else to read (checked at each request by http_on_request()); and
 * after a short read it waits for the socket to become readable, which is why http_answer() calls
 * http_guard_has_more().
 */
#include <dlfcn.h>
#include <errno.h>
#include <gnutls/gnutls.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "http_internal.h"
#include "route.h"
#include "worker.h"

/* The server whose MHD_run() this thread is in. */
static _Thread_local const struct http *running;

void http_guard_drop(struct connection *connection)
{
	free(connection->input);
	connection->input = NULL;
}

/* ---- Bytes from the socket ---- */

static size_t unread(const struct connection *connection)
{
	return connection->input ? connection->input->end - connection->input->begin : 0;
}

static ssize_t receive_tls(gnutls_session_t session, void *bytes, size_t size)
{
	unsigned char sequence[8];
	ssize_t got;
	do
		got = gnutls_record_recv_seq(session, bytes, size, sequence);
	while (got == GNUTLS_E_INTERRUPTED);
	return got;
}

/* As recv(), or a negative errno. */
static ssize_t receive(struct connection *connection, void *bytes, size_t size)
{
	ssize_t got;
	if (connection->tls_session) {
		got = receive_tls(connection->tls_session, bytes, size);
		return got >= 0 ? got : got == GNUTLS_E_AGAIN ? -EAGAIN : got == GNUTLS_E_PREMATURE_TERMINATION ? 0 : -EIO;
	}
	do
		got = recvfrom(connection->fd, bytes, size, 0, NULL, NULL);
	while (got < 0 && errno == EINTR);
	connection->more = got == (ssize_t)size;
	return got < 0 ? -errno : got;
}

/* After a step of reading: run the next one, return until more bytes arrive, or end: no request follows. */
enum progress { PROGRESS_CONTINUE, PROGRESS_NEED_BYTES, PROGRESS_ENDED };

/* Reads from the socket into the input buffer, which must have free space besides its unread bytes. */
static enum progress fill(struct connection *connection)
{
	struct http_input *input = connection->input;
	if (!input) {
		input = connection->input = malloc(sizeof(*input));
		if (!input)
			return PROGRESS_ENDED;
		input->begin = input->end = 0;
	}
	if (input->begin) {
		memmove(input->bytes, input->bytes + input->begin, input->end - input->begin);
		input->end -= input->begin;
		input->begin = 0;
	}
	ssize_t got = receive(connection, input->bytes + input->end, sizeof(input->bytes) - input->end);
	if (got == -EAGAIN)
		return PROGRESS_NEED_BYTES;
	connection->peer_ended = got <= 0;
	if (got <= 0)
		return PROGRESS_ENDED;
	input->end += (size_t)got;
	return PROGRESS_CONTINUE;
}

bool http_guard_has_garbage(const struct connection *connection)
{
	const size_t length = unread(connection);
	const char *bytes = length ? connection->input->bytes + connection->input->begin : NULL;
	return bytes && bytes[0] != '\r' && !http_head_begins(bytes, length);
}

bool http_guard_has_more(const struct connection *connection)
{
	return connection->more || unread(connection);
}

/* ---- The request ---- */

/* Ends the reading of a request, which is complete or refused: libmicrohttpd now reads the constant head. */
static enum progress finish_reading(struct connection *connection)
{
	connection->head_read = 0;
	connection->state = CONNECTION_CONSTANT_HEAD;
	connection->deadline_us = CLOCK_NEVER;
	return PROGRESS_CONTINUE;
}

/* The same for a request whose body is not read, or not to its end. The connection is closed after the answer. */
static enum progress finish_without_body(struct connection *connection)
{
	connection->request->close = true;
	http_free_body(connection->request);
	return finish_reading(connection);
}

/* Lets http_events.c answer the request with this status. The connection is closed afterwards. */
static enum progress refuse(struct connection *connection, int status, const char *message)
{
	if (!connection->request && !http_begin(connection))
		return PROGRESS_ENDED;
	connection->request->refusal = (struct contract_error){status, NULL, message};
	return finish_without_body(connection);
}

static enum progress refuse_body(struct connection *connection)
{
	connection->request->body_too_large = true;
	return finish_without_body(connection);
}

/*
 * The longest body in bytes. Requests with credentials may send larger ones; the service checks the credentials only
 * after the body has been read.
 */
static size_t body_most(const struct request *request)
{
	const char *authorization = request->headers.authorization, *key = request->headers.api_key;
	const bool credentials = (authorization && *authorization) || (key && *key);
	return credentials && request->route && request->route->body_most ? request->route->body_most : REQUEST_BODY_MAX;
}

/* Appends to request->large. Returns false if the memory budget or the memory is exhausted. */
static bool add_to_large(struct request *request, const char *data, size_t length)
{
	struct memory_budget *budget = &request->worker->gateway->memory;
	/* Bodies get half of the budget: their senders are not authenticated yet, and answers need the other half. */
	if (atomic_load(&budget->used) + length > budget->limit / 2 || !memory_take(budget, length))
		return false;
	buffer_append(&request->large, data, length);
	if (request->large.failed)
		memory_give(budget, length);
	request->body = request->large.data;
	return !request->large.failed;
}

/*
 * Appends to the body, which moves from request->small to request->large when it no longer fits. Returns
 * PROGRESS_NEED_BYTES, or the result of refusing the request.
 */
static enum progress add_to_body(struct connection *connection, const char *data, size_t length)
{
	struct request *request = connection->request;
	const size_t before = request->body_length;
	if (length > body_most(request) - before)
		return refuse_body(connection);
	if (before + length <= sizeof(request->small))
		memcpy(request->small + before, data, length);
	else if ((!request->large.length && !add_to_large(request, request->small, before)) ||
	         !add_to_large(request, data, length))
		return refuse(connection, 503, "the gateway is out of memory; try again later");
	request->body_length += length;
	return PROGRESS_NEED_BYTES;
}

/* ---- Heads ---- */

static void on_field(void *request, const char *name, const char *value)
{
	request_header(request, name, value);
}

/*
 * Sends "100 Continue" if the client waits for it. The few bytes fit unless the client leaves earlier answers unread;
 * then the connection is closed.
 */
static bool send_continue(const struct connection *connection, const struct http_head *head)
{
	static const char text[] = "HTTP/1.1 100 Continue\r\n\r\n";
	if (!head->expects_continue || unread(connection) || (!head->chunked && !head->length))
		return true;
	ssize_t sent = connection->tls_session ? gnutls_record_send(connection->tls_session, text, sizeof(text) - 1)
	                                       : send(connection->fd, text, sizeof(text) - 1, MSG_NOSIGNAL);
	return sent == sizeof(text) - 1;
}

/* The head is complete. The request gets a copy of it, which its target and headers point into. */
static enum progress begin_request(struct connection *connection, size_t length)
{
	struct http_input *input = connection->input;
	struct http_head head;
	struct request *request = http_begin(connection);
	char *bytes = request ? arena_copy(request->arena, input->bytes + input->begin, length) : NULL;
	if (!bytes)
		return PROGRESS_ENDED;
	input->begin += length;
	int result = http_head_parse(bytes, length, &head, on_field, request);
	if (head.method) {
		request->method = request_method_of(head.method);
		routes_find(request, head.target);
	}
	connection->http_1_0 = head.http_1_0;
	if (result)
		return refuse(connection, head.status, head.message);
	request->close = !head.keep_alive;
	connection->unframed = !head.chunked && !head.has_length;
	connection->chunked = head.chunked;
	connection->body_left = head.length;
	connection->chunks = (struct http_chunks){0};
	if (head.length > (int64_t)body_most(request))
		return refuse_body(connection);
	connection->state = CONNECTION_BODY;
	return send_continue(connection, &head) ? PROGRESS_CONTINUE : PROGRESS_ENDED;
}

static enum progress refuse_head(struct connection *connection, int status)
{
	return refuse(connection, status,
	              status == 400   ? "the request is malformed: lines must end in CR LF"
	              : status == 414 ? "the target is longer than 8 KiB"
	                              : "the headers are larger than 8 KiB");
}

/*
 * Unread bytes at the beginning of a head. Some clients send an empty line after a body, outside of its Content-Length.
 */
static const char *skip_blank_line(struct connection *connection, size_t *length)
{
	struct http_input *input = connection->input;
	*length = unread(connection);
	if (*length > 1 && !connection->blank_skipped && !memcmp(input->bytes + input->begin, "\r\n", 2)) {
		input->begin += 2;
		*length -= 2;
		connection->blank_skipped = true;
	}
	if (*length == 1 && !connection->blank_skipped && input->bytes[input->begin] == '\r')
		*length = 0;
	return *length ? input->bytes + input->begin : NULL;
}

static enum progress read_head(struct connection *connection)
{
	size_t length, end;
	const char *bytes = skip_blank_line(connection, &length);
	if (bytes && !http_head_begins(bytes, length)) {
		if (!connection->unframed)
			return refuse(connection, 400, "the request is malformed: it does not begin with a method");
		connection->state = CONNECTION_ENDED;
		return PROGRESS_CONTINUE;
	}
	int status = bytes ? http_head_find(bytes, length, &connection->head_line, &end) : -EAGAIN;
	if (!status)
		return begin_request(connection, end);
	if (status > 0)
		return refuse_head(connection, status);
	enum progress progress = fill(connection);
	if (progress != PROGRESS_NEED_BYTES)
		return progress;
	if (!unread(connection)) {
		http_guard_drop(connection);
		connection->receiving = false; /* only an empty line was received */
	} else if (!connection->receiving) {
		connection->receiving = true;
		connection->deadline_us = connection->http->now_us + connection->http->request_timeout_us;
	}
	return progress;
}

/* ---- Bodies ---- */

static enum progress consume_chunks(struct connection *connection)
{
	struct http_input *input = connection->input;
	for (size_t length; (length = unread(connection));) {
		const char *data;
		size_t used = 0, piece = 0;
		enum http_chunks_result result =
		    http_chunks_read(&connection->chunks, input->bytes + input->begin, length, &used, &data, &piece);
		input->begin += used;
		if (result == HTTP_CHUNKS_MALFORMED)
			return refuse(connection, 400, "the chunked body is malformed");
		if (result == HTTP_CHUNKS_END)
			return finish_reading(connection);
		enum progress progress =
		    result == HTTP_CHUNKS_DATA ? add_to_body(connection, data, piece) : PROGRESS_NEED_BYTES;
		if (progress != PROGRESS_NEED_BYTES)
			return progress;
	}
	return PROGRESS_NEED_BYTES;
}

static enum progress consume_body(struct connection *connection)
{
	struct http_input *input = connection->input;
	const size_t length = unread(connection);
	if (connection->chunked)
		return consume_chunks(connection);
	size_t used = (int64_t)length < connection->body_left ? length : (size_t)connection->body_left;
	enum progress progress = add_to_body(connection, input->bytes + input->begin, used);
	if (progress != PROGRESS_NEED_BYTES)
		return progress;
	input->begin += used;
	connection->body_left -= (int64_t)used;
	return connection->body_left ? PROGRESS_NEED_BYTES : finish_reading(connection);
}

static enum progress read_body(struct connection *connection)
{
	enum progress progress = consume_body(connection);
	if (progress != PROGRESS_NEED_BYTES)
		return progress;
	if (!connection->receiving) {
		connection->receiving = true;
		connection->deadline_us = connection->received_us + connection->http->request_timeout_us;
	}
	return fill(connection);
}

/* ---- What libmicrohttpd calls ---- */

/* The time limit has passed: answers 408 to a request that is incomplete, or ends an idle connection. */
static void handle_expiry(struct connection *connection)
{
	connection->expired = false;
	if (connection->state > CONNECTION_BODY)
		return;
	if (connection->receiving)
		refuse(connection, 408, "the request was not complete in time");
	else
		connection->state = CONNECTION_ENDED;
}

/*
 * Copies the next bytes of the constant head, which libmicrohttpd reads instead of the request's own. It shows
 * libmicrohttpd whether the answer has a body and whether the connection is persistent by default. Host is required by
 * libmicrohttpd.
 */
static size_t read_constant_head(struct connection *connection, char *out, size_t size)
{
	static const char *const heads[2][2] = {
	    {"GET / HTTP/1.1\r\nHost:x\r\n\r\n", "HEAD / HTTP/1.1\r\nHost:x\r\n\r\n"},
	    {"GET / HTTP/1.0\r\nConnection:Keep-Alive\r\n\r\n", "HEAD / HTTP/1.0\r\nConnection:Keep-Alive\r\n\r\n"},
	};
	const char *rest = heads[connection->http_1_0][connection->request->method == REQUEST_HEAD] + connection->head_read;
	const size_t left = strlen(rest), taken = left < size ? left : size;
	if (!connection->head_read)
		connection->pool = out; /* libmicrohttpd's buffer is empty, so `out` is the start of its memory pool */
	memcpy(out, rest, taken);
	connection->head_read += taken;
	if (taken == left) {
		connection->state = CONNECTION_ANSWERING;
		if (!unread(connection))
			http_guard_drop(connection);
	}
	return taken;
}

/* As recv(), or a negative errno. */
static ssize_t guarded_read(struct connection *connection, void *out, size_t size)
{
	enum progress progress = PROGRESS_CONTINUE;
	if (connection->expired)
		handle_expiry(connection);
	while (progress == PROGRESS_CONTINUE) {
		switch (connection->state) {
		case CONNECTION_HEAD:
			progress = read_head(connection);
			break;
		case CONNECTION_BODY:
			progress = read_body(connection);
			break;
		case CONNECTION_CONSTANT_HEAD:
			return (ssize_t)read_constant_head(connection, out, size);
		case CONNECTION_ANSWERING:
			/* Not EAGAIN: libmicrohttpd would wait for an event, which does not come for bytes received already. */
			connection->more = true;
			return -EINTR;
		default:
			return 0;
		}
	}
	return progress == PROGRESS_NEED_BYTES ? -EAGAIN : 0;
}

/* The connection of a descriptor that this thread's MHD_run() reads; NULL for all other descriptors. */
static struct connection *find_connection(int fd)
{
	return running && fd >= 0 && (size_t)fd < running->by_fd_size ? running->by_fd[fd] : NULL;
}

/* GnuTLS calls it, too, to read encrypted bytes; these calls are passed to the socket. */
__attribute__((visibility("default"))) ssize_t recv(int fd, void *bytes, size_t size, int flags)
{
	struct connection *connection = find_connection(fd);
	if (!connection || connection->tls_session)
		return recvfrom(fd, bytes, size, flags, NULL, NULL);
	ssize_t got = guarded_read(connection, bytes, size);
	if (got < 0)
		errno = (int)-got;
	return got < 0 ? -1 : got;
}

__attribute__((visibility("default"))) ssize_t gnutls_record_recv(gnutls_session_t session, void *bytes, size_t size)
{
	struct connection *connection = find_connection(gnutls_transport_get_int(session));
	if (!connection)
		return receive_tls(session, bytes, size);
	ssize_t got = guarded_read(connection, bytes, size);
	return got >= 0         ? got
	       : got == -EAGAIN ? GNUTLS_E_AGAIN
	       : got == -EINTR  ? GNUTLS_E_INTERRUPTED
	                        : GNUTLS_E_PULL_ERROR;
}

int http_guard_check(void)
{
	ssize_t (*const own_recv)(int, void *, size_t, int) = recv;
	ssize_t (*const own_record_recv)(gnutls_session_t, void *, size_t) = gnutls_record_recv;
	const void *found[] = {dlsym(RTLD_DEFAULT, "recv"), dlsym(RTLD_DEFAULT, "gnutls_record_recv")};
	return memcmp(&found[0], &own_recv, sizeof(found[0])) || memcmp(&found[1], &own_record_recv, sizeof(found[1]))
	           ? -ENOSYS
	           : 0;
}

void http_guard_run(struct http *http)
{
	running = http;
	MHD_run(http->daemon);
	running = NULL;
}

void http_guard_next(struct connection *connection, bool last)
{
	connection->state = last ? CONNECTION_ENDED : CONNECTION_HEAD;
	connection->head_line = 0;
	connection->blank_skipped = connection->receiving = false;
}
