/* handlers/number_fold: the characters that a phone number is compared by. Pure; thread-safe. */
#pragma once

#include <stddef.h>

/*
 * Copies `length` bytes of UTF-8 to `out`, at most `size` bytes, without a NUL at the end:
 * - control characters and invisible ones (bidi marks, zero-width characters, soft hyphens, variation selectors) are
 *   removed;
 * - white space becomes a blank, a hyphen or dash "-", a middle dot ".", a typographic apostrophe "'";
 * - full-width characters become their ASCII forms.
 * Returns the bytes written, or -EINVAL for NUL, for what is not UTF-8, and for what does not fit.
 */
int handlers_number_fold(char *out, size_t size, const char *text, size_t length);
