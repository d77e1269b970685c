/*
 * http_chunks: decodes the chunked transfer coding (RFC 9112, 7.1) of a request's body, which may arrive in pieces of
 * any length. Pure; thread-safe.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Position in a chunked body; all zero at its beginning. */
struct http_chunks {
	int state;
	uint64_t left;   /* bytes of data to come in this chunk */
	unsigned digits; /* read of this chunk's size, which has 15 at most */
	unsigned extra;  /* bytes of extensions and trailers so far */
};

enum http_chunks_result {
	HTTP_CHUNKS_MORE, /* all bytes were used; the body is not complete */
	HTTP_CHUNKS_DATA, /* *data is a piece of the body */
	HTTP_CHUNKS_END,  /* the body and its trailers are complete */
	HTTP_CHUNKS_MALFORMED,
};

/*
 * Reads up to `length` bytes. *used is how many were read; pass the rest to the next call. After HTTP_CHUNKS_DATA,
 * *data and *data_length are a piece of the body, which points into `bytes`; repeat until the result is another one.
 * More than 8 KiB of extensions and trailers are malformed.
 */
enum http_chunks_result http_chunks_read(struct http_chunks *chunks, const char *bytes, size_t length, size_t *used,
                                         const char **data, size_t *data_length);
