/*
 * decode: decompresses gzip data, also padded with zeros, and converts UTF-16 to UTF-8; other files are unchanged. Both
 * are recognised by their first bytes. Memory is constant, whatever the data expands to.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct decode;

/* 0 or -ENOMEM. */
int decode_create(struct decode **out);
void decode_destroy(struct decode *decode);

/* Begins with another file. */
void decode_reset(struct decode *decode);

/*
 * Reads from `fd` once, if there is no data left to decode. Returns how many bytes of the file were read, 0 at its end
 * or when nothing had to be read, or -errno; -EINTR after a signal.
 */
long decode_read(struct decode *decode, int fd);

/*
 * Writes decoded text to out[0..size), size at least 4. Returns how many bytes; 0: decode_read() must be called first,
 * or the end (decode_ended()). -EBADMSG: the gzip data is damaged or cut off. A malformed UTF-16 unit becomes the byte
 * 0xff, which is never valid UTF-8, so that the error is reported for its line.
 */
long decode_take(struct decode *decode, char *out, size_t size);

/* Whether all text has been taken. */
bool decode_ended(const struct decode *decode);

/* Whether a file with these first bytes would be decoded. */
bool decode_is_coded(const char *text, size_t length);

/* Bytes that have been read and not been taken. */
size_t decode_ahead(const struct decode *decode);

/*
 * What the file was recognised as, for a message: "gzip data", "UTF-16 text", "UTF-16 text in gzip data". NULL: plain,
 * or unknown yet.
 */
const char *decode_name(const struct decode *decode);
