/*
 * Fuzzes the unpacking of requests, in one slice and in two: any bytes a client sends come here first. What is taken
 * means the same to protobuf-c.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "callhistory/v1/call_history_service.pb-c.h"
#include "callhistory/v1/call_ingest_service.pb-c.h"
#include "rpc/payload.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Reads `bytes` with protobuf-c, and what it packs must be `packed`. */
static void expect_same(const ProtobufCMessageDescriptor *type, const uint8_t *bytes, const uint8_t *packed,
                        size_t length)
{
	ProtobufCMessage *other = protobuf_c_message_unpack(type, NULL, length, bytes);
	uint8_t *again = malloc(length + 1);
	if (!other || !again || protobuf_c_message_get_packed_size(other) != length)
		abort();
	protobuf_c_message_pack(other, again);
	if (memcmp(packed, again, length))
		abort();
	free(again);
	protobuf_c_message_free_unpacked(other, NULL);
}

/* Bytes that pack to as many have nothing unknown and nothing twice: there protobuf-c, which does not merge, reads the same. */
static void compare(const ProtobufCMessage *message, const uint8_t *data, size_t size)
{
	size_t length = protobuf_c_message_get_packed_size(message);
	uint8_t *packed = malloc(length + 1);
	if (!packed)
		abort();
	protobuf_c_message_pack(message, packed);
	expect_same(message->descriptor, packed, packed, length);
	if (length == size)
		expect_same(message->descriptor, data, packed, length);
	free(packed);
}

static int unpack(const uint8_t *data, size_t size, size_t cut, const ProtobufCMessageDescriptor *type)
{
	struct arena *arena;
	ProtobufCMessage *message;
	grpc_slice slices[] = {grpc_slice_from_copied_buffer((const char *)data, cut),
	                       grpc_slice_from_copied_buffer((const char *)data + cut, size - cut)};
	if (arena_create(&arena, 4096))
		abort();
	grpc_byte_buffer *payload = grpc_raw_byte_buffer_create(slices, cut < size ? 2 : 1);
	int result = rpc_payload_unpack(payload, type, arena, &message);
	if (result == 0 && !protobuf_c_message_check(message))
		abort();
	if (result == 0)
		compare(message, data, size);
	grpc_byte_buffer_destroy(payload);
	grpc_slice_unref(slices[0]);
	grpc_slice_unref(slices[1]);
	arena_destroy(arena);
	return result;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const ProtobufCMessageDescriptor *const types[] = {&callhistory__v1__list_calls_request__descriptor,
	                                                          &callhistory__v1__record_calls_request__descriptor};
	for (size_t i = 0; i < 2; i++)
		if (unpack(data, size, size, types[i]) != unpack(data, size, size / 2, types[i]))
			abort();
	return 0;
}
