/* base64url: RFC 4648 §5 without padding. Pure; thread-safe. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Characters for `length` bytes, without a NUL byte. */
#define BASE64URL_LENGTH(length) (((length)*4 + 2) / 3)

/* Writes the characters and a NUL byte to `out`. Returns their number. */
size_t base64url_encode(char *out, const uint8_t *data, size_t length);

/*
 * Reads `length` characters into out[0..size). Returns the bytes written, or -EINVAL for anything but the canonical
 * encoding.
 */
int base64url_decode(uint8_t *out, size_t size, const char *text, size_t length);

/*
 * Decodes RFC 4648 §4 (+, / and padding, which may be missing) in place: the bytes replace the characters. Returns the
 * bytes written, or -EINVAL; the text is changed then, too.
 */
int base64url_decode_standard(char *text, size_t length);
