/*
 * handlers/number: removes what surrounds a number (URI, brackets, invisible characters), then its punctuation;
 * number_plan.c decides which digits are the same number. A canonical form is its own canonical form.
 */
#include "handlers/number.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#include "base/hex.h"
#include "base/utf8.h"
#include "handlers/number_plan.h"

enum { TRUNK_GROUP_MAX = 3 /* "(0)" may follow a country code, of at most three digits */ };

/* Text that is read: a part of a buffer of NUMBER_SIZE bytes. */
struct span {
	const char *text;
	size_t length;
};

/* The digits of a number, without punctuation. */
struct digits {
	char text[NUMBER_SIZE];
	size_t length;
	bool plus;
};

enum { DROPPED = 0, FULL_WIDTH_FIRST = 0xff01, FULL_WIDTH_LAST = 0xff5e, FULL_WIDTH_OFFSET = 0xfee0 };

/*
 * Code points of Unicode 15.1 that become one character, in order. Removed are the general categories Cc and Cf and
 * the property Default_Ignorable_Code_Point. Blanks are the property White_Space; dashes are the category Pd, the minus
 * signs and the hyphen bullet.
 */
static const struct folded_range {
	uint32_t first, last;
	char becomes;
} folded_ranges[] = {
    {0x7f, 0x9f, DROPPED},       {0xa0, 0xa0, ' '},           {0xad, 0xad, DROPPED},       {0xb7, 0xb7, '.'},
    {0x2bc, 0x2bc, '\''},        {0x34f, 0x34f, DROPPED},     {0x58a, 0x58a, '-'},         {0x5be, 0x5be, '-'},
    {0x600, 0x605, DROPPED},     {0x61c, 0x61c, DROPPED},     {0x6dd, 0x6dd, DROPPED},     {0x70f, 0x70f, DROPPED},
    {0x890, 0x891, DROPPED},     {0x8e2, 0x8e2, DROPPED},     {0x115f, 0x1160, DROPPED},   {0x1400, 0x1400, '-'},
    {0x1680, 0x1680, ' '},       {0x17b4, 0x17b5, DROPPED},   {0x1806, 0x1806, '-'},       {0x180b, 0x180f, DROPPED},
    {0x2000, 0x200a, ' '},       {0x200b, 0x200f, DROPPED},   {0x2010, 0x2015, '-'},       {0x2018, 0x2019, '\''},
    {0x2022, 0x2022, '.'},       {0x2027, 0x2027, '.'},       {0x2028, 0x2029, ' '},       {0x202a, 0x202e, DROPPED},
    {0x202f, 0x202f, ' '},       {0x2043, 0x2043, '-'},       {0x2044, 0x2044, '/'},       {0x205f, 0x205f, ' '},
    {0x2060, 0x206f, DROPPED},   {0x207b, 0x207b, '-'},       {0x208b, 0x208b, '-'},       {0x2212, 0x2212, '-'},
    {0x2215, 0x2215, '/'},       {0x2e17, 0x2e17, '-'},       {0x2e1a, 0x2e1a, '-'},       {0x2e3a, 0x2e3b, '-'},
    {0x2e40, 0x2e40, '-'},       {0x2e5d, 0x2e5d, '-'},       {0x3000, 0x3000, ' '},       {0x301c, 0x301c, '-'},
    {0x3030, 0x3030, '-'},       {0x30a0, 0x30a0, '-'},       {0x30fb, 0x30fb, '.'},       {0x3164, 0x3164, DROPPED},
    {0xfe00, 0xfe0f, DROPPED},   {0xfe31, 0xfe32, '-'},       {0xfe58, 0xfe58, '-'},       {0xfe63, 0xfe63, '-'},
    {0xfeff, 0xfeff, DROPPED},   {0xffa0, 0xffa0, DROPPED},   {0xfff0, 0xfffb, DROPPED},   {0x10ead, 0x10ead, '-'},
    {0x110bd, 0x110bd, DROPPED}, {0x110cd, 0x110cd, DROPPED}, {0x13430, 0x1343f, DROPPED}, {0x1bca0, 0x1bca3, DROPPED},
    {0x1d173, 0x1d17a, DROPPED}, {0xe0000, 0xe0fff, DROPPED},
};

/* The replacement of a code point: a character, DROPPED, or -1: unchanged. */
static int fold_character(uint32_t code)
{
	if (code < 0x20)
		return DROPPED;
	if (code >= FULL_WIDTH_FIRST && code <= FULL_WIDTH_LAST)
		return (int)(code - FULL_WIDTH_OFFSET);
	for (const struct folded_range *range = folded_ranges;
	     range < folded_ranges + sizeof(folded_ranges) / sizeof(folded_ranges[0]) && range->first <= code; ++range)
		if (code <= range->last)
			return range->becomes;
	return -1;
}

/*
 * Copies `length` bytes of UTF-8 to `out`, at most `size` bytes, without a NUL at the end, and folds the characters.
 * Returns the bytes written, or -EINVAL for NUL, for what is not UTF-8, and for what does not fit.
 */
static int fold_text(char *out, size_t size, const char *text, size_t length)
{
	size_t written = 0;
	for (size_t at = 0, step; at < length; at += step) {
		uint32_t code = (unsigned char)text[at];
		/* Most numbers are ASCII, which needs no decoder. */
		step = code < 0x80 ? 1 : utf8_sequence(text + at, length - at, &code);
		if (!step || !code)
			return -EINVAL;
		int folded = fold_character(code);
		size_t kept = folded < 0 ? step : folded != DROPPED;
		if (kept > size - written)
			return -EINVAL;
		if (folded < 0)
			memcpy(out + written, text + at, step);
		else if (folded != DROPPED)
			out[written] = (char)folded;
		written += kept;
	}
	return (int)written;
}

static struct span trim(struct span span)
{
	while (span.length && *span.text == ' ') {
		++span.text;
		--span.length;
	}
	while (span.length && span.text[span.length - 1] == ' ')
		--span.length;
	return span;
}

/* The text between the last < and a > at the end, or else the whole text. */
static struct span inside_brackets(struct span span)
{
	const char *open = memrchr(span.text, '<', span.length);
	if (!open || span.text[span.length - 1] != '>')
		return span;
	return trim((struct span){open + 1, span.length - (size_t)(open + 1 - span.text) - 1});
}

/* Finds the user part of a tel:, sip: or sips: URI. False if there is none. */
static bool find_user(struct span span, struct span *user)
{
	static const char *const schemes[] = {"tel:", "sip:", "sips:"};
	if (!span.length)
		return false;
	span = inside_brackets(span);
	if (span.length && *span.text == '\'')
		span = trim((struct span){span.text + 1, span.length - 1});
	for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); ++i) {
		size_t scheme = strlen(schemes[i]), end = scheme;
		if (span.length <= scheme || strncasecmp(span.text, schemes[i], scheme) != 0)
			continue;
		while (end < span.length && !strchr(";:@?", span.text[end]))
			++end;
		*user = (struct span){span.text + scheme, end - scheme};
		return user->length > 0;
	}
	return false;
}

/* Decodes %XX; copies the text unchanged if the result is not UTF-8 or has NUL. Returns its length. */
static size_t decode(char *out, struct span span)
{
	size_t length = 0;
	for (size_t i = 0; i < span.length; ++i) {
		int byte = span.text[i] == '%' && span.length - i > 2 ? hex_byte(span.text + i + 1) : -1;
		out[length++] = byte < 0 ? span.text[i] : (char)byte;
		i += byte < 0 ? 0 : 2;
	}
	if (utf8_is_valid(out, length) && !memchr(out, '\0', length))
		return length;
	memcpy(out, span.text, span.length);
	return span.length;
}

/* Whether `text` is a "(0)" after nothing but a country code, a common way to write the trunk zero. */
static bool is_trunk_group(const struct digits *digits, const char *text, size_t left)
{
	bool international = digits->plus || !strncmp(digits->text, "00", 2);
	size_t exit = digits->plus ? 0 : 2, code = digits->length - exit;
	return international && code >= 1 && code <= TRUNK_GROUP_MAX && left >= 3 && !memcmp(text, "(0)", 3) &&
	       !handlers_number_plan_keeps_zero(digits->text + exit, code);
}

/* Whether the text is a number; its digits then. */
static bool read_digits(struct digits *digits, struct span span)
{
	digits->length = 0;
	digits->plus = false;
	for (size_t i = 0; i < span.length; ++i) {
		char letter = span.text[i];
		digits->text[digits->length] = '\0';
		if (letter >= '0' && letter <= '9') {
			digits->text[digits->length++] = letter;
		} else if (letter == '+') {
			if (digits->plus || digits->length)
				return false;
			digits->plus = true;
		} else if (letter == '\'') {
			if (i)
				return false;
		} else if (is_trunk_group(digits, span.text + i, span.length - i)) {
			i += 2;
		} else if (!strchr(" .-/()[]", letter)) {
			return false;
		}
	}
	digits->text[digits->length] = '\0';
	return digits->length > 0;
}

int handlers_number_canonical(char out[NUMBER_SIZE], const char *text, size_t length, const char *country_code)
{
	char folded[NUMBER_SIZE], user[NUMBER_SIZE];
	struct span span;
	struct digits digits;
	int folded_length = fold_text(folded, NUMBER_SIZE - 1, text, length);
	/* A URI may be in a URI's user part, percent-encoded; each is shorter than the one around it. */
	while (folded_length >= 0) {
		span = trim((struct span){folded, (size_t)folded_length});
		struct span part;
		if (!find_user(span, &part))
			break;
		folded_length = fold_text(folded, NUMBER_SIZE - 1, user, decode(user, part));
	}
	if (folded_length < 0)
		return folded_length;
	if (read_digits(&digits, span)) {
		/* A trunk prefix may be added to a number of twelve digits: there is a byte for it. */
		span = (struct span){user, handlers_number_plan_write(user, digits.text, digits.plus, country_code)};
	}
	if (span.length >= NUMBER_SIZE)
		return -EINVAL;
	memcpy(out, span.text, span.length);
	out[span.length] = '\0';
	return (int)span.length;
}
