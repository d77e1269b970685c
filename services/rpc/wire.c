/* rpc/wire: every length is checked against what is left before it is used. */
#include "rpc/wire.h"

#include <errno.h>
#include <string.h>

/* The most bytes of a number; tags and lengths have 32 bits. */
enum { VARINT_BYTES = 10, VARINT32_BYTES = 5 };

static bool read_varint(struct wire *wire, unsigned bytes, uint64_t *out)
{
	uint64_t value = 0;
	for (unsigned i = 0; i < bytes && wire->at < wire->end; i++) {
		uint8_t byte = *wire->at++;
		value |= (uint64_t)(byte & 0x7f) << (7 * i);
		if (byte < 0x80) {
			*out = value;
			return true;
		}
	}
	return false;
}

/* Takes `length` bytes. */
static bool take(struct wire *wire, uint64_t length, struct wire *bytes)
{
	if (wire_length(*wire) < length)
		return false;
	*bytes = wire_of(wire->at, (size_t)length);
	wire->at += length;
	return true;
}

static bool read_value(struct wire *wire, struct wire_field *field)
{
	uint64_t length;
	switch (field->type) {
	case WIRE_VARINT:
		return read_varint(wire, VARINT_BYTES, &field->value);
	case WIRE_FIXED64:
		return take(wire, 8, &field->bytes);
	case WIRE_FIXED32:
		return take(wire, 4, &field->bytes);
	case WIRE_BYTES:
		return read_varint(wire, VARINT32_BYTES, &length) && take(wire, length, &field->bytes);
	default:
		return false;
	}
}

int wire_next(struct wire *wire, struct wire_field *field)
{
	uint64_t tag;
	if (wire->at == wire->end)
		return 0;
	if (!read_varint(wire, VARINT32_BYTES, &tag) || tag >> 3 == 0 || tag >> 3 > UINT32_MAX >> 3)
		return -EBADMSG;
	field->number = (uint32_t)(tag >> 3);
	field->type = (enum wire_type)(tag & 7);
	return read_value(wire, field) ? 1 : -EBADMSG;
}

int wire_next_packed(struct wire *wire, enum wire_type type, struct wire_field *field)
{
	field->number = 0;
	field->type = type;
	return read_value(wire, field) ? 0 : -EBADMSG;
}

int wire_find(struct wire *wire, uint32_t number, struct wire *bytes)
{
	struct wire_field field;
	int result;
	while ((result = wire_next(wire, &field)) > 0) {
		if (field.number == number && field.type == WIRE_BYTES) {
			*bytes = field.bytes;
			return 1;
		}
	}
	return result;
}

bool wire_equals(struct wire wire, const char *text, size_t length)
{
	return wire_length(wire) == length && (length == 0 || memcmp(wire.at, text, length) == 0);
}
