/*
 * handlers: the two services. Each struct begins with its vtable, so that a
 * method finds what its worker shares behind the service it was called on.
 */
#include "handlers/handlers.h"

#include <errno.h>
#include <spliced.pb-c.h>
#include <stdlib.h>
#include <string.h>

#include "handlers/methods.h"

enum { COUNTRY_CODE_MAX = 3 };

struct history_service {
	Callhistory__Spliced__CallHistoryService_Service vtable; /* first: protobuf-c passes a pointer to it */
	struct handlers *handlers;
};

struct ingest_service {
	Callhistory__Spliced__CallIngestService_Service vtable; /* first, as above */
	struct handlers *handlers;
};

struct handlers {
	struct history_service history;
	struct ingest_service ingest;
	struct handlers_shared shared;
	char country_code[COUNTRY_CODE_MAX + 1];
};

static const struct handlers_shared *history_shared(const Callhistory__Spliced__CallHistoryService_Service *service)
{
	return &((const struct history_service *)service)->handlers->shared;
}

static void serve_list_calls(Callhistory__Spliced__CallHistoryService_Service *service,
                             const Callhistory__V1__ListCallsRequest *input,
                             Callhistory__Spliced__ListCallsResponse_Closure closure, void *closure_data)
{
	handlers_request_begin(history_shared(service), &handlers_list_calls, &input->base, input->project_code,
	                       input->vbot_id, (ProtobufCClosure)closure, closure_data);
}

static void serve_count_calls(Callhistory__Spliced__CallHistoryService_Service *service,
                              const Callhistory__V1__CountCallsRequest *input,
                              Callhistory__V1__CountCallsResponse_Closure closure, void *closure_data)
{
	handlers_request_begin(history_shared(service), &handlers_count_calls, &input->base, input->project_code,
	                       input->vbot_id, (ProtobufCClosure)closure, closure_data);
}

static void serve_get_call(Callhistory__Spliced__CallHistoryService_Service *service,
                           const Callhistory__V1__GetCallRequest *input,
                           Callhistory__Spliced__GetCallResponse_Closure closure, void *closure_data)
{
	handlers_request_begin(history_shared(service), &handlers_get_call, &input->base, input->project_code,
	                       input->vbot_id, (ProtobufCClosure)closure, closure_data);
}

static void serve_record_calls(Callhistory__Spliced__CallIngestService_Service *service,
                               const Callhistory__V1__RecordCallsRequest *input,
                               Callhistory__V1__RecordCallsResponse_Closure closure, void *closure_data)
{
	handlers_request_begin(&((const struct ingest_service *)service)->handlers->shared, &handlers_record_calls,
	                       &input->base, input->project_code, input->vbot_id, (ProtobufCClosure)closure, closure_data);
}

static bool is_country_code(const char *code)
{
	size_t length = strlen(code);
	return length >= 1 && length <= COUNTRY_CODE_MAX && strspn(code, "0123456789") == length && code[0] != '0';
}

int handlers_create(struct handlers **out, struct store *store, const struct handlers_options *options)
{
	if (!is_country_code(options->country_code))
		return -EINVAL;
	struct handlers *handlers = calloc(1, sizeof(*handlers));
	if (!handlers)
		return -ENOMEM;
	memcpy(handlers->country_code, options->country_code, strlen(options->country_code) + 1);
	handlers->shared.store = store;
	handlers->shared.buckets = options->buckets;
	handlers->shared.country_code = handlers->country_code;
	handlers->history = (struct history_service){CALLHISTORY__SPLICED__CALL_HISTORY_SERVICE__INIT(serve_), handlers};
	handlers->ingest = (struct ingest_service){CALLHISTORY__SPLICED__CALL_INGEST_SERVICE__INIT(serve_), handlers};
	*out = handlers;
	return 0;
}

ProtobufCService *handlers_history_service(struct handlers *handlers)
{
	return &handlers->history.vtable.base;
}

ProtobufCService *handlers_ingest_service(struct handlers *handlers)
{
	return &handlers->ingest.vtable.base;
}

void handlers_admit(void *handlers, struct context *context, void (*done)(void *done_data), void *done_data)
{
	handlers_request_admit(&((const struct handlers *)handlers)->shared, context, done, done_data);
}

void handlers_destroy(struct handlers *handlers)
{
	free(handlers);
}
