/*
 * raw_call: a client call made of bytes, for what a well-behaved stub never
 * sends and for streams. It has a channel and a completion queue of its own;
 * while it waits, it runs the fixture's queue too.
 */
#ifndef CALLHISTORY_TESTS_RAW_CALL_H
#define CALLHISTORY_TESTS_RAW_CALL_H

#include <grpc/byte_buffer_reader.h>
#include <grpc/grpc.h>
#include <grpc/grpc_security.h>
#include <grpc/support/time.h>

#include "support/rpc_fixture.h"

enum raw_tag { RAW_START = 1, RAW_SEND, RAW_CLOSE, RAW_RECEIVE, RAW_STATUS, RAW_HEADERS, RAW_TAGS };

struct raw_call {
	struct fixture *fixture;
	grpc_channel *channel;
	grpc_completion_queue *completions;
	grpc_call *call;
	grpc_metadata_array initial, trailing;
	grpc_byte_buffer *received;
	grpc_status_code status;
	grpc_slice message;
	bool done[RAW_TAGS], ok[RAW_TAGS];
};

static inline void raw_batch(struct raw_call *raw, grpc_op op, enum raw_tag tag)
{
	raw->done[tag] = false;
	assert_int_equal(grpc_call_start_batch(raw->call, &op, 1, (void *)(intptr_t)tag, NULL), GRPC_CALL_OK);
}

static inline bool raw_wait(struct raw_call *raw, enum raw_tag tag)
{
	int64_t end_us = clock_monotonic_us() + FIXTURE_WAIT_US;
	while (!raw->done[tag]) {
		assert_true(clock_monotonic_us() < end_us);
		if (raw->fixture)
			rpc_queue_run(raw->fixture->queue, 0);
		grpc_event event = grpc_completion_queue_next(
		    raw->completions, gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC), gpr_time_from_millis(2, GPR_TIMESPAN)), NULL);
		if (event.type == GRPC_OP_COMPLETE) {
			raw->done[(intptr_t)event.tag] = true;
			raw->ok[(intptr_t)event.tag] = event.success != 0;
		}
	}
	return raw->ok[tag];
}

static inline void raw_begin(struct raw_call *raw, const char *path, const grpc_metadata *metadata, size_t count,
                             int64_t timeout_ms)
{
	raw->call = grpc_channel_create_call(
	    raw->channel, NULL, GRPC_PROPAGATE_DEFAULTS, raw->completions, grpc_slice_from_static_string(path), NULL,
	    gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC), gpr_time_from_millis(timeout_ms, GPR_TIMESPAN)), NULL);
	assert_non_null(raw->call);
	grpc_metadata_array_init(&raw->initial);
	grpc_metadata_array_init(&raw->trailing);
	raw->message = grpc_empty_slice();
	raw_batch(raw,
	          (grpc_op){.op = GRPC_OP_SEND_INITIAL_METADATA,
	                    .data.send_initial_metadata = {.count = count, .metadata = (grpc_metadata *)metadata}},
	          RAW_START);
	raw_batch(raw,
	          (grpc_op){.op = GRPC_OP_RECV_INITIAL_METADATA,
	                    .data.recv_initial_metadata.recv_initial_metadata = &raw->initial},
	          RAW_HEADERS);
	raw_batch(raw,
	          (grpc_op){.op = GRPC_OP_RECV_STATUS_ON_CLIENT,
	                    .data.recv_status_on_client = {.trailing_metadata = &raw->trailing,
	                                                   .status = &raw->status,
	                                                   .status_details = &raw->message}},
	          RAW_STATUS);
	raw_wait(raw, RAW_START);
}

/* Opens a channel to the fixture that pings every so often (0: never), without a call. */
static inline void raw_open_pinging(struct raw_call *raw, struct fixture *fixture, int ping_ms)
{
	memset(raw, 0, sizeof(*raw));
	grpc_init();
	raw->fixture = fixture;
	raw->completions = grpc_completion_queue_create_for_next(NULL);
	grpc_arg args[] = {
	    {.type = GRPC_ARG_INTEGER, .key = (char *)GRPC_ARG_ENABLE_RETRIES, .value.integer = 0},
	    {.type = GRPC_ARG_INTEGER, .key = (char *)GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, .value.integer = 1},
	    {.type = GRPC_ARG_INTEGER, .key = (char *)GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, .value.integer = 0},
	    {.type = GRPC_ARG_INTEGER, .key = (char *)GRPC_ARG_KEEPALIVE_TIME_MS, .value.integer = ping_ms},
	};
	grpc_channel_args list = {.num_args = ping_ms > 0 ? 4 : 3, .args = args};
	grpc_channel_credentials *credentials = grpc_insecure_credentials_create();
	raw->channel = grpc_channel_create(fixture->address, credentials, &list);
	grpc_channel_credentials_release(credentials);
}

/* Opens a channel to the fixture and, where there is a path, begins a call on it. */
static inline void raw_open(struct raw_call *raw, struct fixture *fixture, const char *path)
{
	raw_open_pinging(raw, fixture, 0);
	if (path)
		raw_begin(raw, path, NULL, 0, 15000);
}

static inline void raw_send_compressed(struct raw_call *raw, const void *bytes, size_t length,
                                       grpc_compression_algorithm algorithm)
{
	grpc_slice slice = grpc_slice_from_copied_buffer(bytes, length);
	grpc_byte_buffer *buffer = algorithm == GRPC_COMPRESS_NONE
	                               ? grpc_raw_byte_buffer_create(&slice, 1)
	                               : grpc_raw_compressed_byte_buffer_create(&slice, 1, algorithm);
	grpc_slice_unref(slice);
	raw_batch(raw, (grpc_op){.op = GRPC_OP_SEND_MESSAGE, .data.send_message.send_message = buffer}, RAW_SEND);
	raw_wait(raw, RAW_SEND);
	grpc_byte_buffer_destroy(buffer);
}

static inline void raw_send(struct raw_call *raw, const void *bytes, size_t length)
{
	raw_send_compressed(raw, bytes, length, GRPC_COMPRESS_NONE);
}

/* Packs and sends. */
static inline void raw_send_message(struct raw_call *raw, const ProtobufCMessage *message)
{
	size_t length = protobuf_c_message_get_packed_size(message);
	uint8_t *bytes = malloc(length + 1);
	assert_non_null(bytes);
	protobuf_c_message_pack(message, bytes);
	raw_send(raw, bytes, length);
	free(bytes);
}

static inline void raw_close(struct raw_call *raw)
{
	raw_batch(raw, (grpc_op){.op = GRPC_OP_SEND_CLOSE_FROM_CLIENT}, RAW_CLOSE);
	raw_wait(raw, RAW_CLOSE);
}

static inline void raw_ask(struct raw_call *raw)
{
	raw_batch(raw, (grpc_op){.op = GRPC_OP_RECV_MESSAGE, .data.recv_message.recv_message = &raw->received},
	          RAW_RECEIVE);
}

/* Takes a message that was asked for; NULL at the end of the stream. The caller frees what it unpacks to. */
static inline ProtobufCMessage *raw_take(struct raw_call *raw, const ProtobufCMessageDescriptor *type)
{
	ProtobufCMessage *message = NULL;
	raw_wait(raw, RAW_RECEIVE);
	if (raw->received) {
		grpc_byte_buffer_reader reader;
		assert_true(grpc_byte_buffer_reader_init(&reader, raw->received));
		grpc_slice slice = grpc_byte_buffer_reader_readall(&reader);
		message = protobuf_c_message_unpack(type, NULL, GRPC_SLICE_LENGTH(slice), GRPC_SLICE_START_PTR(slice));
		assert_non_null(message);
		grpc_slice_unref(slice);
		grpc_byte_buffer_reader_destroy(&reader);
		grpc_byte_buffer_destroy(raw->received);
		raw->received = NULL;
	}
	return message;
}

static inline ProtobufCMessage *raw_receive(struct raw_call *raw, const ProtobufCMessageDescriptor *type)
{
	raw_ask(raw);
	return raw_take(raw, type);
}

static inline const grpc_slice *raw_trailer(const struct raw_call *raw, const char *key)
{
	for (size_t i = 0; i < raw->trailing.count; i++)
		if (grpc_slice_str_cmp(raw->trailing.metadata[i].key, key) == 0)
			return &raw->trailing.metadata[i].value;
	return NULL;
}

/* Waits for the status of a unary call, and drops the answer: gRPC has no status before the answer was taken. */
static inline void raw_finish(struct raw_call *raw)
{
	raw_close(raw);
	raw_ask(raw);
	raw_wait(raw, RAW_RECEIVE);
	if (raw->received)
		grpc_byte_buffer_destroy(raw->received);
	raw->received = NULL;
	raw_wait(raw, RAW_STATUS);
}

/* Ends the call, keeps the channel. */
static inline void raw_end(struct raw_call *raw)
{
	grpc_call_cancel(raw->call, NULL);
	raw_wait(raw, RAW_STATUS);
	raw_wait(raw, RAW_HEADERS);
	grpc_metadata_array_destroy(&raw->initial);
	grpc_metadata_array_destroy(&raw->trailing);
	grpc_slice_unref(raw->message);
	grpc_call_unref(raw->call);
	raw->call = NULL;
}

static inline void raw_free(struct raw_call *raw)
{
	if (raw->call)
		raw_end(raw);
	grpc_channel_destroy(raw->channel);
	grpc_completion_queue_shutdown(raw->completions);
	while (grpc_completion_queue_next(raw->completions, gpr_inf_future(GPR_CLOCK_MONOTONIC), NULL).type !=
	       GRPC_QUEUE_SHUTDOWN)
		;
	grpc_completion_queue_destroy(raw->completions);
	grpc_shutdown_blocking();
}

#endif
