/* http_chunks: the chunked transfer coding (RFC 9112, 7.1) of a request's body, in any split. Pure; thread-safe. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Position in a chunked body; all zero at its beginning. */
struct http_chunks {
	int state;
	uint64_t left;   /* bytes of data that are left of this chunk */
	unsigned digits; /* of this chunk's size */
	unsigned extra;  /* bytes of extensions and trailers so far */
};

enum http_chunks_result {
	HTTP_CHUNKS_MORE, /* all bytes were used; the body is not complete */
	HTTP_CHUNKS_DATA, /* *data is a piece of the body */
	HTTP_CHUNKS_END,  /* the body and its trailers are complete */
	HTTP_CHUNKS_MALFORMED,
};

/*
 * Reads further bytes. *used is how many were read; pass the rest to the next call. A piece lies within `bytes`.
 * Call until the result is not HTTP_CHUNKS_DATA. More than 8 KiB of extensions and trailers are malformed.
 */
enum http_chunks_result http_chunks_read(struct http_chunks *chunks, const char *bytes, size_t length, size_t *used,
                                         const char **data, size_t *data_length);
