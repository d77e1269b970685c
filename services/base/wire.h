/*
 * wire: reads protobuf's wire format field by field, without a schema and without memory. Every length is checked
 * against what is left before it is used. Pure; thread-safe.
 *
 * All of it is inline: a page has hundreds of fields, nearly all of them with a tag and a length of one byte.
 */
#pragma once

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct wire {
	const uint8_t *at, *end;
};

enum wire_type { WIRE_VARINT = 0, WIRE_FIXED64 = 1, WIRE_BYTES = 2, WIRE_FIXED32 = 5 };

/* The most bytes of a number; tags and lengths have 32 bits. */
enum { WIRE_VARINT_BYTES = 10, WIRE_VARINT32_BYTES = 5 };

struct wire_field {
	uint32_t number;
	enum wire_type type;
	uint64_t value;    /* WIRE_VARINT; else 0 */
	struct wire bytes; /* all but WIRE_VARINT */
};

/* Forced inline: a function call would cost more than the work. */
#define WIRE_INLINE static inline __attribute__((always_inline))

/* A message of `length` bytes. */
static inline struct wire wire_of(const void *bytes, size_t length)
{
	return (struct wire){.at = bytes, .end = (const uint8_t *)bytes + length};
}

/* How many bytes are unread. */
static inline size_t wire_length(struct wire wire)
{
	return (size_t)(wire.end - wire.at);
}

/* Reads a number of at most `bytes` bytes; false if it is longer or cut off. */
WIRE_INLINE bool wire_take_varint(struct wire *wire, unsigned bytes, uint64_t *out)
{
	uint64_t value = 0;
	if (wire->at < wire->end && *wire->at < 0x80) {
		*out = *wire->at++;
		return true;
	}
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

/* Reads `length` bytes; false if there are fewer. */
WIRE_INLINE bool wire_take(struct wire *wire, uint64_t length, struct wire *bytes)
{
	if (wire_length(*wire) < length)
		return false;
	*bytes = wire_of(wire->at, (size_t)length);
	wire->at += length;
	return true;
}

/* Reads the value of a field whose type is set. */
WIRE_INLINE bool wire_take_value(struct wire *wire, struct wire_field *field)
{
	uint64_t length;
	field->value = 0;
	switch (field->type) {
	case WIRE_VARINT:
		return wire_take_varint(wire, WIRE_VARINT_BYTES, &field->value);
	case WIRE_FIXED64:
		return wire_take(wire, 8, &field->bytes);
	case WIRE_FIXED32:
		return wire_take(wire, 4, &field->bytes);
	case WIRE_BYTES:
		return wire_take_varint(wire, WIRE_VARINT32_BYTES, &length) && wire_take(wire, length, &field->bytes);
	default:
		return false;
	}
}

/* Reads the next field. Returns 1, 0 at the end, -EBADMSG for malformed bytes and for groups. */
WIRE_INLINE int wire_next(struct wire *wire, struct wire_field *field)
{
	uint64_t tag;
	if (wire->at == wire->end)
		return 0;
	if (!wire_take_varint(wire, WIRE_VARINT32_BYTES, &tag) || tag >> 3 == 0 || tag >> 3 > UINT32_MAX >> 3)
		return -EBADMSG;
	field->number = (uint32_t)(tag >> 3);
	field->type = (enum wire_type)(tag & 7);
	return wire_take_value(wire, field) ? 1 : -EBADMSG;
}

/* Whether the bytes are this text. */
static inline bool wire_equals(struct wire wire, const char *text, size_t length)
{
	return wire_length(wire) == length && (length == 0 || memcmp(wire.at, text, length) == 0);
}
