/* hex: hexadecimal digits and percent-encoding (RFC 3986). Pure; thread-safe. */
#pragma once

/* The value of a digit of either case; -1 for any other character. */
static inline int hex_digit(char character)
{
	if (character >= '0' && character <= '9')
		return character - '0';
	if (character >= 'a' && character <= 'f')
		return character - 'a' + 10;
	if (character >= 'A' && character <= 'F')
		return character - 'A' + 10;
	return -1;
}

/* The byte of two digits at a NUL-terminated text; -1 unless both are digits. */
static inline int hex_byte(const char *text)
{
	int high = hex_digit(text[0]), low = high < 0 ? -1 : hex_digit(text[1]);
	return low < 0 ? -1 : high << 4 | low;
}

/* Writes %XX. Returns the position after it. */
static inline char *hex_escape(char *out, unsigned char byte)
{
	*out++ = '%';
	*out++ = "0123456789ABCDEF"[byte >> 4];
	*out++ = "0123456789ABCDEF"[byte & 15];
	return out;
}
