/*
 * calls/record_place: a Call is stored with its fields in order, so id (1)
 * and start_time (2) are its first bytes; what comes after is not read.
 */
#include "calls/record_place.h"

#include <errno.h>
#include <stdbool.h>

enum { TAG_ID = 0x0a, TAG_START = 0x12, TAG_SECONDS = 0x08, TAG_NANOS = 0x10 };

/* What is left to read. */
struct bytes {
	const uint8_t *next, *end;
};

static bool read_varint(struct bytes *bytes, uint64_t *out)
{
	uint64_t value = 0;
	for (int shift = 0; shift < 64 && bytes->next < bytes->end; shift += 7) {
		uint8_t byte = *bytes->next++;
		value |= (uint64_t)(byte & 0x7f) << shift;
		if (byte & 0x80)
			continue;
		*out = value;
		return true;
	}
	return false;
}

/* Reads a length and steps over that many bytes, which *out then spans. */
static bool read_span(struct bytes *bytes, uint8_t tag, struct bytes *out)
{
	uint64_t length;
	if (bytes->next == bytes->end || *bytes->next != tag)
		return false;
	++bytes->next;
	if (!read_varint(bytes, &length) || length > (uint64_t)(bytes->end - bytes->next))
		return false;
	*out = (struct bytes){bytes->next, bytes->next + length};
	bytes->next = out->end;
	return true;
}

int record_place(const struct store_record *record, struct store_position *out)
{
	struct bytes bytes = {record->data, record->data + record->length};
	struct bytes id, start;
	if (!read_span(&bytes, TAG_ID, &id) || id.end - id.next > STORE_ID_MAX || !read_span(&bytes, TAG_START, &start))
		return -EBADMSG;
	uint64_t seconds = 0, nanos = 0;
	while (start.next < start.end) {
		uint8_t tag = *start.next++;
		uint64_t *value = tag == TAG_SECONDS ? &seconds : tag == TAG_NANOS ? &nanos : NULL;
		if (!value || !read_varint(&start, value))
			return -EBADMSG;
	}
	if (seconds > UINT64_C(253402300799) || nanos > 999999999)
		return -EBADMSG;
	store_position_init(out, (int64_t)(seconds * 1000 + nanos / 1000000), (const char *)id.next,
	                    (size_t)(id.end - id.next));
	return 0;
}
