/*
 * compress: gzip for answers over 1 KiB, where the client takes it. One
 * compressor per worker, whose memory is kept between answers.
 */
#ifndef CALLHISTORY_GATEWAY_COMPRESS_H
#define CALLHISTORY_GATEWAY_COMPRESS_H

#include <stdbool.h>

#include "base/buffer.h"

enum { COMPRESS_MINIMUM = 1024 };

struct compressor;

/* Returns 0 or -ENOMEM. */
int compressor_create(struct compressor **out);
void compressor_destroy(struct compressor *compressor);

/* Whether an Accept-Encoding header (NULL: absent) takes gzip. */
bool compress_accepted(const char *accept_encoding);

/*
 * Replaces the buffer's bytes with their gzip form. 0, -ENOMEM, or -ENOSPC where it would not get smaller: the buffer
 * is then as it was.
 */
int compress_gzip(struct compressor *compressor, struct buffer *body);

#endif
