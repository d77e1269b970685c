/* GetCall: one stored call by its id, spliced into the answer as bytes. */
#include <errno.h>
#include <spliced.pb-c.h>

#include "base/utf8.h"
#include "handlers/methods.h"

static int check(struct request *request, const ProtobufCMessage *message)
{
	const Callhistory__V1__GetCallRequest *input = (const Callhistory__V1__GetCallRequest *)message;
	struct utf8_measure text;
	if (!*input->id)
		return context_fail_field(request->context, "id", "is missing");
	if (utf8_measure(&text, input->id))
		return context_fail_field(request->context, "id", "is not valid UTF-8");
	if (text.bytes > STORE_ID_MAX)
		return context_fail_field(request->context, "id", "is longer than %d bytes", STORE_ID_MAX);
	if (text.control)
		return context_fail_field(request->context, "id", "contains a control character");
	request->arguments = input->id;
	return 0;
}

static void call_read(void *data, int status, const struct store_page *page)
{
	struct request *request = data;
	Callhistory__Spliced__GetCallResponse response = CALLHISTORY__SPLICED__GET_CALL_RESPONSE__INIT;
	if (status) {
		handlers_request_end_store(request, status);
		return;
	}
	if (handlers_request_end_over(request))
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
	int status = store_get(request->shared->store, request->tag, request->arguments, request->context->arena,
	                       handlers_request_read_deadline(request), call_read, request);
	return status ? handlers_request_fail_store(request, status) : 0;
}

const struct method handlers_get_call = {.role = STORE_ROLE_READER, .check = check, .run = run};
