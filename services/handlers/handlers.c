/* handlers: the two services, each a table of methods. */
#include "handlers/handlers.h"

#include <errno.h>
#include <spliced.pb-c.h>
#include <stdlib.h>
#include <string.h>

#include "handlers/request.h"

enum { COUNTRY_CODE_MAX = 3 };

/* A service: the vtable of generated code would need a function per method, and all would do the same. */
struct served {
	ProtobufCService service; /* first: protobuf-c passes a pointer to it */
	const struct method *const *methods;
	struct handlers_shared *shared;
};

struct handlers {
	struct served history, ingest;
	struct handlers_shared shared;
	struct export_list exports;
	char country_code[COUNTRY_CODE_MAX + 1];
};

/* In the order of spliced.proto. */
static const struct method *const history_methods[] = {&handlers_list_calls, &handlers_count_calls, &handlers_get_call,
                                                       &handlers_list_call_changes, &handlers_export_calls};
static const struct method *const ingest_methods[] = {&handlers_record_calls, &handlers_merge_calls,
                                                      &handlers_delete_calls};

/* A string of a request, by the field's number. */
static const char *text_of(const ProtobufCMessage *request, unsigned number)
{
	const ProtobufCFieldDescriptor *field = protobuf_c_message_descriptor_get_field(request->descriptor, number);
	return *(char *const *)(const void *)((const char *)request + field->offset);
}

static void serve(ProtobufCService *service, unsigned index, const ProtobufCMessage *input, ProtobufCClosure closure,
                  void *closure_data)
{
	const struct served *served = (const struct served *)service;
	/* Fields 1 and 2 of every request are project_code and vbot_id. */
	handlers_request_begin(served->shared, served->methods[index], input, text_of(input, 1), text_of(input, 2), closure,
	                       closure_data);
}

static void destroy(ProtobufCService *service)
{
	(void)service; /* the handlers own it */
}

static struct served make_service(struct handlers *handlers, const ProtobufCServiceDescriptor *descriptor,
                                  const struct method *const *methods)
{
	return (struct served){{.descriptor = descriptor, .invoke = serve, .destroy = destroy}, methods, &handlers->shared};
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
	handlers->shared.exports = &handlers->exports;
	handlers->exports.most = options->max_exports;
	LIST_INIT(&handlers->exports.head);
	handlers->history =
	    make_service(handlers, &callhistory__spliced__call_history_service__descriptor, history_methods);
	handlers->ingest = make_service(handlers, &callhistory__spliced__call_ingest_service__descriptor, ingest_methods);
	*out = handlers;
	return 0;
}

ProtobufCService *handlers_history_service(struct handlers *handlers)
{
	return &handlers->history.service;
}

ProtobufCService *handlers_ingest_service(struct handlers *handlers)
{
	return &handlers->ingest.service;
}

void handlers_admit(void *handlers, struct context *context, void (*done)(void *done_data), void *done_data)
{
	handlers_request_admit(&((const struct handlers *)handlers)->shared, context, done, done_data);
}

void handlers_destroy(struct handlers *handlers)
{
	free(handlers);
}
