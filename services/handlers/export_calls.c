/*
 * ExportCalls: the pages of ListCalls, one after another, each in a message of its own. The next page is read when the
 * transport has taken the one before, so a client that reads slowly costs one page, and a fast one has one read of
 * Redis in progress. Before each page the token is checked again.
 *
 * The position of the changes is read before the first page: what changes from then on is in ListCallChanges.
 */
#include <spliced.pb-c.h>
#include <string.h>
#include <sys/param.h>

#include "handlers/handlers.h"
#include "handlers/page.h"
#include "handlers/token.h"

/* Longer than for other reads, so that a stream survives a restart of Redis. */
#define READ_WAIT_US INT64_C(5000000)

enum { RETRY_AFTER_MS = 1000 };

struct export
{
	struct request request;
	LIST_ENTRY(export) entry; /* among the worker's */
	bool entered;
	struct page page;
	struct selection selection;
	const char *page_token;
	char change_token[CHANGE_TOKEN_SIZE]; /* "" after the first message */
	uint32_t size;                        /* of pages, as the client wants them */
	struct arena_mark begin;              /* of the memory of a page */
};

static void send_page(struct request *request);

static int check(struct request *request, const ProtobufCMessage *message)
{
	const Callhistory__V1__ExportCallsRequest *input = (const Callhistory__V1__ExportCallsRequest *)message;
	struct context *context = request->context;
	struct export *export = (struct export *)request;
	export->page = (struct page){
	    .request = request, .selection = &export->selection, .bytes_max = HANDLERS_EXPORT_BYTES_MAX, .done = send_page};
	export->page_token = input->page_token;
	int result = handlers_arguments_read_selection(context, &export->selection, input->phone, input->start_time,
	                                               input->end_time, input->filter, request->shared->country_code);
	if (!result)
		result = handlers_request_read_page_size(request, &export->size, input->page_size);
	if (!input->page_size)
		export->size = HANDLERS_EXPORT_SIZE_DEFAULT;
	export->page.size = export->size;
	return result;
}

/* Enters the export among the worker's, unless there are too many. */
static int enter(struct export *export)
{
	struct export_list *list = export->request.shared->exports;
	struct context *context = export->request.context;
	uint32_t all = 0, of_tenant = 0;
	const struct export *other;
	LIST_FOREACH (other, &list->head, entry) {
		++all;
		of_tenant += !strcmp(other->request.tag, export->request.tag);
	}
	if (all >= list->most || of_tenant >= HANDLERS_TENANT_EXPORTS_MAX) {
		context->retry_after_ms = RETRY_AFTER_MS;
		return context_fail(context, STATUS_RESOURCE_EXHAUSTED, "TOO_MANY_EXPORTS",
		                    "too many exports%s are in progress; retry later",
		                    all >= list->most ? "" : " of this tenant");
	}
	LIST_INSERT_HEAD(&list->head, export, entry);
	export->entered = true;
	return 0;
}

static void leave(struct request *request)
{
	struct export *export = (struct export *)request;
	if (export->entered)
		LIST_REMOVE(export, entry);
}

static void read_page(struct request *request)
{
	struct export *export = (struct export *)request;
	if (handlers_page_read(&export->page, export->page.token))
		handlers_request_end(request);
}

/* The message was taken, or the call has ended. */
static void sent(void *data)
{
	struct export *export = data;
	struct request *request = data;
	if (handlers_request_end_over(request))
		return;
	if (request->context->status != STATUS_OK) {
		handlers_request_end(request);
		return;
	}
	arena_rewind(request->context->arena, export->begin);
	/* Of long calls, no more are read than fit into a message. */
	export->page.size = export->page.cut ? export->page.count + 1 : MIN(export->size, 2 * export->page.size);
	handlers_request_check_again(request, read_page);
}

static void send_page(struct request *request)
{
	struct export *export = (struct export *)request;
	struct context *context = request->context;
	Callhistory__Spliced__ExportCallsResponse response = CALLHISTORY__SPLICED__EXPORT_CALLS_RESPONSE__INIT;
	char change_token[CHANGE_TOKEN_SIZE];
	memcpy(change_token, export->change_token, sizeof(change_token));
	*export->change_token = '\0';
	response.calls = export->page.calls;
	response.n_calls = export->page.count;
	response.next_page_token = export->page.token;
	response.change_token = change_token;
	handlers_request_set_tenant(request, &response.project_code, &response.vbot_id);
	if (!*export->page.token)
		handlers_request_answer(request, &response.base);
	else if (context->send(context, &response.base, sent, export))
		handlers_request_end(request);
}

static void changes_read(void *data, int status, const struct store_changes *changes)
{
	struct export *export = data;
	struct request *request = data;
	if (handlers_request_end_store(request, status))
		return;
	handlers_change_token_write(export->change_token, &changes->next, request->tag);
	read_page(request);
}

static int run(struct request *request)
{
	struct export *export = (struct export *)request;
	struct arena *arena = request->context->arena;
	int result = enter(export);
	if (result)
		return result;
	export->begin = arena_mark(arena);
	if (*export->page_token)
		return handlers_page_read(&export->page, export->page_token);
	int status = store_list_changes(request->shared->store, request->tag, NULL, 1, HANDLERS_EXPORT_BYTES_MAX, arena,
	                                handlers_request_read_deadline(request), changes_read, export);
	return status ? handlers_request_fail_store(request, status) : 0;
}

const struct method handlers_export_calls = {
    .size = sizeof(struct export),
    .role = STORE_ROLE_READER,
    .check = check,
    .run = run,
    .end = leave,
    .read_wait_us = READ_WAIT_US,
};
