/*
 * webhook: the token is checked before the body is read, as for the contract's errors (history.c). So a client without
 * a valid token costs no more than the bytes that it sends. Then the record is merged, and the service's result is the
 * answer.
 */
#include "webhook.h"

#include "credentials.h"
#include "http.h"
#include "route.h"
#include "sources/freeswitch.h"
#include "sources/vbot.h"
#include "upstream.h"
#include "worker.h"

enum { ARENA_FIRST = 16 * 1024 };

static void answer_success(struct request *request)
{
	request_answer_json(request, 200);
	buffer_append_string(&request->answer.body, "{\"status\":1,\"error\":0,\"message\":\"success\"}");
}

static void answer_refused(struct request *request, const Callhistory__V1__RecordCallResult *result)
{
	const char *message =
	    arena_printf(request->arena, "%s%s%s", result->field, *result->field ? " " : "", result->message);
	request_answer_error(request, 400, message ? message : "the record is refused");
}

static void on_merged(const Callhistory__V1__MergeCallsResponse *response, void *data)
{
	struct request *request = data;
	if (!response)
		upstream_failed(request);
	else if (response->n_results &&
	         response->results[0]->outcome == CALLHISTORY__V1__RECORD_CALL_RESULT__OUTCOME__OUTCOME_REFUSED)
		answer_refused(request, response->results[0]);
	else
		answer_success(request);
	http_answer(request);
}

static void merge(struct request *request, const struct sources_record *record)
{
	Callhistory__V1__MergeCallsRequest message = CALLHISTORY__V1__MERGE_CALLS_REQUEST__INIT;
	Callhistory__V1__CallPart *parts[] = {record->part};
	if (record->project_code)
		message.project_code = (char *)record->project_code;
	message.parts = parts;
	message.n_parts = record->part != NULL;
	upstream_renew(request);
	callhistory__spliced__call_ingest_service__merge_calls(request->worker->link.ingest, &message, on_merged, request);
}

/* Reads the record and sends it. What is read of a large body is charged to the budget, and freed once it is sent. */
static void read_record(struct request *request)
{
	struct arena *arena = NULL;
	struct sources_record record;
	struct contract_error error = {.code = 500};
	const struct option_list *variables = &request->worker->gateway->settings->recording_variables;
	const struct sources_freeswitch_options options = {variables->values, variables->count};
	int result = -1;
	if (!arena_create(&arena, ARENA_FIRST)) {
		arena_set_budget(arena, &request->worker->gateway->memory);
		const struct import_reader reader = {arena, request->worker->gateway->settings->zone, &error};
		result = request->route->handle == webhook_vbot
		             ? sources_vbot_read(&reader, request->body, request->body_length, &record)
		             : sources_freeswitch_read(&options, &reader, request->body, request->body_length, &record);
	}
	if (!result) {
		merge(request, &record);
		http_free_body(request);
	} else if (error.code == 500) {
		request_answer_error(request, 503, "the gateway is out of memory; try again later");
		request_answer_header(request, "Retry-After", "1");
	} else {
		request_answer_error(request, error.code, error.message);
	}
	arena_destroy(arena);
	if (result)
		http_answer(request);
}

static void on_token_checked(const Callhistory__Spliced__GetCallResponse *response, void *data)
{
	struct request *request = data;
	/* With a valid token the answer is that the id is missing. */
	if (response || request->context.status == STATUS_INVALID_ARGUMENT) {
		read_record(request);
		return;
	}
	upstream_failed(request);
	http_answer(request);
}

static void handle(struct request *request, const char *unauthorized)
{
	if (unauthorized) {
		request_answer_error(request, 401, unauthorized);
		http_answer(request);
	} else {
		upstream_check_token(request, on_token_checked);
	}
}

void webhook_vbot(struct request *request)
{
	handle(request, credentials_read(&request->headers, request->arena, &request->authorization));
}

void webhook_freeswitch(struct request *request)
{
	handle(request, credentials_read_basic(&request->headers, request->arena, &request->authorization));
}
