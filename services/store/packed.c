/*
 * store/packed: what the store reads of a stored call without unpacking it.
 * Fields are stored in order, so id (1) and start_time (2) are the first.
 */
#include <errno.h>

#include "store/internal.h"

enum { FIELD_ID = 1, FIELD_START = 2, FIELD_SECONDS = 1, FIELD_NANOS = 2 };

int store_record_id(const struct store_record *record, struct wire *id)
{
	struct wire wire = wire_of(record->data, record->length);
	struct wire_field field = {0};
	if (wire_next(&wire, &field) <= 0 || field.number != FIELD_ID || field.type != WIRE_BYTES)
		return -EBADMSG;
	size_t length = wire_length(field.bytes);
	if (!length || length > STORE_ID_MAX)
		return -EBADMSG;
	*id = field.bytes;
	return 0;
}

static int read_start(struct wire wire, int64_t *out)
{
	struct wire_field field = {0};
	uint64_t seconds = 0, nanos = 0;
	int result;
	while ((result = wire_next(&wire, &field)) > 0) {
		if (field.type == WIRE_VARINT && field.number == FIELD_SECONDS)
			seconds = field.value;
		else if (field.type == WIRE_VARINT && field.number == FIELD_NANOS)
			nanos = field.value;
	}
	if (result || seconds > STORE_MS_MAX / 1000 || nanos > 999999999)
		return -EBADMSG;
	*out = (int64_t)(seconds * 1000 + nanos / 1000000);
	return 0;
}

int store_record_start(const struct store_record *record, int64_t *start_ms)
{
	struct wire wire = wire_of(record->data, record->length);
	struct wire_field field = {0};
	if (wire_next(&wire, &field) <= 0 || wire_next(&wire, &field) <= 0 || field.number != FIELD_START ||
	    field.type != WIRE_BYTES)
		return -EBADMSG;
	return read_start(field.bytes, start_ms);
}

int store_member_record(struct store_record *out, const struct redis_reply *member)
{
	if (member->type != REDIS_STRING || member->length <= STORE_DIGEST_SIZE ||
	    member->data[STORE_DIGEST_SIZE] != STORE_RECORD_MARK)
		return -EBADMSG;
	*out = (struct store_record){(const uint8_t *)member->data + STORE_DIGEST_SIZE, member->length - STORE_DIGEST_SIZE};
	return 0;
}
