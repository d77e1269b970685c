/* decimal: whole numbers as digits. */
#include "base/decimal.h"

#include <string.h>

bool decimal_read(const char *text, size_t length, int64_t *out)
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

size_t decimal_write(char out[20], uint64_t value)
{
	char digits[20];
	size_t first = sizeof(digits);
	do
		digits[--first] = (char)('0' + value % 10);
	while (value /= 10);
	memcpy(out, digits + first, sizeof(digits) - first);
	return sizeof(digits) - first;
}

const char *decimal_text(char out[DECIMAL_TEXT], int64_t value)
{
	char *at = out;
	if (value < 0)
		*at++ = '-';
	at += decimal_write(at, value < 0 ? 0 - (uint64_t)value : (uint64_t)value);
	*at = '\0';
	return out;
}
