/* calls/text: one pass over UTF-8. */
#include "calls/text.h"

#include <errno.h>
#include <stdint.h>

/* Reads one character of two to four bytes. Returns its length, 0 when it is none. */
static size_t read_character(const unsigned char *bytes, uint32_t *code)
{
	size_t length = bytes[0] >= 0xf0 ? 4 : bytes[0] >= 0xe0 ? 3 : 2;
	static const uint32_t minimum[] = {0, 0, 0x80, 0x800, 0x10000};
	if (bytes[0] < 0xc2 || bytes[0] > 0xf4)
		return 0;
	*code = bytes[0] & (0x7fU >> length);
	for (size_t i = 1; i < length; ++i) {
		if ((bytes[i] & 0xc0) != 0x80)
			return 0;
		*code = *code << 6 | (bytes[i] & 0x3f);
	}
	bool valid = *code >= minimum[length] && *code <= 0x10ffff && (*code < 0xd800 || *code > 0xdfff);
	return valid ? length : 0;
}

int text_measure(struct text *out, const char *string)
{
	struct text text = {.bytes = 0};
	const unsigned char *bytes = (const unsigned char *)string;
	while (bytes[text.bytes]) {
		uint32_t code = bytes[text.bytes];
		size_t length = code < 0x80 ? 1 : read_character(bytes + text.bytes, &code);
		if (!length)
			return -EILSEQ;
		text.control = text.control || code < 0x20 || (code >= 0x7f && code < 0xa0);
		text.bytes += length;
		++text.characters;
	}
	*out = text;
	return 0;
}
