/* handlers/page: by the store's pages, or by a scan where there is a filter. */
#include "handlers/page.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "handlers/scan.h"

/* Bytes of a call in the answer: tag and length take four at most, as a call is smaller than 2 MiB. */
enum { CALL_OVERHEAD = 4 };

/* The scope of a token: the selection, and the number of calls still to be skipped. */
static void hash_scope(struct sha256_ctx *hash, const struct page *page)
{
	char skip[PAGE_SKIP_SIZE];
	sha256_init(hash);
	handlers_selection_hash_scope(hash, page->selection, page->request->tag);
	if (page->offset) {
		int length = snprintf(skip, sizeof(skip), "%" PRIu64, page->offset);
		sha256_update(hash, (size_t)length, (const uint8_t *)skip);
	}
}

/* Adds a call to the page unless it would become too large. */
static bool add_call(struct page *page, const void *data, size_t length)
{
	size_t bytes = length + CALL_OVERHEAD;
	page->cut = page->count && page->bytes + bytes > page->bytes_max;
	if (page->cut)
		return false;
	/* The message type has no const; nothing writes to the bytes. */
	page->calls[page->count++] = (ProtobufCBinaryData){length, (uint8_t *)data};
	page->bytes += bytes;
	return true;
}

/* Makes the token of the next page; none where this is the last one. 0 or a negative errno. */
static int make_token(struct page *page)
{
	struct store_position position = page->rest;
	struct sha256_ctx scope;
	char *token = page->token;
	*token = '\0';
	if (!page->has_rest && (!page->more || !page->count))
		return 0;
	if (!page->has_rest) {
		const ProtobufCBinaryData *last = &page->calls[page->count - 1];
		int result = store_record_position(&(struct store_record){last->data, last->len}, &position);
		if (result)
			return result;
		/* The calls before the page have been skipped. */
		page->offset = 0;
	}
	hash_scope(&scope, page);
	if (page->offset)
		token += snprintf(token, PAGE_SKIP_SIZE + 1, "%" PRIu64 ".", page->offset);
	handlers_page_token_write(token, &position, &scope);
	return 0;
}

static void page_end(struct page *page)
{
	int result = make_token(page);
	if (result)
		handlers_request_end_store(page->request, result);
	else
		page->done(page->request);
}

static void page_read(void *data, int status, const struct store_page *read)
{
	struct page *page = data;
	if (handlers_request_end_store(page->request, status))
		return;
	size_t i = 0;
	while (i < read->count && page->count < page->size &&
	       add_call(page, read->records[i].data, read->records[i].length))
		++i;
	page->more = i < read->count;
	/* The end of the stored page, which may be a call whose record is missing. */
	if (!page->more && read->more) {
		page->rest = read->last;
		page->has_rest = true;
		page->offset = 0;
	}
	page_end(page);
}

static int take_match(void *data, const struct store_record *record)
{
	struct page *page = data;
	if (page->offset) {
		--page->offset;
		return 0;
	}
	page->more =
	    page->count == page->size || (page->count && page->bytes + record->length + CALL_OVERHEAD > page->bytes_max);
	if (page->more)
		return 1;
	char *copy = arena_copy(page->request->context->arena, record->data, record->length);
	if (!copy)
		return handlers_request_fail_store(page->request, -ENOMEM);
	add_call(page, copy, record->length);
	return 0;
}

static void scanned(void *data, const struct store_position *rest)
{
	struct page *page = data;
	if (rest) {
		page->rest = *rest;
		page->has_rest = true;
	}
	page_end(page);
}

/* Takes "N." off the front of a token. */
static const char *read_skip(const char *token, uint64_t *skip)
{
	size_t digits = strspn(token, "0123456789");
	if (!digits || digits >= PAGE_SKIP_SIZE || token[digits] != '.')
		return token;
	*skip = strtoull(token, NULL, 10);
	return token + digits + 1;
}

static int read_token(struct page *page, const char *token)
{
	struct sha256_ctx scope;
	page->has_after = *token != '\0';
	if (!page->has_after)
		return 0;
	page->offset = 0;
	token = read_skip(token, &page->offset);
	hash_scope(&scope, page);
	if (handlers_page_token_read(&page->after, token, strlen(token), &scope))
		return context_fail_field(page->request->context, "page_token", "is not a token of this listing");
	return 0;
}

int handlers_page_read(struct page *page, const char *token)
{
	struct request *request = page->request;
	page->count = 0;
	page->bytes = 0;
	page->more = page->has_rest = page->cut = false;
	int result = read_token(page, token);
	if (result)
		return result;
	if (handlers_selection_is_empty(page->selection)) {
		page_end(page);
		return 0;
	}
	const struct store_position *after = page->has_after ? &page->after : NULL;
	page->calls = arena_alloc(request->context->arena, page->size * sizeof(*page->calls));
	if (!page->calls)
		return handlers_request_fail_store(request, -ENOMEM);
	if (handlers_filter_is_set(&page->selection->filter))
		return handlers_scan_start(request, page->selection, after, take_match, scanned, page);
	struct store_range range = handlers_selection_range(page->selection, request->tag);
	int status = store_list(request->shared->store, &range, after, page->offset, page->size, request->context->arena,
	                        handlers_request_read_deadline(request), page_read, page);
	return status ? handlers_request_fail_store(request, status) : 0;
}
