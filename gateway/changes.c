/* changes: the request → ListCallChanges → an envelope like that of a list. */
#include "changes.h"

#include <errno.h>
#include <spliced.pb-c.h>

#include "history.h"
#include "http.h"
#include "route.h"
#include "settings.h"
#include "upstream.h"
#include "worker_resources.h"

/* 0, -ENOMEM, or -EBADMSG for a change that cannot be understood. */
static int write_changes(struct request *request, const Callhistory__Spliced__ListCallChangesResponse *response)
{
	struct contract_change *changes = arena_alloc(request->arena, (response->n_changes + 1) * sizeof(*changes));
	if (!changes)
		return -ENOMEM;
	for (size_t i = 0; i < response->n_changes; ++i) {
		const Callhistory__Spliced__CallChange *change = response->changes[i];
		if (change->change_case == CALLHISTORY__SPLICED__CALL_CHANGE__CHANGE_DELETED_ID)
			changes[i] = (struct contract_change){.deleted_id = change->deleted_id};
		else if (change->change_case == CALLHISTORY__SPLICED__CALL_CHANGE__CHANGE_CALL)
			changes[i] = (struct contract_change){.call = &change->call};
		else
			return -EBADMSG;
	}
	return contract_write_changes(&request->answer.body, request->worker->gateway->settings->zone, changes,
	                              response->n_changes, response->next_change_token, response->more);
}

static void on_changes(const Callhistory__Spliced__ListCallChangesResponse *response, void *data)
{
	struct request *request = data;
	int result = response ? write_changes(request, response) : 0;
	if (!response) {
		upstream_failed(request);
	} else if (result == -ENOMEM) {
		request_answer_error(request, 503, "the gateway is out of memory");
	} else if (result) {
		upstream_unreadable(request);
	} else if (upstream_written(request)) {
		request->answer.status = 200;
		request->answer.content_type = "application/json; charset=utf-8";
	}
	http_answer(request);
}

void changes_handle(struct request *request)
{
	Callhistory__V1__ListCallChangesRequest message = CALLHISTORY__V1__LIST_CALL_CHANGES_REQUEST__INIT;
	const struct contract_request *asked = &request->contract;
	if (!history_read(request))
		return;
	if (!upstream_begin(request)) {
		http_answer(request);
		return;
	}
	/* The message type has no const; nothing writes to the texts. */
	if (asked->project_code)
		message.project_code = (char *)asked->project_code;
	if (asked->vbot_id)
		message.vbot_id = (char *)asked->vbot_id;
	if (asked->change_token)
		message.change_token = (char *)asked->change_token;
	message.page_size = asked->size;
	callhistory__spliced__call_history_service__list_call_changes(request->worker->link.history, &message, on_changes,
	                                                              request);
}
