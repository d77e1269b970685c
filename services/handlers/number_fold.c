/*
 * handlers/number_fold: tables of Unicode 15.1. Removes the general categories Cc and Cf and the property
 * Default_Ignorable_Code_Point. Blanks are the property White_Space; dashes are the category Pd, the minus signs and
 * the hyphen bullet.
 */
#include "handlers/number_fold.h"

#include <errno.h>
#include <string.h>

#include "base/utf8.h"

enum { DROPPED = 0, FULL_WIDTH_FIRST = 0xff01, FULL_WIDTH_LAST = 0xff5e, FULL_WIDTH_OFFSET = 0xfee0 };

/* Code points that become one character. In order. */
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
static int fold(uint32_t code)
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

int handlers_number_fold(char *out, size_t size, const char *text, size_t length)
{
	size_t written = 0;
	for (size_t at = 0, step; at < length; at += step) {
		uint32_t code = 0;
		step = utf8_sequence(text + at, length - at, &code);
		if (!step || !code)
			return -EINVAL;
		int folded = fold(code);
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
