/*
 * handlers/page: one page of the calls of a selection, for ListCalls and ExportCalls. Without a filter the calls are
 * Redis's own reply, which is valid until done() returns; with one, matches are copied as they are found.
 *
 * A page ends early, with a token, where it would exceed its bytes and where a scan reaches its bound. If the requested
 * offset is not reached by then, the token contains how many matches are still to be skipped: "N." in front of the
 * position.
 */
#pragma once

#include <protobuf-c/protobuf-c.h>

#include "handlers/arguments.h"
#include "handlers/request.h"
#include "handlers/token.h"

/* Digits of an offset, with a NUL byte or a dot. */
enum { PAGE_SKIP_SIZE = 21 };

struct page {
	/* Set by the caller; must live as long as the request. */
	struct request *request;
	const struct selection *selection;
	uint32_t size;    /* most calls on the page */
	size_t bytes_max; /* of these calls in the answer; the first one always fits */
	uint64_t offset;  /* calls to skip */
	void (*done)(struct request *request);

	/* The page, when done() is called. */
	ProtobufCBinaryData *calls; /* packed */
	uint32_t count;
	char token[PAGE_SKIP_SIZE + PAGE_TOKEN_SIZE]; /* of the next page; "": this is the last one */
	bool cut;                                     /* more calls were read than fitted into bytes_max */

	/* Its own. */
	struct store_position after, rest; /* where has_after, has_rest */
	bool has_after;
	size_t bytes;
	bool more;     /* there is at least one call after the page */
	bool has_rest; /* the next page begins after `rest`, instead of after the last call */
};

/*
 * Reads a page: the one of a token, which may be page->token, or for "" the one at the offset. done() is called once,
 * at once or later, unless the read fails: the request is then ended here. Returns 0, or a negative value after
 * context_fail(), done() not called. Memory is of the request's arena.
 */
int handlers_page_read(struct page *page, const char *token);
