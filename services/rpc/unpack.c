/*
 * rpc/unpack: walks the bytes with base/wire and writes into the structs that
 * the descriptor tells of.
 *
 * Fields nearly always come in the order of their numbers, so a field is
 * looked for from where the last one was found. A message that comes twice is
 * merged, as the format demands: it is read into the struct that is there.
 */
#include "rpc/unpack.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "base/utf8.h"
#include "base/wire.h"

enum { REPEATED_FIRST = 4 };

struct unpacker {
	struct arena *arena;
	uint8_t *unended; /* where the NUL of the last string belongs, once the byte there has been read; NULL: nowhere */
	unsigned messages;
};

static int read_fields(struct unpacker *unpacker, struct wire wire, ProtobufCMessage *message, unsigned depth);

static void end_string(struct unpacker *unpacker)
{
	if (unpacker->unended)
		*unpacker->unended = '\0';
	unpacker->unended = NULL;
}

static const ProtobufCFieldDescriptor *find(const ProtobufCMessageDescriptor *type, uint32_t number, unsigned *hint)
{
	unsigned i = *hint;
	if (i < type->n_fields && type->fields[i].id > number)
		i = 0;
	while (i < type->n_fields && type->fields[i].id < number)
		i++;
	if (i == type->n_fields || type->fields[i].id != number)
		return NULL;
	*hint = i;
	return &type->fields[i];
}

static size_t element_size(ProtobufCType type)
{
	switch (type) {
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_SINT64:
	case PROTOBUF_C_TYPE_SFIXED64:
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_FIXED64:
	case PROTOBUF_C_TYPE_DOUBLE:
		return 8;
	case PROTOBUF_C_TYPE_STRING:
	case PROTOBUF_C_TYPE_MESSAGE:
		return sizeof(void *);
	case PROTOBUF_C_TYPE_BYTES:
		return sizeof(ProtobufCBinaryData);
	case PROTOBUF_C_TYPE_BOOL:
		return sizeof(protobuf_c_boolean);
	default:
		return 4;
	}
}

static enum wire_type wire_type_of(ProtobufCType type)
{
	switch (type) {
	case PROTOBUF_C_TYPE_STRING:
	case PROTOBUF_C_TYPE_BYTES:
	case PROTOBUF_C_TYPE_MESSAGE:
		return WIRE_BYTES;
	case PROTOBUF_C_TYPE_FIXED32:
	case PROTOBUF_C_TYPE_SFIXED32:
	case PROTOBUF_C_TYPE_FLOAT:
		return WIRE_FIXED32;
	case PROTOBUF_C_TYPE_FIXED64:
	case PROTOBUF_C_TYPE_SFIXED64:
	case PROTOBUF_C_TYPE_DOUBLE:
		return WIRE_FIXED64;
	default:
		return WIRE_VARINT;
	}
}

static int read_string(struct unpacker *unpacker, struct wire bytes, void *place)
{
	size_t length = wire_length(bytes);
	char *text = (char *)bytes.at;
	if (!utf8_is_valid(text, length) || memchr(text, '\0', length))
		return -EBADMSG;
	unpacker->unended = (uint8_t *)text + length;
	memcpy(place, &text, sizeof(text));
	return 0;
}

static int read_message(struct unpacker *unpacker, const ProtobufCMessageDescriptor *type, struct wire bytes,
                        void *place, unsigned depth)
{
	ProtobufCMessage *message;
	memcpy(&message, place, sizeof(message));
	if (depth >= RPC_UNPACK_DEPTH_MAX)
		return -EBADMSG;
	if (!message) {
		if (++unpacker->messages > RPC_UNPACK_MESSAGES_MAX)
			return -E2BIG;
		message = arena_alloc(unpacker->arena, type->sizeof_message);
		if (!message)
			return -ENOMEM;
		protobuf_c_message_init(type, message);
		memcpy(place, &message, sizeof(message));
	}
	return read_fields(unpacker, bytes, message, depth + 1);
}

static void read_varint_value(ProtobufCType type, uint64_t value, void *place)
{
	uint32_t narrow = (uint32_t)value;
	protobuf_c_boolean boolean = value != 0;
	switch (type) {
	case PROTOBUF_C_TYPE_SINT32:
		narrow = (narrow >> 1) ^ -(narrow & 1);
		memcpy(place, &narrow, sizeof(narrow));
		break;
	case PROTOBUF_C_TYPE_SINT64:
		value = (value >> 1) ^ -(value & 1);
		memcpy(place, &value, sizeof(value));
		break;
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_UINT64:
		memcpy(place, &value, sizeof(value));
		break;
	case PROTOBUF_C_TYPE_BOOL:
		memcpy(place, &boolean, sizeof(boolean));
		break;
	default:
		memcpy(place, &narrow, sizeof(narrow));
	}
}

/* Reads one value to where it belongs. */
static int read_value(struct unpacker *unpacker, const ProtobufCFieldDescriptor *field, const struct wire_field *value,
                      void *place, unsigned depth)
{
	ProtobufCBinaryData bytes;
	if (value->type != wire_type_of(field->type))
		return -EBADMSG;
	switch (field->type) {
	case PROTOBUF_C_TYPE_STRING:
		return read_string(unpacker, value->bytes, place);
	case PROTOBUF_C_TYPE_MESSAGE:
		return read_message(unpacker, field->descriptor, value->bytes, place, depth);
	case PROTOBUF_C_TYPE_BYTES:
		bytes = (ProtobufCBinaryData){.len = wire_length(value->bytes), .data = (uint8_t *)value->bytes.at};
		memcpy(place, &bytes, sizeof(bytes));
		return 0;
	default:
		if (value->type == WIRE_VARINT)
			read_varint_value(field->type, value->value, place);
		else
			memcpy(place, value->bytes.at, wire_length(value->bytes));
		return 0;
	}
}

/* Makes room for one element more: a repeated field grows whenever its count is a power of two. Its place, zeroed. */
static void *grow(struct unpacker *unpacker, const ProtobufCFieldDescriptor *field, char *base)
{
	size_t count, size = element_size(field->type);
	char *items;
	memcpy(&count, base + field->quantifier_offset, sizeof(count));
	memcpy(&items, base + field->offset, sizeof(items));
	if (count == 0 || (count >= REPEATED_FIRST && (count & (count - 1)) == 0)) {
		char *larger = arena_alloc(unpacker->arena, (count ? count * 2 : REPEATED_FIRST) * size);
		if (!larger)
			return NULL;
		if (count)
			memcpy(larger, items, count * size);
		items = larger;
		memcpy(base + field->offset, &items, sizeof(items));
	}
	memset(items + count * size, 0, size);
	count++;
	memcpy(base + field->quantifier_offset, &count, sizeof(count));
	return items + (count - 1) * size;
}

/* Numbers that stand together in one run of bytes. */
static int read_packed(struct unpacker *unpacker, const ProtobufCFieldDescriptor *field, struct wire run, char *base)
{
	while (wire_length(run)) {
		struct wire_field value;
		int result = wire_next_packed(&run, wire_type_of(field->type), &value);
		void *place = result ? NULL : grow(unpacker, field, base);
		if (result || !place)
			return result ? result : -ENOMEM;
		result = read_value(unpacker, field, &value, place, 0);
		if (result)
			return result;
	}
	return 0;
}

static int read_repeated(struct unpacker *unpacker, const ProtobufCFieldDescriptor *field,
                         const struct wire_field *value, char *base, unsigned depth)
{
	if (value->type == WIRE_BYTES && wire_type_of(field->type) != WIRE_BYTES)
		return read_packed(unpacker, field, value->bytes, base);
	if (value->type != wire_type_of(field->type))
		return -EBADMSG;
	void *place = grow(unpacker, field, base);
	return place ? read_value(unpacker, field, value, place, depth) : -ENOMEM;
}

static int read_single(struct unpacker *unpacker, const ProtobufCFieldDescriptor *field, const struct wire_field *value,
                       char *base, unsigned depth)
{
	char *place = base + field->offset;
	if (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) {
		uint32_t selected;
		memcpy(&selected, base + field->quantifier_offset, sizeof(selected));
		if (selected != field->id)
			memset(place, 0, element_size(field->type));
		memcpy(base + field->quantifier_offset, &field->id, sizeof(field->id));
	} else if (field->quantifier_offset) {
		const protobuf_c_boolean has = 1;
		memcpy(base + field->quantifier_offset, &has, sizeof(has));
	}
	return read_value(unpacker, field, value, place, depth);
}

/* The byte after a tag, which has been read before. */
static const uint8_t *skip_tag(const uint8_t *tag)
{
	while (*tag & 0x80)
		++tag;
	return tag + 1;
}

/* Starts a run of unknown fields at `data`, behind its first tag. */
static int begin_unknown(struct unpacker *unpacker, ProtobufCMessage *message, const struct wire_field *first,
                         const uint8_t *data)
{
	unsigned count = message->n_unknown_fields;
	ProtobufCMessageUnknownField *fields = message->unknown_fields;
	if (++unpacker->messages > RPC_UNPACK_MESSAGES_MAX)
		return -E2BIG;
	if ((count & (count - 1)) == 0) {
		fields = arena_alloc(unpacker->arena, (count ? count * 2 : 1) * sizeof(*fields));
		if (!fields)
			return -ENOMEM;
		if (count)
			memcpy(fields, message->unknown_fields, count * sizeof(*fields));
		message->unknown_fields = fields;
	}
	fields[count] = (ProtobufCMessageUnknownField){
	    .tag = first->number, .wire_type = (ProtobufCWireType)first->type, .data = (uint8_t *)data};
	message->n_unknown_fields = count + 1;
	return 0;
}

/*
 * Keeps an unknown field whose bytes lie from `from` to `to`. Neighbours become one entry: protobuf-c packs an entry's bytes
 * as they are, so a run costs no more memory than one field.
 */
static int keep_unknown(struct unpacker *unpacker, ProtobufCMessage *message, const struct wire_field *field,
                        const uint8_t *from, const uint8_t *to)
{
	ProtobufCMessageUnknownField *last = NULL;
	if (message->n_unknown_fields)
		last = &message->unknown_fields[message->n_unknown_fields - 1];
	if (!last || last->data + last->len != from) {
		int result = begin_unknown(unpacker, message, field, skip_tag(from));
		if (result)
			return result;
		last = &message->unknown_fields[message->n_unknown_fields - 1];
	}
	last->len = (size_t)(to - last->data);
	return 0;
}

static int read_fields(struct unpacker *unpacker, struct wire wire, ProtobufCMessage *message, unsigned depth)
{
	struct wire_field value;
	unsigned hint = 0;
	int result;
	for (const uint8_t *from = wire.at; (result = wire_next(&wire, &value)) > 0; from = wire.at) {
		const ProtobufCFieldDescriptor *field = find(message->descriptor, value.number, &hint);
		/* Its tag is read again, and the first byte of that is where the last string's NUL belongs. */
		if (!field)
			result = keep_unknown(unpacker, message, &value, from, wire.at);
		end_string(unpacker);
		if (field && field->label == PROTOBUF_C_LABEL_REPEATED)
			result = read_repeated(unpacker, field, &value, (char *)message, depth);
		else if (field)
			result = read_single(unpacker, field, &value, (char *)message, depth);
		if (result)
			return result;
	}
	return result;
}

int rpc_unpack(const ProtobufCMessageDescriptor *type, uint8_t *data, size_t length, struct arena *arena,
               ProtobufCMessage **out)
{
	struct unpacker unpacker = {.arena = arena};
	ProtobufCMessage *message = NULL;
	int result = read_message(&unpacker, type, wire_of(data, length), &message, 0);
	if (result)
		return result;
	end_string(&unpacker);
	*out = message;
	return 0;
}
