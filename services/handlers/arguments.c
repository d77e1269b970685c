/* handlers/arguments: one check per argument, in the order of the request's fields. */
#include "handlers/arguments.h"

#include <string.h>

#include "handlers/call_store.h"
#include "handlers/text.h"

/* Years 0001 to 9999, as google.protobuf.Timestamp has them. */
#define SECONDS_MIN INT64_C(-62135596800)
#define SECONDS_MAX INT64_C(253402300799)

/*
 * Rounds a timestamp up to whole milliseconds. Calls start at whole milliseconds, so half-open ranges select the same
 * calls. NULL leaves *ms as it is.
 */
static int read_time(struct context *context, const char *field, const Google__Protobuf__Timestamp *time, int64_t *ms)
{
	if (!time)
		return 0;
	if (time->nanos < 0 || time->nanos > 999999999)
		return context_fail_field(context, field, "has nanos outside 0 to 999999999");
	if (time->seconds < SECONDS_MIN || time->seconds > SECONDS_MAX)
		return context_fail_field(context, field, "is outside the years 0001 to 9999");
	*ms = time->seconds * 1000 + (time->nanos + 999999) / 1000000;
	return 0;
}

/* Calls without a hotline have an index, which is read where no number or group leads to fewer calls. */
static void choose_index(struct selection *selection)
{
	struct filter *filter = &selection->filter;
	if (!filter->has_has_hotline || filter->has_hotline || *selection->number || *filter->texts[FILTER_GROUP_ID])
		return;
	strcpy(selection->number, HANDLERS_NO_HOTLINE);
	filter->has_has_hotline = false;
}

int handlers_arguments_read_selection(struct context *context, struct selection *out, const char *phone,
                                      const Google__Protobuf__Timestamp *start, const Google__Protobuf__Timestamp *end,
                                      const Callhistory__V1__CallFilter *filter, const char *country_code)
{
	out->from_ms = INT64_MIN;
	out->to_ms = INT64_MAX;
	int result = handlers_text_read_number(context, "phone", out->number, phone, country_code);
	if (!result)
		result = read_time(context, "start_time", start, &out->from_ms);
	if (!result)
		result = read_time(context, "end_time", end, &out->to_ms);
	if (!result && start && end &&
	    (start->seconds > end->seconds || (start->seconds == end->seconds && start->nanos > end->nanos)))
		result = context_fail_field(context, "end_time", "is before start_time");
	if (!result)
		result = handlers_filter_read(context, &out->filter, filter, country_code);
	if (!result)
		choose_index(out);
	return result;
}

bool handlers_selection_is_empty(const struct selection *selection)
{
	return selection->from_ms >= selection->to_ms;
}

struct store_range handlers_selection_range(const struct selection *selection, const char *tag)
{
	return (struct store_range){
	    .tag = tag,
	    .number = *selection->number ? selection->number : NULL,
	    .from_ms = selection->from_ms,
	    .to_ms = selection->to_ms,
	};
}

/*
 * Each string ends with its NUL byte and all numbers have the same width, so different arguments never give the same
 * bytes.
 */
static void hash_string(struct sha256_ctx *hash, const char *string)
{
	sha256_update(hash, strlen(string) + 1, (const uint8_t *)string);
}

static void hash_number(struct sha256_ctx *hash, uint64_t number)
{
	uint8_t bytes[8];
	for (int i = 0; i < 8; ++i)
		bytes[i] = (uint8_t)(number >> (8 * i));
	sha256_update(hash, sizeof(bytes), bytes);
}

static void hash_double(struct sha256_ctx *hash, double value)
{
	uint64_t bits;
	memcpy(&bits, &value, sizeof(bits));
	hash_number(hash, bits);
}

static void hash_values(struct sha256_ctx *hash, const struct filter_values *values)
{
	hash_number(hash, values->count);
	for (size_t i = 0; i < values->count; ++i)
		hash_number(hash, (uint64_t)values->values[i]);
}

void handlers_selection_hash_scope(struct sha256_ctx *hash, const struct selection *selection, const char *tag)
{
	hash_string(hash, tag);
	hash_string(hash, selection->number);
	hash_number(hash, (uint64_t)selection->from_ms);
	hash_number(hash, (uint64_t)selection->to_ms);
	hash_values(hash, &selection->filter.directions);
	hash_values(hash, &selection->filter.dispositions);
	hash_number(hash, selection->filter.has_missed ? 1 + selection->filter.missed : 0);
	hash_number(hash, selection->filter.has_has_hotline ? 1 + selection->filter.has_hotline : 0);
	hash_string(hash, selection->filter.hotline);
	hash_string(hash, selection->filter.phone_contains);
	hash_double(hash, selection->filter.min_charge);
	hash_double(hash, selection->filter.max_charge);
	for (int i = 0; i < FILTER_TEXTS; ++i)
		hash_string(hash, selection->filter.texts[i]);
}
