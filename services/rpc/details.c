/* rpc/details: packing and unpacking google.rpc.Status on an arena. */
#include "rpc/details.h"

#include <errno.h>
#include <string.h>

#include "google/rpc/error_details.pb-c.h"
#include "google/rpc/status.pb-c.h"

#define TYPE_PREFIX "type.googleapis.com/google.rpc."

enum { DETAILS_MAXIMUM = 3 };

/* Packs `message` into *any. */
static int wrap(Google__Protobuf__Any *any, const char *type, const ProtobufCMessage *message, struct arena *arena)
{
	google__protobuf__any__init(any);
	size_t size = protobuf_c_message_get_packed_size(message);
	uint8_t *bytes = arena_alloc(arena, size);
	if (!bytes)
		return -ENOMEM;
	any->type_url = (char *)type;
	any->value = (ProtobufCBinaryData){.data = bytes, .len = protobuf_c_message_pack(message, bytes)};
	return 0;
}

static int wrap_error_info(Google__Protobuf__Any *any, const struct context *context, struct arena *arena)
{
	Google__Rpc__ErrorInfo info = GOOGLE__RPC__ERROR_INFO__INIT;
	info.reason = (char *)(context->reason ? context->reason : status_name((int)context->status));
	info.domain = (char *)RPC_DETAILS_DOMAIN;
	return wrap(any, TYPE_PREFIX "ErrorInfo", &info.base, arena);
}

static int wrap_bad_request(Google__Protobuf__Any *any, const struct context *context, struct arena *arena)
{
	Google__Rpc__BadRequest__FieldViolation violation = GOOGLE__RPC__BAD_REQUEST__FIELD_VIOLATION__INIT;
	Google__Rpc__BadRequest__FieldViolation *violations[] = {&violation};
	Google__Rpc__BadRequest request = GOOGLE__RPC__BAD_REQUEST__INIT;
	violation.field = (char *)context->violation.field;
	violation.description = (char *)context->violation.description;
	request.n_field_violations = 1;
	request.field_violations = violations;
	return wrap(any, TYPE_PREFIX "BadRequest", &request.base, arena);
}

static int wrap_retry_info(Google__Protobuf__Any *any, const struct context *context, struct arena *arena)
{
	Google__Protobuf__Duration delay = GOOGLE__PROTOBUF__DURATION__INIT;
	Google__Rpc__RetryInfo retry = GOOGLE__RPC__RETRY_INFO__INIT;
	delay.seconds = context->retry_after_ms / 1000;
	delay.nanos = (int32_t)(context->retry_after_ms % 1000) * 1000000;
	retry.retry_delay = &delay;
	return wrap(any, TYPE_PREFIX "RetryInfo", &retry.base, arena);
}

static int pack(const struct context *context, bool violation, struct arena *arena, const uint8_t **bytes,
                size_t *length)
{
	Google__Protobuf__Any details[DETAILS_MAXIMUM], *pointers[DETAILS_MAXIMUM];
	Google__Rpc__Status status = GOOGLE__RPC__STATUS__INIT;
	status.code = (int32_t)context->status;
	status.message = (char *)(context->message ? context->message : "");
	status.details = pointers;
	if (wrap_error_info(&details[status.n_details++], context, arena))
		return -ENOMEM;
	if (violation && wrap_bad_request(&details[status.n_details++], context, arena))
		return -ENOMEM;
	if (context->retry_after_ms > 0 && wrap_retry_info(&details[status.n_details++], context, arena))
		return -ENOMEM;
	for (size_t i = 0; i < status.n_details; i++)
		pointers[i] = &details[i];
	size_t size = google__rpc__status__get_packed_size(&status);
	uint8_t *packed = arena_alloc(arena, size);
	if (!packed)
		return -ENOMEM;
	*length = google__rpc__status__pack(&status, packed);
	*bytes = packed;
	return 0;
}

int rpc_details_pack(const struct context *context, struct arena *arena, const uint8_t **bytes, size_t *length)
{
	const bool violation = context->violation.field != NULL;
	int result = pack(context, violation, arena, bytes, length);
	if (!result && violation && *length > RPC_DETAILS_LIMIT)
		result = pack(context, false, arena, bytes, length);
	return !result && *length > RPC_DETAILS_LIMIT ? -ENOMEM : result;
}

static bool is_type(const Google__Protobuf__Any *any, const char *name)
{
	const char *slash = strrchr(any->type_url, '/');
	return slash && strcmp(slash + 1, name) == 0;
}

static void take_delay(struct context *context, const Google__Protobuf__Duration *delay)
{
	if (!delay || delay->seconds < 0 || delay->seconds > 86400 || delay->nanos < 0 || delay->nanos > 999999999)
		return;
	context->retry_after_ms = delay->seconds * 1000 + delay->nanos / 1000000;
}

static void take_detail(struct context *context, const Google__Protobuf__Any *any, ProtobufCAllocator *allocator)
{
	size_t size = any->value.len;
	const uint8_t *data = any->value.data;
	if (is_type(any, "google.rpc.ErrorInfo")) {
		Google__Rpc__ErrorInfo *info = google__rpc__error_info__unpack(allocator, size, data);
		if (info && info->reason[0])
			context->reason = info->reason;
	} else if (is_type(any, "google.rpc.BadRequest")) {
		Google__Rpc__BadRequest *request = google__rpc__bad_request__unpack(allocator, size, data);
		if (request && request->n_field_violations)
			context->violation = (struct field_violation){request->field_violations[0]->field,
			                                              request->field_violations[0]->description};
	} else if (is_type(any, "google.rpc.RetryInfo")) {
		Google__Rpc__RetryInfo *retry = google__rpc__retry_info__unpack(allocator, size, data);
		if (retry)
			take_delay(context, retry->retry_delay);
	}
}

void rpc_details_unpack(struct context *context, const uint8_t *bytes, size_t length)
{
	ProtobufCAllocator allocator = {
	    .alloc = arena_allocator_alloc, .free = arena_allocator_free, .allocator_data = context->arena};
	Google__Rpc__Status *status = google__rpc__status__unpack(&allocator, length, bytes);
	for (size_t i = 0; status && i < status->n_details; i++)
		take_detail(context, status->details[i], &allocator);
}
