/* query: list, count and get: print the response of the service as a table, as text or as NDJSON that import reads. */
#include <errno.h>

#include "base/suggest.h"
#include "callhistoryctl/command.h"
#include "callhistoryctl/moment.h"
#include "callhistoryctl/query.h"
#include "callhistoryctl/say.h"

enum { ARENA_BLOCK = 65536, WORDS_MAX = 32 };

/* ---- Conditions ------------------------------------------------------------------------------------------------- */

/* Reads one time (NULL: none) into *value, to which *out then points. Returns 0 or EXIT_USAGE. */
static int read_time(const struct query *query, const char *option, const char *text,
                     Google__Protobuf__Timestamp *value, Google__Protobuf__Timestamp **out)
{
	int64_t ms;
	if (!text)
		return EXIT_DONE;
	if (moment_parse(query->zone, text, &ms))
		return settings_usage(query->settings, "%s: %s is neither YYYY-MM-DD[THH:MM[:SS]] nor Unix time", option, text);
	google__protobuf__timestamp__init(value);
	value->seconds = ms / 1000;
	value->nanos = (int32_t)(ms % 1000 * 1000000);
	*out = value;
	return EXIT_DONE;
}

/* Reports an unknown word, with a similar one or else with all words. */
static int unknown_word(const struct settings *settings, const char *option, const char *text,
                        const ProtobufCEnumDescriptor *type)
{
	char words[WORDS_MAX][SHOW_ENUM_SIZE], all[WORDS_MAX * SHOW_ENUM_SIZE] = "";
	const char *names[WORDS_MAX];
	size_t count = 0, used = 0;
	for (unsigned i = 0; i < type->n_values && count < WORDS_MAX; ++i) {
		if (!type->values[i].value)
			continue;
		names[count] = show_enum(type, type->values[i].value, words[count]);
		used += (size_t)snprintf(all + used, sizeof(all) - used, "%s%s", used ? ", " : "", names[count++]);
	}
	const char *near = suggest(text, names, count);
	if (near)
		return settings_usage(settings, "%s: unknown value %s; did you mean %s?", option, text, near);
	return settings_usage(settings, "%s: unknown value %s; the values are %s", option, text, all);
}

/* Reads an option that may repeat, whose values are words for values of an enum. Returns 0 or EXIT_USAGE. */
static int read_words(const struct settings *settings, const char *option, const struct option_list *words,
                      const ProtobufCEnumDescriptor *type, int *out)
{
	for (size_t i = 0; i < words->count; ++i) {
		out[i] = show_enum_value(type, words->values[i]);
		if (!out[i])
			return unknown_word(settings, option, words->values[i], type);
	}
	return EXIT_DONE;
}

static int read_missed(const struct settings *settings, Callhistory__V1__CallFilter *filter)
{
	if (!settings->missed)
		return EXIT_DONE;
	filter->missed = !strcmp(settings->missed, "yes");
	if (!filter->missed && strcmp(settings->missed, "no"))
		return settings_usage(settings, "--missed must be yes or no");
	filter->optional_missed_case = CALLHISTORY__V1__CALL_FILTER__OPTIONAL_MISSED_MISSED;
	return EXIT_DONE;
}

/* Reads the options that select calls, times local to the zone. Returns 0 or EXIT_USAGE. */
static int read_conditions(struct query *query)
{
	const struct settings *settings = query->settings;
	Callhistory__V1__CallFilter *filter = &query->filter_value;
	const char *end = settings->before ? settings->before : settings->to;
	callhistory__v1__call_filter__init(filter);
	int code = read_time(query, "--from", settings->from, &query->from, &query->start_time);
	if (!code)
		code = read_time(query, settings->before ? "--before" : "--to", end, &query->to, &query->end_time);
	if (!code)
		code = read_words(settings, "--direction", &settings->directions, &callhistory__v1__call_direction__descriptor,
		                  query->directions);
	if (!code)
		code = read_words(settings, "--disposition", &settings->dispositions, &callhistory__v1__disposition__descriptor,
		                  query->dispositions);
	if (!code)
		code = read_missed(settings, filter);
	if (code)
		return code;
	filter->directions = (Callhistory__V1__CallDirection *)query->directions;
	filter->n_directions = settings->directions.count;
	filter->dispositions = (Callhistory__V1__Disposition *)query->dispositions;
	filter->n_dispositions = settings->dispositions.count;
	if (settings->hotline)
		filter->hotline = (char *)settings->hotline;
	if (settings->member_no)
		filter->member_no = (char *)settings->member_no;
	if (filter->n_directions || filter->n_dispositions || filter->optional_missed_case || *filter->hotline ||
	    *filter->member_no)
		query->filter = filter;
	return EXIT_DONE;
}

/* ---- Shared ----------------------------------------------------------------------------------------------------- */

int query_open(struct query *query, struct settings *settings)
{
	*query = (struct query){.settings = settings};
	int code = settings_check_tenant(settings);
	if (!code)
		code = settings_make_zone(settings, &query->zone);
	if (!code)
		code = read_conditions(query);
	if (!code && (arena_create(&query->arena, ARENA_BLOCK) || show_create(&query->show, query->zone)))
		code = say_error("out of memory");
	return code ? code : remote_open(&query->remote, settings);
}

void query_close(struct query *query)
{
	remote_close(&query->remote);
	show_destroy(query->show);
	arena_destroy(query->arena);
	contract_zone_destroy(query->zone);
}

const void *query_ask(struct query *query, const char *method, const ProtobufCMessage *message)
{
	return remote_ask(&query->remote, query->remote.history, method, message, query->arena);
}

char *query_text(const char *option)
{
	return (char *)(option ? option : "");
}

int query_print_json(struct query *query, const char *project_code, const char *vbot_id,
                     const Callhistory__V1__Call *call)
{
	const struct settings *settings = query->settings;
	if (*project_code)
		return show_json(query->show, project_code, vbot_id, call);
	return show_json(query->show, settings->project_code, settings->vbot_id, call);
}

int query_count(struct query *query, int64_t *out)
{
	Callhistory__V1__CountCallsRequest message = CALLHISTORY__V1__COUNT_CALLS_REQUEST__INIT;
	QUERY_SELECT(&message, query);
	const Callhistory__V1__CountCallsResponse *answer = query_ask(query, "CountCalls", &message.base);
	if (!answer)
		return EXIT_FAILED;
	*out = answer->count;
	return EXIT_DONE;
}

int query_keep_token(char out[QUERY_TOKEN_SIZE], const char *token)
{
	if (strlen(token) >= QUERY_TOKEN_SIZE)
		return say_error("the service's token is too long");
	strcpy(out, token);
	return EXIT_DONE;
}

const struct option query_tenant[] = {
    TEXT_OPTION("project-code", SETTING(project_code), NULL, "CODE",
                "Tenant: project code. Without both, the token's only tenant.", OPTION_LINE_ONLY),
    TEXT_OPTION("vbot-id", SETTING(vbot_id), NULL, "ID", "Tenant: VBot id of the customer.", OPTION_LINE_ONLY),
    {.name = NULL},
};

const struct option query_conditions[] = {
    TEXT_OPTION("phone", SETTING(phone), NULL, "NUMBER",
                "Only calls in which this number or extension is a party, in any usual spelling.", OPTION_LINE_ONLY),
    TEXT_OPTION("from", SETTING(from), NULL, "TIME",
                "Only calls from this time on: YYYY-MM-DD[THH:MM[:SS][Z|+HH:MM]], or Unix time in seconds or ms.",
                OPTION_LINE_ONLY),
    TEXT_OPTION("to", SETTING(to), NULL, "TIME", "Only calls before this time.", OPTION_LINE_ONLY),
    LIST_OPTION("direction", SETTING(directions), NULL, "NAME",
                "Only calls of this direction: inbound, outbound or internal. May repeat.", OPTION_LINE_ONLY),
    TEXT_OPTION("missed", SETTING(missed), NULL, "yes|no", "Only missed calls, or only the others.", OPTION_LINE_ONLY),
    LIST_OPTION("disposition", SETTING(dispositions), NULL, "NAME",
                "Only calls with this disposition: answered, no-answer, busy and so on. May repeat.", OPTION_LINE_ONLY),
    TEXT_OPTION("hotline", SETTING(hotline), NULL, "NUMBER", "Only calls of this hotline.", OPTION_LINE_ONLY),
    TEXT_OPTION("member-no", SETTING(member_no), NULL, "NUMBER", "Only calls in which a party has this member number.",
                OPTION_LINE_ONLY),
    {.name = NULL},
};

/* ---- list ------------------------------------------------------------------------------------------------------- */

static int print_page(struct query *query, const Callhistory__V1__ListCallsResponse *page)
{
	int result = 0;
	for (size_t i = 0; i < page->n_calls && !result; ++i)
		result = query->settings->json ? query_print_json(query, page->project_code, page->vbot_id, page->calls[i])
		                               : show_row(query->show, query->arena, page->calls[i]);
	show_flush(query->show);
	return result ? say_error("%s", strerror(-result)) : EXIT_DONE;
}

static int list_pages(struct query *query)
{
	const struct settings *settings = query->settings;
	Callhistory__V1__ListCallsRequest message = CALLHISTORY__V1__LIST_CALLS_REQUEST__INIT;
	char token[QUERY_TOKEN_SIZE] = "";
	bool any = false;
	int code;
	QUERY_SELECT(&message, query);
	message.page_size = settings->all ? QUERY_PAGE_MAX : (int32_t)settings->size;
	message.page = settings->all ? 0 : (int32_t)settings->page;
	message.page_token = token;
	do {
		const Callhistory__V1__ListCallsResponse *page = query_ask(query, "ListCalls", &message.base);
		if (!page)
			return EXIT_FAILED;
		code = print_page(query, page);
		any |= page->n_calls > 0;
		if (query_keep_token(token, page->next_page_token))
			return EXIT_FAILED;
	} while (!code && settings->all && *token && !ferror(stdout));
	if (!any && !settings->json)
		say_line("no calls");
	return code;
}

static int list(struct settings *settings)
{
	struct query query;
	if (settings->all && settings->page != 1)
		return settings_usage(settings, "--all and --page exclude each other");
	int code = query_open(&query, settings);
	if (!code)
		code = list_pages(&query);
	query_close(&query);
	return code;
}

static const char one_object_a_call[] = "One JSON object per call and line, as import takes them.";

static const struct option list_options[] = {
    NUMBER_OPTION("page", SETTING(page), "1", 1, INT32_MAX, "N", "Number of the page.", OPTION_LINE_ONLY),
    NUMBER_OPTION("size", SETTING(size), "50", 1, QUERY_PAGE_MAX, "N", "Calls on a page, 1 to 1000.", OPTION_LINE_ONLY),
    FLAG_OPTION("all", SETTING(all), "All pages, to the end.", OPTION_LINE_ONLY),
    FLAG_OPTION("json", SETTING(json), one_object_a_call, 0),
    {.name = NULL},
};

const struct command command_list = {
    .name = "list",
    .groups = SETTINGS_SERVICE | SETTINGS_TIME,
    .summary = "Show calls, newest first.",
    .own = {query_tenant, query_conditions, list_options},
    .run = list,
};

/* ---- count ------------------------------------------------------------------------------------------------------ */

static int count(struct settings *settings)
{
	struct query query;
	int64_t calls = 0;
	int code = query_open(&query, settings);
	if (!code)
		code = query_count(&query, &calls);
	if (!code)
		printf(settings->json ? "{\"count\":%lld}\n" : "%lld\n", (long long)calls);
	query_close(&query);
	return code;
}

static const struct option count_options[] = {
    FLAG_OPTION("json", SETTING(json), "The count as a JSON object.", 0),
    {.name = NULL},
};

const struct command command_count = {
    .name = "count",
    .groups = SETTINGS_SERVICE | SETTINGS_TIME,
    .summary = "Print how many calls there are.",
    .own = {query_tenant, query_conditions, count_options},
    .run = count,
};

/* ---- get -------------------------------------------------------------------------------------------------------- */

static int get_call(struct query *query)
{
	const struct settings *settings = query->settings;
	Callhistory__V1__GetCallRequest message = CALLHISTORY__V1__GET_CALL_REQUEST__INIT;
	message.project_code = query_text(settings->project_code);
	message.vbot_id = query_text(settings->vbot_id);
	message.id = settings->operands[0];
	const Callhistory__V1__GetCallResponse *answer = query_ask(query, "GetCall", &message.base);
	if (!answer)
		return EXIT_FAILED;
	if (!answer->call || (settings->json ? query_print_json(query, answer->project_code, answer->vbot_id, answer->call)
	                                     : show_call(query->show, answer->call)))
		return say_error("cannot print the call");
	return EXIT_DONE;
}

static int get(struct settings *settings)
{
	struct query query;
	if (settings->operand_count != 1)
		return settings_usage(settings, "expected one operand: the id of the call");
	int code = query_open(&query, settings);
	if (!code)
		code = get_call(&query);
	query_close(&query);
	return code;
}

static const struct option get_options[] = {
    FLAG_OPTION("json", SETTING(json), one_object_a_call, 0),
    {.name = NULL},
};

const struct command command_get = {
    .name = "get",
    .operands = "ID",
    .groups = SETTINGS_SERVICE | SETTINGS_TIME,
    .summary = "Show one call by its id.",
    .own = {query_tenant, get_options},
    .run = get,
};
