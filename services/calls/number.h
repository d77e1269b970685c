/*
 * calls/number: one spelling for every way to write a phone number (contract
 * §1, "phone finds every call in which it is a party"). Pure; thread-safe.
 */
#ifndef CALLHISTORY_CALLS_NUMBER_H
#define CALLHISTORY_CALLS_NUMBER_H

#include <stddef.h>

/* Longest canonical form, with its NUL byte. */
enum { NUMBER_SIZE = 65 };

/*
 * Writes the canonical form of `length` bytes of `text` to `out` (NUL-terminated).
 *   digits with spaces, dots, dashes, slashes, brackets and a leading +: the punctuation goes;
 *   +CC, 00CC and CC (where the rest is long enough to be a national number) become the national 0...;
 *   a foreign number (+ or 00) becomes +digits; a short extension and all else stay as they are, outer blanks trimmed.
 * `country_code` is digits, such as "84". For 84, the 11-digit mobile numbers of before 2018 become today's.
 * Returns the length written (0 for an empty number), or -EINVAL for a number that is too long or has control characters.
 */
int number_canonical(char out[NUMBER_SIZE], const char *text, size_t length, const char *country_code);

#endif
