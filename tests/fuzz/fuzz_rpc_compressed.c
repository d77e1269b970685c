/*
 * fuzz_rpc_compressed: any bytes as a compressed request, in one slice and in two; and, compressed here, as a request
 * that must be unpacked just as it is without compression.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <zlib.h>

#include "callhistory/v1/call_ingest_service.pb-c.h"
#include "rpc/payload.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int unpack(const uint8_t *data, size_t size, size_t cut, grpc_compression_algorithm algorithm)
{
	struct arena *arena;
	ProtobufCMessage *message;
	grpc_slice slices[] = {grpc_slice_from_copied_buffer((const char *)data, cut),
	                       grpc_slice_from_copied_buffer((const char *)data + cut, size - cut)};
	if (arena_create(&arena, 4096))
		abort();
	grpc_byte_buffer *payload = grpc_raw_compressed_byte_buffer_create(slices, cut < size ? 2 : 1, algorithm);
	int result = rpc_payload_unpack(payload, RPC_PAYLOAD_INFLATED_MAX,
	                                &callhistory__v1__record_calls_request__descriptor, arena, &message);
	if (result == 0 && !protobuf_c_message_check(message))
		abort();
	grpc_byte_buffer_destroy(payload);
	grpc_slice_unref(slices[0]);
	grpc_slice_unref(slices[1]);
	arena_destroy(arena);
	return result;
}

static void check_compressed(const uint8_t *data, size_t size)
{
	uLongf length = compressBound(size);
	uint8_t *packed = malloc(length);
	if (!packed || compress2(packed, &length, data, size, Z_BEST_SPEED) != Z_OK)
		abort();
	int plain = unpack(data, size, size, GRPC_COMPRESS_NONE);
	if (unpack(packed, length, length, GRPC_COMPRESS_DEFLATE) != plain ||
	    unpack(packed, length, length / 2, GRPC_COMPRESS_GZIP) != plain)
		abort();
	free(packed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (unpack(data, size, size, GRPC_COMPRESS_GZIP) != unpack(data, size, size / 2, GRPC_COMPRESS_GZIP))
		abort();
	check_compressed(data, size);
	return 0;
}
