/*
 * rpc/wire: reads protobuf's wire format field by field, without a schema and
 * without memory. For the files of this room and its tests only.
 */
#ifndef CALLHISTORY_RPC_WIRE_H
#define CALLHISTORY_RPC_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct wire {
	const uint8_t *at, *end;
};

enum wire_type { WIRE_VARINT = 0, WIRE_FIXED64 = 1, WIRE_BYTES = 2, WIRE_FIXED32 = 5 };

struct wire_field {
	uint32_t number;
	enum wire_type type;
	uint64_t value;    /* WIRE_VARINT */
	struct wire bytes; /* all but WIRE_VARINT */
};

/* Reads the next field. Returns 1, 0 at the end, -EBADMSG for bytes that are no message (groups included). */
int wire_next(struct wire *wire, struct wire_field *field);

/* Reads the next number of a packed run, without a tag; field->number is 0. Returns 0 or -EBADMSG. */
int wire_next_packed(struct wire *wire, enum wire_type type, struct wire_field *field);

/* The same, of the next field with this number that holds bytes; others are passed over. */
int wire_find(struct wire *wire, uint32_t number, struct wire *bytes);

static inline struct wire wire_of(const void *bytes, size_t length)
{
	return (struct wire){.at = bytes, .end = (const uint8_t *)bytes + length};
}

static inline size_t wire_length(struct wire wire)
{
	return (size_t)(wire.end - wire.at);
}

/* Whether the bytes are this text. */
bool wire_equals(struct wire wire, const char *text, size_t length);

#endif
