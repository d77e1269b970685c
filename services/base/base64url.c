/* base64url: six bits at a time. */
#include "base/base64url.h"

#include <errno.h>

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

size_t base64url_encode(char *out, const uint8_t *data, size_t length)
{
	uint32_t bits = 0;
	int held = 0;
	size_t written = 0;
	for (size_t i = 0; i < length; ++i) {
		bits = bits << 8 | data[i];
		for (held += 8; held >= 6; held -= 6)
			out[written++] = alphabet[bits >> (held - 6) & 63];
	}
	if (held)
		out[written++] = alphabet[bits << (6 - held) & 63];
	out[written] = '\0';
	return written;
}

static int value_of(char letter)
{
	if (letter >= 'A' && letter <= 'Z')
		return letter - 'A';
	if (letter >= 'a' && letter <= 'z')
		return letter - 'a' + 26;
	if (letter >= '0' && letter <= '9')
		return letter - '0' + 52;
	return letter == '-' ? 62 : letter == '_' ? 63 : -1;
}

int base64url_decode(uint8_t *out, size_t size, const char *text, size_t length)
{
	uint32_t bits = 0;
	int held = 0;
	size_t written = 0;
	for (size_t i = 0; i < length; ++i) {
		int value = value_of(text[i]);
		if (value < 0)
			return -EINVAL;
		bits = bits << 6 | (uint32_t)value;
		held += 6;
		if (held < 8)
			continue;
		held -= 8;
		if (written == size)
			return -EINVAL;
		out[written++] = (uint8_t)(bits >> held);
	}
	/*
	 * Refuses a character that adds no byte, and unused bits that are not zero: the same bytes would have two
	 * encodings.
	 */
	if (held == 6 || (bits & ((1U << held) - 1)))
		return -EINVAL;
	return (int)written;
}

int base64url_decode_standard(char *text, size_t length)
{
	const size_t size = length;
	for (size_t padding = 0; padding < 2 && length && text[length - 1] == '='; ++padding)
		--length;
	for (size_t i = 0; i < length; ++i) {
		if (text[i] == '-' || text[i] == '_')
			return -EINVAL;
		text[i] = text[i] == '+' ? '-' : text[i] == '/' ? '_' : text[i];
	}
	/* Each group is read before its fewer bytes are written. */
	return base64url_decode((uint8_t *)text, size, text, length);
}
