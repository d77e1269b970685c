/*
 * DeleteCalls: by ids, or the next page of a selection. A dry run counts instead: ids one after the other, since each
 * must be looked up, a selection by the store's own count.
 */
#include <callhistory/v1/call_ingest_service.pb-c.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/log.h"
#include "handlers/arguments.h"
#include "handlers/handlers.h"
#include "handlers/request.h"
#include "handlers/text.h"
#include "handlers/token.h"

enum { MASKED_SIZE = 64, TIME_SIZE = 32, COUNT_SIZE = 24 };

struct deletion {
	struct request request;
	const char **ids; /* each once */
	size_t id_count;
	struct selection selection; /* where there are no ids */
	uint32_t page_size;
	const char *page_token;
	struct store_position after; /* where page_token is not empty */
	struct arena *scratch;       /* of one id's look-up in a dry run */
	size_t looked_up;
	struct context_audit audit;
	char masked[MASKED_SIZE], end_time[TIME_SIZE], count[COUNT_SIZE];
	struct store_deletion store;
};

/* ---- Arguments -------------------------------------------------------------------------------------------------- */

static int compare(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int read_ids(struct deletion *deletion, const Callhistory__V1__DeleteCallsRequest *input)
{
	struct context *context = deletion->request.context;
	if (*input->phone || input->end_time)
		return context_fail_field(context, "ids", "and %s exclude each other", *input->phone ? "phone" : "end_time");
	if (*input->page_token)
		return context_fail_field(context, "page_token", "and ids exclude each other");
	if (input->n_ids > HANDLERS_DELETE_MAX)
		return context_fail_field(context, "ids", "has more than %d values", HANDLERS_DELETE_MAX);
	deletion->ids = arena_alloc(context->arena, input->n_ids * sizeof(*deletion->ids));
	if (!deletion->ids)
		return handlers_request_fail_store(&deletion->request, -ENOMEM);
	for (size_t i = 0; i < input->n_ids; ++i) {
		const char *field = arena_printf(context->arena, "ids[%zu]", i);
		int result = handlers_text_check_id(context, field ? field : "ids", input->ids[i]);
		if (result)
			return result;
		deletion->ids[i] = input->ids[i];
	}
	qsort(deletion->ids, input->n_ids, sizeof(*deletion->ids), compare);
	for (size_t i = 0; i < input->n_ids; ++i)
		if (!i || strcmp(deletion->ids[i], deletion->ids[deletion->id_count - 1]) != 0)
			deletion->ids[deletion->id_count++] = deletion->ids[i];
	return 0;
}

static int read_selection(struct deletion *deletion, const Callhistory__V1__DeleteCallsRequest *input)
{
	struct context *context = deletion->request.context;
	if (!*input->phone && !input->end_time)
		return context_fail_field(context, "ids", "is missing: ids, phone or end_time must be given");
	return handlers_arguments_read_selection(context, &deletion->selection, input->phone, NULL, input->end_time, NULL,
	                                         deletion->request.shared->country_code);
}

/* The fields of the audit line, once the arguments have been checked. */
static void describe(struct deletion *deletion, const Callhistory__V1__DeleteCallsRequest *input)
{
	struct context_audit *audit = &deletion->audit;
	audit->project_code = deletion->request.project_code;
	audit->vbot_id = deletion->request.vbot_id;
	audit->dry_run = input->validate_only;
	if (input->n_ids) {
		snprintf(deletion->count, sizeof(deletion->count), "%zu", deletion->id_count);
		audit->ids = deletion->count;
	}
	if (*input->phone)
		audit->phone = log_mask_number(deletion->masked, sizeof(deletion->masked), deletion->selection.number);
	if (input->end_time) {
		time_t seconds = (time_t)input->end_time->seconds;
		struct tm parts;
		gmtime_r(&seconds, &parts);
		strftime(deletion->end_time, sizeof(deletion->end_time), "%Y-%m-%dT%H:%M:%SZ", &parts);
		audit->end_time = deletion->end_time;
	}
	deletion->request.context->audit = audit;
}

static int check(struct request *request, const ProtobufCMessage *message)
{
	const Callhistory__V1__DeleteCallsRequest *input = (const Callhistory__V1__DeleteCallsRequest *)message;
	struct deletion *deletion = (struct deletion *)request;
	deletion->page_token = input->page_token;
	if (input->page_size < 0)
		return context_fail_field(request->context, "page_size", "is negative");
	bool all = !input->page_size || input->page_size > HANDLERS_DELETE_MAX;
	deletion->page_size = all ? HANDLERS_DELETE_MAX : (uint32_t)input->page_size;
	int result = input->n_ids ? read_ids(deletion, input) : read_selection(deletion, input);
	if (!result)
		describe(deletion, input);
	return result;
}

/* ---- Answers ---------------------------------------------------------------------------------------------------- */

/* A token of a listing with the same arguments is another one. */
static void hash_scope(struct sha256_ctx *hash, const struct deletion *deletion)
{
	static const uint8_t kind[] = "DeleteCalls";
	sha256_init(hash);
	sha256_update(hash, sizeof(kind), kind);
	handlers_selection_hash_scope(hash, &deletion->selection, deletion->request.tag);
}

static void answer(struct deletion *deletion, int64_t count, const struct store_position *rest)
{
	Callhistory__V1__DeleteCallsResponse response = CALLHISTORY__V1__DELETE_CALLS_RESPONSE__INIT;
	char token[PAGE_TOKEN_SIZE] = "";
	struct sha256_ctx scope;
	if (rest) {
		hash_scope(&scope, deletion);
		handlers_page_token_write(token, rest, &scope);
	}
	deletion->audit.calls = count;
	response.deleted_count = count;
	response.next_page_token = token;
	handlers_request_set_tenant(&deletion->request, &response.project_code, &response.vbot_id);
	handlers_request_answer(&deletion->request, &response.base);
}

static void deleted(void *data, int status, const struct store_deletion *result)
{
	struct deletion *deletion = data;
	if (!handlers_request_end_store(&deletion->request, status))
		answer(deletion, (int64_t)result->deleted, result->more ? &result->last : NULL);
}

static void counted(void *data, int status, int64_t count)
{
	struct deletion *deletion = data;
	if (!handlers_request_end_store(&deletion->request, status))
		answer(deletion, count, NULL);
}

/* ---- Work ------------------------------------------------------------------------------------------------------- */

static void looked_up(void *data, int status, const struct store_page *page);

static int look_up(struct deletion *deletion)
{
	const struct request *request = &deletion->request;
	arena_reset(deletion->scratch);
	return store_get(request->shared->store, request->tag, deletion->ids[deletion->looked_up], deletion->scratch,
	                 handlers_request_read_deadline(request), looked_up, deletion);
}

static void looked_up(void *data, int status, const struct store_page *page)
{
	struct deletion *deletion = data;
	if (!status)
		deletion->audit.calls += (int64_t)page->count;
	if (!status && ++deletion->looked_up < deletion->id_count && !handlers_request_is_over(&deletion->request)) {
		status = look_up(deletion);
		if (!status)
			return;
	}
	counted(deletion, status, deletion->audit.calls);
}

static int count_ids(struct deletion *deletion)
{
	int status = arena_create(&deletion->scratch, 4096);
	return status ? status : look_up(deletion);
}

static int read_token(struct deletion *deletion)
{
	struct sha256_ctx scope;
	hash_scope(&scope, deletion);
	if (handlers_page_token_read(&deletion->after, deletion->page_token, strlen(deletion->page_token), &scope))
		return context_fail_field(deletion->request.context, "page_token", "is not a token of this deletion");
	return 0;
}

static bool cancel(struct request *request)
{
	struct deletion *deletion = (struct deletion *)request;
	return !deletion->audit.dry_run && store_delete_cancel(&deletion->store);
}

static void end(struct request *request)
{
	arena_destroy(((struct deletion *)request)->scratch);
}

static int run(struct request *request)
{
	struct deletion *deletion = (struct deletion *)request;
	struct store *store = request->shared->store;
	struct arena *arena = request->context->arena;
	int64_t write_us = handlers_request_write_deadline(request);
	const struct store_range range = handlers_selection_range(&deletion->selection, request->tag);
	deletion->audit.project_code = request->project_code;
	deletion->audit.vbot_id = request->vbot_id;
	int status = *deletion->page_token ? read_token(deletion) : 0;
	if (status)
		return status;
	if (deletion->audit.dry_run && deletion->id_count)
		status = count_ids(deletion);
	else if (deletion->audit.dry_run)
		status = store_count(store, &range, arena, handlers_request_read_deadline(request), counted, deletion);
	else if (deletion->id_count)
		status = store_delete_ids(store, &deletion->store, request->tag, deletion->ids, deletion->id_count, arena,
		                          write_us, deleted, deletion);
	else
		status = store_delete_range(store, &deletion->store, &range, *deletion->page_token ? &deletion->after : NULL,
		                            deletion->page_size, arena, write_us, deleted, deletion);
	return status ? handlers_request_fail_store(request, status) : 0;
}

const struct method handlers_delete_calls = {
    .size = sizeof(struct deletion),
    .role = STORE_ROLE_ERASER,
    .check = check,
    .run = run,
    .cancel = cancel,
    .end = end,
};
