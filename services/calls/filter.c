/* calls/filter: enum numbers become bits, so that a test costs nothing beside the unpacking. */
#include "calls/filter.h"

#include <string.h>

#include "calls/arguments.h"

enum { ENUM_BITS = 64 };

static int read_enum(struct context *context, uint64_t *bits, const char *field, int value,
                     const ProtobufCEnumDescriptor *descriptor)
{
	if (value < 0 || value >= ENUM_BITS || !protobuf_c_enum_descriptor_get_value(descriptor, value))
		return context_fail_field(context, field, "%d is no value of the enum", value);
	*bits |= UINT64_C(1) << value;
	return 0;
}

int filter_read(struct context *context, struct filter *out, const Callhistory__V1__CallFilter *message,
                const char *country_code)
{
	*out = (struct filter){.member_no = "", .country_code = country_code};
	int result = 0;
	if (!message)
		return 0;
	for (size_t i = 0; i < message->n_types && !result; ++i)
		result = read_enum(context, &out->types, "filter.types", (int)message->types[i],
		                   &callhistory__v1__call_type__descriptor);
	for (size_t i = 0; i < message->n_dispositions && !result; ++i)
		result = read_enum(context, &out->dispositions, "filter.dispositions", (int)message->dispositions[i],
		                   &callhistory__v1__disposition__descriptor);
	if (!result)
		result = arguments_check_text(context, "filter.hotline", message->hotline, ARGUMENTS_PHONE_MAX);
	if (!result && number_canonical(out->hotline, message->hotline, strlen(message->hotline), country_code) < 0)
		result = context_fail_field(context, "filter.hotline", "is not a phone number");
	if (!result)
		result = arguments_check_text(context, "filter.member_no", message->member_no, ARGUMENTS_TENANT_MAX);
	if (!result)
		out->member_no = message->member_no;
	return result;
}

bool filter_is_set(const struct filter *filter)
{
	return filter->types || filter->dispositions || *filter->hotline || *filter->member_no;
}

static bool has_bit(uint64_t bits, int value)
{
	return !bits || (value >= 0 && value < ENUM_BITS && (bits >> value & 1));
}

static bool has_member(Callhistory__V1__Party *const *parties, size_t count, const char *member_no)
{
	for (size_t i = 0; i < count; ++i)
		if (!strcmp(parties[i]->member_no, member_no))
			return true;
	return false;
}

bool filter_matches(const struct filter *filter, const Callhistory__V1__Call *call)
{
	char hotline[NUMBER_SIZE];
	if (!has_bit(filter->types, (int)call->type) || !has_bit(filter->dispositions, (int)call->disposition))
		return false;
	if (*filter->hotline &&
	    (number_canonical(hotline, call->hotline, strlen(call->hotline), filter->country_code) < 0 ||
	     strcmp(hotline, filter->hotline)))
		return false;
	return !*filter->member_no || has_member(call->callers, call->n_callers, filter->member_no) ||
	       has_member(call->callees, call->n_callees, filter->member_no);
}
