/*
 * rpc/channel: the life of one call.
 *
 *   invoke → attempt → (UNAVAILABLE: backoff → attempt …) → closure
 *   invoke → attempt → message … → closure, where the answer is a stream
 *
 * The first attempt fails immediately if there can be no connection. Later ones
 * wait for one until the deadline (wait_for_ready), for a service that is being
 * restarted; those of a call without a deadline do not, which could be for ever.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/utf8.h"
#include "rpc/channel_internal.h"
#include "rpc/details.h"
#include "rpc/payload.h"

enum {
	CALL_METADATA = 3,
	CALL_HEADER_LIMIT = 8192,
	CALL_FREE_MAXIMUM = 1024, /* call objects kept for later calls */
	PROBE_US = 1000000,       /* interval between attempts to use a silent target */
	BACKOFF_FIRST_US = 25000,
	BACKOFF_LAST_US = 1000000,
	CONNECT_RETRY_MS = 1000, /* RetryInfo when the service is unavailable and says nothing itself */
};

static void attempt_finished(struct rpc_tag *tag, bool ok);
static void message_received(struct rpc_tag *tag, bool ok);
static void timer_fired(struct rpc_timer *timer);
static void leave_silent_target(struct channel_call *call);
static void attempt(struct channel_call *call);

static struct channel_call *call_take(struct rpc_channel *channel)
{
	struct channel_call *call = LIST_FIRST(&channel->free_calls);
	if (call) {
		LIST_REMOVE(call, entry);
		channel->n_free_calls--;
	} else {
		call = calloc(1, sizeof(*call));
		if (!call)
			return NULL;
		grpc_metadata_array_init(&call->initial);
		grpc_metadata_array_init(&call->trailing);
		rpc_tag_init(&call->finished, attempt_finished);
		rpc_tag_init(&call->received, message_received);
		call->timer.fire = timer_fired;
	}
	call->channel = channel;
	LIST_INSERT_HEAD(&channel->active, call, entry);
	channel->in_flight++;
	return call;
}

void rpc_channel_call_free(struct channel_call *call)
{
	grpc_metadata_array_destroy(&call->initial);
	grpc_metadata_array_destroy(&call->trailing);
	free(call);
}

static void call_unlink(struct channel_call *call)
{
	LIST_REMOVE(call, entry);
	call->channel->in_flight--;
}

/* Releases the objects of one attempt. */
static void attempt_clear(struct channel_call *call)
{
	if (call->response)
		grpc_byte_buffer_destroy(call->response);
	call->response = NULL;
	grpc_slice_unref(call->details);
	call->details = grpc_empty_slice();
	call->initial.count = call->trailing.count = 0;
	if (call->grpc)
		grpc_call_unref(call->grpc);
	call->grpc = NULL;
}

static void request_drop(struct channel_call *call)
{
	if (call->request)
		grpc_byte_buffer_destroy(call->request);
	call->request = NULL;
}

static void report(const struct channel_call *call, void (*to)(void *data, const struct rpc_channel_report *report),
                   int status, int64_t since_us)
{
	if (!to)
		return;
	struct rpc_channel_report line = {.method = call->method->path + 1,
	                                  .status = (enum status)status,
	                                  .duration_us = clock_monotonic_us() - since_us,
	                                  .request_bytes = call->request_bytes,
	                                  .response_bytes = call->received_bytes};
	to(call->channel->options.report_data, &line);
}

/* Ends a call whose tag is not in gRPC: releases the object, then calls the closure. */
static void call_end(struct channel_call *call, const ProtobufCMessage *message)
{
	struct rpc_channel *channel = call->channel;
	struct context *context = call->context;
	ProtobufCClosure closure = call->closure;
	void *closure_data = call->closure_data;
	report(call, channel->options.report_call, (int)context->status, call->start_us);
	rpc_queue_timer_stop(channel->queue, &call->timer);
	attempt_clear(call);
	request_drop(call);
	call_unlink(call);
	if (channel->n_free_calls < CALL_FREE_MAXIMUM) {
		LIST_INSERT_HEAD(&channel->free_calls, call, entry);
		channel->n_free_calls++;
	} else {
		rpc_channel_call_free(call);
	}
	context->cancel = NULL;
	context->rpc = NULL;
	closure(message, closure_data);
}

static void call_fail(struct channel_call *call, enum status status, const char *message)
{
	context_fail(call->context, status, NULL, "%s", message);
	call_end(call, NULL);
}

/* Reports a failure on the next run: a closure is never called from inside the call. */
static void call_fail_later(struct channel_call *call, enum status status, const char *message)
{
	context_fail(call->context, status, NULL, "%s", message);
	rpc_queue_timer_start(call->channel->queue, &call->timer, 0);
}

static void call_cancel(struct context *context)
{
	struct channel_call *call = context->rpc;
	if (!call || call->cancelled)
		return;
	call->cancelled = true;
	if (call->grpc)
		grpc_call_cancel(call->grpc, NULL);
	else
		rpc_queue_timer_start(call->channel->queue, &call->timer, 0);
}

static void timer_fired(struct rpc_timer *timer)
{
	struct channel_call *call = RPC_CONTAINER(timer, struct channel_call, timer);
	if (call->context->status != STATUS_OK)
		call_end(call, NULL);
	else if (call->grpc)
		leave_silent_target(call);
	else if (call->cancelled)
		call_fail(call, STATUS_CANCELLED, "the call was cancelled");
	else
		attempt(call);
}

static size_t add_metadata(grpc_metadata *list, size_t count, const char *key, const char *value)
{
	if (!rpc_metadata_value(value, CALL_HEADER_LIMIT, &list[count].value))
		return count;
	list[count].key = grpc_slice_from_static_string(key);
	return count + 1;
}

/* Sends the request of one attempt and asks for its response and status, in one batch. */
static bool start_batch(struct channel_call *call)
{
	grpc_metadata metadata[CALL_METADATA];
	const struct context *context = call->context;
	size_t count = 0;
	count = add_metadata(metadata, count, "authorization", context->authorization);
	count = add_metadata(metadata, count, "traceparent", context->traceparent);
	count = add_metadata(metadata, count, "x-request-id", context->request_id);
	grpc_byte_buffer *request = grpc_byte_buffer_copy(call->request);
	uint32_t wait = GRPC_INITIAL_METADATA_WAIT_FOR_READY | GRPC_INITIAL_METADATA_WAIT_FOR_READY_EXPLICITLY_SET;
	grpc_op ops[] = {
	    {.op = GRPC_OP_SEND_INITIAL_METADATA,
	     .flags = call->attempts > 1 && context->deadline_us != CLOCK_NEVER ? wait : 0,
	     .data.send_initial_metadata = {.count = count, .metadata = metadata}},
	    {.op = GRPC_OP_SEND_MESSAGE, .data.send_message.send_message = request},
	    {.op = GRPC_OP_SEND_CLOSE_FROM_CLIENT},
	    {.op = GRPC_OP_RECV_INITIAL_METADATA, .data.recv_initial_metadata.recv_initial_metadata = &call->initial},
	    {.op = GRPC_OP_RECV_STATUS_ON_CLIENT,
	     .data.recv_status_on_client = {.trailing_metadata = &call->trailing,
	                                    .status = &call->status,
	                                    .status_details = &call->details}},
	    {.op = GRPC_OP_RECV_MESSAGE, .data.recv_message.recv_message = &call->response},
	};
	/* The messages of a stream have batches of their own. */
	const size_t n_ops = sizeof(ops) / sizeof(ops[0]) - (call->streams ? 1 : 0);
	grpc_call_error error = grpc_call_start_batch(call->grpc, ops, n_ops, &call->finished, NULL);
	grpc_byte_buffer_destroy(request);
	for (size_t i = 0; i < count; i++)
		grpc_slice_unref(metadata[i].value);
	call->attempting = error == GRPC_CALL_OK;
	return call->attempting;
}

/* Reads the next message of a stream. */
static void receive(struct channel_call *call)
{
	grpc_op op = {.op = GRPC_OP_RECV_MESSAGE, .data.recv_message.recv_message = &call->response};
	call->receiving = grpc_call_start_batch(call->grpc, &op, 1, &call->received, NULL) == GRPC_CALL_OK;
	if (!call->receiving)
		grpc_call_cancel(call->grpc, NULL);
}

static bool is_silent(const struct rpc_channel *channel, size_t target, int64_t now_us)
{
	return channel->states[target].in_flight > 0 &&
	       now_us - channel->states[target].answered_us > channel->options.silence_ms * 1000;
}

/*
 * The rank of a target for the next attempt. TARGET_FAILED: the last attempt of the same call failed there, and the
 * target may have sent GOAWAY: it is used again only if no other is good.
 */
enum quality { TARGET_FAILING, TARGET_SILENT, TARGET_FAILED, TARGET_GOOD };

enum { NO_TARGET = -1 };

/* One that is not connected yet is good, and begins to connect. */
static enum quality target_quality(const struct rpc_channel *channel, size_t target, int failed, int64_t now_us)
{
	grpc_connectivity_state state = grpc_channel_check_connectivity_state(channel->targets[target], 1);
	if (state == GRPC_CHANNEL_TRANSIENT_FAILURE)
		return TARGET_FAILING;
	int64_t probe_us = channel->states[target].probe_us;
	if (is_silent(channel, target, now_us) ||
	    (probe_us && (now_us < probe_us || channel->states[target].in_flight > 0)))
		return TARGET_SILENT;
	return (int)target == failed ? TARGET_FAILED : TARGET_GOOD;
}

/*
 * Round robin over the best targets, one step for each run of the queue: calls that are made together go to one target,
 * which reads and answers them together. `failed`: the target of the call's last attempt, NO_TARGET for the first one.
 */
static size_t choose_target(struct rpc_channel *channel, int failed, int64_t now_us)
{
	const uint64_t runs = rpc_queue_runs(channel->queue);
	if (failed != NO_TARGET || runs != channel->turn_runs)
		channel->turn++;
	channel->turn_runs = runs;
	size_t chosen = channel->turn % channel->n_targets;
	if (channel->n_targets == 1)
		return chosen;
	enum quality best = target_quality(channel, chosen, failed, now_us);
	for (size_t i = 1; i < channel->n_targets && best < TARGET_GOOD; i++) {
		size_t candidate = (channel->turn + i) % channel->n_targets;
		enum quality quality = target_quality(channel, candidate, failed, now_us);
		if (quality <= best)
			continue;
		chosen = candidate;
		best = quality;
	}
	return chosen;
}

/* Ends an attempt whose target is silent, if another target is good: the next attempt goes there. */
static void leave_silent_target(struct channel_call *call)
{
	struct rpc_channel *channel = call->channel;
	int64_t now_us = clock_monotonic_us();
	bool leave = false;
	if (is_silent(channel, call->target, now_us))
		for (size_t i = 0; i < channel->n_targets && !leave; i++)
			leave = i != call->target && target_quality(channel, i, NO_TARGET, now_us) == TARGET_GOOD;
	if (leave && call->attempts < channel->options.attempts) {
		channel->states[call->target].probe_us = now_us + PROBE_US;
		grpc_call_cancel(call->grpc, NULL);
	} else {
		rpc_queue_timer_start(channel->queue, &call->timer, now_us + channel->options.silence_ms * 1000);
	}
}

static void attempt(struct channel_call *call)
{
	struct rpc_channel *channel = call->channel;
	int64_t now_us = clock_monotonic_us();
	if (call->context->deadline_us <= now_us) {
		call_fail_later(call, STATUS_DEADLINE_EXCEEDED, "the deadline has passed");
		return;
	}
	call->attempts++;
	call->attempt_us = now_us;
	call->target = choose_target(channel, call->attempts > 1 ? (int)call->target : NO_TARGET, now_us);
	call->grpc = grpc_channel_create_registered_call(
	    channel->targets[call->target], NULL, GRPC_PROPAGATE_DEFAULTS, rpc_queue_completions(channel->queue),
	    call->method->registered[call->target], rpc_timespec(call->context->deadline_us), NULL);
	if (!call->grpc || !start_batch(call)) {
		attempt_clear(call);
		call_fail_later(call, STATUS_INTERNAL, "internal error");
		return;
	}
	if (channel->options.attempt_started)
		channel->options.attempt_started(channel->options.report_data, call->method->path + 1);
	/* A stream may be silent for as long as its client takes for a message. */
	if (call->streams) {
		receive(call);
		return;
	}
	if (channel->states[call->target].in_flight++ == 0)
		channel->states[call->target].answered_us = now_us;
	if (channel->n_targets > 1)
		rpc_queue_timer_start(channel->queue, &call->timer, now_us + channel->options.silence_ms * 1000);
}

static void take_details(const struct channel_call *call, struct context *context)
{
	for (size_t i = 0; i < call->trailing.count; i++) {
		const grpc_metadata *entry = &call->trailing.metadata[i];
		if (grpc_slice_str_cmp(entry->key, RPC_DETAILS_KEY) == 0)
			rpc_details_unpack(context, GRPC_SLICE_START_PTR(entry->value), GRPC_SLICE_LENGTH(entry->value));
	}
}

/* The delay in the server's RetryInfo; 0 if there is none. */
static int64_t asked_delay_us(const struct channel_call *call)
{
	struct context answer;
	context_init(&answer, call->context->arena);
	take_details(call, &answer);
	return answer.retry_after_ms * 1000;
}

/*
 * Delay before the next attempt: doubled from BACKOFF_FIRST_US to BACKOFF_LAST_US, times a random factor from 0.25 to
 * 1.25, added to the server's RetryInfo if there is one.
 */
static int64_t backoff_us(struct channel_call *call)
{
	int64_t asked_us = asked_delay_us(call);
	int64_t limit = BACKOFF_FIRST_US;
	for (int i = 1; i < call->attempts && limit < BACKOFF_LAST_US; i++)
		limit *= 2;
	if (limit > BACKOFF_LAST_US)
		limit = BACKOFF_LAST_US;
	int64_t delay_us = limit / 4 + arc4random_uniform((uint32_t)limit);
	return asked_us > 0 ? asked_us + delay_us : delay_us;
}

/*
 * gRPC rounds the timeout that it sends, so the server may end the call first, by cancelling the stream. CANCELLED near
 * the deadline counts as DEADLINE_EXCEEDED.
 */
static bool is_late(const struct channel_call *call)
{
	return call->status == GRPC_STATUS_DEADLINE_EXCEEDED ||
	       (call->status == GRPC_STATUS_CANCELLED &&
	        clock_monotonic_us() >= call->context->deadline_us - RPC_DEADLINE_SLACK_US);
}

/*
 * Whether the status means that the service is unavailable. An attempt that waits for a connection until its deadline
 * ends as DEADLINE_EXCEEDED; if there is still no connection, the service is unavailable rather than slow. A server of
 * gRPC Core that begins to shut down while it reads a request ends it as CANCELLED, although this side did not cancel.
 */
static bool is_unavailable(const struct channel_call *call)
{
	if (call->status == GRPC_STATUS_UNAVAILABLE)
		return true;
	if (call->status == GRPC_STATUS_CANCELLED)
		return !call->cancelled && !is_late(call);
	return call->status == GRPC_STATUS_DEADLINE_EXCEEDED &&
	       grpc_channel_check_connectivity_state(call->channel->targets[call->target], 0) != GRPC_CHANNEL_READY;
}

/* gRPC's message as text in the context's arena; "" if there is none. */
static const char *message_text(const struct channel_call *call)
{
	const char *message = (const char *)GRPC_SLICE_START_PTR(call->details);
	size_t length = utf8_prefix(message, GRPC_SLICE_LENGTH(call->details), RPC_MESSAGE_LIMIT);
	if (!utf8_is_valid(message, length) || memchr(message, '\0', length))
		return "";
	const char *text = arena_printf(call->context->arena, "%.*s", (int)length, message);
	return text ? text : "";
}

/*
 * Ends a call with the status and message of its last attempt. If the service is unavailable, gRPC's message about the
 * connection follows, for the user of callhistoryctl and the gateway's log; clients of the gateway are shown only
 * messages that come with an ErrorInfo. An attempt that waited for a connection in vain does not know why: the one
 * before does.
 */
static void fail_remote(struct channel_call *call, bool unavailable)
{
	struct context *context = call->context;
	const char *message =
	    call->trouble && call->status == GRPC_STATUS_DEADLINE_EXCEEDED ? call->trouble : message_text(call);
	take_details(call, context);
	const char *reason = context->reason;
	bool known = (int)call->status > STATUS_OK && (int)call->status <= STATUS_UNAUTHENTICATED;
	enum status status = known ? (enum status)call->status : STATUS_UNKNOWN;
	if (unavailable && !reason) {
		if (!context->retry_after_ms)
			context->retry_after_ms = CONNECT_RETRY_MS;
		context_fail(context, STATUS_UNAVAILABLE, NULL, "the service is not available%s%s", *message ? ": " : "",
		             message);
	} else if (is_late(call) && !reason) {
		context_fail(context, STATUS_DEADLINE_EXCEEDED, NULL, "the deadline has passed");
	} else {
		context_fail(context, status, reason, "%s", message);
	}
	call_end(call, NULL);
}

/* Reads an answer or a message of a stream. NULL after context_fail(). */
static ProtobufCMessage *read_message(struct channel_call *call, grpc_byte_buffer *payload)
{
	struct context *context = call->context;
	ProtobufCMessage *message = NULL;
	int result = -EBADMSG;
	if (payload)
		result = rpc_payload_unpack(payload, RPC_PAYLOAD_INFLATED_MAX, call->output, context->arena, &message);
	if (result == -ENOMEM)
		context_fail(context, STATUS_RESOURCE_EXHAUSTED, NULL, "response: out of memory");
	else if (result)
		context_fail(context, STATUS_INTERNAL, NULL, "response: not a valid message");
	return message;
}

/* An answer shows that the target is alive. These three statuses may come without one: from this side's gRPC. */
static void note_answer(struct channel_call *call)
{
	struct rpc_channel *channel = call->channel;
	if (call->status == GRPC_STATUS_DEADLINE_EXCEEDED || call->status == GRPC_STATUS_CANCELLED ||
	    call->status == GRPC_STATUS_UNAVAILABLE)
		return;
	channel->states[call->target].answered_us = clock_monotonic_us();
	channel->states[call->target].probe_us = 0;
}

/*
 * Whether there was a connection. gRPC has no function for it, and soon after a break the channel has the state of one
 * that cannot connect; but the message of a call that fails without a connection begins in one of these ways (gRPC Core
 * 1.51, which Debian 12 and 13 have).
 */
static bool had_connection(const struct channel_call *call)
{
	static const char *const without[] = {"connections to all backends failing", "failed to connect to all addresses",
	                                      "DNS resolution failed", "empty address list"};
	if (call->status == GRPC_STATUS_DEADLINE_EXCEEDED || call->status == GRPC_STATUS_CANCELLED)
		return false;
	for (size_t i = 0; i < sizeof(without) / sizeof(without[0]) && call->status == GRPC_STATUS_UNAVAILABLE; i++) {
		size_t length = strlen(without[i]);
		if (GRPC_SLICE_LENGTH(call->details) >= length &&
		    !memcmp(GRPC_SLICE_START_PTR(call->details), without[i], length))
			return false;
	}
	return true;
}

/* gRPC has returned the tags of an attempt. */
static void attempt_end(struct channel_call *call)
{
	bool unavailable = is_unavailable(call);
	rpc_queue_timer_stop(call->channel->queue, &call->timer);
	if (!call->streams)
		call->channel->states[call->target].in_flight--;
	if (call->response)
		call->received_bytes = grpc_byte_buffer_length(call->response);
	note_answer(call);
	call->channel->reached |= had_connection(call);
	report(call, call->channel->options.report_attempt, (int)call->status, call->attempt_us);
	if (call->status == GRPC_STATUS_OK) {
		call_end(call, call->streams ? NULL : read_message(call, call->response));
	} else if (call->cancelled) {
		call_fail(call, STATUS_CANCELLED, "the call was cancelled");
	} else if (unavailable && !call->streams && call->attempts < call->channel->options.attempts) {
		int64_t due_us = clock_monotonic_us() + backoff_us(call);
		if (due_us >= call->context->deadline_us) {
			fail_remote(call, unavailable);
			return;
		}
		call->trouble = message_text(call);
		attempt_clear(call);
		rpc_queue_timer_start(call->channel->queue, &call->timer, due_us);
	} else {
		fail_remote(call, unavailable);
	}
}

/* A tag has come back: goes on once none is left. A detached object is freed then. */
static void tag_returned(struct channel_call *call)
{
	if (call->attempting || call->receiving)
		return;
	if (call->channel) {
		attempt_end(call);
	} else {
		attempt_clear(call);
		rpc_channel_call_free(call);
	}
}

static void attempt_finished(struct rpc_tag *tag, bool ok)
{
	(void)ok;
	struct channel_call *call = RPC_CONTAINER(tag, struct channel_call, finished);
	call->attempting = false;
	tag_returned(call);
}

/* Passes a message of a stream on. One that cannot be read ends the call. */
static void take_message(struct channel_call *call, grpc_byte_buffer *payload)
{
	struct context *context = call->context;
	struct arena_mark mark = arena_mark(context->arena);
	call->received_bytes += grpc_byte_buffer_length(payload);
	call->channel->reached = true;
	ProtobufCMessage *message = read_message(call, payload);
	if (!message) {
		call_cancel(context);
	} else {
		context->on_message(context, message);
		if (context->status == STATUS_OK)
			arena_rewind(context->arena, mark);
	}
}

static void message_received(struct rpc_tag *tag, bool ok)
{
	(void)ok;
	struct channel_call *call = RPC_CONTAINER(tag, struct channel_call, received);
	grpc_byte_buffer *payload = call->response;
	call->response = NULL;
	call->receiving = false;
	if (call->channel && payload && !call->cancelled) {
		take_message(call, payload);
		if (!call->cancelled)
			receive(call);
	}
	if (payload)
		grpc_byte_buffer_destroy(payload);
	tag_returned(call);
}

void rpc_channel_call_invoke(ProtobufCService *service, unsigned index, const ProtobufCMessage *input,
                             ProtobufCClosure closure, void *closure_data)
{
	struct remote_service *remote = (struct remote_service *)service;
	struct context *context = closure_data;
	if (remote->magic != RPC_REMOTE_MAGIC || context->magic != CONTEXT_MAGIC)
		abort();
	struct channel_call *call = call_take(remote->channel);
	if (!call) { /* the only failure that can't wait for the next run: there is no object for it */
		context_fail(context, STATUS_RESOURCE_EXHAUSTED, NULL, "out of memory");
		closure(NULL, closure_data);
		return;
	}
	call->context = context;
	call->closure = closure;
	call->closure_data = closure_data;
	call->method = &remote->methods[index];
	call->output = service->descriptor->methods[index].output;
	call->details = grpc_empty_slice();
	call->trouble = NULL;
	call->attempts = 0;
	call->start_us = clock_monotonic_us();
	call->cancelled = call->attempting = call->receiving = false;
	call->streams = context->on_message != NULL;
	call->received_bytes = 0;
	call->request_bytes = protobuf_c_message_get_packed_size(input);
	call->request = rpc_payload_pack(input, call->request_bytes);
	context->rpc = call;
	context->cancel = call_cancel;
	if (!context->authorization || rpc_metadata_length(context->authorization, CALL_HEADER_LIMIT))
		attempt(call);
	else
		call_fail_later(call, STATUS_UNAUTHENTICATED, "authorization: not a valid header value");
}

/* The closures may start new calls, which end the same way: the loop runs until none is left. */
void rpc_channel_calls_abandon(struct rpc_channel *channel)
{
	for (struct channel_call *call; (call = LIST_FIRST(&channel->active));) {
		struct context *context = call->context;
		ProtobufCClosure closure = call->closure;
		void *closure_data = call->closure_data;
		if (!call->grpc) {
			call_fail(call, STATUS_CANCELLED, "the channel was closed");
			continue;
		}
		grpc_call_cancel(call->grpc, NULL);
		rpc_queue_timer_stop(channel->queue, &call->timer);
		request_drop(call);
		call_unlink(call);
		call->channel = NULL;
		context->cancel = NULL;
		context->rpc = NULL;
		context_fail(context, STATUS_CANCELLED, NULL, "the channel was closed");
		closure(NULL, closure_data);
	}
}
