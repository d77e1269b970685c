/*
 * handlers/number: the canonical form of phone numbers (contract §1, "phone finds every call in which it is a party").
 * services/handlers/README.md describes it. Pure; thread-safe.
 */
#pragma once

#include "store/store.h"

/* Longest canonical form, with its NUL byte. */
enum { NUMBER_SIZE = STORE_NUMBER_MAX + 1 };

/*
 * Writes the canonical form of `length` bytes of `text` to `out` (NUL-terminated):
 * - control characters and invisible ones (bidi marks, zero-width characters, soft hyphens, variation selectors) are
 *   removed; white space becomes a blank, a hyphen or dash "-", a middle dot ".", a typographic apostrophe "'", and
 *   full-width characters become their ASCII forms; then blanks at both ends are removed;
 * - of a tel: or sip: URI, alone or in <>, only the user part without parameters is used;
 * - digits with blanks, dots, dashes, slashes, brackets, a leading + or a leading apostrophe are a number: only its
 *   digits are used, and all spellings that are one number in the numbering plan of `country_code` (digits, such as
 *   "84") become the same digits;
 * - any other text is left unchanged.
 * Returns the length written (0 for an empty number), or -EINVAL for what is not UTF-8, has NUL, or is longer than
 * STORE_NUMBER_MAX; `out` is untouched then.
 */
int handlers_number_canonical(char out[NUMBER_SIZE], const char *text, size_t length, const char *country_code);
