/*
 * rpc/payload: a request nearly always arrives in one slice, and is then
 * unpacked where it lies; protobuf-c copies all that it keeps.
 *
 * protobuf-c takes any bytes for a string. A string that is not UTF-8 would
 * make the whole answer unreadable to clients in other languages, so it is
 * refused here, at the only way in.
 */
#include "rpc/payload.h"

#include <errno.h>
#include <grpc/byte_buffer_reader.h>
#include <stdint.h>
#include <string.h>

bool rpc_utf8_valid(const char *text, size_t length)
{
	const unsigned char *at = (const unsigned char *)text, *end = at + length;
	while (at < end) {
		if (*at < 0x80) {
			at++;
			continue;
		}
		size_t more = *at >= 0xf0 ? 3 : *at >= 0xe0 ? 2 : 1;
		if (*at < 0xc2 || *at > 0xf4 || (size_t)(end - at) <= more)
			return false;
		if ((*at == 0xe0 && at[1] < 0xa0) || (*at == 0xed && at[1] > 0x9f) || (*at == 0xf0 && at[1] < 0x90) ||
		    (*at == 0xf4 && at[1] > 0x8f))
			return false;
		for (size_t i = 1; i <= more; i++)
			if ((at[i] & 0xc0) != 0x80)
				return false;
		at += more + 1;
	}
	return true;
}

size_t rpc_utf8_prefix(const char *text, size_t length, size_t limit)
{
	if (length <= limit)
		return length;
	while (limit > 0 && ((unsigned char)text[limit] & 0xc0) == 0x80)
		limit--;
	return limit;
}

bool rpc_metadata_value(const char *value, size_t limit, grpc_slice *out)
{
	size_t length = value ? strlen(value) : 0;
	if (length == 0 || length > limit)
		return false;
	grpc_slice slice = grpc_slice_from_copied_buffer(value, length);
	if (!grpc_header_nonbin_value_is_legal(slice)) {
		grpc_slice_unref(slice);
		return false;
	}
	*out = slice;
	return true;
}

static bool strings_valid(const ProtobufCMessage *message);

static bool string_valid(const char *text)
{
	return !text || rpc_utf8_valid(text, strlen(text));
}

static bool repeated_valid(const ProtobufCFieldDescriptor *field, const char *base)
{
	size_t count;
	memcpy(&count, base + field->quantifier_offset, sizeof(count));
	if (count == 0)
		return true;
	void *const *items;
	memcpy(&items, base + field->offset, sizeof(items));
	for (size_t i = 0; i < count; i++) {
		if (field->type == PROTOBUF_C_TYPE_STRING ? !string_valid(items[i]) : !strings_valid(items[i]))
			return false;
	}
	return true;
}

static bool single_valid(const ProtobufCFieldDescriptor *field, const char *base)
{
	if (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) {
		uint32_t selected;
		memcpy(&selected, base + field->quantifier_offset, sizeof(selected));
		if (selected != field->id)
			return true;
	}
	const void *value;
	memcpy(&value, base + field->offset, sizeof(value));
	return field->type == PROTOBUF_C_TYPE_STRING ? string_valid(value) : !value || strings_valid(value);
}

/* Recursion is as deep as the message was nested; the product's messages are not recursive. */
static bool strings_valid(const ProtobufCMessage *message)
{
	const ProtobufCMessageDescriptor *type = message->descriptor;
	for (unsigned i = 0; i < type->n_fields; i++) {
		const ProtobufCFieldDescriptor *field = &type->fields[i];
		if (field->type != PROTOBUF_C_TYPE_STRING && field->type != PROTOBUF_C_TYPE_MESSAGE)
			continue;
		bool valid = field->label == PROTOBUF_C_LABEL_REPEATED ? repeated_valid(field, (const char *)message)
		                                                       : single_valid(field, (const char *)message);
		if (!valid)
			return false;
	}
	return true;
}

int rpc_payload_unpack(grpc_byte_buffer *payload, const ProtobufCMessageDescriptor *type, struct arena *arena,
                       ProtobufCMessage **out)
{
	ProtobufCAllocator allocator = {
	    .alloc = arena_allocator_alloc, .free = arena_allocator_free, .allocator_data = arena};
	if (payload->data.raw.compression != GRPC_COMPRESS_NONE)
		return -EPROTONOSUPPORT;
	grpc_byte_buffer_reader reader;
	if (!grpc_byte_buffer_reader_init(&reader, payload))
		return -EBADMSG;
	grpc_slice all = grpc_empty_slice();
	const grpc_slice_buffer *slices = &payload->data.raw.slice_buffer;
	bool merge = slices->count > 1;
	if (merge)
		all = grpc_byte_buffer_reader_readall(&reader);
	const grpc_slice *slice = merge || slices->count == 0 ? &all : &slices->slices[0];
	ProtobufCMessage *message =
	    protobuf_c_message_unpack(type, &allocator, GRPC_SLICE_LENGTH(*slice), GRPC_SLICE_START_PTR(*slice));
	grpc_slice_unref(all);
	grpc_byte_buffer_reader_destroy(&reader);
	if (!message || !strings_valid(message))
		return -EBADMSG;
	*out = message;
	return 0;
}

grpc_byte_buffer *rpc_payload_pack(const ProtobufCMessage *message, size_t *length)
{
	size_t size = protobuf_c_message_get_packed_size(message);
	grpc_slice slice = grpc_slice_malloc(size);
	protobuf_c_message_pack(message, GRPC_SLICE_START_PTR(slice));
	grpc_byte_buffer *payload = grpc_raw_byte_buffer_create(&slice, 1);
	grpc_slice_unref(slice);
	*length = size;
	return payload;
}
