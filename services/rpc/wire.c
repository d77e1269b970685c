/* rpc/wire: every length is checked against what is left before it is used. */
#include "rpc/wire.h"

#include <errno.h>
#include <string.h>

enum { VARINT_BYTES = 10 };

static bool read_varint(struct wire *wire, uint64_t *out)
{
	uint64_t value = 0;
	for (unsigned i = 0; i < VARINT_BYTES && wire->at < wire->end; i++) {
		uint8_t byte = *wire->at++;
		value |= (uint64_t)(byte & 0x7f) << (7 * i);
		if (byte < 0x80) {
			*out = value;
			return true;
		}
	}
	return false;
}

static bool skip(struct wire *wire, size_t length)
{
	if (wire_length(*wire) < length)
		return false;
	wire->at += length;
	return true;
}

int wire_next(struct wire *wire, struct wire_field *field)
{
	uint64_t tag, length;
	if (wire->at == wire->end)
		return 0;
	if (!read_varint(wire, &tag) || tag >> 3 == 0 || tag >> 3 > UINT32_MAX >> 3)
		return -EBADMSG;
	*field = (struct wire_field){.number = (uint32_t)(tag >> 3), .type = (enum wire_type)(tag & 7)};
	switch (field->type) {
	case WIRE_VARINT:
		return read_varint(wire, &field->value) ? 1 : -EBADMSG;
	case WIRE_FIXED64:
		return skip(wire, 8) ? 1 : -EBADMSG;
	case WIRE_FIXED32:
		return skip(wire, 4) ? 1 : -EBADMSG;
	case WIRE_BYTES:
		if (!read_varint(wire, &length) || length > wire_length(*wire))
			return -EBADMSG;
		field->bytes = wire_of(wire->at, (size_t)length);
		wire->at += length;
		return 1;
	default:
		return -EBADMSG;
	}
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
