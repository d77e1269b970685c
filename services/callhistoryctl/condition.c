/* condition: options that may repeat become the API's lists; words are the API's enum values (enum_name.h). */
#include "callhistoryctl/condition.h"

#include "base/suggest.h"
#include "callhistoryctl/enum_name.h"
#include "callhistoryctl/moment.h"

enum { WORDS_MAX = 32 };

size_t condition_options(struct settings *settings, struct option *table)
{
	const struct option options[] = {
	    TEXT_OPTION("phone", &settings->phone, NULL, "NUMBER",
	                "Only calls in which this number or extension is a party, in any usual spelling.",
	                OPTION_LINE_ONLY),
	    TEXT_OPTION("from", &settings->from, NULL, "TIME",
	                "Only calls from this time on: YYYY-MM-DD[THH:MM[:SS][Z|+HH:MM]], or Unix time in seconds or ms.",
	                OPTION_LINE_ONLY),
	    TEXT_OPTION("to", &settings->to, NULL, "TIME", "Only calls before this time.", OPTION_LINE_ONLY),
	    LIST_OPTION("direction", &settings->directions, NULL, "NAME",
	                "Only calls of this direction: inbound, outbound or internal. May repeat.", OPTION_LINE_ONLY),
	    TEXT_OPTION("missed", &settings->missed, NULL, "yes|no", "Only missed calls, or only the others.",
	                OPTION_LINE_ONLY),
	    LIST_OPTION("disposition", &settings->dispositions, NULL, "NAME",
	                "Only calls with this disposition: answered, no-answer, busy and so on. May repeat.",
	                OPTION_LINE_ONLY),
	    TEXT_OPTION("hotline", &settings->hotline, NULL, "NUMBER", "Only calls of this hotline.", OPTION_LINE_ONLY),
	    TEXT_OPTION("member-no", &settings->member_no, NULL, "NUMBER",
	                "Only calls in which a party has this member number.", OPTION_LINE_ONLY),
	};
	memcpy(table, options, sizeof(options));
	return sizeof(options) / sizeof(options[0]);
}

/* Reads one time (NULL: none) into *value; *out then points to it, else is NULL. */
static int read_time(const struct settings *settings, struct contract_zone *zone, const char *option, const char *text,
                     Google__Protobuf__Timestamp *value, Google__Protobuf__Timestamp **out)
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

/* Reports an unknown word, with a similar one or else with all words. */
static int unknown_word(const struct settings *settings, const char *option, const char *text,
                        const ProtobufCEnumDescriptor *type)
{
	char words[WORDS_MAX][ENUM_NAME_SIZE], all[WORDS_MAX * ENUM_NAME_SIZE] = "";
	const char *names[WORDS_MAX];
	size_t count = 0, used = 0;
	for (unsigned i = 0; i < type->n_values && count < WORDS_MAX; ++i) {
		if (!type->values[i].value)
			continue;
		names[count] = enum_name(type, type->values[i].value, words[count]);
		used += (size_t)snprintf(all + used, sizeof(all) - used, "%s%s", used ? ", " : "", names[count++]);
	}
	const char *near = suggest(text, names, count);
	if (near)
		return settings_usage(settings, "%s: unknown value %s; did you mean %s?", option, text, near);
	return settings_usage(settings, "%s: unknown value %s; the values are %s", option, text, all);
}

static int read_words(struct condition *condition, const struct settings *settings)
{
	const ProtobufCEnumDescriptor *direction = &callhistory__v1__call_direction__descriptor;
	const ProtobufCEnumDescriptor *disposition = &callhistory__v1__disposition__descriptor;
	for (size_t i = 0; i < settings->directions.count; ++i) {
		const char *word = settings->directions.values[i];
		condition->directions[i] = (Callhistory__V1__CallDirection)enum_value(direction, word);
		if (!condition->directions[i])
			return unknown_word(settings, "--direction", word, direction);
	}
	for (size_t i = 0; i < settings->dispositions.count; ++i) {
		const char *word = settings->dispositions.values[i];
		condition->dispositions[i] = (Callhistory__V1__Disposition)enum_value(disposition, word);
		if (!condition->dispositions[i])
			return unknown_word(settings, "--disposition", word, disposition);
	}
	return EXIT_DONE;
}

static int read_missed(struct condition *condition, const struct settings *settings)
{
	if (!settings->missed)
		return EXIT_DONE;
	bool missed = !strcmp(settings->missed, "yes");
	if (!missed && strcmp(settings->missed, "no"))
		return settings_usage(settings, "--missed must be yes or no");
	condition->filter_value.optional_missed_case = CALLHISTORY__V1__CALL_FILTER__OPTIONAL_MISSED_MISSED;
	condition->filter_value.missed = missed;
	return EXIT_DONE;
}

int condition_read(struct condition *condition, const struct settings *settings, struct contract_zone *zone)
{
	Callhistory__V1__CallFilter *filter = &condition->filter_value;
	*condition = (struct condition){.filter = NULL};
	callhistory__v1__call_filter__init(filter);
	const char *end = settings->before ? settings->before : settings->to;
	int code = read_time(settings, zone, "--from", settings->from, &condition->from, &condition->start_time);
	if (!code)
		code = read_time(settings, zone, settings->before ? "--before" : "--to", end, &condition->to,
		                 &condition->end_time);
	if (!code)
		code = read_words(condition, settings);
	if (!code)
		code = read_missed(condition, settings);
	if (code)
		return code;
	filter->directions = condition->directions;
	filter->n_directions = settings->directions.count;
	filter->dispositions = condition->dispositions;
	filter->n_dispositions = settings->dispositions.count;
	if (settings->hotline)
		filter->hotline = (char *)settings->hotline;
	if (settings->member_no)
		filter->member_no = (char *)settings->member_no;
	if (filter->n_directions || filter->n_dispositions || filter->optional_missed_case || *filter->hotline ||
	    *filter->member_no)
		condition->filter = filter;
	return EXIT_DONE;
}
