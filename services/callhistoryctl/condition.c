/* condition: options that may repeat become the API's lists; names are the contract's. */
#include "callhistoryctl/condition.h"

#include <string.h>

#include "base/suggest.h"
#include "callhistoryctl/moment.h"
#include "contract/names.h"

enum { NAMES_SIZE = 320 };

size_t condition_options(struct settings *settings, struct option *table)
{
	const struct option options[] = {
	    {.name = "phone",
	     .value = &settings->phone,
	     .unit = "NUMBER",
	     .help = "Only calls in which this number or extension is a party, in any usual spelling.",
	     .flags = OPTION_LINE_ONLY},
	    {.name = "from",
	     .value = &settings->from,
	     .unit = "TIME",
	     .help = "Only calls from this time on: YYYY-MM-DD[THH:MM[:SS][Z|+HH:MM]], or Unix time in seconds or ms.",
	     .flags = OPTION_LINE_ONLY},
	    {.name = "to",
	     .value = &settings->to,
	     .unit = "TIME",
	     .help = "Only calls before this time.",
	     .flags = OPTION_LINE_ONLY},
	    {.name = "type",
	     .type = OPTION_LIST,
	     .value = &settings->types,
	     .unit = "TYPE",
	     .help = "Only calls of this type, or of one of several: CALLIN, CALLOUT or MISSCALL.",
	     .flags = OPTION_LINE_ONLY},
	    {.name = "disposition",
	     .type = OPTION_LIST,
	     .value = &settings->dispositions,
	     .unit = "NAME",
	     .help = "Only calls with this disposition, or with one of several: ANSWER, BUSY, NOANSWER and so on.",
	     .flags = OPTION_LINE_ONLY},
	    {.name = "hotline",
	     .value = &settings->hotline,
	     .unit = "NUMBER",
	     .help = "Only calls of this hotline.",
	     .flags = OPTION_LINE_ONLY},
	    {.name = "member-no",
	     .value = &settings->member_no,
	     .unit = "NUMBER",
	     .help = "Only calls in which a party has this member number.",
	     .flags = OPTION_LINE_ONLY},
	};
	memcpy(table, options, sizeof(options));
	return sizeof(options) / sizeof(options[0]);
}

static int read_moment(const struct settings *settings, struct contract_zone *zone, const char *option,
                       const char *text, Google__Protobuf__Timestamp *value, Google__Protobuf__Timestamp **out)
{
	int64_t ms;
	google__protobuf__timestamp__init(value);
	*out = NULL;
	if (!text)
		return EXIT_DONE;
	if (moment_parse(zone, text, &ms))
		return settings_usage(settings, "%s: %s is neither YYYY-MM-DD[THH:MM[:SS]] nor Unix time", option, text);
	value->seconds = ms / 1000;
	value->nanos = (int32_t)(ms % 1000 * 1000000);
	*out = value;
	return EXIT_DONE;
}

/* A name that is none of the enum's: reports all that there are, or the one that is close. */
static int unknown_name(const struct settings *settings, const char *option, const char *text,
                        const ProtobufCEnumDescriptor *type, const char *(*name_of)(int))
{
	const char *names[64];
	char all[NAMES_SIZE] = "";
	size_t count = 0, used = 0;
	for (unsigned i = 0; i < type->n_values && count < 64; ++i) {
		const char *name = name_of(type->values[i].value);
		if (!name)
			continue;
		names[count++] = name;
		used +=
		    (size_t)snprintf(all + used, used < sizeof(all) ? sizeof(all) - used : 0, "%s%s", used ? ", " : "", name);
		used = used < sizeof(all) ? used : sizeof(all);
	}
	const char *near = suggest(text, names, count);
	if (near)
		return settings_usage(settings, "%s: unknown value %s; did you mean %s?", option, text, near);
	return settings_usage(settings, "%s: unknown value %s; the values are %s", option, text, all);
}

static const char *type_name(int value)
{
	return contract_call_type_name((Callhistory__V1__CallType)value);
}

static const char *disposition_name(int value)
{
	return contract_disposition_name((Callhistory__V1__Disposition)value);
}

static int read_names(struct condition *condition, const struct settings *settings)
{
	const struct option_list *types = &settings->types, *dispositions = &settings->dispositions;
	for (size_t i = 0; i < types->count; ++i) {
		condition->types[i] = names_call_type(types->values[i]);
		if (!condition->types[i])
			return unknown_name(settings, "--type", types->values[i], &callhistory__v1__call_type__descriptor,
			                    type_name);
	}
	for (size_t i = 0; i < dispositions->count; ++i) {
		condition->dispositions[i] = names_disposition(dispositions->values[i]);
		if (!condition->dispositions[i])
			return unknown_name(settings, "--disposition", dispositions->values[i],
			                    &callhistory__v1__disposition__descriptor, disposition_name);
	}
	return EXIT_DONE;
}

int condition_read(struct condition *condition, const struct settings *settings, struct contract_zone *zone)
{
	Callhistory__V1__CallFilter *filter = &condition->filter_value;
	*condition = (struct condition){.filter = NULL};
	callhistory__v1__call_filter__init(filter);
	int code = read_moment(settings, zone, "--from", settings->from, &condition->from, &condition->start_time);
	if (!code)
		code = read_moment(settings, zone, "--to", settings->to, &condition->to, &condition->end_time);
	if (!code)
		code = read_names(condition, settings);
	if (code)
		return code;
	filter->types = condition->types;
	filter->n_types = settings->types.count;
	filter->dispositions = condition->dispositions;
	filter->n_dispositions = settings->dispositions.count;
	if (settings->hotline)
		filter->hotline = (char *)settings->hotline;
	if (settings->member_no)
		filter->member_no = (char *)settings->member_no;
	if (filter->n_types || filter->n_dispositions || *filter->hotline || *filter->member_no)
		condition->filter = filter;
	return EXIT_DONE;
}
