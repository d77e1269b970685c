/* ListCallChanges: what has changed since a token, spliced into the answer as bytes. */
#include <errno.h>
#include <spliced.pb-c.h>

#include "handlers/handlers.h"
#include "handlers/request.h"
#include "handlers/token.h"

/* Tags, lengths and digest of a change in the answer, beside its call. */
enum { CHANGE_OVERHEAD = 16 };

struct listing {
	struct request request;
	const char *token;
	uint32_t page_size;
};

static int check(struct request *request, const ProtobufCMessage *message)
{
	const Callhistory__V1__ListCallChangesRequest *input = (const Callhistory__V1__ListCallChangesRequest *)message;
	struct listing *listing = (struct listing *)request;
	listing->token = input->change_token;
	return handlers_request_read_page_size(request, &listing->page_size, input->page_size);
}

static int read_token(struct store_change_position *out, const struct listing *listing)
{
	struct context *context = listing->request.context;
	if (!handlers_change_token_read(out, listing->token, listing->request.tag))
		return 0;
	context_fail_field(context, "change_token", "is not a token of this tenant's changes: start over without one");
	context->reason = "CHANGE_TOKEN_INVALID";
	return -(int)context->status;
}

/* Makes the changes of the answer; NULL when out of memory. */
static Callhistory__Spliced__CallChange **make_changes(struct arena *arena, const struct store_changes *changes)
{
	Callhistory__Spliced__CallChange *all = arena_alloc(arena, (changes->count + 1) * sizeof(*all));
	Callhistory__Spliced__CallChange **out = arena_alloc(arena, (changes->count + 1) * sizeof(*out));
	if (!all || !out)
		return NULL;
	for (size_t i = 0; i < changes->count; ++i) {
		const struct store_change *change = &changes->changes[i];
		out[i] = &all[i];
		callhistory__spliced__call_change__init(out[i]);
		/* The message type has no const; nothing writes to the bytes. */
		if (change->deleted_id) {
			out[i]->change_case = CALLHISTORY__SPLICED__CALL_CHANGE__CHANGE_DELETED_ID;
			out[i]->deleted_id = (char *)change->deleted_id;
		} else {
			out[i]->change_case = CALLHISTORY__SPLICED__CALL_CHANGE__CHANGE_CALL;
			out[i]->call = (ProtobufCBinaryData){change->record.length, (uint8_t *)change->record.data};
		}
	}
	return out;
}

static void changes_read(void *data, int status, const struct store_changes *changes)
{
	struct request *request = data;
	Callhistory__Spliced__ListCallChangesResponse response = CALLHISTORY__SPLICED__LIST_CALL_CHANGES_RESPONSE__INIT;
	char token[CHANGE_TOKEN_SIZE];
	if (status == -ESTALE)
		context_fail(request->context, STATUS_FAILED_PRECONDITION, "CHANGE_TOKEN_EXPIRED",
		             "change_token: changes after it are no longer kept: start over without one");
	if (handlers_request_end_store(request, status))
		return;
	response.changes = make_changes(request->context->arena, changes);
	if (!response.changes) {
		handlers_request_end_store(request, -ENOMEM);
		return;
	}
	handlers_change_token_write(token, &changes->next, request->tag);
	response.n_changes = changes->count;
	response.next_change_token = token;
	response.more = changes->more;
	handlers_request_set_tenant(request, &response.project_code, &response.vbot_id);
	handlers_request_answer(request, &response.base);
}

static int run(struct request *request)
{
	struct listing *listing = (struct listing *)request;
	struct store_change_position after;
	int result = *listing->token ? read_token(&after, listing) : 0;
	if (result)
		return result;
	int status =
	    store_list_changes(request->shared->store, request->tag, *listing->token ? &after : NULL, listing->page_size,
	                       HANDLERS_PAGE_BYTES_MAX - CHANGE_OVERHEAD * listing->page_size, request->context->arena,
	                       handlers_request_read_deadline(request), changes_read, listing);
	return status ? handlers_request_fail_store(request, status) : 0;
}

const struct method handlers_list_call_changes = {
    .size = sizeof(struct listing), .role = STORE_ROLE_READER, .check = check, .run = run};
