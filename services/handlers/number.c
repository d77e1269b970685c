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
#include "handlers/number_fold.h"
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
	int folded_length = handlers_number_fold(folded, NUMBER_SIZE - 1, text, length);
	/* A URI may be in a URI's user part, percent-encoded; each is shorter than the one around it. */
	while (folded_length >= 0) {
		span = trim((struct span){folded, (size_t)folded_length});
		struct span part;
		if (!find_user(span, &part))
			break;
		folded_length = handlers_number_fold(folded, NUMBER_SIZE - 1, user, decode(user, part));
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
