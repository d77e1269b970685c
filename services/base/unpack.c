/*
 * unpack: checks what protobuf-c does not check, in a pass of its own over the bytes, and lets protobuf-c do the rest.
 */
#include "base/unpack.h"

#include <errno.h>

#include "base/utf8.h"
#include "base/wire.h"

/* protobuf-c returns NULL for every failure; this allocator remembers whether memory was the reason. */
struct memory {
	struct arena *arena;
	bool exhausted;
};

static void *memory_alloc(void *data, size_t size)
{
	struct memory *memory = data;
	void *block = arena_alloc(memory->arena, size);
	memory->exhausted = memory->exhausted || !block;
	return block;
}

/* protobuf-c accepts a bool of any wire type; of another than varint it reads an arbitrary value. */
static bool is_odd_bool(const ProtobufCFieldDescriptor *field, enum wire_type type)
{
	if (!field || field->type != PROTOBUF_C_TYPE_BOOL || type == WIRE_VARINT)
		return false;
	return field->label != PROTOBUF_C_LABEL_REPEATED || type != WIRE_BYTES;
}

/*
 * Counts messages and unknown fields in *count, and checks strings. Two values of a singular message, which no encoder
 * writes, are refused, because protobuf-c loses fields of the first one instead of merging them.
 */
static int check(const ProtobufCMessageDescriptor *type, struct wire wire, unsigned depth, unsigned *count)
{
	struct wire_field value;
	uint64_t seen = 0; /* singular messages, by their index in the type */
	int result;
	if (depth == UNPACK_DEPTH_MAX)
		return -EBADMSG;
	while ((result = wire_next(&wire, &value)) > 0) {
		const ProtobufCFieldDescriptor *field = protobuf_c_message_descriptor_get_field(type, value.number);
		const bool message = field && field->type == PROTOBUF_C_TYPE_MESSAGE;
		if ((!field || message) && ++*count >= UNPACK_MESSAGES_MAX)
			return -E2BIG;
		if (is_odd_bool(field, value.type))
			return -EBADMSG;
		if (value.type != WIRE_BYTES)
			continue;
		if (message && field->label != PROTOBUF_C_LABEL_REPEATED) {
			const uint64_t bit = UINT64_C(1) << (field - type->fields) % 64;
			if (seen & bit)
				return -EBADMSG;
			seen |= bit;
		}
		const char *text = (const char *)value.bytes.at;
		const size_t length = wire_length(value.bytes);
		if (message && (result = check(field->descriptor, value.bytes, depth + 1, count)))
			return result;
		if (field && field->type == PROTOBUF_C_TYPE_STRING &&
		    (!utf8_is_valid(text, length) || memchr(text, '\0', length)))
			return -EBADMSG;
	}
	return result;
}

int unpack_own(const ProtobufCMessageDescriptor *type, const uint8_t *data, size_t length, struct arena *arena,
               ProtobufCMessage **out)
{
	struct memory memory = {.arena = arena};
	ProtobufCAllocator allocator = {.alloc = memory_alloc, .free = arena_allocator_free, .allocator_data = &memory};
	ProtobufCMessage *message = protobuf_c_message_unpack(type, &allocator, length, data);
	if (!message)
		return memory.exhausted ? -ENOMEM : -EBADMSG;
	*out = message;
	return 0;
}

int unpack_message(const ProtobufCMessageDescriptor *type, const uint8_t *data, size_t length, struct arena *arena,
                   ProtobufCMessage **out)
{
	unsigned count = 0;
	int result = check(type, wire_of(data, length), 0, &count);
	return result ? result : unpack_own(type, data, length, arena, out);
}
