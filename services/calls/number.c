/*
 * calls/number: takes a number apart into punctuation and digits, decides
 * whether the digits are international, national or neither, and writes one
 * spelling. The rules are ordered so that a canonical form canonicalises to
 * itself.
 */
#include "calls/number.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

enum {
	DIGITS_MAX = NUMBER_SIZE - 1,
	NATIONAL_MIN_EXPLICIT = 7, /* national digits after +CC or 00CC */
	NATIONAL_MIN_BARE = 9,     /* after a country code that nothing announces: else it may be a local number */
	FOREIGN_MIN = 7,           /* digits after 00: fewer are a service code, not a country's number */
	OLD_MOBILE_LENGTH = 11,
	TRUNK_GROUP_MAX = 3, /* "(0)" may follow a country code, of at most three digits */
};

/* The digits of a number, without punctuation. */
struct digits {
	char text[DIGITS_MAX + 1];
	size_t length;
	bool plus;
};

/* Vietnam, 2018: mobile prefixes of 11-digit numbers, and the 10-digit prefixes that took their place. */
static const struct {
	char old[5], now[4];
} mobile_changes[] = {
    {"0162", "032"}, {"0163", "033"}, {"0164", "034"}, {"0165", "035"}, {"0166", "036"}, {"0167", "037"},
    {"0168", "038"}, {"0169", "039"}, {"0120", "070"}, {"0121", "079"}, {"0122", "077"}, {"0126", "076"},
    {"0128", "078"}, {"0123", "083"}, {"0124", "084"}, {"0125", "085"}, {"0127", "081"}, {"0129", "082"},
    {"0186", "056"}, {"0188", "058"}, {"0199", "059"},
};

static bool is_digit(char letter)
{
	return letter >= '0' && letter <= '9';
}

static bool is_vietnam(const char *country_code)
{
	return !strcmp(country_code, "84");
}

/* Whether "(0)" stands at `text` and only a country code before it: people write the trunk zero so. */
static bool is_trunk_group(const struct digits *digits, const char *text, size_t left)
{
	bool international = digits->plus || !strncmp(digits->text, "00", 2);
	size_t code = digits->plus ? digits->length : digits->length - 2;
	return international && code >= 1 && code <= TRUNK_GROUP_MAX && left >= 3 && !memcmp(text, "(0)", 3);
}

/* Returns 1 when the text is a number, 0 when it is something else, -EINVAL when it has too many digits. */
static int read_digits(struct digits *digits, const char *text, size_t length)
{
	*digits = (struct digits){.length = 0};
	for (size_t i = 0; i < length; ++i) {
		digits->text[digits->length] = '\0';
		if (is_digit(text[i])) {
			if (digits->length == DIGITS_MAX)
				return -EINVAL;
			digits->text[digits->length++] = text[i];
		} else if (text[i] == '+') {
			if (digits->plus || digits->length)
				return 0;
			digits->plus = true;
		} else if (is_trunk_group(digits, text + i, length - i)) {
			i += 2;
		} else if (!text[i] || !strchr(" .-/()[]", text[i])) {
			return 0;
		}
	}
	digits->text[digits->length] = '\0';
	return digits->length > 0;
}

/* Vietnamese 1900 and 1800 numbers: dialled without a zero, eight or ten digits. */
static bool is_hotline(const char *national, size_t length, const char *country_code)
{
	return is_vietnam(country_code) && (length == 8 || length == 10) &&
	       (!strncmp(national, "1900", 4) || !strncmp(national, "1800", 4));
}

/* Writes a number that begins with its trunk zero. */
static size_t write_national(char *out, const char *number, size_t length, const char *country_code)
{
	size_t count = sizeof(mobile_changes) / sizeof(mobile_changes[0]);
	for (size_t i = 0; i < count && length == OLD_MOBILE_LENGTH && is_vietnam(country_code); ++i) {
		if (memcmp(number, mobile_changes[i].old, 4))
			continue;
		memcpy(out, mobile_changes[i].now, 3);
		memcpy(out + 3, number + 4, length - 4);
		return length - 1;
	}
	memcpy(out, number, length);
	return length;
}

/* The national part after the country code, trunk zeros taken off; NULL where it is shorter than `minimum`. */
static const char *after_country_code(const char *number, const char *country_code, size_t minimum)
{
	size_t code = strlen(country_code);
	if (strncmp(number, country_code, code))
		return NULL;
	const char *national = number + code;
	while (*national == '0')
		++national;
	size_t length = strlen(national);
	return length >= minimum || is_hotline(national, length, country_code) ? national : NULL;
}

static size_t write_after_country_code(char *out, const char *national, const char *country_code)
{
	char number[DIGITS_MAX + 2];
	size_t length = strlen(national);
	if (is_hotline(national, length, country_code)) {
		memcpy(out, national, length);
		return length;
	}
	number[0] = '0';
	memcpy(number + 1, national, length);
	return write_national(out, number, length + 1, country_code);
}

static size_t write_digits(char *out, const struct digits *digits, const char *country_code)
{
	const char *number = digits->text;
	/* No country's code begins with 0: a plus before one means nothing. */
	bool plus = digits->plus && number[0] != '0';
	bool zeros = !plus && !strncmp(number, "00", 2) && number[2] != '0' && digits->length >= 2 + FOREIGN_MIN;
	if (plus || zeros) {
		const char *international = zeros ? number + 2 : number;
		const char *national = after_country_code(international, country_code, NATIONAL_MIN_EXPLICIT);
		if (national)
			return write_after_country_code(out, national, country_code);
		size_t length = strlen(international);
		out[0] = '+';
		memcpy(out + 1, international, length);
		return length + 1;
	}
	const char *national = after_country_code(number, country_code, NATIONAL_MIN_BARE);
	if (national)
		return write_after_country_code(out, national, country_code);
	return write_national(out, number, digits->length, country_code);
}

int number_canonical(char out[NUMBER_SIZE], const char *text, size_t length, const char *country_code)
{
	struct digits digits;
	char written[NUMBER_SIZE + 1];
	while (length && *text == ' ') {
		++text;
		--length;
	}
	while (length && text[length - 1] == ' ')
		--length;
	for (size_t i = 0; i < length; ++i)
		if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
			return -EINVAL;
	int number = read_digits(&digits, text, length);
	if (number < 0)
		return number;
	if (number) {
		length = write_digits(written, &digits, country_code);
		text = written;
	}
	if (length >= NUMBER_SIZE)
		return -EINVAL;
	memcpy(out, text, length);
	out[length] = '\0';
	return (int)length;
}
