/* GetCall: one stored call by its id, spliced into the answer as bytes. */
#include <errno.h>
#include <spliced.pb-c.h>

#include "handlers/request.h"
#include "handlers/text.h"

static int check(struct request *request, const ProtobufCMessage *message)
{
	const Callhistory__V1__GetCallRequest *input = (const Callhistory__V1__GetCallRequest *)message;
	return handlers_text_check_id(request->context, "id", input->id);
}

static void call_read(void *data, int status, const struct store_page *page)
{
	struct request *request = data;
	Callhistory__Spliced__GetCallResponse response = CALLHISTORY__SPLICED__GET_CALL_RESPONSE__INIT;
	if (handlers_request_end_store(request, status))
		return;
	if (!page->count) {
		context_fail(request->context, STATUS_NOT_FOUND, "CALL_NOT_FOUND", "there is no call with this id");
		handlers_request_end(request);
		return;
	}
	/* The message type has no const; nothing writes to the bytes. */
	response.call = (ProtobufCBinaryData){page->records[0].length, (uint8_t *)page->records[0].data};
	handlers_request_set_tenant(request, &response.project_code, &response.vbot_id);
	handlers_request_answer(request, &response.base);
}

static int run(struct request *request)
{
	const char *id = ((const Callhistory__V1__GetCallRequest *)request->input)->id;
	int status = store_get(request->shared->store, request->tag, id, request->context->arena,
	                       handlers_request_read_deadline(request), call_read, request);
	return status ? handlers_request_fail_store(request, status) : 0;
}

/* Without an id it only checks the token: the gateway sends it before the request that counts. */
static bool is_free(const ProtobufCMessage *input)
{
	return !*((const Callhistory__V1__GetCallRequest *)input)->id;
}

const struct method handlers_get_call = {
    .size = sizeof(struct request),
    .role = STORE_ROLE_READER,
    .check = check,
    .run = run,
    .is_free = is_free,
};
