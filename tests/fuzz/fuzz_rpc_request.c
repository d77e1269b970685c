/*
 * Fuzzes the unpacking of requests, in one slice and in two: any bytes a client sends come here first.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "callhistory/v1/call_history_service.pb-c.h"
#include "callhistory/v1/call_ingest_service.pb-c.h"
#include "rpc/payload.h"
#include "structure_wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int unpack(const uint8_t *data, size_t size, size_t cut, const ProtobufCMessageDescriptor *type)
{
	struct arena *arena;
	ProtobufCMessage *message;
	grpc_slice slices[] = {grpc_slice_from_copied_buffer((const char *)data, cut),
	                       grpc_slice_from_copied_buffer((const char *)data + cut, size - cut)};
	if (arena_create(&arena, 4096))
		abort();
	grpc_byte_buffer *payload = grpc_raw_byte_buffer_create(slices, cut < size ? 2 : 1);
	int result = rpc_payload_unpack(payload, RPC_PAYLOAD_INFLATED_MAX, type, arena, &message);
	if (result == 0 && !protobuf_c_message_check(message))
		abort();
	grpc_byte_buffer_destroy(payload);
	grpc_slice_unref(slices[0]);
	grpc_slice_unref(slices[1]);
	arena_destroy(arena);
	return result;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const ProtobufCMessageDescriptor *const types[] = {&callhistory__v1__list_calls_request__descriptor,
	                                                          &callhistory__v1__export_calls_request__descriptor,
	                                                          &callhistory__v1__record_calls_request__descriptor,
	                                                          &callhistory__v1__delete_calls_request__descriptor};
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (unpack(data, size, size, types[i]) != unpack(data, size, size / 2, types[i]))
			abort();
	return 0;
}

STRUCTURE_MUTATOR(structure_wire, 0);
