/*
 * hex: hexadecimal digits, for percent-decoding. Pure; thread-safe.
 */
#ifndef CALLHISTORY_BASE_HEX_H
#define CALLHISTORY_BASE_HEX_H

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

#endif
