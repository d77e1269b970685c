/* structure_wire: packed messages, whose elements are fields; those with a length may be messages themselves. */
#ifndef CALLHISTORY_TESTS_STRUCTURE_WIRE_H
#define CALLHISTORY_TESTS_STRUCTURE_WIRE_H

#include "structure.h"

/* The length of the varint at `data`, 0 where it does not end; its value in *value. */
static size_t structure_wire_varint(const uint8_t *data, size_t size, uint64_t *value)
{
	*value = 0;
	for (size_t n = 0; n < size && n < 10; ++n) {
		*value |= (uint64_t)(data[n] & 0x7f) << (7 * n);
		if (data[n] < 0x80)
			return n + 1;
	}
	return 0;
}

static struct structure_element structure_wire_read(const uint8_t *data, size_t size)
{
	const struct structure_element rest = {size, 0, 0};
	uint64_t tag, value;
	size_t head = structure_wire_varint(data, size, &tag), more;
	if (!head)
		return rest;
	switch (tag & 7) {
	case 0:
		more = structure_wire_varint(data + head, size - head, &value);
		return more ? (struct structure_element){head + more, head, more} : rest;
	case 1:
		return size - head >= 8 ? (struct structure_element){head + 8, head, 8} : rest;
	case 5:
		return size - head >= 4 ? (struct structure_element){head + 4, head, 4} : rest;
	case 2:
		more = structure_wire_varint(data + head, size - head, &value);
		if (!more || value > size - head - more)
			return rest;
		return (struct structure_element){head + more + (size_t)value, head + more, (size_t)value};
	default:
		return rest;
	}
}

static size_t structure_wire_write(uint8_t *out, size_t room, const uint8_t *old, size_t length, const uint8_t *content,
                                   size_t n)
{
	uint64_t tag;
	size_t at = structure_wire_varint(old, length, &tag);
	if (!at || n + 20 > room)
		return 0;
	memcpy(out, old, at);
	if ((tag & 7) == 2)
		for (size_t left = n, more = 1; more; left >>= 7) {
			more = left >= 0x80;
			out[at++] = (uint8_t)((left & 0x7f) | (more ? 0x80 : 0));
		}
	memcpy(out + at, content, n);
	return at + n;
}

/* No word has a NUL byte: fields of lengths, of other types than theirs, unknown ones. */
static const char *const structure_wire_words[] = {
    "\x0a\x01x",
    "\x12\x02\x08\x01",
    "\x12\x0b\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
    "\x1a\x05\x0a\x03"
    "101",
    "\x22\x05\x0a\x03"
    "102",
    "\x28\x01",
    "\x70\x01",
    "\x72\x01\x01",
    "\x78\x03",
    "\xfa\x3f\x01z",
    "\x0d\x01\x01\x01\x01",
    "\x09\x01\x01\x01\x01\x01\x01\xf0\x7f",
    "\x0b\x0c",
    "\x3a\x03"
    "abc",
    "\x42\x02\xc3\xbc",
    "\x52\x02\xff\xff",
    NULL,
};

static const struct structure structure_wire = {structure_wire_read, structure_wire_write, structure_wire_words, true};

#endif
