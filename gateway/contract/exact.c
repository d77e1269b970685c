/*
 * contract/exact: an exported line is read again as an import would read it, and compared byte for byte. So a field that is
 * added to Call is exported without loss before anybody gives it a key.
 */
#include "contract/exact.h"

#include <string.h>

#include "base/base64url.h"
#include "base/utf8.h"
#include "contract/fault.h"
#include "contract/object.h"

static bool texts_are_utf8(const ProtobufCMessage *message);

/* Whether a value, a pointer to a text or a message, holds UTF-8 only. */
static bool value_is_utf8(const ProtobufCFieldDescriptor *field, const void *value)
{
	if (!value)
		return true;
	if (field->type == PROTOBUF_C_TYPE_STRING)
		return utf8_is_valid(value, strlen(value));
	return texts_are_utf8(value);
}

static bool field_is_utf8(const ProtobufCFieldDescriptor *field, const ProtobufCMessage *message)
{
	const char *base = (const char *)message;
	void *const *values;
	size_t count = 1;
	uint32_t selected = field->id;
	if (field->type != PROTOBUF_C_TYPE_STRING && field->type != PROTOBUF_C_TYPE_MESSAGE)
		return true;
	if (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF)
		memcpy(&selected, base + field->quantifier_offset, sizeof(selected));
	if (selected != field->id)
		return true;
	values = (void *const *)(const void *)(base + field->offset);
	if (field->label == PROTOBUF_C_LABEL_REPEATED) {
		memcpy(&count, base + field->quantifier_offset, sizeof(count));
		values = *(void *const *const *)(const void *)values;
	}
	for (size_t i = 0; i < count; ++i)
		if (!value_is_utf8(field, values[i]))
			return false;
	return true;
}

static bool texts_are_utf8(const ProtobufCMessage *message)
{
	for (unsigned i = 0; i < message->descriptor->n_fields; ++i)
		if (!field_is_utf8(&message->descriptor->fields[i], message))
			return false;
	return true;
}

int exact_read(const struct import_reader *reader, const struct node *value, Callhistory__V1__Call **out)
{
	const struct import_path path = {.field = "exact"};
	ProtobufCAllocator allocator = {arena_allocator_alloc, arena_allocator_free, reader->arena};
	Callhistory__V1__Call *call = NULL;
	if (value->kind == NODE_TEXT) {
		uint8_t *packed = arena_alloc(reader->arena, value->length);
		if (!packed)
			return fault_memory(reader->error);
		int length = base64url_decode(packed, value->length, value->text, value->length);
		if (length >= 0)
			call = callhistory__v1__call__unpack(&allocator, (size_t)length, packed);
	}
	if (!call || !call->start_time || !texts_are_utf8(&call->base))
		return import_refuse(reader, &path, "must be what an export has written");
	*out = call;
	return 0;
}

bool exact_is_needed(struct arena *arena, struct contract_zone *zone, const char *line, size_t length,
                     const uint8_t *packed, size_t packed_length)
{
	struct contract_error error;
	const struct import_reader reader = {.arena = arena, .zone = zone, .error = &error};
	const struct node *object;
	Callhistory__V1__Call call = CALLHISTORY__V1__CALL__INIT;
	if (object_read(arena, line, length, "line", &object, &error) || import_call(&reader, object, &call))
		return true;
	uint8_t *again = arena_alloc(arena, callhistory__v1__call__get_packed_size(&call));
	return !again || callhistory__v1__call__pack(&call, again) != packed_length ||
	       memcmp(again, packed, packed_length) != 0;
}
