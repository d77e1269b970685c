/*
 * contract/string: JSON strings. Quotes, backslashes and control characters
 * are escaped; all other characters are copied, "/" and non-ASCII included.
 */

#include "base/utf8.h"
#include "contract/contract.h"
#include "contract/write.h"

#define EVERY_BYTE(value) (UINT64_C(0x0101010101010101) * (value))

/* Whether none of eight bytes is a control character, a quote, a backslash or non-ASCII. */
static bool plain_eight(uint64_t bytes)
{
	uint64_t quote = bytes ^ EVERY_BYTE('"'), backslash = bytes ^ EVERY_BYTE('\\');
	uint64_t control = bytes - EVERY_BYTE(0x20);
	quote -= EVERY_BYTE(1);
	backslash -= EVERY_BYTE(1);
	return !((bytes | control | quote | backslash) & EVERY_BYTE(0x80));
}

/* Whether the whole text needs no escaping. */
static bool plain(const char *text, size_t length)
{
	uint64_t bytes = EVERY_BYTE('x');
	uint32_t low, high;
	if (length >= sizeof(bytes)) {
		for (size_t at = 0; at < length - sizeof(bytes); at += sizeof(bytes)) {
			memcpy(&bytes, text + at, sizeof(bytes));
			if (!plain_eight(bytes))
				return false;
		}
		/* The last eight may overlap those before. */
		memcpy(&bytes, text + length - sizeof(bytes), sizeof(bytes));
	} else if (length >= sizeof(low)) {
		memcpy(&low, text, sizeof(low));
		memcpy(&high, text + length - sizeof(high), sizeof(high));
		bytes = (uint64_t)high << 32 | low;
	} else {
		for (size_t at = 0; at < length; ++at)
			bytes = bytes << 8 | (unsigned char)text[at];
	}
	return plain_eight(bytes);
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

/* Writes text with something to escape in it, or characters to check. */
static char *put_checked(char *out, const char *text, const char *end)
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
	if (plain(text, length))
		at = put_bytes(at, text, length);
	else
		at = put_checked(at, text, text + length);
	*at++ = '"';
	return at;
}

void contract_write_string(struct buffer *out, const char *text)
{
	size_t length = strlen(text);
	char *at = write_start(out, PUT_STRING_MAX(length));
	if (at)
		write_end(out, contract_put_string(at, text, length));
}
