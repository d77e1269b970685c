/*
 * rpc/server: the life of one call.
 *
 *   posted → arrived → admission → handler (→ message …) → closure → answer → released
 *   posted → arrived → (request → message …) → closure → answer → released, where the request is a stream
 *
 * A call that is answered soon costs one batch: metadata, message, status and the end of the call together. For one
 * that is not, a batch of its own waits for the end of the call, to detect a cancellation.
 */
#include <errno.h>
#include <grpc/grpc_security.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/utf8.h"
#include "rpc/details.h"
#include "rpc/payload.h"
#include "rpc/server_internal.h"

enum {
	HEADER_LIMIT = 4096, /* authorization: a token is far shorter */
	REQUEST_ID_LIMIT = 128,
	WATCH_US = 100000, /* after this the end of a call is watched; most calls are answered long before */
	CHECK_US = 10000,  /* how often these calls and their deadlines are checked */
	RUN_CALLS = 64,    /* that arrive in one run of the queue: as many commands go to Redis at once */
	TRAILERS = 3,
	STREAMS_MAX = 1024,       /* Watch and reflection streams of all clients together */
	OVERLOAD_RETRY_MS = 1000, /* RetryInfo of calls that are refused because of a limit */
};

static void call_arrived(struct rpc_tag *tag, bool ok);
static void call_closed(struct rpc_tag *tag, bool ok);
static void call_answered(struct rpc_tag *tag, bool ok);
static void message_sent(struct rpc_tag *tag, bool ok);
static void message_received(struct rpc_tag *tag, bool ok);
static void patience_ended(struct rpc_timer *timer);

static struct server_call *call_take(struct rpc_server *server)
{
	struct server_call *call = server->free_calls;
	if (call) {
		server->free_calls = call->next;
		return call;
	}
	call = calloc(1, sizeof(*call));
	if (!call)
		return NULL;
	call->server = server;
	grpc_metadata_array_init(&call->metadata);
	grpc_call_details_init(&call->details);
	rpc_tag_init(&call->arrived, call_arrived);
	rpc_tag_init(&call->closed, call_closed);
	rpc_tag_init(&call->answered, call_answered);
	rpc_tag_init(&call->sent, message_sent);
	rpc_tag_init(&call->received, message_received);
	call->patience.fire = patience_ended;
	return call;
}

void rpc_server_call_free(struct server_call *call)
{
	grpc_metadata_array_destroy(&call->metadata);
	free(call);
}

/* Releases the objects of gRPC. */
static void call_drop_grpc(struct server_call *call)
{
	if (call->payload)
		grpc_byte_buffer_destroy(call->payload);
	call->payload = NULL;
	if (!call->method->registered) {
		grpc_call_details_destroy(&call->details);
		grpc_call_details_init(&call->details);
	}
	if (call->waiting)
		LIST_REMOVE(call, entry);
	call->waiting = false;
	if (call->grpc)
		grpc_call_unref(call->grpc);
	call->grpc = NULL;
}

/* Releases a call once it is unused: no tag in gRPC, its closure called, not in use on the stack. */
static void call_release(struct server_call *call)
{
	struct rpc_server *server = call->server;
	if (call->held || !call->closure_fired || call->close_pending || call->answer_pending || call->send_pending ||
	    call->receive_pending)
		return;
	call_drop_grpc(call);
	rpc_server_give_arena(server, call->context.arena);
	memory_give(server->options.budget, call->charged);
	call->charged = 0;
	call->context.arena = NULL;
	call->context.magic = 0;
	call->magic = 0;
	call->next = server->free_calls;
	server->free_calls = call;
	server->handled--;
	/*
	 * This object can replace one that could not be allocated: a method without posted calls would never answer again.
	 */
	if (call->method->missing > 0 && !server->draining) {
		call->method->missing--;
		rpc_server_post(call->method);
	}
	rpc_server_release(server);
}

void rpc_server_post(struct server_method *method)
{
	struct rpc_server *server = method->server;
	struct server_call *call = call_take(server);
	if (!call) {
		method->missing++;
		return;
	}
	call->method = method;
	call->payload = NULL;
	call->grpc = NULL;
	call->close_started = call->close_pending = call->answer_pending = call->send_pending = false;
	call->closure_fired = call->counted = call->metadata_sent = call->unread = call->compressed = false;
	call->request_bytes = call->sent_bytes = 0;
	call->cancelled = 0;
	grpc_completion_queue *completions = rpc_queue_completions(server->queue);
	grpc_call_error error;
	if (method->registered)
		error = grpc_server_request_registered_call(server->grpc, method->registered, &call->grpc, &call->deadline,
		                                            &call->metadata, method->on_message ? NULL : &call->payload,
		                                            completions, completions, &call->arrived);
	else
		error = grpc_server_request_call(server->grpc, &call->grpc, &call->details, &call->metadata, completions,
		                                 completions, &call->arrived);
	if (error == GRPC_CALL_OK) {
		server->tags++;
		return;
	}
	call->next = server->free_calls;
	server->free_calls = call;
}

/*
 * Posts anew in place of a call that has arrived; once RUN_CALLS have arrived in a run, only in the next one, which
 * lets gRPC read all connections in between. Calls that it has in store would arrive without an end otherwise, and
 * those of other clients would not be read until a flood's thousands are answered.
 */
static void replace_post(struct server_method *method)
{
	struct rpc_server *server = method->server;
	const uint64_t run = rpc_queue_runs(server->queue);
	server->run_calls = server->run == run ? server->run_calls + 1 : 1;
	server->run = run;
	if (server->draining)
		return;
	if (server->run_calls < RUN_CALLS) {
		rpc_server_post(method);
	} else {
		method->used++;
		rpc_queue_timer_start(server->queue, &method->renew, 0);
	}
}

void rpc_server_renew(struct rpc_timer *timer)
{
	struct server_method *method = RPC_CONTAINER(timer, struct server_method, renew);
	for (; method->used > 0; method->used--)
		if (!method->server->draining)
			rpc_server_post(method);
}

static const char *copy_value(struct arena *arena, grpc_slice value, size_t limit)
{
	size_t length = GRPC_SLICE_LENGTH(value);
	const void *bytes = GRPC_SLICE_START_PTR(value);
	return length <= limit && !memchr(bytes, '\0', length) ? arena_copy(arena, bytes, length) : NULL;
}

/*
 * Several values become one list, as a proxy would join them (RFC 9110 section 5.3), which is no valid token: which of
 * them an intermediary has checked is unknown, so none counts.
 */
static void add_authorization(struct context *context, const char *value, unsigned *count)
{
	const char *first = context->authorization;
	if ((*count)++)
		value = arena_printf(context->arena, "%s, %s", first ? first : "", value ? value : "");
	context->authorization = value;
}

static void read_metadata(struct server_call *call)
{
	struct context *context = &call->context;
	unsigned n_authorizations = 0;
	for (size_t i = 0; i < call->metadata.count; i++) {
		const grpc_metadata *entry = &call->metadata.metadata[i];
		if (grpc_slice_str_cmp(entry->key, "authorization") == 0)
			add_authorization(context, copy_value(context->arena, entry->value, HEADER_LIMIT), &n_authorizations);
		else if (!context->traceparent && grpc_slice_str_cmp(entry->key, "traceparent") == 0)
			context->traceparent = copy_value(context->arena, entry->value, REQUEST_ID_LIMIT);
		else if (!context->request_id && grpc_slice_str_cmp(entry->key, "x-request-id") == 0)
			context->request_id = copy_value(context->arena, entry->value, REQUEST_ID_LIMIT);
	}
}

/* Trailing metadata of an outcome: details and request id. Returns how many; the slices are the caller's. */
static size_t make_trailers(struct context *context, grpc_metadata trailers[TRAILERS])
{
	size_t count = 0;
	const uint8_t *details;
	size_t length;
	if (rpc_metadata_value(context->request_id, REQUEST_ID_LIMIT, &trailers[count].value))
		trailers[count++].key = grpc_slice_from_static_string("x-request-id");
	if (context->status != STATUS_OK && rpc_details_pack(context, context->arena, &details, &length) == 0) {
		trailers[count].key = grpc_slice_from_static_string(RPC_DETAILS_KEY);
		trailers[count++].value = grpc_slice_from_copied_buffer((const char *)details, length);
	}
	return count;
}

/*
 * Starts a batch on the call; counted in server->tags until the tag's handler runs, which takes it off. A batch that
 * gRPC refuses, which it never should, ends the call with an internal error.
 */
static bool start_batch(struct server_call *call, const grpc_op *ops, size_t count, struct rpc_tag *tag)
{
	bool started = grpc_call_start_batch(call->grpc, ops, count, tag, NULL) == GRPC_CALL_OK;
	if (started)
		call->server->tags++;
	else
		grpc_call_cancel_with_status(call->grpc, GRPC_STATUS_INTERNAL, "internal error", NULL);
	return started;
}

/* Encodings are announced to clients that compress: gRPC parses the text each time. */
static size_t metadata_op(struct server_call *call, grpc_op *op, grpc_metadata *encodings)
{
	if (call->metadata_sent)
		return 0;
	call->metadata_sent = true;
	*op = (grpc_op){.op = GRPC_OP_SEND_INITIAL_METADATA};
	if (call->compressed) {
		*encodings = (grpc_metadata){.key = grpc_slice_from_static_string("grpc-accept-encoding"),
		                             .value = grpc_slice_from_static_string("identity,deflate,gzip")};
		op->data.send_initial_metadata.count = 1;
		op->data.send_initial_metadata.metadata = encodings;
	}
	return 1;
}

static size_t close_op(struct server_call *call, grpc_op *op)
{
	if (call->close_started)
		return 0;
	call->close_started = true;
	*op = (grpc_op){.op = GRPC_OP_RECV_CLOSE_ON_SERVER, .data.recv_close_on_server.cancelled = &call->cancelled};
	return 1;
}

static void send_answer(struct server_call *call, grpc_byte_buffer *payload)
{
	struct context *context = &call->context;
	grpc_op ops[4];
	grpc_metadata trailers[TRAILERS], encodings;
	grpc_slice message;
	size_t count = metadata_op(call, ops, &encodings), n_trailers = make_trailers(context, trailers);
	/* gRPC sends a failure without headers. */
	if (count && call->compressed && !payload)
		trailers[n_trailers++] = encodings;
	if (payload)
		ops[count++] = (grpc_op){.op = GRPC_OP_SEND_MESSAGE, .data.send_message.send_message = payload};
	grpc_op *status = &ops[count++];
	*status = (grpc_op){.op = GRPC_OP_SEND_STATUS_FROM_SERVER};
	status->data.send_status_from_server.status = (grpc_status_code)context->status;
	status->data.send_status_from_server.trailing_metadata = trailers;
	status->data.send_status_from_server.trailing_metadata_count = n_trailers;
	if (context->status != STATUS_OK) {
		const char *text = context->message ? context->message : status_name((int)context->status);
		message = grpc_slice_from_copied_buffer(text, strlen(text));
		status->data.send_status_from_server.status_details = &message;
	}
	count += close_op(call, &ops[count]);
	call->answer_pending = start_batch(call, ops, count, &call->answered);
	if (context->status != STATUS_OK)
		grpc_slice_unref(message);
	for (size_t i = 0; i < n_trailers; i++)
		grpc_slice_unref(trailers[i].value);
}

static void report(struct server_call *call, size_t response_bytes)
{
	const struct rpc_server *server = call->server;
	if (!server->options.report)
		return;
	struct rpc_call_report line = {.method = call->method->name,
	                               .status = call->context.status,
	                               .duration_us = clock_monotonic_us() - call->start_us,
	                               .request_bytes = call->request_bytes,
	                               .response_bytes = call->sent_bytes + response_bytes,
	                               .context = call->context.arena ? &call->context : NULL};
	server->options.report(server->options.report_data, &line);
}

/* An outcome that can be sent: the message cut, a known status. */
static void settle_failure(struct context *context)
{
	if (context->status == STATUS_OK)
		context_fail(context, STATUS_INTERNAL, NULL, "internal error");
	if (context->message) {
		size_t length = strlen(context->message);
		size_t cut = utf8_prefix(context->message, length, RPC_MESSAGE_LIMIT);
		if (cut < length)
			context->message = arena_copy(context->arena, context->message, cut);
	}
}

/* Fails a call because of a limit of the server. */
static void fail_overload(struct context *context, const char *reason, const char *message)
{
	context->retry_after_ms = OVERLOAD_RETRY_MS;
	context_fail(context, STATUS_RESOURCE_EXHAUSTED, reason, "%s", message);
}

static void fail_memory(struct context *context)
{
	fail_overload(context, "OUT_OF_MEMORY", "the server is out of memory, retry later");
}

/*
 * Charges bytes of the request or the answer until the call is released. After the request has been unpacked, its
 * share covers the commands to Redis that are made of it. Returns false, and fails the call when the budget is used up.
 */
static bool charge(struct server_call *call, size_t bytes)
{
	if (memory_take(call->server->options.budget, bytes)) {
		call->charged += bytes;
		return true;
	}
	fail_memory(&call->context);
	return false;
}

/* The outcome of a call that gRPC has ended. */
static void set_ended(struct context *context)
{
	bool late = clock_monotonic_us() >= context->deadline_us - RPC_DEADLINE_SLACK_US;
	context->status = late ? STATUS_DEADLINE_EXCEEDED : STATUS_CANCELLED;
	context->message = late ? "the deadline has passed" : "the client has cancelled the call";
}

/* The handling of a call is over. */
static void call_end(struct server_call *call)
{
	call->closure_fired = true;
	if (call->counted)
		call->server->in_flight--;
	call->counted = false;
	if (call->advance) {
		LIST_REMOVE(call, stream_entry);
		call->server->n_streams--;
	}
	call->advance = NULL;
}

/* Ends the handling of a call: sends the outcome, or drops it if the client has disconnected. */
static void call_complete(struct server_call *call, const ProtobufCMessage *message)
{
	struct context *context = &call->context;
	grpc_byte_buffer *payload = NULL;
	size_t response_bytes = 0;
	call_end(call);
	if (context->cancelled && !call->unread) {
		set_ended(context);
	} else if (!message) {
		/* A stream of requests ends without a message. */
		if (context->status != STATUS_OK || !call->method->on_message)
			settle_failure(context);
	} else {
		context->status = STATUS_OK;
		size_t size = protobuf_c_message_get_packed_size(message);
		if (charge(call, size)) {
			payload = rpc_payload_pack(message, size);
			response_bytes = size;
		}
	}
	if (call->grpc)
		send_answer(call, payload);
	if (payload)
		grpc_byte_buffer_destroy(payload);
	report(call, response_bytes);
}

/* The client does not read the message: its status overtakes what waits for the window of flow control. */
static void patience_ended(struct rpc_timer *timer)
{
	static const char message[] = "the client did not read a message in time";
	struct server_call *call = RPC_CONTAINER(timer, struct server_call, patience);
	if (!call->grpc)
		return;
	call->unread = true;
	context_fail(&call->context, STATUS_ABORTED, NULL, "%s", message);
	grpc_call_cancel_with_status(call->grpc, GRPC_STATUS_ABORTED, message, NULL);
}

/* The transport has taken a message before the last one, or never will. */
static void message_sent(struct rpc_tag *tag, bool ok)
{
	struct server_call *call = RPC_CONTAINER(tag, struct server_call, sent);
	struct rpc_server *server = call->server;
	server->tags--;
	call->send_pending = false;
	rpc_queue_timer_stop(server->queue, &call->patience);
	memory_give(server->options.budget, call->message_bytes);
	call->charged -= call->message_bytes;
	if (!ok && call->context.status == STATUS_OK)
		set_ended(&call->context);
	else if (server->draining && !call->advance)
		context_fail(&call->context, STATUS_UNAVAILABLE, "DRAINING", "the server is shutting down");
	call->held = true;
	call->on_sent(call->on_sent_data);
	call->held = false;
	call_release(call);
}

/* Sends a message before the last one: context->send. */
static int send_message(struct context *context, const ProtobufCMessage *message, void (*sent)(void *data), void *data)
{
	struct server_call *call = RPC_CONTAINER(context, struct server_call, context);
	const size_t length = protobuf_c_message_get_packed_size(message);
	size_t count;
	grpc_op ops[2];
	grpc_metadata encodings;
	if (call->magic != RPC_CALL_MAGIC || call->closure_fired || call->send_pending)
		abort();
	if (!call->grpc || context->status != STATUS_OK)
		return -ECANCELED;
	if (!charge(call, length))
		return -ENOMEM;
	grpc_byte_buffer *payload = rpc_payload_pack(message, length);
	count = metadata_op(call, ops, &encodings);
	ops[count++] = (grpc_op){.op = GRPC_OP_SEND_MESSAGE, .data.send_message.send_message = payload};
	call->send_pending = start_batch(call, ops, count, &call->sent);
	grpc_byte_buffer_destroy(payload);
	if (!call->send_pending)
		return -EIO;
	call->on_sent = sent;
	call->on_sent_data = data;
	call->message_bytes = length;
	call->sent_bytes += length;
	rpc_queue_timer_start(call->server->queue, &call->patience,
	                      clock_monotonic_us() + call->server->options.send_timeout_ms * 1000);
	return 0;
}

static void call_refuse(struct server_call *call)
{
	call_complete(call, NULL);
}

/*
 * Refuses a call without a message: its method is unknown, or none was sent, or its content type is not gRPC's. The
 * call is cancelled, because only then the answer's HTTP status can become 415 (rpc/frames.h).
 */
static void call_refuse_unread(struct server_call *call)
{
	struct context *context = &call->context;
	if (call->method->registered)
		context_fail(context, STATUS_INVALID_ARGUMENT, NULL,
		             "request: has no message, or a content type other than application/grpc");
	else
		context_fail(context, STATUS_UNIMPLEMENTED, NULL, "unknown method");
	call_end(call);
	grpc_call_cancel_with_status(call->grpc, (grpc_status_code)context->status,
	                             context->message ? context->message : status_name((int)context->status), NULL);
	report(call, 0);
}

void rpc_server_closure(const ProtobufCMessage *message, void *closure_data)
{
	struct server_call *call = closure_data;
	if (call->magic != RPC_CALL_MAGIC || call->closure_fired || call->send_pending)
		abort();
	call_complete(call, message);
	call_release(call);
}

typedef void (*slot)(void);

/* Whether a generated vtable has an empty slot for the method: invoking it would jump to NULL. */
static bool slot_empty(const struct server_method *method)
{
	if (method->service->invoke != protobuf_c_service_invoke_internal)
		return false;
	const slot *slots = (const slot *)(const void *)(method->service + 1);
	return !slots[method->index];
}

/* Takes note of the client's message, if there is one. Returns false, and fails the call, if it is too long. */
static bool check_message(struct server_call *call)
{
	const size_t limit = call->method->unlimited ? RPC_OPEN_MESSAGE_MAX : call->server->options.max_message_bytes;
	const size_t length = call->payload ? grpc_byte_buffer_length(call->payload) : 0;
	call->request_bytes += length;
	call->compressed |= call->payload && call->payload->data.raw.compression != GRPC_COMPRESS_NONE;
	if (length > limit)
		context_fail(&call->context, STATUS_RESOURCE_EXHAUSTED, "MESSAGE_TOO_LARGE",
		             "request: is longer than %zu bytes", limit);
	return length <= limit;
}

/* Unpacks the client's message, of which there must be one. NULL after context_fail(). */
static ProtobufCMessage *read_message(struct server_call *call)
{
	struct server_method *method = call->method;
	struct context *context = &call->context;
	ProtobufCMessage *message = NULL;
	const size_t limit = method->unlimited ? RPC_OPEN_MESSAGE_MAX : RPC_PAYLOAD_INFLATED_MAX;
	int result = rpc_payload_unpack(call->payload, limit, method->descriptor->input, context->arena, &message);
	if (result == -EPROTONOSUPPORT)
		context_fail(context, STATUS_UNIMPLEMENTED, NULL, "request: its compression is not supported");
	else if (result == -EFBIG)
		context_fail(context, STATUS_RESOURCE_EXHAUSTED, "MESSAGE_TOO_LARGE",
		             "request: is longer than %zu bytes when inflated", limit);
	else if (result == -ENOMEM)
		fail_memory(context);
	else if (result)
		context_fail(context, STATUS_INVALID_ARGUMENT, "INVALID_REQUEST", "request: not a valid %s",
		             method->descriptor->input->name);
	grpc_byte_buffer_destroy(call->payload);
	call->payload = NULL;
	return message;
}

static void call_dispatch(struct server_call *call)
{
	struct server_method *method = call->method;
	if (method->on_message) {
		rpc_server_stream(call, rpc_server_receive);
		return;
	}
	if (slot_empty(method))
		context_fail(&call->context, STATUS_UNIMPLEMENTED, NULL, "%s is not implemented here", method->name);
	ProtobufCMessage *request = call->context.status == STATUS_OK ? read_message(call) : NULL;
	if (request)
		method->service->invoke(method->service, method->index, request, rpc_server_closure, call);
	else
		call_refuse(call);
}

/* ---- Streams that last: Watch and reflection -------------------------------------------------------------------- */

/* Lets a stream go on, or ends it if its call has ended. */
static void stream_advance(void *data)
{
	struct server_call *call = data;
	if (call->send_pending)
		return;
	if (call->context.cancelled || call->context.status != STATUS_OK)
		rpc_server_closure(NULL, call);
	else
		call->advance(call);
}

static void stream_cancelled(struct context *context, void *data)
{
	(void)context;
	stream_advance(data);
}

void rpc_server_stream(struct server_call *call, void (*advance)(struct server_call *call))
{
	struct rpc_server *server = call->server;
	if (server->n_streams == STREAMS_MAX) {
		fail_overload(&call->context, "TOO_MANY_STREAMS", "too many streams are open");
		rpc_server_closure(NULL, call);
		return;
	}
	call->advance = advance;
	call->context.on_cancel = stream_cancelled;
	call->context.on_cancel_data = call;
	LIST_INSERT_HEAD(&server->streams, call, stream_entry);
	server->n_streams++;
	advance(call);
}

void rpc_server_advance_streams(struct rpc_server *server)
{
	for (struct server_call *call = LIST_FIRST(&server->streams), *next; call; call = next) {
		next = LIST_NEXT(call, stream_entry);
		stream_advance(call);
	}
}

void rpc_server_stream_send(struct server_call *call, const ProtobufCMessage *message)
{
	if (send_message(&call->context, message, stream_advance, call))
		rpc_server_closure(NULL, call);
}

void rpc_server_stream_drain(struct server_call *call)
{
	context_fail(&call->context, STATUS_UNAVAILABLE, NULL, "the server is shutting down");
	rpc_server_closure(NULL, call);
}

void rpc_server_receive(struct server_call *call)
{
	grpc_op op = {.op = GRPC_OP_RECV_MESSAGE, .data.recv_message.recv_message = &call->payload};
	if (call->server->draining)
		rpc_server_stream_drain(call);
	else if (!call->receive_pending)
		call->receive_pending = start_batch(call, &op, 1, &call->received);
}

/* The client has sent a message of its stream, or its last one before. */
static void message_received(struct rpc_tag *tag, bool ok)
{
	(void)ok;
	struct server_call *call = RPC_CONTAINER(tag, struct server_call, received);
	struct context *context = &call->context;
	struct arena_mark mark = arena_mark(context->arena);
	call->server->tags--;
	call->receive_pending = false;
	call->held = true;
	if (!call->closure_fired) {
		const bool empty = !call->payload && !call->metadata_sent; /* it ends before its first message */
		ProtobufCMessage *request = check_message(call) && call->payload ? read_message(call) : NULL;
		if (empty)
			call_refuse_unread(call);
		else if (context->status == STATUS_OK)
			call->method->on_message(call, request);
		else
			rpc_server_closure(NULL, call);
	}
	if (context->status == STATUS_OK)
		arena_rewind(context->arena, mark);
	call->held = false;
	call_release(call);
}

/* ---- The beginning and the end of a call ------------------------------------------------------------------------- */

/* A call that is cancelled leaves the list when gRPC reports its end. */
void rpc_server_check_waiting(struct rpc_timer *timer)
{
	struct rpc_server *server = RPC_CONTAINER(timer, struct rpc_server, check);
	const int64_t now_us = clock_monotonic_us();
	for (struct server_call *call = LIST_FIRST(&server->waiting), *next; call; call = next) {
		next = LIST_NEXT(call, entry);
		grpc_op op;
		/* Waits for the call's end, to detect a cancellation. */
		if (now_us - call->start_us >= WATCH_US && close_op(call, &op))
			call->close_pending = start_batch(call, &op, 1, &call->closed);
		if (call->context.deadline_us <= now_us) {
			grpc_call_cancel_with_status(call->grpc, GRPC_STATUS_DEADLINE_EXCEEDED, "the deadline has passed", NULL);
		} else if (call->close_started && call->context.deadline_us == CLOCK_NEVER) {
			LIST_REMOVE(call, entry);
			call->waiting = false;
		}
	}
	if (!LIST_EMPTY(&server->waiting))
		rpc_queue_timer_start(server->queue, timer, now_us + CHECK_US);
}

/* Admission is over, inside call_arrived() or later. */
static void call_admitted(void *data)
{
	struct server_call *call = data;
	bool held = call->held;
	call->held = true;
	if (call->context.cancelled || call->context.status != STATUS_OK)
		call_refuse(call);
	else
		call_dispatch(call);
	call->held = held;
	call_release(call);
}

/* Refuses a call that has its context, or passes it to the admission hook. */
static void call_admit(struct server_call *call)
{
	struct rpc_server *server = call->server;
	struct server_method *method = call->method;
	struct context *context = &call->context;
	if (!method->registered || (!method->on_message && !call->payload)) {
		call_refuse_unread(call);
		return;
	}
	if (check_message(call) && !method->unlimited && server->in_flight >= server->options.max_in_flight)
		fail_overload(context, "OVERLOADED", "the server is overloaded, try again later");
	if (context->status != STATUS_OK || !charge(call, call->request_bytes)) {
		call_refuse(call);
		return;
	}
	call->counted = !method->unlimited;
	server->in_flight += call->counted;
	if (server->options.admit && !method->unlimited)
		server->options.admit(server->options.admit_data, context, call_admitted, call);
	else
		call_admitted(call);
	if (call->closure_fired)
		return;
	LIST_INSERT_HEAD(&server->waiting, call, entry);
	call->waiting = true;
	if (!server->check.running)
		rpc_queue_timer_start(server->queue, &server->check, call->start_us + CHECK_US);
}

static void call_arrived(struct rpc_tag *tag, bool ok)
{
	struct server_call *call = RPC_CONTAINER(tag, struct server_call, arrived);
	struct rpc_server *server = call->server;
	server->tags--;
	if (!ok) {
		call->next = server->free_calls;
		server->free_calls = call;
		return;
	}
	replace_post(call->method);
	server->handled++;
	if (server->options.arrived)
		server->options.arrived(server->options.report_data, call->method->name);
	call->magic = RPC_CALL_MAGIC;
	call->held = true;
	call->start_us = clock_monotonic_us();
	struct arena *arena = rpc_server_take_arena(server);
	context_init(&call->context, arena);
	call->context.send = send_message;
	call->context.deadline_us = rpc_microseconds(call->method->registered ? call->deadline : call->details.deadline);
	if (arena) {
		read_metadata(call);
		call_admit(call);
	} else {
		grpc_call_cancel_with_status(call->grpc, GRPC_STATUS_RESOURCE_EXHAUSTED, "out of memory", NULL);
		call->closure_fired = true;
		call->context.status = STATUS_RESOURCE_EXHAUSTED;
		report(call, 0);
	}
	call->held = false;
	call_release(call);
}

static void call_answered(struct rpc_tag *tag, bool ok)
{
	(void)ok;
	struct server_call *call = RPC_CONTAINER(tag, struct server_call, answered);
	call->server->tags--;
	call->answer_pending = false;
	call_release(call);
}

/* The call has ended. If it has not been answered yet, the client has disconnected or the deadline has passed. */
static void call_closed(struct rpc_tag *tag, bool ok)
{
	(void)ok;
	struct server_call *call = RPC_CONTAINER(tag, struct server_call, closed);
	struct context *context = &call->context;
	call->server->tags--;
	call->close_pending = false;
	if (!call->closure_fired) {
		call->held = true;
		context->cancelled = true;
		call_drop_grpc(call);
		if (context->on_cancel)
			context->on_cancel(context, context->on_cancel_data);
		call->held = false;
	}
	call_release(call);
}
