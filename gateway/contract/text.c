/* contract/text: UTF-8 after RFC 3629, decimal integers. */
#include "contract/text.h"

#include <string.h>

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

size_t text_sequence(const char *text, size_t left, uint32_t *code)
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

bool text_is_utf8(const char *text, size_t length)
{
	uint32_t code;
	for (size_t at = 0, step; at < length; at += step) {
		step = text_sequence(text + at, length - at, &code);
		if (!step)
			return false;
	}
	return true;
}

size_t text_characters(const char *text, size_t length, bool *control)
{
	size_t count = 0;
	*control = false;
	for (size_t at = 0; at < length; ++count) {
		uint32_t code = 0;
		size_t step = text_sequence(text + at, length - at, &code);
		if (code < 0x20 || (code >= 0x7f && code < 0xa0))
			*control = true;
		at += step ? step : 1;
	}
	return count;
}

bool text_integer(const char *text, size_t length, int64_t *out)
{
	bool negative = length && text[0] == '-';
	size_t at = negative;
	int64_t value = 0;
	if (at == length)
		return false;
	for (; at < length; ++at) {
		if (text[at] < '0' || text[at] > '9')
			return false;
		int64_t digit = text[at] - '0';
		if (__builtin_mul_overflow(value, 10, &value) || __builtin_add_overflow(value, digit, &value))
			value = INT64_MAX;
	}
	*out = negative ? -value : value;
	return true;
}

size_t text_digits(char out[20], uint64_t value)
{
	char digits[20];
	size_t first = sizeof(digits);
	do
		digits[--first] = (char)('0' + value % 10);
	while (value /= 10);
	memcpy(out, digits + first, sizeof(digits) - first);
	return sizeof(digits) - first;
}
