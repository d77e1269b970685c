/*
 * ListCalls: a page of stored calls, spliced into the answer as bytes.
 * Without a filter the bytes are Redis's own reply, and the closure packs them
 * before the callback returns; with one, matches are copied as they are found.
 * A page ends early, with a token, where it would exceed HANDLERS_PAGE_BYTES_MAX and where a scan reaches its bound. If
 * the requested page is not reached by then, the token contains how many matches are still to be skipped: "N." in front
 * of the position.
 */
#include <errno.h>
#include <inttypes.h>
#include <spliced.pb-c.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "handlers/arguments.h"
#include "handlers/handlers.h"
#include "handlers/page_token.h"
#include "handlers/request.h"
#include "handlers/scan.h"

struct list {
	struct request *request;
	struct selection selection;
	struct store_position after; /* where has_after */
	bool has_after;
	const char *page_token;
	uint32_t page_size;
	uint64_t offset; /* calls to skip */

	ProtobufCBinaryData *calls; /* of page_size elements; the first `count` are set */
	uint32_t count;
	size_t bytes;               /* of the calls on the page, in the answer */
	bool more;                  /* there is at least one call after the page */
	struct store_position rest; /* where has_rest: the next page begins after it, instead of after the last call */
	bool has_rest;
};

enum { SKIP_LENGTH = 21 };

static int check_paging(struct context *context, struct list *list, const Callhistory__V1__ListCallsRequest *input)
{
	if (handlers_request_read_page_size(list->request, &list->page_size, input->page_size))
		return -(int)context->status;
	if (input->page < 0)
		return context_fail_field(context, "page", "is negative");
	if (input->page && *input->page_token)
		return context_fail_field(context, "page_token", "and page exclude each other");
	list->offset = input->page ? ((uint64_t)input->page - 1) * list->page_size : 0;
	list->page_token = input->page_token;
	return 0;
}

static int check(struct request *request, const ProtobufCMessage *message)
{
	const Callhistory__V1__ListCallsRequest *input = (const Callhistory__V1__ListCallsRequest *)message;
	struct list *list = arena_calloc(request->context->arena, sizeof(*list));
	if (!list)
		return handlers_request_fail_store(request, -ENOMEM);
	list->request = request;
	request->arguments = list;
	int result = handlers_arguments_read_selection(request->context, &list->selection, input->phone, input->start_time,
	                                               input->end_time, input->filter, request->shared->country_code);
	return result ? result : check_paging(request->context, list, input);
}

/* The scope of a token: the selection, and the number of calls still to be skipped. */
static void hash_scope(struct sha256_ctx *hash, const struct list *list)
{
	char skip[SKIP_LENGTH];
	sha256_init(hash);
	handlers_selection_hash_scope(hash, &list->selection, list->request->tag);
	if (list->offset) {
		int length = snprintf(skip, sizeof(skip), "%" PRIu64, list->offset);
		sha256_update(hash, (size_t)length, (const uint8_t *)skip);
	}
}

/* Adds a call to the page unless it would become too large; the first one always fits. */
static bool add_call(struct list *list, const void *data, size_t length)
{
	/* Tag and length take four bytes at most: a call is smaller than 2 MiB. */
	size_t bytes = length + 4;
	if (list->count && list->bytes + bytes > HANDLERS_PAGE_BYTES_MAX)
		return false;
	/* The message type has no const; nothing writes to the bytes. */
	list->calls[list->count++] = (ProtobufCBinaryData){length, (uint8_t *)data};
	list->bytes += bytes;
	return true;
}

/* Makes the token of the next page; none where this is the last one. 0 or a negative errno. */
static int make_token(struct list *list, char *token)
{
	struct store_position position = list->rest;
	struct sha256_ctx scope;
	if (!list->has_rest && (!list->more || !list->count))
		return 0;
	if (!list->has_rest) {
		const ProtobufCBinaryData *last = &list->calls[list->count - 1];
		int result = store_record_position(&(struct store_record){last->data, last->len}, &position);
		if (result)
			return result;
		/* The calls before the page have been skipped. */
		list->offset = 0;
	}
	hash_scope(&scope, list);
	if (list->offset)
		token += snprintf(token, SKIP_LENGTH + 1, "%" PRIu64 ".", list->offset);
	handlers_page_token_write(token, &position, &scope);
	return 0;
}

static void answer(struct list *list)
{
	Callhistory__Spliced__ListCallsResponse response = CALLHISTORY__SPLICED__LIST_CALLS_RESPONSE__INIT;
	char token[SKIP_LENGTH + PAGE_TOKEN_SIZE] = "";
	int result = make_token(list, token);
	if (result) {
		handlers_request_end_store(list->request, result);
		return;
	}
	response.next_page_token = token;
	response.n_calls = list->count;
	response.calls = list->calls;
	handlers_request_set_tenant(list->request, &response.project_code, &response.vbot_id);
	handlers_request_answer(list->request, &response.base);
}

static void page_read(void *data, int status, const struct store_page *page)
{
	struct list *list = data;
	if (handlers_request_end_store(list->request, status))
		return;
	size_t i = 0;
	while (i < page->count && list->count < list->page_size &&
	       add_call(list, page->records[i].data, page->records[i].length))
		++i;
	list->more = i < page->count;
	/* The end of the stored page, which may be a call whose record is missing. */
	if (!list->more && page->more) {
		list->rest = page->last;
		list->has_rest = true;
		list->offset = 0;
	}
	answer(list);
}

static int take_match(void *data, const struct store_record *record)
{
	struct list *list = data;
	if (list->offset) {
		--list->offset;
		return 0;
	}
	if (list->count == list->page_size || (list->count && list->bytes + record->length + 4 > HANDLERS_PAGE_BYTES_MAX)) {
		list->more = true;
		return 1;
	}
	char *copy = arena_copy(list->request->context->arena, record->data, record->length);
	if (!copy)
		return handlers_request_fail_store(list->request, -ENOMEM);
	add_call(list, copy, record->length);
	return 0;
}

static void scanned(void *data, const struct store_position *rest)
{
	struct list *list = data;
	if (rest) {
		list->rest = *rest;
		list->has_rest = true;
	}
	answer(list);
}

/* Takes "N." off the front of a token. */
static const char *read_skip(const char *token, uint64_t *skip)
{
	size_t digits = strspn(token, "0123456789");
	if (!digits || digits >= SKIP_LENGTH || token[digits] != '.')
		return token;
	*skip = strtoull(token, NULL, 10);
	return token + digits + 1;
}

static int read_token(struct list *list)
{
	struct sha256_ctx scope;
	if (!*list->page_token)
		return 0;
	const char *token = read_skip(list->page_token, &list->offset);
	hash_scope(&scope, list);
	if (handlers_page_token_read(&list->after, token, strlen(token), &scope))
		return context_fail_field(list->request->context, "page_token", "is not a token of this listing");
	list->has_after = true;
	return 0;
}

static int run(struct request *request)
{
	struct list *list = request->arguments;
	int result = read_token(list);
	if (result)
		return result;
	if (handlers_selection_is_empty(&list->selection)) {
		answer(list);
		return 0;
	}
	const struct store_position *after = list->has_after ? &list->after : NULL;
	list->calls = arena_alloc(request->context->arena, list->page_size * sizeof(*list->calls));
	if (!list->calls)
		return handlers_request_fail_store(request, -ENOMEM);
	if (handlers_filter_is_set(&list->selection.filter))
		return handlers_scan_start(request, &list->selection, after, take_match, scanned, list);
	struct store_range range = handlers_selection_range(&list->selection, request->tag);
	int status = store_list(request->shared->store, &range, after, list->offset, list->page_size,
	                        request->context->arena, handlers_request_read_deadline(request), page_read, list);
	return status ? handlers_request_fail_store(request, status) : 0;
}

const struct method handlers_list_calls = {.role = STORE_ROLE_READER, .check = check, .run = run};
