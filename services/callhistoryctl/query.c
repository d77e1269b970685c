/*
 * query: list, count and get: print the response of the service as a table, as text or as NDJSON that import reads.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "callhistory/v1/call_history_service.pb-c.h"
#include "callhistoryctl/command.h"
#include "callhistoryctl/condition.h"
#include "callhistoryctl/remote.h"
#include "callhistoryctl/say.h"
#include "callhistoryctl/show.h"

enum { PAGE_SIZE_MAX = 1000, ARENA_BLOCK = 65536 };

/* What every query needs. */
struct query {
	struct settings *settings;
	struct contract_zone *zone;
	struct remote *remote;
	struct arena *arena; /* of one request and its answer */
	struct condition condition;
};

/* One call under way. */
struct request {
	struct context context; /* first: it is the closure's data */
	bool done;
	const void *response; /* of the type of the method, in the context's arena; NULL: failed */
};

static void on_response(const ProtobufCMessage *response, void *data)
{
	struct request *request = data;
	request->done = true;
	request->response = response;
}

/* ---- Setting up ------------------------------------------------------------------------------------------------- */

static int open_query(struct query *query, struct settings *settings)
{
	*query = (struct query){.settings = settings};
	if (!settings->project_code != !settings->vbot_id)
		return settings_usage(settings, "--project-code and --vbot-id must be given together");
	if (contract_zone_create(&query->zone, settings->time_zone))
		return settings_usage(settings, "--time-zone: unknown time zone %s", settings->time_zone);
	int code = condition_read(&query->condition, settings, query->zone);
	if (!code && arena_create(&query->arena, ARENA_BLOCK)) {
		say_error("out of memory");
		code = EXIT_FAILED;
	}
	return code ? code : remote_open(&query->remote, settings);
}

static void close_query(struct query *query)
{
	remote_close(query->remote);
	arena_destroy(query->arena);
	contract_zone_destroy(query->zone);
}

/*
 * Calls a method, with retries if they may help, until a response or the time limit. Resets the arena. Returns the
 * response, in the arena, or NULL after having reported why there is none.
 */
static const void *ask(struct query *query, const char *method, const ProtobufCMessage *message)
{
	struct request request;
	ProtobufCService *service = remote_history(query->remote);
	const ProtobufCMethodDescriptor *found =
	    protobuf_c_service_descriptor_get_method_by_name(service->descriptor, method);
	int64_t deadline_us = remote_deadline_us(query->remote);
	unsigned tries = 0;
	do {
		arena_reset(query->arena);
		request = (struct request){.done = false};
		remote_context(query->remote, &request.context, query->arena, deadline_us);
		service->invoke(service, (unsigned)(found - service->descriptor->methods), message, on_response, &request);
		remote_wait(query->remote, &request.context, &request.done);
	} while (!request.response && remote_again(query->remote, &request.context, deadline_us, ++tries));
	if (!request.response)
		remote_failed(query->remote, &request.context);
	return request.response;
}

/* Text that a message carries; an option that was left out is an empty string. */
static char *text_of(const char *option)
{
	return (char *)(option ? option : "");
}

/* Lines of NDJSON name the tenant: that of the answer where the request named none. */
static void set_tenant(struct show *show, const struct settings *settings, const char *project_code,
                       const char *vbot_id)
{
	if (*project_code)
		show_set_tenant(show, project_code, vbot_id);
	else
		show_set_tenant(show, settings->project_code, settings->vbot_id);
}

/* ---- list ------------------------------------------------------------------------------------------------------- */

static int print_page(struct query *query, struct show *show, const Callhistory__V1__ListCallsResponse *page)
{
	int result = 0;
	set_tenant(show, query->settings, page->project_code, page->vbot_id);
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
	char token[4096] = "";
	bool any = false;
	int code;
	message.project_code = text_of(settings->project_code);
	message.vbot_id = text_of(settings->vbot_id);
	message.phone = text_of(settings->phone);
	message.start_time = query->condition.start_time;
	message.end_time = query->condition.end_time;
	message.filter = query->condition.filter;
	message.page_size = settings->all ? PAGE_SIZE_MAX : (int32_t)settings->size;
	message.page = settings->all ? 0 : (int32_t)settings->page;
	message.page_token = token;
	do {
		const Callhistory__V1__ListCallsResponse *page = ask(query, "ListCalls", &message.base);
		if (!page)
			return EXIT_FAILED;
		code = print_page(query, show, page);
		if (strlen(page->next_page_token) >= sizeof(token)) {
			say_error("the service's page token is too long");
			return EXIT_FAILED;
		}
		any |= page->n_calls > 0;
		strcpy(token, page->next_page_token);
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
	int code = open_query(&query, settings);
	if (!code && show_create(&show, query.zone)) {
		say_error("out of memory");
		code = EXIT_FAILED;
	}
	if (!code)
		code = list_pages(&query, show);
	show_destroy(show);
	close_query(&query);
	return code;
}

/* ---- count ------------------------------------------------------------------------------------------------------ */

static int count(struct settings *settings, int argc, char **argv)
{
	(void)argc;
	(void)argv;
	struct query query;
	Callhistory__V1__CountCallsRequest message = CALLHISTORY__V1__COUNT_CALLS_REQUEST__INIT;
	int code = open_query(&query, settings);
	if (code)
		goto out;
	message.project_code = text_of(settings->project_code);
	message.vbot_id = text_of(settings->vbot_id);
	message.phone = text_of(settings->phone);
	message.start_time = query.condition.start_time;
	message.end_time = query.condition.end_time;
	message.filter = query.condition.filter;
	const Callhistory__V1__CountCallsResponse *answer = ask(&query, "CountCalls", &message.base);
	if (answer)
		printf(settings->json ? "{\"count\":%lld}\n" : "%lld\n", (long long)answer->count);
	else
		code = EXIT_FAILED;
out:
	close_query(&query);
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
	int code = open_query(&query, settings);
	if (code)
		goto out;
	message.project_code = text_of(settings->project_code);
	message.vbot_id = text_of(settings->vbot_id);
	message.id = argv[0];
	const Callhistory__V1__GetCallResponse *answer = ask(&query, "GetCall", &message.base);
	if (!answer) {
		code = EXIT_FAILED;
		goto out;
	}
	int result = answer->call ? show_create(&show, query.zone) : -EBADMSG;
	if (!result) {
		set_tenant(show, settings, answer->project_code, answer->vbot_id);
		result = settings->json ? show_json(show, answer->call) : show_call(show, answer->call);
	}
	if (result) {
		say_error("cannot print the call");
		code = EXIT_FAILED;
	}
out:
	show_destroy(show);
	close_query(&query);
	return code;
}

/* ---- Options ---------------------------------------------------------------------------------------------------- */

static size_t tenant_options(struct settings *settings, struct option *table)
{
	table[0] =
	    (struct option)TEXT_OPTION("project-code", &settings->project_code, NULL, "CODE",
	                               "Tenant: project code. Without both, the token's only tenant.", OPTION_LINE_ONLY);
	table[1] = (struct option)TEXT_OPTION("vbot-id", &settings->vbot_id, NULL, "ID", "Tenant: VBot id of the customer.",
	                                      OPTION_LINE_ONLY);
	return 2;
}

static size_t json_option(struct settings *settings, struct option *table, const char *help)
{
	table[0] = (struct option)FLAG_OPTION("json", &settings->json, help, 0);
	return 1;
}

static size_t calls_json_option(struct settings *settings, struct option *table)
{
	return json_option(settings, table, "One JSON object per call and line, as import takes them.");
}

/* The options that select calls for list and count. */
static size_t choice_options(struct settings *settings, struct option *table)
{
	size_t used = tenant_options(settings, table);
	return used + condition_options(settings, table + used);
}

static size_t list_options(struct settings *settings, struct option *table)
{
	const struct option own[] = {
	    NUMBER_OPTION("page", &settings->page, "1", 1, INT32_MAX, "N", "Number of the page.", OPTION_LINE_ONLY),
	    NUMBER_OPTION("size", &settings->size, "50", 1, PAGE_SIZE_MAX, "N", "Calls on a page, 1 to 1000.",
	                  OPTION_LINE_ONLY),
	    FLAG_OPTION("all", &settings->all, "All pages, to the end.", OPTION_LINE_ONLY),
	};
	size_t used = choice_options(settings, table);
	memcpy(table + used, own, sizeof(own));
	used += sizeof(own) / sizeof(own[0]);
	return used + calls_json_option(settings, table + used);
}

static size_t count_options(struct settings *settings, struct option *table)
{
	size_t used = choice_options(settings, table);
	return used + json_option(settings, table + used, "The count as a JSON object.");
}

static size_t get_options(struct settings *settings, struct option *table)
{
	size_t used = tenant_options(settings, table);
	return used + calls_json_option(settings, table + used);
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
