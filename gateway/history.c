/*
 * history: in the contract 401 takes precedence over 400, but only the service knows whether a token is valid. So an
 * invalid request is not answered before the service has checked its token. The "spliced" messages have calls in their
 * packed form, which the answers are written from (services/spliced.proto).
 */
#include "history.h"

#include <errno.h>
#include <stdlib.h>

#include "base/utf8.h"
#include "credentials.h"
#include "http.h"
#include "prefer.h"
#include "route.h"
#include "upstream.h"
#include "worker.h"

static void answer_refusal(struct request *request)
{
	request_answer_error(request, request->refusal.code, request->refusal.message);
}

static void on_token_checked(const Callhistory__Spliced__GetCallResponse *response, void *data)
{
	struct request *request = data;
	(void)response;
	if (request->context.status == STATUS_UNAUTHENTICATED || request->context.status == STATUS_CANCELLED)
		upstream_failed(request);
	else
		answer_refusal(request);
	http_answer(request);
}

/* Answers 401 if the token is invalid, else the error. */
static void refuse(struct request *request, int code, const char *field, const char *message)
{
	request->refusal = (struct contract_error){code, field, message};
	if (code == 400) {
		upstream_check_token(request, on_token_checked);
	} else {
		answer_refusal(request);
		http_answer(request);
	}
}

/*
 * Reads the credentials, then the fields, in the order of precedence of their errors. Returns true if request->contract
 * is valid; otherwise the request has been answered or will be.
 */
static bool read_request(struct request *request)
{
	struct contract_error error = {0};
	const char *unauthorized = credentials_read(&request->headers, request->arena, &request->authorization);
	if (unauthorized) {
		request_answer_error(request, contract_error_code(request->route->contract, 401), unauthorized);
		http_answer(request);
		return false;
	}
	struct contract_input input = {
	    .route = request->route->contract,
	    .query = request->query,
	    .query_length = request->query_length,
	    .body = request->body,
	    .body_length = request->body_length,
	    .api_key = request->headers.api_key != NULL,
	};
	if (contract_read_request(request->arena, &input, &request->contract, &error)) {
		refuse(request, error.code, error.field, error.message);
		return false;
	}
	if (request->route_tail && !utf8_is_valid(request->route_tail, strlen(request->route_tail))) {
		refuse(request, 400, "trans_id", "trans_id is not valid UTF-8");
		return false;
	}
	if (upstream_timeout_ms(request) < 0) {
		refuse(request, 400, "X-Request-Timeout",
		       "X-Request-Timeout must be a whole number of milliseconds from 1 to 600000");
		return false;
	}
	const char *unknown = prefer_apply(request);
	if (unknown) {
		refuse(request, 400, NULL, unknown);
		return false;
	}
	return true;
}

bool history_begin(struct request *request)
{
	return read_request(request) && upstream_begin(request);
}

/* ---- Lists and counts ---- */

static void ask_list(struct request *request, const char *page_token);

/*
 * The service ends a page early, maybe without a call, where it would exceed what gRPC clients accept and where a
 * filter has read enough. Pages of the contract are always full: the rest is requested with the short page's token.
 */
static void on_list(const Callhistory__Spliced__ListCallsResponse *response, void *data)
{
	struct request *request = data;
	if (!response) {
		upstream_failed(request);
		http_answer(request);
		return;
	}
	bool first = !request->listed;
	request->listed += (uint32_t)response->n_calls;
	bool last =
	    request->abandoned || !*response->next_page_token || request->listed >= (uint32_t)request->contract.size;
	/* The response is freed before the next one is requested. */
	char *page_token = last ? NULL : strdup(response->next_page_token);
	request_answer_json(request, 200);
	if (last && !request->listed && request->route->contract == CONTRACT_FLAT_DETAIL) {
		request_answer_error(request, 404, "group_id: no such call");
	} else if (!upstream_reserve(request, &response->base)) {
		/* The answer is the refusal. */
	} else if ((response->n_calls || last) &&
	           contract_write_list_part(&request->answer.body, request->route->contract,
	                                    request->worker->gateway->settings->zone, response->calls, response->n_calls,
	                                    first, last)) {
		upstream_unreadable(request);
	} else if (!last && !page_token) {
		request_answer_error(request, 503, "the gateway is out of memory");
	} else if (upstream_written(request) && !last) {
		ask_list(request, page_token);
		free(page_token);
		return;
	}
	free(page_token);
	http_answer(request);
}

static void on_count(const Callhistory__V1__CountCallsResponse *response, void *data)
{
	struct request *request = data;
	if (response) {
		request_answer_json(request, 200);
		contract_write_count(&request->answer.body, request->route->contract, response->count);
	} else {
		upstream_failed(request);
	}
	http_answer(request);
}

/* A field of a message; protobuf-c reads strings as writable and never writes them. */
static char *field(const char *text)
{
	return text ? (char *)text : (char *)protobuf_c_empty_string;
}

static Google__Protobuf__Timestamp *timestamp(Google__Protobuf__Timestamp *out, bool present, int64_t unix_ms)
{
	if (!present)
		return NULL;
	google__protobuf__timestamp__init(out);
	out->seconds = unix_ms / 1000;
	out->nanos = (int32_t)(unix_ms % 1000) * 1000000;
	return out;
}

/* The request's conditions, which are the same fields of two types of message. */
#define SET_CONDITIONS(message, asked)                                                                                 \
	Google__Protobuf__Timestamp from, to;                                                                              \
	(message).project_code = field((asked)->project_code);                                                             \
	(message).vbot_id = field((asked)->vbot_id);                                                                       \
	(message).phone = field((asked)->phone);                                                                           \
	(message).start_time = timestamp(&from, (asked)->has_from, (asked)->from_ms);                                      \
	(message).end_time = timestamp(&to, (asked)->has_to, (asked)->to_ms);                                              \
	(message).filter = (Callhistory__V1__CallFilter *)(asked)->filter

/* Requests the page, or, with a token, the rest of it. */
static void ask_list(struct request *request, const char *page_token)
{
	const struct contract_request *asked = &request->contract;
	Callhistory__V1__ListCallsRequest message = CALLHISTORY__V1__LIST_CALLS_REQUEST__INIT;
	SET_CONDITIONS(message, asked);
	message.page = page_token ? 0 : asked->page;
	message.page_token = field(page_token);
	message.page_size = asked->size - (int32_t)request->listed;
	callhistory__spliced__call_history_service__list_calls(request->worker->link.history, &message, on_list, request);
}

static void count(struct request *request)
{
	Callhistory__V1__CountCallsRequest message = CALLHISTORY__V1__COUNT_CALLS_REQUEST__INIT;
	SET_CONDITIONS(message, &request->contract);
	callhistory__spliced__call_history_service__count_calls(request->worker->link.history, &message, on_count, request);
}

void history_handle(struct request *request)
{
	if (!history_begin(request))
		return;
	if (request->contract.is_list)
		ask_list(request, NULL);
	else
		count(request);
}

/* ---- Changes ---- */

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
	const bool reserved = response && upstream_reserve(request, &response->base);
	int result = reserved ? write_changes(request, response) : 0;
	if (!response) {
		upstream_failed(request);
	} else if (!reserved) {
		/* The answer is the refusal. */
	} else if (result == -ENOMEM) {
		request_answer_error(request, 503, "the gateway is out of memory");
	} else if (result) {
		upstream_unreadable(request);
	} else if (upstream_written(request)) {
		request_answer_json(request, 200);
	}
	http_answer(request);
}

void history_changes(struct request *request)
{
	Callhistory__V1__ListCallChangesRequest message = CALLHISTORY__V1__LIST_CALL_CHANGES_REQUEST__INIT;
	if (!history_begin(request))
		return;
	message.project_code = field(request->contract.project_code);
	message.vbot_id = field(request->contract.vbot_id);
	message.change_token = field(request->contract.change_token);
	message.page_size = request->contract.size;
	callhistory__spliced__call_history_service__list_call_changes(request->worker->link.history, &message, on_changes,
	                                                              request);
}
