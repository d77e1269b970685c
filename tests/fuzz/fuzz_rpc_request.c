/*
 * Fuzzes the unpacking of requests, in one slice and in two: any bytes a client sends come here first. What is taken,
 * protobuf-c's own unpacking takes too, and reads the same.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "callhistory/v1/call_history_service.pb-c.h"
#include "callhistory/v1/call_ingest_service.pb-c.h"
#include "rpc/payload.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void drop_unknown(ProtobufCMessage *message)
{
	const ProtobufCMessageDescriptor *type = message->descriptor;
	for (unsigned i = 0; i < message->n_unknown_fields; i++)
		free(message->unknown_fields[i].data);
	free(message->unknown_fields);
	message->n_unknown_fields = 0;
	message->unknown_fields = NULL;
	for (unsigned i = 0; i < type->n_fields; i++) {
		const ProtobufCFieldDescriptor *field = &type->fields[i];
		void *member = (char *)message + field->offset;
		if (field->type != PROTOBUF_C_TYPE_MESSAGE)
			continue;
		if (field->label != PROTOBUF_C_LABEL_REPEATED) {
			if (*(ProtobufCMessage **)member)
				drop_unknown(*(ProtobufCMessage **)member);
			continue;
		}
		size_t count = *(size_t *)((char *)message + field->quantifier_offset);
		for (size_t k = 0; k < count; k++)
			drop_unknown((*(ProtobufCMessage ***)member)[k]);
	}
}

static void compare(const ProtobufCMessage *message, const uint8_t *data, size_t size)
{
	ProtobufCMessage *other = protobuf_c_message_unpack(message->descriptor, NULL, size, data);
	if (!other)
		abort();
	drop_unknown(other);
	size_t length = protobuf_c_message_get_packed_size(message);
	uint8_t *mine = malloc(length + 1), *theirs = malloc(length + 1);
	if (!mine || !theirs || length != protobuf_c_message_get_packed_size(other))
		abort();
	protobuf_c_message_pack(message, mine);
	protobuf_c_message_pack(other, theirs);
	if (memcmp(mine, theirs, length))
		abort();
	free(mine);
	free(theirs);
	protobuf_c_message_free_unpacked(other, NULL);
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
