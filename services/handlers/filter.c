/* handlers/filter: a few values, bounds and texts, compared one by one. */
#include "handlers/filter.h"

#include <errno.h>
#include <math.h>
#include <string.h>
#include <strings.h>

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

static int read_values(struct context *context, struct filter *out, const Callhistory__V1__CallFilter *message)
{
	for (size_t i = 0; i < message->n_directions; ++i)
		if (add_value(&out->directions, (int)message->directions[i]))
			return fail_values(context, "filter.directions");
	for (size_t i = 0; i < message->n_dispositions; ++i)
		if (add_value(&out->dispositions, (int)message->dispositions[i]))
			return fail_values(context, "filter.dispositions");
	out->has_missed = message->optional_missed_case == CALLHISTORY__V1__CALL_FILTER__OPTIONAL_MISSED_MISSED;
	out->missed = out->has_missed && message->missed;
	out->has_has_hotline =
	    message->optional_has_hotline_case == CALLHISTORY__V1__CALL_FILTER__OPTIONAL_HAS_HOTLINE_HAS_HOTLINE;
	out->has_hotline = out->has_has_hotline && message->has_hotline;
	return 0;
}

static int read_charges(struct context *context, struct filter *out, const Callhistory__V1__CallFilter *message)
{
	if (message->optional_min_charge_case == CALLHISTORY__V1__CALL_FILTER__OPTIONAL_MIN_CHARGE_MIN_CHARGE)
		out->min_charge = message->min_charge;
	if (message->optional_max_charge_case == CALLHISTORY__V1__CALL_FILTER__OPTIONAL_MAX_CHARGE_MAX_CHARGE)
		out->max_charge = message->max_charge;
	if (message->optional_min_charge_case && !isfinite(out->min_charge))
		return context_fail_field(context, "filter.min_charge", "is not finite");
	if (message->optional_max_charge_case && !isfinite(out->max_charge))
		return context_fail_field(context, "filter.max_charge", "is not finite");
	if (out->max_charge < out->min_charge)
		return context_fail_field(context, "filter.max_charge", "is below filter.min_charge");
	return 0;
}

static int read_texts(struct context *context, struct filter *out, const Callhistory__V1__CallFilter *message)
{
	const struct {
		const char *field, *value;
	} texts[FILTER_TEXTS] = {
	    [FILTER_MEMBER_NO] = {"filter.member_no", message->member_no},
	    [FILTER_CUSTOMER_CODE] = {"filter.customer_code", message->customer_code},
	    [FILTER_GROUP_MEMBER_NO] = {"filter.group_member_no", message->group_member_no},
	    [FILTER_DISPOSITION_OTHER] = {"filter.disposition_other", message->disposition_other},
	    [FILTER_GROUP_ID] = {"filter.group_id", message->group_id},
	};
	for (int i = 0; i < FILTER_TEXTS; ++i) {
		int result = handlers_text_check_bytes(context, texts[i].field, texts[i].value, FILTER_TEXT_MAX);
		if (result)
			return result;
		out->texts[i] = texts[i].value;
	}
	return 0;
}

int handlers_filter_read(struct context *context, struct filter *out, const Callhistory__V1__CallFilter *message,
                         const char *country_code)
{
	out->min_charge = -INFINITY;
	out->max_charge = INFINITY;
	out->country_code = country_code;
	for (int i = 0; i < FILTER_TEXTS; ++i)
		out->texts[i] = "";
	if (!message)
		return 0;
	int result = read_values(context, out, message);
	if (!result)
		result = handlers_text_read_number(context, "filter.hotline", out->hotline, message->hotline, country_code);
	if (!result)
		result = handlers_text_read_number(context, "filter.phone_contains", out->phone_contains,
		                                   message->phone_contains, country_code);
	if (!result)
		result = read_charges(context, out, message);
	return result ? result : read_texts(context, out, message);
}

bool handlers_filter_is_set(const struct filter *filter)
{
	for (int i = 0; i < FILTER_TEXTS; ++i)
		if (*filter->texts[i])
			return true;
	return filter->directions.count || filter->dispositions.count || filter->has_missed || filter->has_has_hotline ||
	       *filter->hotline || *filter->phone_contains || !isinf(filter->min_charge) || !isinf(filter->max_charge);
}

static bool has_value(const struct filter_values *values, int value)
{
	for (size_t i = 0; i < values->count; ++i)
		if (values->values[i] == value)
			return true;
	return !values->count;
}

/* Whether the text is the wanted one, if any is wanted. */
static bool is_wanted(const char *wanted, const char *text)
{
	return !*wanted || !strcmp(wanted, text);
}

static bool has_hotline(const struct filter *filter, const Callhistory__V1__Call *call)
{
	char hotline[NUMBER_SIZE];
	if (filter->has_has_hotline && filter->has_hotline != !!*call->hotline)
		return false;
	return !*filter->hotline ||
	       (handlers_number_canonical(hotline, call->hotline, strlen(call->hotline), filter->country_code) >= 0 &&
	        !strcmp(hotline, filter->hotline));
}

/* Whether a party meets the conditions of parties that another one did not meet. */
static void test_party(const struct filter *filter, const Callhistory__V1__Party *party, bool *member, bool *phone,
                       double *charge)
{
	char number[NUMBER_SIZE];
	*member = *member || is_wanted(filter->texts[FILTER_MEMBER_NO], party->member_no);
	*phone =
	    *phone || (handlers_number_canonical(number, party->phone, strlen(party->phone), filter->country_code) >= 0 &&
	               strstr(number, filter->phone_contains));
	if (party->charge && party->charge->amount > *charge)
		*charge = party->charge->amount;
}

/* The conditions of parties, and the charge, which may be theirs. */
static bool parties_match(const struct filter *filter, const Callhistory__V1__Call *call)
{
	bool member = !*filter->texts[FILTER_MEMBER_NO], phone = !*filter->phone_contains;
	double charge = -INFINITY;
	for (size_t i = 0; i < call->n_callers; ++i)
		test_party(filter, call->callers[i], &member, &phone, &charge);
	for (size_t i = 0; i < call->n_callees; ++i)
		test_party(filter, call->callees[i], &member, &phone, &charge);
	if (call->charge)
		charge = call->charge->amount;
	else if (isinf(charge))
		charge = 0;
	return member && phone && charge >= filter->min_charge && charge <= filter->max_charge;
}

/* Values and a text are one set of dispositions. */
static bool has_disposition(const struct filter *filter, const Callhistory__V1__Call *call)
{
	const char *other = filter->texts[FILTER_DISPOSITION_OTHER];
	if (*other && !strcasecmp(other, call->disposition_other))
		return true;
	return (filter->dispositions.count || !*other) && has_value(&filter->dispositions, (int)call->disposition);
}

bool handlers_filter_matches(const struct filter *filter, const Callhistory__V1__Call *call)
{
	return has_value(&filter->directions, (int)call->direction) && has_disposition(filter, call) &&
	       (!filter->has_missed || filter->missed == !!call->missed) && has_hotline(filter, call) &&
	       is_wanted(filter->texts[FILTER_CUSTOMER_CODE], call->customer_code) &&
	       is_wanted(filter->texts[FILTER_GROUP_MEMBER_NO], call->group_member_no) &&
	       is_wanted(filter->texts[FILTER_GROUP_ID], call->group_id) && parties_match(filter, call);
}
