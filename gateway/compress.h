/*
 * compress: gzip for answers over 1 KiB, if the client accepts it. One
 * compressor per worker, whose memory is kept between answers.
 */
#pragma once

#include "base/buffer.h"

enum { COMPRESS_MINIMUM = 1024 };

struct compressor;

/* Returns 0 or -ENOMEM. */
int compressor_create(struct compressor **out);
void compressor_destroy(struct compressor *compressor);

/* Whether an Accept-Encoding header (NULL: absent) accepts gzip. */
bool compress_accepted(const char *accept_encoding);

/*
 * Replaces the buffer's bytes with their gzip form. 0, -ENOMEM, or -ENOSPC if that would not be smaller: the buffer is
 * then unchanged.
 */
int compress_gzip(struct compressor *compressor, struct buffer *body);
