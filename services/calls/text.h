/*
 * calls/text: what a string from a client is made of. Pure; thread-safe.
 */
#ifndef CALLHISTORY_CALLS_TEXT_H
#define CALLHISTORY_CALLS_TEXT_H

#include <stdbool.h>
#include <stddef.h>

struct text {
	size_t bytes, characters;
	bool control; /* holds a control character (C0, DEL or C1) */
};

/* Measures a NUL-terminated string. Returns 0, or -EILSEQ for what is no UTF-8 (overlong forms and surrogates included). */
int text_measure(struct text *out, const char *string);

#endif
