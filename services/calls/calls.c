/*
 * calls: the two services. Each struct begins with its vtable, so that a
 * method finds what its worker shares behind the service it was called on.
 */
#include "calls/calls.h"

#include <errno.h>
#include <spliced.pb-c.h>
#include <stdlib.h>
#include <string.h>

#include "calls/methods.h"

enum { COUNTRY_CODE_MAX = 3 };

struct history_service {
	Callhistory__Spliced__CallHistoryService_Service vtable; /* first: protobuf-c passes a pointer to it */
	struct calls *calls;
};

struct ingest_service {
	Callhistory__Spliced__CallIngestService_Service vtable; /* first, as above */
	struct calls *calls;
};

struct calls {
	struct history_service history;
	struct ingest_service ingest;
	struct calls_shared shared;
	char country_code[COUNTRY_CODE_MAX + 1];
};

static const struct calls_shared *history_shared(const Callhistory__Spliced__CallHistoryService_Service *service)
{
	return &((const struct history_service *)service)->calls->shared;
}

static void serve_list_calls(Callhistory__Spliced__CallHistoryService_Service *service,
                             const Callhistory__V1__ListCallsRequest *input,
                             Callhistory__Spliced__ListCallsResponse_Closure closure, void *closure_data)
{
	request_begin(history_shared(service), &list_calls_method, &input->base, input->project_code, input->vbot_id,
	              (ProtobufCClosure)closure, closure_data);
}

static void serve_count_calls(Callhistory__Spliced__CallHistoryService_Service *service,
                              const Callhistory__V1__CountCallsRequest *input,
                              Callhistory__V1__CountCallsResponse_Closure closure, void *closure_data)
{
	request_begin(history_shared(service), &count_calls_method, &input->base, input->project_code, input->vbot_id,
	              (ProtobufCClosure)closure, closure_data);
}

static void serve_get_call(Callhistory__Spliced__CallHistoryService_Service *service,
                           const Callhistory__V1__GetCallRequest *input,
                           Callhistory__Spliced__GetCallResponse_Closure closure, void *closure_data)
{
	request_begin(history_shared(service), &get_call_method, &input->base, input->project_code, input->vbot_id,
	              (ProtobufCClosure)closure, closure_data);
}

static void serve_record_calls(Callhistory__Spliced__CallIngestService_Service *service,
                               const Callhistory__V1__RecordCallsRequest *input,
                               Callhistory__V1__RecordCallsResponse_Closure closure, void *closure_data)
{
	request_begin(&((const struct ingest_service *)service)->calls->shared, &record_calls_method, &input->base,
	              input->project_code, input->vbot_id, (ProtobufCClosure)closure, closure_data);
}

static bool is_country_code(const char *code)
{
	size_t length = strlen(code);
	return length >= 1 && length <= COUNTRY_CODE_MAX && strspn(code, "0123456789") == length && code[0] != '0';
}

int calls_create(struct calls **out, struct store *store, const struct calls_options *options)
{
	if (!is_country_code(options->country_code))
		return -EINVAL;
	struct calls *calls = calloc(1, sizeof(*calls));
	if (!calls)
		return -ENOMEM;
	memcpy(calls->country_code, options->country_code, strlen(options->country_code) + 1);
	calls->shared.store = store;
	calls->shared.buckets = options->buckets;
	calls->shared.country_code = calls->country_code;
	calls->history = (struct history_service){CALLHISTORY__SPLICED__CALL_HISTORY_SERVICE__INIT(serve_), calls};
	calls->ingest = (struct ingest_service){CALLHISTORY__SPLICED__CALL_INGEST_SERVICE__INIT(serve_), calls};
	*out = calls;
	return 0;
}

ProtobufCService *calls_history_service(struct calls *calls)
{
	return &calls->history.vtable.base;
}

ProtobufCService *calls_ingest_service(struct calls *calls)
{
	return &calls->ingest.vtable.base;
}

void calls_admit(void *calls, struct context *context, void (*done)(void *done_data), void *done_data)
{
	request_admit(&((const struct calls *)calls)->shared, context, done, done_data);
}

void calls_destroy(struct calls *calls)
{
	free(calls);
}
