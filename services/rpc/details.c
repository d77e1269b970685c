/* rpc/details: packing and unpacking google.rpc.Status on an arena. */
#include "rpc/details.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "google/rpc/error_details.pb-c.h"
#include "google/rpc/status.pb-c.h"

#define TYPE_PREFIX "type.googleapis.com/google.rpc."

enum { DETAILS_MAXIMUM = 3, VIOLATIONS_MAXIMUM = 32 };

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

static int wrap_bad_request(Google__Protobuf__Any *any, const struct context *context, size_t limit,
                            struct arena *arena)
{
	Google__Rpc__BadRequest__FieldViolation violations[VIOLATIONS_MAXIMUM];
	Google__Rpc__BadRequest__FieldViolation *pointers[VIOLATIONS_MAXIMUM];
	Google__Rpc__BadRequest request = GOOGLE__RPC__BAD_REQUEST__INIT;
	request.field_violations = pointers;
	for (const struct field_violation *at = context->violations; at && request.n_field_violations < limit;
	     at = at->next) {
		size_t i = request.n_field_violations++;
		google__rpc__bad_request__field_violation__init(&violations[i]);
		violations[i].field = (char *)at->field;
		violations[i].description = (char *)at->description;
		pointers[i] = &violations[i];
	}
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

static int pack_limited(const struct context *context, size_t violations, struct arena *arena, const uint8_t **bytes,
                        size_t *length)
{
	Google__Protobuf__Any details[DETAILS_MAXIMUM], *pointers[DETAILS_MAXIMUM];
	Google__Rpc__Status status = GOOGLE__RPC__STATUS__INIT;
	status.code = (int32_t)context->status;
	status.message = (char *)(context->message ? context->message : "");
	status.details = pointers;
	if (wrap_error_info(&details[status.n_details++], context, arena))
		return -ENOMEM;
	if (context->violations && violations > 0 &&
	    wrap_bad_request(&details[status.n_details++], context, violations, arena))
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
	const uint8_t *packed = NULL;
	size_t size = 0;
	for (size_t violations = VIOLATIONS_MAXIMUM;; violations /= 2) {
		if (pack_limited(context, violations, arena, &packed, &size))
			return -ENOMEM;
		if (size <= RPC_DETAILS_LIMIT || violations == 0)
			break;
	}
	if (size > RPC_DETAILS_LIMIT)
		return -ENOMEM;
	*bytes = packed;
	*length = size;
	return 0;
}

static bool is_type(const Google__Protobuf__Any *any, const char *name)
{
	const char *slash = strrchr(any->type_url, '/');
	return slash && strcmp(slash + 1, name) == 0;
}

static void take_violations(struct context *context, const Google__Rpc__BadRequest *request)
{
	struct field_violation **tail = &context->violations;
	*tail = NULL;
	for (size_t i = 0; i < request->n_field_violations && i < VIOLATIONS_MAXIMUM; i++) {
		struct field_violation *violation = arena_calloc(context->arena, sizeof(*violation));
		if (!violation)
			return;
		violation->field = request->field_violations[i]->field;
		violation->description = request->field_violations[i]->description;
		*tail = violation;
		tail = &violation->next;
	}
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
		if (request)
			take_violations(context, request);
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
