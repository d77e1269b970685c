/*
 * contract/text: what requests, imports and answers need to know of UTF-8
 * text and decimal numbers. Pure; thread-safe.
 */
#ifndef CALLHISTORY_CONTRACT_TEXT_H
#define CALLHISTORY_CONTRACT_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Length of the well-formed UTF-8 sequence at `text`, of `left` bytes; 0 when there is none. Its code point goes to *code. */
size_t text_sequence(const char *text, size_t left, uint32_t *code);

/* Whether all of it is well-formed UTF-8. */
bool text_is_utf8(const char *text, size_t length);

/* Counts the characters (code points) of well-formed UTF-8. *control says whether one is a control character (C0, DEL, C1). */
size_t text_characters(const char *text, size_t length, bool *control);

/*
 * Reads digits with an optional minus, nothing else. A number beyond int64 becomes the nearest int64, so that a check on its
 * bounds still refuses it. False when it is no such number.
 */
bool text_integer(const char *text, size_t length, int64_t *out);

/* Writes the digits of `value` to `out`; returns how many. */
size_t text_digits(char out[20], uint64_t value);

#endif
