/*
 * rpc/payload: a string that is not UTF-8 would make the whole answer unreadable to clients
 * in other languages, so it is refused by base/unpack, at the only way in.
 */
#include "rpc/payload.h"

#include <errno.h>
#include <string.h>
#include <zlib.h>

#include "base/unpack.h"

bool rpc_payload_has_names(const ProtobufCServiceDescriptor *descriptor)
{
	bool named = descriptor->name && *descriptor->name;
	for (unsigned i = 0; i < descriptor->n_methods && named; i++)
		named = descriptor->methods[i].name && *descriptor->methods[i].name;
	return named;
}

size_t rpc_metadata_length(const char *value, size_t limit)
{
	size_t length = 0;
	/* What grpc_header_nonbin_value_is_legal() takes, which wants a slice. */
	while (value && value[length] >= ' ' && value[length] <= '~')
		length++;
	return !value || value[length] || length > limit ? 0 : length;
}

bool rpc_metadata_value(const char *value, size_t limit, grpc_slice *out)
{
	size_t length = rpc_metadata_length(value, limit);
	if (length == 0)
		return false;
	*out = grpc_slice_from_copied_buffer(value, length);
	return true;
}

/* Inflates at most `size` bytes; NULL data: only the length is wanted. */
static int inflate_all(grpc_byte_buffer *payload, uint8_t *data, size_t size, size_t *length)
{
	uint8_t scratch[16384];
	enum { ZLIB_OR_GZIP = 32 };
	z_stream stream = {.next_in = NULL};
	const grpc_slice_buffer *slices = &payload->data.raw.slice_buffer;
	int state = Z_OK, result = 0;
	if (inflateInit2(&stream, MAX_WBITS + ZLIB_OR_GZIP) != Z_OK)
		return -ENOMEM;
	for (size_t i = 0; i < slices->count && state == Z_OK && !result; i++) {
		stream.next_in = GRPC_SLICE_START_PTR(slices->slices[i]);
		stream.avail_in = (uInt)GRPC_SLICE_LENGTH(slices->slices[i]);
		do {
			stream.next_out = data ? data + stream.total_out : scratch;
			stream.avail_out = (uInt)(data ? size - stream.total_out : sizeof(scratch));
			state = inflate(&stream, Z_NO_FLUSH);
			if (stream.total_out > size)
				result = -EFBIG;
		} while (state == Z_OK && !result && stream.avail_out == 0);
		/* No progress is possible without more input. */
		state = state == Z_BUF_ERROR ? Z_OK : state;
	}
	*length = stream.total_out;
	inflateEnd(&stream);
	return result ? result : state == Z_STREAM_END ? 0 : state == Z_MEM_ERROR ? -ENOMEM : -EBADMSG;
}

/* Inflates twice, for the length and for the bytes, because the length that a client claims is not trusted. */
static int unpack_compressed(grpc_byte_buffer *payload, size_t max, const ProtobufCMessageDescriptor *type,
                             struct arena *arena, ProtobufCMessage **out)
{
	grpc_compression_algorithm algorithm = payload->data.raw.compression;
	size_t length, again;
	if (algorithm != GRPC_COMPRESS_GZIP && algorithm != GRPC_COMPRESS_DEFLATE)
		return -EPROTONOSUPPORT;
	int result = inflate_all(payload, NULL, max, &length);
	if (result)
		return result;
	uint8_t *data = arena_alloc(arena, length);
	if (!data)
		return -ENOMEM;
	result = inflate_all(payload, data, length, &again);
	return result ? result : unpack_message(type, data, length, arena, out);
}

int rpc_payload_unpack(grpc_byte_buffer *payload, size_t inflated_max, const ProtobufCMessageDescriptor *type,
                       struct arena *arena, ProtobufCMessage **out)
{
	if (payload->data.raw.compression != GRPC_COMPRESS_NONE)
		return unpack_compressed(payload, inflated_max, type, arena, out);
	const grpc_slice_buffer *slices = &payload->data.raw.slice_buffer;
	if (slices->count == 1)
		return unpack_message(type, GRPC_SLICE_START_PTR(slices->slices[0]), GRPC_SLICE_LENGTH(slices->slices[0]),
		                      arena, out);
	uint8_t *data = arena_alloc(arena, slices->length);
	size_t length = 0;
	if (!data)
		return -ENOMEM;
	for (size_t i = 0; i < slices->count; i++) {
		memcpy(data + length, GRPC_SLICE_START_PTR(slices->slices[i]), GRPC_SLICE_LENGTH(slices->slices[i]));
		length += GRPC_SLICE_LENGTH(slices->slices[i]);
	}
	return unpack_message(type, data, length, arena, out);
}

grpc_byte_buffer *rpc_payload_pack(const ProtobufCMessage *message, size_t size)
{
	grpc_slice slice = grpc_slice_malloc(size);
	protobuf_c_message_pack(message, GRPC_SLICE_START_PTR(slice));
	grpc_byte_buffer *payload = grpc_raw_byte_buffer_create(&slice, 1);
	grpc_slice_unref(slice);
	return payload;
}
