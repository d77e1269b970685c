/*
 * http_head: the head of an HTTP/1 request (RFC 9112), read strictly: anything that two parsers could interpret
 * differently is refused. Pure; thread-safe. A head comes from an unauthenticated client, so this is the only parser of
 * heads, and it is fuzzed (tests/fuzz/fuzz_head.c).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes of a head, from its first line to the empty line, both included. */
enum { HTTP_HEAD_MAX = 8 * 1024 };

struct http_head {
	const char *method; /* NUL-terminated in the bytes that were read; NULL: the request line is malformed */
	char *target;
	bool http_1_0;
	bool keep_alive; /* the client lets the connection serve further requests */
	bool expects_continue;
	bool chunked;
	bool has_length;
	int64_t length; /* of the body: Content-Length, INT64_MAX for one beyond it, 0 without */

	/* Why it was refused. */
	int status;          /* 400 or 505 */
	const char *message; /* one sentence */
};

/* Whether a name of a method or a field may have this character (RFC 9110, 5.6.2). */
bool http_head_is_token(char character);

/* Whether the first bytes of a request can be the beginning of one: a method, and a space after it. */
bool http_head_begins(const char *bytes, size_t length);

/*
 * Looks for the end of a head. *line is the offset of the first line that is not complete yet: begin with 0 and keep it
 * between calls. Returns 0 with the head's length in *end, -EAGAIN when more bytes are needed, or the HTTP status of a
 * refusal: 400 (a line does not end in CRLF), 414 or 431 (HTTP_HEAD_MAX bytes without an end).
 */
int http_head_find(const char *bytes, size_t length, size_t *line, size_t *end);

/*
 * Reads a head that http_head_find() delimited, in place. Calls `field` for each header in order, with NUL-terminated
 * name and value (without blanks around it). Returns 0, or -EBADMSG with status and message in *out; fields before the
 * fault were reported.
 */
int http_head_parse(char *bytes, size_t length, struct http_head *out,
                    void (*field)(void *data, const char *name, const char *value), void *data);
