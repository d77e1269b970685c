/* decimal: whole numbers as digits. */
#include "base/decimal.h"

const char decimal_pairs[] =
    "0001020304050607080910111213141516171819202122232425262728293031323334353637383940414243444546474849"
    "5051525354555657585960616263646566676869707172737475767778798081828384858687888990919293949596979899";

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

bool decimal_begins_like(const char *text, const char *form)
{
	for (; *form; ++form, ++text)
		if (*form == '0' ? *text < '0' || *text > '9' : *text != *form)
			return false;
	return true;
}

size_t decimal_write(char out[20], uint64_t value)
{
	size_t length = 1;
	for (uint64_t rest = value; rest > 9; rest /= 10)
		++length;
	char *at = out + length;
	for (; value > 99; value /= 100)
		decimal_two(at -= 2, (unsigned)(value % 100));
	if (value > 9)
		decimal_two(at - 2, (unsigned)value);
	else
		at[-1] = (char)('0' + value);
	return length;
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
