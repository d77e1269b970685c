/* upstream: one context per request, one table from gRPC status to HTTP. */
#include "upstream.h"

#include "base/clock.h"
#include "base/decimal.h"
#include "base/trace.h"
#include "http.h"
#include "route.h"
#include "worker.h"

enum {
	ASKED_MAX_MS = 600000,
	/* Memory charged before the answer is known: a usual call has 150 bytes packed and 350 as JSON. */
	REQUEST_BYTES = 16 * 1024,
	CALL_BYTES = 1024,
	JSON_GROWTH = 3, /* a packed call's bytes as JSON, unless it has much that is escaped */
};

int64_t upstream_timeout_ms(const struct request *request)
{
	int64_t most = request->worker->gateway->settings->timeout_ms, asked = 0;
	const char *text = request->headers.timeout;
	if (!text)
		return most;
	if (!decimal_read(text, strlen(text), &asked) || asked < 1 || asked > ASKED_MAX_MS)
		return -1;
	return asked < most ? asked : most;
}

void upstream_renew(struct request *request)
{
	struct context *context = &request->context;
	const int64_t deadline_us = context->deadline_us;
	context_init(context, request->arena);
	context->deadline_us = deadline_us;
	context->authorization = request->authorization;
	context->traceparent = request->traceparent;
	context->request_id = request->request_id;
}

static void refuse(struct request *request, const char *message)
{
	request_answer_error(request, 429, message);
	request_answer_header(request, "Retry-After", "1");
}

bool upstream_begin(struct request *request)
{
	/* An invalid header is refused elsewhere, but the token is still checked, within the default time. */
	int64_t asked_ms = upstream_timeout_ms(request);
	int64_t timeout_ms = asked_ms < 0 ? request->worker->gateway->settings->timeout_ms : asked_ms;
	const size_t bytes = REQUEST_BYTES + (request->contract.is_list ? (size_t)request->contract.size * CALL_BYTES : 0);
	if (!worker_admit(request->worker, bytes)) {
		refuse(request, "too many requests are in flight; try again later");
		http_answer(request);
		return false;
	}
	request->context.deadline_us = request->start_us + 1000 * timeout_ms;
	upstream_renew(request);
	request->called = arena_mark(request->arena);
	request->counted = true;
	request->charged = bytes;
	http_suspend(request);
	return true;
}

void upstream_check_token(struct request *request, Callhistory__Spliced__GetCallResponse_Closure on_checked)
{
	static const Callhistory__V1__GetCallRequest empty = CALLHISTORY__V1__GET_CALL_REQUEST__INIT;
	if (upstream_begin(request))
		callhistory__spliced__call_history_service__get_call(request->worker->link.history, &empty, on_checked,
		                                                     request);
}

/* Charges up to this number of bytes in all; without them, refuses the request. */
static bool charge(struct request *request, size_t bytes)
{
	if (bytes <= request->charged)
		return true;
	if (worker_charge(request->worker, bytes - request->charged)) {
		request->charged = bytes;
		return true;
	}
	buffer_free(&request->answer.body);
	refuse(request, "the answer is too large for the memory that is free; ask for a smaller page or try again later");
	return false;
}

bool upstream_reserve(struct request *request, const ProtobufCMessage *response)
{
	return charge(request, request->answer.body.length + JSON_GROWTH * protobuf_c_message_get_packed_size(response));
}

bool upstream_written(struct request *request)
{
	arena_rewind(request->arena, request->called);
	return charge(request, request->answer.body.capacity);
}

/* Translates the service's field names to those of the contract. */
static const char *contract_name(const struct request *request, const char *field)
{
	static const struct {
		const char *service, *contract;
	} names[] = {
	    {"page_size", "size"},
	    {"start_time", "from"},
	    {"end_time", "to"},
	    {"id", "trans_id"},
	    {"filter.phone_contains", "key_search"},
	    {"filter.hotline", "hotline"},
	    {"filter.disposition_other", "disposition"},
	    {"filter.customer_code", "customer_code"},
	    {"filter.group_member_no", "group_member_no"},
	    {"filter.member_no", "member_no"},
	    {"filter.group_id", "group_id"},
	};
	if (contract_route_is_flat(request->route->contract) && !strcmp(field, "phone"))
		return "key_search";
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (!strcmp(field, names[i].service))
			return names[i].contract;
	return field;
}

static const char *field_message(struct request *request)
{
	const struct field_violation *violation = &request->context.violation;
	if (!violation->field)
		return NULL;
	return arena_printf(request->arena, "%s %s", contract_name(request, violation->field), violation->description);
}

struct failure {
	int status;
	bool message_shown; /* the service's message is meant for the client */
	bool retry;
	const char *message;
};

static struct failure failure_of(const struct request *request)
{
	switch (request->context.status) {
	case STATUS_INVALID_ARGUMENT:
	case STATUS_OUT_OF_RANGE:
	case STATUS_FAILED_PRECONDITION:
		/* The reader of changes starts over: its token has expired. */
		if (request->route->contract == CONTRACT_CHANGES && request->context.status == STATUS_FAILED_PRECONDITION)
			return (struct failure){410, true, false, "the token has expired; start over without one"};
		return (struct failure){400, true, false, "the request is invalid"};
	case STATUS_UNAUTHENTICATED:
		return (struct failure){401, true, false, "a valid access token is needed"};
	case STATUS_PERMISSION_DENIED:
		return (struct failure){403, true, false, "the token does not open this account"};
	case STATUS_NOT_FOUND:
		return (struct failure){404, true, false, "there is no such record"};
	case STATUS_RESOURCE_EXHAUSTED:
		return (struct failure){429, true, true, "too many requests; try again later"};
	case STATUS_UNAVAILABLE:
		return (struct failure){503, false, true, "the service is unavailable; try again later"};
	case STATUS_CANCELLED:
		if (request->abandoned)
			return (struct failure){499, false, false, "the client disconnected"};
		return (struct failure){503, false, true, "the gateway is shutting down; try again later"};
	case STATUS_DEADLINE_EXCEEDED:
		return (struct failure){504, false, false, "the service did not answer in time"};
	default:
		return (struct failure){500, false, false, "internal error; give the X-Request-Id header to the operator"};
	}
}

/* A failure without a reason comes from gRPC itself: only its message tells why there is no connection. */
static void log_unreachable(const struct request *request)
{
	const struct context *context = &request->context;
	if (context->status == STATUS_UNAVAILABLE && !context->reason)
		log_write(request->worker->gateway->log, LOG_WARN, "the service can't be reached", "reason", context->message,
		          NULL);
}

void upstream_failed(struct request *request)
{
	const struct context *context = &request->context;
	log_unreachable(request);
	struct failure failure = failure_of(request);
	const char *message = NULL;
	/* gRPC's own message is internal. */
	if (failure.message_shown && context->reason)
		message = field_message(request) ? field_message(request) : context->message;
	request_answer_error(request, contract_error_code(request->route->contract, failure.status),
	                     message && *message ? message : failure.message);
	if (failure.retry) {
		int64_t seconds = (context->retry_after_ms + 999) / 1000;
		const char *value = seconds > 1 ? arena_printf(request->arena, "%lld", (long long)seconds) : "1";
		request_answer_header(request, "Retry-After", value ? value : "1");
	}
}

void upstream_unreadable(struct request *request)
{
	context_fail(&request->context, STATUS_INTERNAL, NULL, "the service's answer contains an invalid call");
	upstream_failed(request);
}
