/* handlers/filter: a few values and two strings, compared one by one. */
#include "handlers/filter.h"

#include <errno.h>
#include <string.h>

#include "handlers/text.h"

/* Inserts a value in order unless it is present. -E2BIG if there are too many. */
static int add_value(struct filter_values *values, int value)
{
	size_t at = values->count;
	while (at && values->values[at - 1] >= value)
		--at;
	if (at < values->count && values->values[at] == value)
		return 0;
	if (values->count == FILTER_VALUES_MAX)
		return -E2BIG;
	memmove(&values->values[at + 1], &values->values[at], (values->count - at) * sizeof(value));
	values->values[at] = value;
	++values->count;
	return 0;
}

static int fail_values(struct context *context, const char *field)
{
	return context_fail_field(context, field, "has more than %d different values", FILTER_VALUES_MAX);
}

int handlers_filter_read(struct context *context, struct filter *out, const Callhistory__V1__CallFilter *message,
                         const char *country_code)
{
	*out = (struct filter){.member_no = "", .country_code = country_code};
	int result = 0;
	if (!message)
		return 0;
	for (size_t i = 0; i < message->n_directions; ++i)
		if (add_value(&out->directions, (int)message->directions[i]))
			return fail_values(context, "filter.directions");
	for (size_t i = 0; i < message->n_dispositions; ++i)
		if (add_value(&out->dispositions, (int)message->dispositions[i]))
			return fail_values(context, "filter.dispositions");
	out->has_missed = message->optional_missed_case == CALLHISTORY__V1__CALL_FILTER__OPTIONAL_MISSED_MISSED;
	out->missed = out->has_missed && message->missed;
	result = handlers_text_read_number(context, "filter.hotline", out->hotline, message->hotline, country_code);
	if (!result)
		result = handlers_text_check_bytes(context, "filter.member_no", message->member_no, FILTER_MEMBER_MAX);
	if (!result)
		out->member_no = message->member_no;
	return result;
}

bool handlers_filter_is_set(const struct filter *filter)
{
	return filter->directions.count || filter->dispositions.count || filter->has_missed || *filter->hotline ||
	       *filter->member_no;
}

static bool has_value(const struct filter_values *values, int value)
{
	for (size_t i = 0; i < values->count; ++i)
		if (values->values[i] == value)
			return true;
	return !values->count;
}

static bool has_member(Callhistory__V1__Party *const *parties, size_t count, const char *member_no)
{
	for (size_t i = 0; i < count; ++i)
		if (!strcmp(parties[i]->member_no, member_no))
			return true;
	return false;
}

bool handlers_filter_matches(const struct filter *filter, const Callhistory__V1__Call *call)
{
	char hotline[NUMBER_SIZE];
	if (!has_value(&filter->directions, (int)call->direction) ||
	    !has_value(&filter->dispositions, (int)call->disposition))
		return false;
	if (filter->has_missed && filter->missed != !!call->missed)
		return false;
	if (*filter->hotline &&
	    (handlers_number_canonical(hotline, call->hotline, strlen(call->hotline), filter->country_code) < 0 ||
	     strcmp(hotline, filter->hotline)))
		return false;
	return !*filter->member_no || has_member(call->callers, call->n_callers, filter->member_no) ||
	       has_member(call->callees, call->n_callees, filter->member_no);
}
