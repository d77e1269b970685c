/* handlers/arguments: one check per argument, in the order of the request's fields. */
#include "handlers/arguments.h"

#include <string.h>

#include "handlers/text.h"

/* Years 0001 to 9999, as google.protobuf.Timestamp has them. */
#define SECONDS_MIN INT64_C(-62135596800)
#define SECONDS_MAX INT64_C(253402300799)

int handlers_arguments_read_time(struct context *context, const char *field, const Google__Protobuf__Timestamp *time,
                                 int64_t *ms)
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

int handlers_arguments_read_selection(struct context *context, struct selection *out, const char *phone,
                                      const Google__Protobuf__Timestamp *start, const Google__Protobuf__Timestamp *end,
                                      const Callhistory__V1__CallFilter *filter, const char *country_code)
{
	*out = (struct selection){.from_ms = INT64_MIN, .to_ms = INT64_MAX};
	int result = handlers_text_read_number(context, "phone", out->number, phone, country_code);
	if (!result)
		result = handlers_arguments_read_time(context, "start_time", start, &out->from_ms);
	if (!result)
		result = handlers_arguments_read_time(context, "end_time", end, &out->to_ms);
	if (!result && start && end &&
	    (start->seconds > end->seconds || (start->seconds == end->seconds && start->nanos > end->nanos)))
		result = context_fail_field(context, "end_time", "is before start_time");
	if (!result)
		result = handlers_filter_read(context, &out->filter, filter, country_code);
	return result;
}

bool handlers_selection_is_empty(const struct selection *selection)
{
	return selection->from_ms >= selection->to_ms;
}

/*
 * Each string ends with its NUL byte and all numbers have the same width, so different arguments never give the same
 * bytes.
 */
static void write_string(struct buffer *out, const char *string)
{
	buffer_append(out, string, strlen(string) + 1);
}

static void write_number(struct buffer *out, uint64_t number)
{
	uint8_t bytes[8];
	for (int i = 0; i < 8; ++i)
		bytes[i] = (uint8_t)(number >> (8 * i));
	buffer_append(out, bytes, sizeof(bytes));
}

static void write_values(struct buffer *out, const struct filter_values *values)
{
	write_number(out, values->count);
	for (size_t i = 0; i < values->count; ++i)
		write_number(out, (uint64_t)values->values[i]);
}

void handlers_selection_write_scope(struct buffer *out, const struct selection *selection, const char *tag)
{
	write_string(out, tag);
	write_string(out, selection->number);
	write_number(out, (uint64_t)selection->from_ms);
	write_number(out, (uint64_t)selection->to_ms);
	write_values(out, &selection->filter.directions);
	write_values(out, &selection->filter.dispositions);
	write_number(out, selection->filter.has_missed ? 1 + selection->filter.missed : 0);
	write_string(out, selection->filter.hotline);
	write_string(out, selection->filter.member_no);
}
