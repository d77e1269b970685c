/*
 * say: text for a person at a terminal. Input from a file, the service or the command line may contain control
 * characters, which a terminal would execute; they are printed as '?'.
 */
#pragma once

#include "base/buffer.h"

/* Writes "callhistoryctl: " and one line to standard error. Returns EXIT_FAILED, for `return say_error(...)`. */
int say_error(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Writes one line to standard error as it is, control characters apart. */
void say_line(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Writes out what standard output still has. 0, or -EIO if that or an earlier write failed. */
int say_flush(void);

/*
 * Appends a member of a JSON object, `"key":"value"`, with what comes before it: the opening brace at the beginning of
 * a line, of an array or after an object, else a comma.
 */
void say_member(struct buffer *out, const char *key, const char *value);

/* Replaces control characters of a UTF-8 text in place. Returns text. */
char *say_clean(char *text);

/* How many columns of a terminal a UTF-8 text takes: wide letters two, combining marks none. Needs a UTF-8 LC_CTYPE. */
size_t say_width(const char *text);

/* How many bytes of a UTF-8 text fit into so many columns, letters whole; *width is how many columns they take. */
size_t say_prefix(const char *text, size_t columns, size_t *width);
