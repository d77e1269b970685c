/* query: list, count and get: print the response of the service as a table, as text or as NDJSON that import reads. */
#include <errno.h>

#include "callhistoryctl/command.h"
#include "callhistoryctl/query.h"
#include "callhistoryctl/say.h"

enum { ARENA_BLOCK = 65536 };

/* ---- Setting up ------------------------------------------------------------------------------------------------- */

int query_open(struct query *query, struct settings *settings)
{
	*query = (struct query){.settings = settings};
	int code = settings_check_tenant(settings);
	if (!code)
		code = settings_make_zone(settings, &query->zone);
	if (!code)
		code = condition_read(&query->condition, settings, query->zone);
	if (!code && arena_create(&query->arena, ARENA_BLOCK))
		code = say_error("out of memory");
	return code ? code : remote_open(&query->remote, settings);
}

void query_close(struct query *query)
{
	remote_close(query->remote);
	arena_destroy(query->arena);
	contract_zone_destroy(query->zone);
}

const void *query_ask(struct query *query, const char *method, const ProtobufCMessage *message)
{
	return remote_ask(query->remote, remote_history(query->remote), method, message, query->arena);
}

char *query_text(const char *option)
{
	return (char *)(option ? option : "");
}

void query_set_tenant(struct show *show, const struct settings *settings, const char *project_code, const char *vbot_id)
{
	if (*project_code)
		show_set_tenant(show, project_code, vbot_id);
	else
		show_set_tenant(show, settings->project_code, settings->vbot_id);
}

void query_fill_list(const struct query *query, Callhistory__V1__ListCallsRequest *message)
{
	message->project_code = query_text(query->settings->project_code);
	message->vbot_id = query_text(query->settings->vbot_id);
	message->phone = query_text(query->settings->phone);
	message->start_time = query->condition.start_time;
	message->end_time = query->condition.end_time;
	message->filter = query->condition.filter;
}

int query_count(struct query *query, int64_t *out)
{
	const struct settings *settings = query->settings;
	Callhistory__V1__CountCallsRequest message = CALLHISTORY__V1__COUNT_CALLS_REQUEST__INIT;
	message.project_code = query_text(settings->project_code);
	message.vbot_id = query_text(settings->vbot_id);
	message.phone = query_text(settings->phone);
	message.start_time = query->condition.start_time;
	message.end_time = query->condition.end_time;
	message.filter = query->condition.filter;
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

/* ---- list ------------------------------------------------------------------------------------------------------- */

static int print_page(struct query *query, struct show *show, const Callhistory__V1__ListCallsResponse *page)
{
	int result = 0;
	query_set_tenant(show, query->settings, page->project_code, page->vbot_id);
	for (size_t i = 0; i < page->n_calls && !result; ++i)
		result = query->settings->json ? show_json(show, page->calls[i]) : show_row(show, query->arena, page->calls[i]);
	show_flush(show);
	if (result)
		say_error("%s", strerror(-result));
	return result ? EXIT_FAILED : EXIT_DONE;
}

static int list_pages(struct query *query, struct show *show)
{
	const struct settings *settings = query->settings;
	Callhistory__V1__ListCallsRequest message = CALLHISTORY__V1__LIST_CALLS_REQUEST__INIT;
	char token[QUERY_TOKEN_SIZE] = "";
	bool any = false;
	int code;
	query_fill_list(query, &message);
	message.page_size = settings->all ? QUERY_PAGE_MAX : (int32_t)settings->size;
	message.page = settings->all ? 0 : (int32_t)settings->page;
	message.page_token = token;
	do {
		const Callhistory__V1__ListCallsResponse *page = query_ask(query, "ListCalls", &message.base);
		if (!page)
			return EXIT_FAILED;
		code = print_page(query, show, page);
		any |= page->n_calls > 0;
		if (query_keep_token(token, page->next_page_token))
			return EXIT_FAILED;
	} while (!code && settings->all && *token && !ferror(stdout));
	if (!any && !settings->json)
		say_line("no calls");
	return code;
}

static int list(struct settings *settings, int argc, char **argv)
{
	(void)argc;
	(void)argv;
	struct query query;
	struct show *show = NULL;
	if (settings->all && settings->page != 1)
		return settings_usage(settings, "--all and --page exclude each other");
	int code = query_open(&query, settings);
	if (!code && show_create(&show, query.zone))
		code = say_error("out of memory");
	if (!code)
		code = list_pages(&query, show);
	show_destroy(show);
	query_close(&query);
	return code;
}

/* ---- count ------------------------------------------------------------------------------------------------------ */

static int count(struct settings *settings, int argc, char **argv)
{
	(void)argc;
	(void)argv;
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

/* ---- get -------------------------------------------------------------------------------------------------------- */

static int get(struct settings *settings, int argc, char **argv)
{
	struct query query;
	struct show *show = NULL;
	Callhistory__V1__GetCallRequest message = CALLHISTORY__V1__GET_CALL_REQUEST__INIT;
	if (argc != 1)
		return settings_usage(settings, "expected one operand: the id of the call");
	int code = query_open(&query, settings);
	if (code)
		goto out;
	message.project_code = query_text(settings->project_code);
	message.vbot_id = query_text(settings->vbot_id);
	message.id = argv[0];
	const Callhistory__V1__GetCallResponse *answer = query_ask(&query, "GetCall", &message.base);
	if (!answer) {
		code = EXIT_FAILED;
		goto out;
	}
	int result = answer->call ? show_create(&show, query.zone) : -EBADMSG;
	if (!result) {
		query_set_tenant(show, settings, answer->project_code, answer->vbot_id);
		result = settings->json ? show_json(show, answer->call) : show_call(show, answer->call);
	}
	if (result)
		code = say_error("cannot print the call");
out:
	show_destroy(show);
	query_close(&query);
	return code;
}

/* ---- Options ---------------------------------------------------------------------------------------------------- */

static const char one_object_a_call[] = "One JSON object per call and line, as import takes them.";

size_t query_tenant_options(struct settings *settings, struct option *table)
{
	return settings_tenant_options(settings, table, "Tenant: project code. Without both, the token's only tenant.");
}

static size_t list_options(struct settings *settings, struct option *table)
{
	const struct option own[] = {
	    NUMBER_OPTION("page", &settings->page, "1", 1, INT32_MAX, "N", "Number of the page.", OPTION_LINE_ONLY),
	    NUMBER_OPTION("size", &settings->size, "50", 1, QUERY_PAGE_MAX, "N", "Calls on a page, 1 to 1000.",
	                  OPTION_LINE_ONLY),
	    FLAG_OPTION("all", &settings->all, "All pages, to the end.", OPTION_LINE_ONLY),
	    FLAG_OPTION("json", &settings->json, one_object_a_call, 0),
	};
	size_t used = query_tenant_options(settings, table);
	used += condition_options(settings, table + used);
	memcpy(table + used, own, sizeof(own));
	return used + sizeof(own) / sizeof(own[0]);
}

static size_t count_options(struct settings *settings, struct option *table)
{
	size_t used = query_tenant_options(settings, table);
	used += condition_options(settings, table + used);
	table[used] = FLAG_OPTION("json", &settings->json, "The count as a JSON object.", 0);
	return used + 1;
}

static size_t get_options(struct settings *settings, struct option *table)
{
	size_t used = query_tenant_options(settings, table);
	table[used] = FLAG_OPTION("json", &settings->json, one_object_a_call, 0);
	return used + 1;
}

const struct command command_list = {
    .name = "list",
    .operands = "",
    .groups = SETTINGS_SERVICE | SETTINGS_TIME,
    .summary = "Show calls, newest first.",
    .options = list_options,
    .run = list,
};

const struct command command_count = {
    .name = "count",
    .operands = "",
    .groups = SETTINGS_SERVICE | SETTINGS_TIME,
    .summary = "Print how many calls there are.",
    .options = count_options,
    .run = count,
};

const struct command command_get = {
    .name = "get",
    .operands = "ID",
    .groups = SETTINGS_SERVICE | SETTINGS_TIME,
    .summary = "Show one call by its id.",
    .options = get_options,
    .run = get,
};
