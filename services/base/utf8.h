/* utf8: UTF-8 of RFC 3629: nothing overlong, no surrogates, nothing above U+10FFFF. Pure; thread-safe. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Length of the well-formed sequence at `text`, of `left` bytes; 0 when there is none. Its code point goes to *code. */
size_t utf8_sequence(const char *text, size_t left, uint32_t *code);

/* Whether all of it is well-formed. */
bool utf8_is_valid(const char *text, size_t length);

/* The longest prefix of at most `limit` bytes that does not cut a sequence of well-formed text. */
size_t utf8_prefix(const char *text, size_t length, size_t limit);

struct utf8_measure {
	size_t bytes, characters; /* characters are code points */
	bool control;             /* contains a control character (C0, DEL or C1) */
};

/* Measures a NUL-terminated text. Returns 0, or -EILSEQ for malformed text. */
int utf8_measure(struct utf8_measure *out, const char *text);
