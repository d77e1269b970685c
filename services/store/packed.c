/*
 * store/packed: what the store reads of a stored call without unpacking it.
 * Fields are stored in order, so id (1) and start_time (2) are the first.
 */
#include <errno.h>

#include "store/internal.h"

enum { FIELD_ID = 1, FIELD_START = 2, FIELD_SECONDS = 1, FIELD_NANOS = 2 };

/* Reads the next field, which must be this one. Not wire_next(), which would cost a page of ten three times as much. */
WIRE_INLINE bool take_bytes(struct wire *wire, unsigned field, struct wire *out)
{
	uint64_t length;
	if (wire->at == wire->end || *wire->at != (field << 3 | WIRE_BYTES))
		return false;
	++wire->at;
	return wire_take_varint(wire, WIRE_VARINT32_BYTES, &length) && wire_take(wire, length, out);
}

/* Reads the next field if it is this one; without it, its value is 0. */
WIRE_INLINE bool take_number(struct wire *wire, unsigned field, uint64_t *out)
{
	*out = 0;
	if (wire->at == wire->end || *wire->at != (field << 3 | WIRE_VARINT))
		return true;
	++wire->at;
	return wire_take_varint(wire, WIRE_VARINT_BYTES, out);
}

int store_record_id(const struct store_record *record, struct wire *id)
{
	struct wire wire = wire_of(record->data, record->length), found;
	if (!take_bytes(&wire, FIELD_ID, &found) || !wire_length(found) || wire_length(found) > STORE_ID_MAX)
		return -EBADMSG;
	*id = found;
	return 0;
}

int store_record_start(const struct store_record *record, int64_t *start_ms)
{
	struct wire wire = wire_of(record->data, record->length), bytes;
	uint64_t seconds, nanos;
	if (!take_bytes(&wire, FIELD_ID, &bytes) || !take_bytes(&wire, FIELD_START, &bytes) ||
	    !take_number(&bytes, FIELD_SECONDS, &seconds) || !take_number(&bytes, FIELD_NANOS, &nanos) ||
	    wire_length(bytes) || seconds > STORE_MS_MAX / 1000 || nanos > 999999999)
		return -EBADMSG;
	*start_ms = (int64_t)(seconds * 1000 + nanos / 1000000);
	return 0;
}

int store_member_record(struct store_record *out, const struct redis_reply *member)
{
	if (member->type != REDIS_STRING || member->length <= STORE_DIGEST_SIZE ||
	    member->data[STORE_DIGEST_SIZE] != STORE_RECORD_MARK)
		return -EBADMSG;
	*out = (struct store_record){(const uint8_t *)member->data + STORE_DIGEST_SIZE, member->length - STORE_DIGEST_SIZE};
	return 0;
}
