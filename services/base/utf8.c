/* utf8: ASCII is skipped eight bytes at a time. */

#include <errno.h>
#include <string.h>

#include "base/utf8.h"

/* The well-formed ranges of a sequence's second byte: no overlong forms, no surrogates, nothing above U+10FFFF. */
static bool second_byte_fits(unsigned char first, unsigned char second)
{
	switch (first) {
	case 0xe0:
		return second >= 0xa0 && second <= 0xbf;
	case 0xed:
		return second >= 0x80 && second <= 0x9f;
	case 0xf0:
		return second >= 0x90 && second <= 0xbf;
	case 0xf4:
		return second >= 0x80 && second <= 0x8f;
	default:
		return second >= 0x80 && second <= 0xbf;
	}
}

size_t utf8_sequence(const char *text, size_t left, uint32_t *code)
{
	const unsigned char *bytes = (const unsigned char *)text;
	if (!left)
		return 0;
	if (bytes[0] < 0x80) {
		*code = bytes[0];
		return 1;
	}
	if (bytes[0] < 0xc2 || bytes[0] > 0xf4)
		return 0;
	size_t length = bytes[0] < 0xe0 ? 2 : bytes[0] < 0xf0 ? 3 : 4;
	if (left < length || !second_byte_fits(bytes[0], bytes[1]))
		return 0;
	uint32_t value = bytes[0] & (0x7fu >> length);
	for (size_t i = 1; i < length; ++i) {
		if ((bytes[i] & 0xc0) != 0x80)
			return 0;
		value = value << 6 | (bytes[i] & 0x3fu);
	}
	*code = value;
	return length;
}

bool utf8_is_valid(const char *text, size_t length)
{
	uint64_t eight;
	uint32_t code;
	for (size_t at = 0, step; at < length; at += step) {
		step = sizeof(eight);
		if (length - at >= sizeof(eight)) {
			memcpy(&eight, text + at, sizeof(eight));
			if (!(eight & UINT64_C(0x8080808080808080)))
				continue;
		}
		step = utf8_sequence(text + at, length - at, &code);
		if (!step)
			return false;
	}
	return true;
}

size_t utf8_prefix(const char *text, size_t length, size_t limit)
{
	if (length <= limit)
		return length;
	while (limit > 0 && ((unsigned char)text[limit] & 0xc0) == 0x80)
		--limit;
	return limit;
}

int utf8_measure(struct utf8_measure *out, const char *text)
{
	struct utf8_measure measure = {.bytes = strlen(text)};
	for (size_t at = 0, step; at < measure.bytes; at += step) {
		uint32_t code = (unsigned char)text[at];
		step = code < 0x80 ? 1 : utf8_sequence(text + at, measure.bytes - at, &code);
		if (!step)
			return -EILSEQ;
		measure.control = measure.control || code < 0x20 || (code >= 0x7f && code < 0xa0);
		++measure.characters;
	}
	*out = measure;
	return 0;
}
