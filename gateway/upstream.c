/* upstream: one context per request, one table from gRPC status to HTTP. */
#include "upstream.h"

#include <string.h>

#include "base/clock.h"
#include "http.h"
#include "settings.h"
#include "trace.h"
#include "worker_resources.h"

enum {
	ASKED_MAX_MS = 600000,
	/* Memory charged before the answer is known: a usual call has 150 bytes packed and 350 as JSON. */
	REQUEST_BYTES = 16 * 1024,
	CALL_BYTES = 1024,
};

int64_t upstream_timeout_ms(const struct request *request)
{
	int64_t most = worker_settings(request->worker)->timeout_ms, asked = 0;
	const char *text = request->headers.timeout;
	if (!text)
		return most;
	for (; *text >= '0' && *text <= '9'; text++)
		if (asked < INT32_MAX)
			asked = asked * 10 + (*text - '0');
	if (*text || asked < 1 || asked > ASKED_MAX_MS)
		return -1;
	return asked < most ? asked : most;
}

bool upstream_begin(struct request *request)
{
	struct context *context = &request->context;
	/*
	 * An invalid header is refused elsewhere, but the token is still checked, within the default time.
	 */
	int64_t asked_ms = upstream_timeout_ms(request);
	int64_t timeout_ms = asked_ms < 0 ? worker_settings(request->worker)->timeout_ms : asked_ms;
	const size_t bytes = REQUEST_BYTES + (request->contract.is_list ? (size_t)request->contract.size * CALL_BYTES : 0);
	if (!worker_admit(request->worker, bytes)) {
		request_answer_error(request, 429, "too many requests are in flight; try again later");
		request_answer_header(request, "Retry-After", "1");
		return false;
	}
	context_init(context, request->arena);
	context->deadline_us = request->start_us + 1000 * timeout_ms;
	context->authorization = request->authorization;
	context->traceparent = request->traceparent;
	context->request_id = request->request_id;
	request->counted = true;
	request->charged = bytes;
	http_suspend(request);
	return true;
}

/* Translates the service's field names to those of the contract. */
static const char *contract_name(const char *field)
{
	static const struct {
		const char *service, *contract;
	} names[] = {{"page_size", "size"}, {"start_time", "from"}, {"end_time", "to"}, {"id", "trans_id"}};
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (!strcmp(field, names[i].service))
			return names[i].contract;
	return field;
}

static const char *field_message(struct request *request)
{
	const struct field_violation *violation = request->context.violations;
	if (!violation || !violation->field || !violation->description)
		return NULL;
	return arena_printf(request->arena, "%s %s", contract_name(violation->field), violation->description);
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

void upstream_failed(struct request *request)
{
	const struct context *context = &request->context;
	struct failure failure = failure_of(request);
	const char *message = NULL;
	/* A failure without a reason comes from gRPC itself: its message is internal. */
	if (failure.message_shown && context->reason)
		message = field_message(request) ? field_message(request) : context->message;
	request_answer_error(request, failure.status, message && *message ? message : failure.message);
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
