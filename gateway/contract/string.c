/*
 * contract/string: JSON strings. Quotes, backslashes and control characters
 * are escaped; all other characters are copied, "/" and non-ASCII included.
 */

#include "base/utf8.h"
#include "contract/contract.h"
#include "contract/write.h"

/* Sixteen characters, compared at once; gcc and clang know how on every processor. */
typedef signed char sixteen __attribute__((vector_size(16)));

union part {
	sixteen characters;
	uint64_t halves[2];
};

/* Whether none of them is a control character, a quote, a backslash or non-ASCII, which is negative. */
static inline bool is_plain(const union part *part)
{
	const sixteen plain = (part->characters > 0x1f) & (part->characters != '"') & (part->characters != '\\');
	const union part all = {.characters = plain};
	return (all.halves[0] & all.halves[1]) == UINT64_MAX;
}

/* Copies a text that needs no escaping. False where some of it does; then `out` has part of it. */
static bool copy_plain(char *out, const char *text, size_t length)
{
	enum { HALF = sizeof(uint64_t), WHOLE = sizeof(union part) };
	union part part = {.halves = {UINT64_C(0x7878787878787878), UINT64_C(0x7878787878787878)}};
	for (size_t at = 0; at + WHOLE < length; at += WHOLE) {
		memcpy(&part, text + at, WHOLE);
		memcpy(out + at, &part, WHOLE);
		if (!is_plain(&part))
			return false;
	}
	/* The last bytes; they may overlap those before. */
	if (length >= WHOLE) {
		memcpy(&part, text + length - WHOLE, WHOLE);
		memcpy(out + length - WHOLE, &part, WHOLE);
	} else if (length >= HALF) {
		memcpy(&part.halves[0], text, HALF);
		memcpy(&part.halves[1], text + length - HALF, HALF);
		memcpy(out, &part.halves[0], HALF);
		memcpy(out + length - HALF, &part.halves[1], HALF);
	} else {
		for (size_t at = 0; at < length; ++at) {
			out[at] = text[at];
			part.halves[0] = part.halves[0] << 8 | (unsigned char)text[at];
		}
	}
	return is_plain(&part);
}

/* Escapes one ASCII character; returns the bytes written. */
static size_t escape(char *out, unsigned char character)
{
	static const char hex[] = "0123456789abcdef";
	static const char short_forms[] = {['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f', ['\r'] = 'r'};
	out[0] = '\\';
	if (character == '"' || character == '\\') {
		out[1] = (char)character;
		return 2;
	}
	if (character < sizeof(short_forms) && short_forms[character]) {
		out[1] = short_forms[character];
		return 2;
	}
	memcpy(out + 1, "u00", 3);
	out[4] = hex[character >> 4];
	out[5] = hex[character & 15];
	return 6;
}

/* Writes the character at `text` to `out`, moving *text past it; returns the bytes written. */
static size_t put_character(char *out, const char **text, const char *end)
{
	uint32_t code = 0;
	size_t length = utf8_sequence(*text, (size_t)(end - *text), &code);
	if (!length) {
		++*text;
		memcpy(out, "\xef\xbf\xbd", 3);
		return 3;
	}
	const char *from = *text;
	*text += length;
	if (code < 0x20 || code == '"' || code == '\\')
		return escape(out, (unsigned char)code);
	memcpy(out, from, length);
	return length;
}

/*
 * Writes text with something to escape in it, or characters to check. Inlined, it would double what all other texts
 * cost: its variables are on the stack.
 */
static __attribute__((noinline)) char *put_checked(char *out, const char *text, const char *end)
{
	while (text < end) {
		unsigned char byte = (unsigned char)*text;
		if (byte >= 0x20 && byte < 0x80 && byte != '"' && byte != '\\')
			*out++ = *text++;
		else
			out += put_character(out, &text, end);
	}
	return out;
}

char *contract_put_string(char *at, const char *text, size_t length)
{
	*at++ = '"';
	at = copy_plain(at, text, length) ? at + length : put_checked(at, text, text + length);
	*at++ = '"';
	return at;
}
