/*
 * contract/string: JSON strings. Quotes, backslashes and control characters
 * are escaped; all other characters stand as they are, "/" and non-ASCII
 * included.
 */
#include <stdint.h>

#include "contract/contract.h"
#include "contract/text.h"
#include "contract/write.h"

/* The longest that one byte of text can become: \u001f, or U+FFFD in three bytes. */
enum { ESCAPED_MAX = 6 };

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

/* Escapes one ASCII character that can't stand as it is; returns the bytes written. */
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
static size_t write_character(char *out, const char **text, const char *end)
{
	uint32_t code = 0;
	size_t length = text_sequence(*text, (size_t)(end - *text), &code);
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

void write_string(struct buffer *buffer, const char *text, size_t length)
{
	if (length > (SIZE_MAX - 2) / ESCAPED_MAX || !write_room(buffer, length * ESCAPED_MAX + 2)) {
		buffer->failed = true;
		return;
	}
	char *out = buffer->data + buffer->length;
	const char *end = text + length;
	*out++ = '"';
	while (text < end) {
		uint64_t eight;
		if (end - text >= (ptrdiff_t)sizeof(eight)) {
			memcpy(&eight, text, sizeof(eight));
			if (plain_eight(eight)) {
				memcpy(out, &eight, sizeof(eight));
				out += sizeof(eight);
				text += sizeof(eight);
				continue;
			}
		}
		unsigned char byte = (unsigned char)*text;
		if (byte >= 0x20 && byte < 0x80 && byte != '"' && byte != '\\') {
			*out++ = *text++;
			continue;
		}
		out += write_character(out, &text, end);
	}
	*out++ = '"';
	buffer->length = (size_t)(out - buffer->data);
}

void contract_write_string(struct buffer *out, const char *text)
{
	write_string(out, text, strlen(text));
}
