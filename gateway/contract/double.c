/*
 * contract/double: JSON numbers in the fewest digits that read back exactly.
 *
 * Whole numbers and short decimals, which is what charges are, need no search: up to 15 digits, two decimals never mean
 * the same double, so a decimal that reads back is the only short one. The rest is searched for with the C library. The
 * locale's decimal point doesn't matter.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "contract/contract.h"
#include "contract/write.h"

enum { EXACT_DIGITS = 15, DIGITS_MAX = 17, DECIMALS_MAX = 15, WHOLE_DIGITS_MAX = 18 };

/* The first number of more than EXACT_DIGITS digits, and the first that is written without an exponent. */
#define EXACT_END 1e15
#define POINT_BEGIN 1e-6

/* value = 0.DIGITS × 10^point */
struct decimal {
	char digits[20];
	int count;
	int point;
};

static const double powers[] = {1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15};

/*
 * Writes a decimal of at most 15 digits that is neither whole nor tiny; NULL where none reads back. Both operands of
 * the division are exact, so it rounds as reading does.
 */
static char *put_short(char *at, double value)
{
	for (int decimals = 1; decimals <= DECIMALS_MAX && value >= POINT_BEGIN; ++decimals) {
		double scaled = value * powers[decimals];
		if (scaled >= EXACT_END)
			return NULL;
		uint64_t digits = (uint64_t)(scaled + 0.5), one = (uint64_t)powers[decimals];
		if ((double)digits / powers[decimals] != value)
			continue;
		at = put_number(at, digits / one);
		*at = '.';
		for (int i = decimals; i > 0; --i, digits /= 10)
			at[i] = (char)('0' + digits % 10);
		return at + decimals + 1;
	}
	return NULL;
}

/* Rounds to `count` digits. Returns whether they read back as the same value. */
static bool try_digits(double value, int count, struct decimal *out)
{
	char text[PUT_NUMBER_MAX];
	snprintf(text, sizeof(text), "%.*e", count - 1, value);
	const char *at = text;
	out->count = 0;
	for (; *at && *at != 'e'; ++at)
		if (*at >= '0' && *at <= '9')
			out->digits[out->count++] = *at;
	out->point = (int)strtol(at + 1, NULL, 10) + 1;
	return strtod(text, NULL) == value;
}

/*
 * Goes to the next decimal of as many digits, if that one reads back: above a power of two doubles lie twice as far
 * apart as below, so it may where the nearest decimal, which is below, doesn't.
 */
static bool try_next(double value, struct decimal *out)
{
	char text[PUT_NUMBER_MAX];
	struct decimal next = *out;
	int at = next.count - 1;
	while (at > 0 && next.digits[at] == '9')
		next.digits[at--] = '0';
	if (next.digits[at] == '9')
		return false;
	++next.digits[at];
	snprintf(text, sizeof(text), "%.*se%d", next.count, next.digits, next.point - next.count);
	if (strtod(text, NULL) != value)
		return false;
	*out = next;
	return true;
}

static void search_decimal(double value, struct decimal *out)
{
	/* Doubles too small for 15 digits may have a shorter form that is not their 15 digits without zeros. */
	int count = value < 1e-290 ? 1 : EXACT_DIGITS;
	while (!try_digits(value, count, out) && !try_next(value, out) && count < DIGITS_MAX)
		++count;
	while (out->count > 1 && out->digits[out->count - 1] == '0')
		--out->count;
}

static char *write_zeros(char *out, int count)
{
	while (count-- > 0)
		*out++ = '0';
	return out;
}

/*
 * Writes digits without an exponent from 1e-6 to 1e18, up to where readers can still take whole numbers for 64-bit
 * integers; else with an exponent.
 */
static char *lay_out(char *out, const struct decimal *decimal)
{
	const char *digits = decimal->digits;
	int count = decimal->count, point = decimal->point;
	int whole = point > count ? count : point;
	if (point < -5 || point > WHOLE_DIGITS_MAX) {
		*out++ = digits[0];
		if (count > 1)
			*out++ = '.';
		memcpy(out, digits + 1, (size_t)count - 1);
		out += count - 1;
		*out++ = 'e';
		if (point < 1)
			*out++ = '-';
		return out + decimal_write(out, (uint64_t)abs(point - 1));
	}
	if (point <= 0) {
		*out++ = '0';
		*out++ = '.';
		out = write_zeros(out, -point);
		whole = 0;
	}
	memcpy(out, digits, (size_t)whole);
	out = write_zeros(out + whole, point - count);
	if (whole == count)
		return out;
	if (whole)
		*out++ = '.';
	memcpy(out, digits + whole, (size_t)(count - whole));
	return out + count - whole;
}

char *contract_put_double(char *at, double value)
{
	struct decimal decimal;
	if (!isfinite(value))
		value = 0;
	if (signbit(value)) {
		*at++ = '-';
		value = -value;
	}
	if (value < EXACT_END && value == (double)(uint64_t)value)
		return put_number(at, (uint64_t)value);
	char *end = put_short(at, value);
	if (end)
		return end;
	search_decimal(value, &decimal);
	return lay_out(at, &decimal);
}

void contract_write_double(struct buffer *out, double value)
{
	char *at = write_start(out, PUT_NUMBER_MAX);
	if (at)
		write_end(out, contract_put_double(at, value));
}
