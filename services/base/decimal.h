/* decimal: whole numbers as digits, both ways. Pure; thread-safe. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/*
 * Reads digits with an optional minus, nothing else. A number beyond int64 becomes the nearest int64, so that a check
 * on its bounds still refuses it. False for any other text.
 */
bool decimal_read(const char *text, size_t length, int64_t *out);

/* Whether the text begins like `form`, where 0 stands for any digit. */
bool decimal_begins_like(const char *text, const char *form);

/* "00", "01" … "99". */
extern const char decimal_pairs[];

/* Writes the two digits of a value below 100. */
static inline void decimal_two(char out[2], unsigned value)
{
	memcpy(out, decimal_pairs + (size_t)value * 2, 2);
}

/* Writes the digits of `value` to `out`; returns how many. */
size_t decimal_write(char out[20], uint64_t value);

enum { DECIMAL_TEXT = 24 };

/* Writes a whole number and a NUL; returns `out`. For hot paths, where snprintf() leads the profile. */
const char *decimal_text(char out[DECIMAL_TEXT], int64_t value);
