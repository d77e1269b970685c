/*
 * handlers/call_check: walks a message along its descriptor, so that a field that is added to Call is checked
 * without a change here. Limits that differ from the default are in a table.
 */
#include "handlers/call_check.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#include "base/utf8.h"
#include "handlers/handlers.h"

#define START_MAX_MS INT64_C(253402300799999)

/* Where in the call the check is, for the path of a fault. */
struct position {
	const struct position *above; /* NULL: the call itself */
	const char *field;
	size_t index;
	bool repeated;
};

struct check {
	struct arena *arena;
	struct call_fault *fault;
};

/* Fields whose limits differ from those of other strings. */
static const struct cap {
	const char *field;
	size_t bytes;
	bool control; /* control characters are allowed: they are data, and answers escape them */
} caps[] = {
    {"id", STORE_ID_MAX, false},
    {"phone", STORE_NUMBER_MAX, true},
    {"hotline", STORE_NUMBER_MAX, true},
    {"recordings", HANDLERS_URL_MAX, true},
};

static const struct count_cap {
	const char *field;
	size_t count;
} count_caps[] = {
    {"callers", HANDLERS_PARTY_MAX}, {"callees", HANDLERS_PARTY_MAX}, {"recordings", HANDLERS_RECORDING_MAX}};

static int check_message(struct check *check, ProtobufCMessage *message, const struct position *above);

static const char *write_path(struct arena *arena, const struct position *position)
{
	const char *above = position->above ? write_path(arena, position->above) : "";
	if (!above)
		return NULL;
	const char *dot = *above ? "." : "";
	if (position->repeated)
		return arena_printf(arena, "%s%s%s[%zu]", above, dot, position->field, position->index);
	return arena_printf(arena, "%s%s%s", above, dot, position->field);
}

static int refuse(struct check *check, const struct position *position, const char *message)
{
	const char *path = write_path(check->arena, position);
	if (!path || !message)
		return -ENOMEM;
	*check->fault = (struct call_fault){path, message};
	return -EINVAL;
}

static int check_string(struct check *check, const char *string, const struct position *position)
{
	static const struct cap plain = {"", HANDLERS_STRING_MAX, true};
	const struct cap *cap = &plain;
	struct utf8_measure text;
	for (size_t i = 0; i < sizeof(caps) / sizeof(caps[0]); ++i)
		if (!strcmp(caps[i].field, position->field))
			cap = &caps[i];
	if (utf8_measure(&text, string))
		return refuse(check, position, "is not valid UTF-8");
	if (text.bytes > cap->bytes)
		return refuse(check, position, arena_printf(check->arena, "is longer than %zu bytes", cap->bytes));
	if (text.control && !cap->control)
		return refuse(check, position, "contains a control character");
	return 0;
}

static int check_time(struct check *check, Google__Protobuf__Timestamp *time, const struct position *position)
{
	if (time->nanos < 0 || time->nanos > 999999999)
		return refuse(check, position, "has nanos outside 0 to 999999999");
	if (time->seconds < 0 || time->seconds > START_MAX_MS / 1000)
		return refuse(check, position, "is outside the years 1970 to 9999");
	time->nanos -= time->nanos % 1000000;
	/* A Timestamp never gets further fields; only a Call does. */
	time->base.n_unknown_fields = 0;
	return 0;
}

/* Checks one value of a field. */
static int check_value(struct check *check, const ProtobufCFieldDescriptor *field, void *value,
                       const struct position *position)
{
	double number;
	switch (field->type) {
	case PROTOBUF_C_TYPE_STRING:
		return check_string(check, *(char **)value, position);
	case PROTOBUF_C_TYPE_DOUBLE:
		memcpy(&number, value, sizeof(number));
		return isfinite(number) ? 0 : refuse(check, position, "is not a finite number");
	case PROTOBUF_C_TYPE_MESSAGE:
		if (!*(ProtobufCMessage **)value)
			return 0;
		if (field->descriptor == &google__protobuf__timestamp__descriptor)
			return check_time(check, *(Google__Protobuf__Timestamp **)value, position);
		return check_message(check, *(ProtobufCMessage **)value, position);
	default:
		return 0;
	}
}

/* Checks a repeated field. Only strings and messages repeat in a Call, so the elements are pointers. */
static int check_repeated(struct check *check, const ProtobufCFieldDescriptor *field, ProtobufCMessage *message,
                          const struct position *above)
{
	size_t count;
	void **values;
	struct position position = {above, field->name, 0, false};
	memcpy(&count, (char *)message + field->quantifier_offset, sizeof(count));
	memcpy(&values, (char *)message + field->offset, sizeof(values));
	for (size_t i = 0; i < sizeof(count_caps) / sizeof(count_caps[0]); ++i)
		if (!strcmp(count_caps[i].field, field->name) && count > count_caps[i].count)
			return refuse(check, &position,
			              arena_printf(check->arena, "has more than %zu values", count_caps[i].count));
	int result = 0;
	position.repeated = true;
	for (; position.index < count && !result; ++position.index)
		result = check_value(check, field, &values[position.index], &position);
	return result;
}

static int check_message(struct check *check, ProtobufCMessage *message, const struct position *above)
{
	const ProtobufCMessageDescriptor *descriptor = message->descriptor;
	int result = 0;
	for (unsigned int i = 0; i < descriptor->n_fields && !result; ++i) {
		const ProtobufCFieldDescriptor *field = &descriptor->fields[i];
		struct position position = {above, field->name, 0, false};
		if (field->label == PROTOBUF_C_LABEL_REPEATED)
			result = check_repeated(check, field, message, above);
		else if (!(field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF))
			result = check_value(check, field, (char *)message + field->offset, &position);
	}
	return result;
}

/*
 * A party's own start must be within the years of the call's start, which a part must have then (start_ms is negative
 * where it has none).
 */
static int check_offsets(struct check *check, Callhistory__V1__Party *const *parties, size_t count, int64_t start_ms,
                         const char *field)
{
	struct position party = {NULL, field, 0, true};
	struct position position = {&party, "start_offset_ms", 0, false};
	for (; party.index < count; ++party.index) {
		const Callhistory__V1__Party *checked = parties[party.index];
		if (checked->optional_start_offset_ms_case != CALLHISTORY__V1__PARTY__OPTIONAL_START_OFFSET_MS_START_OFFSET_MS)
			continue;
		if (start_ms < 0)
			return refuse(check, &position, "needs start_time in the same part");
		if (checked->start_offset_ms < -start_ms || checked->start_offset_ms > START_MAX_MS - start_ms)
			return refuse(check, &position, "is a time outside the years 1970 to 9999");
	}
	return 0;
}

int64_t handlers_call_start_ms(const Callhistory__V1__Call *call)
{
	return call->start_time->seconds * 1000 + call->start_time->nanos / 1000000;
}

int handlers_call_check(Callhistory__V1__Call *call, bool part, struct arena *arena, struct call_fault *fault)
{
	struct check check = {arena, fault};
	const char *needed = part ? "id" : "start_time";
	int result = check_message(&check, &call->base, NULL);
	if (!result && (part ? !*call->id : !call->start_time))
		result = refuse(&check, &(struct position){NULL, needed, 0, false}, "is missing");
	if (result)
		return result;
	int64_t start_ms = call->start_time ? handlers_call_start_ms(call) : -1;
	result = check_offsets(&check, call->callers, call->n_callers, start_ms, "callers");
	if (!result)
		result = check_offsets(&check, call->callees, call->n_callees, start_ms, "callees");
	return result;
}

void handlers_result_refuse(Callhistory__V1__RecordCallResult *result, char *id, const struct call_fault *fault)
{
	if (strcmp(fault->field, "id"))
		result->id = id;
	result->outcome = CALLHISTORY__V1__RECORD_CALL_RESULT__OUTCOME__OUTCOME_REFUSED;
	result->field = (char *)fault->field;
	result->message = (char *)fault->message;
}

void handlers_result_collide(Callhistory__V1__RecordCallResult *result)
{
	result->outcome = CALLHISTORY__V1__RECORD_CALL_RESULT__OUTCOME__OUTCOME_REFUSED;
	result->field = (char *)"id";
	result->message = (char *)"another call's id has the same digest; give this call another id";
}
