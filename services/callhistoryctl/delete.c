/*
 * delete: deletes calls of one tenant, through the service: by ids, by number, before a time. Without --yes it only
 * counts them. An interrupted run is continued by running it again: deleted calls are no longer selected.
 */
#include <inttypes.h>
#include <stdio.h>

#include "base/clock.h"
#include "callhistory/v1/call_ingest_service.pb-c.h"
#include "callhistoryctl/command.h"
#include "callhistoryctl/pace.h"
#include "callhistoryctl/progress.h"
#include "callhistoryctl/query.h"
#include "callhistoryctl/say.h"

enum { IDS_MAX = 1000 };

struct erasure {
	struct query query;
	struct progress progress;
	struct pace pace;
	Callhistory__V1__DeleteCallsRequest message; /* what all requests have */
	uint64_t expected, deleted;
};

static int open_erasure(struct erasure *erasure, struct settings *settings, bool by_ids)
{
	*erasure = (struct erasure){.pace = {.settings = settings}};
	Callhistory__V1__DeleteCallsRequest *message = &erasure->message;
	bool selected = (settings->phone && *settings->phone) || settings->before;
	if (by_ids == selected)
		return settings_usage(settings,
		                      by_ids ? "ids exclude --phone and --before" : "ids, --phone or --before must be given");
	int code = query_open(&erasure->query, settings);
	callhistory__v1__delete_calls_request__init(message);
	message->project_code = query_text(settings->project_code);
	message->vbot_id = query_text(settings->vbot_id);
	message->phone = query_text(settings->phone);
	message->end_time = erasure->query.condition.end_time;
	message->page_size = (int32_t)pace_step(settings);
	return code;
}

static const Callhistory__V1__DeleteCallsResponse *ask(struct erasure *erasure,
                                                       const Callhistory__V1__DeleteCallsRequest *message)
{
	struct remote *remote = erasure->query.remote;
	return remote_ask(remote, remote_ingest(remote), "DeleteCalls", &message->base, erasure->query.arena);
}

/* Counts the selected calls. Returns an exit code. */
static int count_calls(struct erasure *erasure, char **ids, size_t count)
{
	Callhistory__V1__DeleteCallsRequest message = erasure->message;
	message.validate_only = 1;
	size_t at = 0;
	do {
		message.ids = ids + at;
		message.n_ids = count - at < IDS_MAX ? count - at : IDS_MAX;
		const Callhistory__V1__DeleteCallsResponse *answer = ask(erasure, &message);
		if (!answer)
			return EXIT_FAILED;
		erasure->expected += (uint64_t)answer->deleted_count;
		at += message.n_ids;
	} while (at < count);
	return EXIT_DONE;
}

static void show(struct erasure *erasure)
{
	char text[64];
	snprintf(text, sizeof(text), "%" PRIu64 " of %" PRIu64 " calls", erasure->deleted, erasure->expected);
	progress_update(&erasure->progress, erasure->deleted, erasure->expected, text);
}

/* Returns an exit code. */
static int delete_calls(struct erasure *erasure, char **ids, size_t count)
{
	Callhistory__V1__DeleteCallsRequest message = erasure->message;
	const size_t step = pace_step(erasure->query.settings);
	char token[QUERY_TOKEN_SIZE] = "";
	size_t at = 0;
	message.page_token = token;
	do {
		message.ids = ids + at;
		message.n_ids = count - at < step ? count - at : step;
		pace_wait(&erasure->pace, step);
		const Callhistory__V1__DeleteCallsResponse *answer = ask(erasure, &message);
		if (!answer)
			return EXIT_FAILED;
		if (query_keep_token(token, answer->next_page_token))
			return EXIT_FAILED;
		erasure->deleted += (uint64_t)answer->deleted_count;
		at += message.n_ids;
		show(erasure);
	} while (at < count || *token);
	return EXIT_DONE;
}

static void print(const struct erasure *erasure)
{
	bool yes = erasure->query.settings->yes;
	uint64_t calls = yes ? erasure->deleted : erasure->expected;
	if (erasure->query.settings->json)
		printf("{\"calls\":%" PRIu64 ",\"deleted\":%s}\n", calls, yes ? "true" : "false");
	else if (yes)
		printf("%" PRIu64 " calls deleted\n", calls);
	else
		printf("%" PRIu64 " calls would be deleted; --yes deletes them\n", calls);
}

static int run(struct settings *settings, int argc, char **argv)
{
	struct erasure erasure;
	int code = open_erasure(&erasure, settings, argc > 0);
	if (code)
		goto out;
	progress_init(&erasure.progress, clock_monotonic_us());
	/* A deletion needs the count for the progress bar only. */
	if (!settings->yes || erasure.progress.on)
		code = count_calls(&erasure, argv, (size_t)argc);
	if (!code && settings->yes)
		code = delete_calls(&erasure, argv, (size_t)argc);
	progress_clear(&erasure.progress);
	if (!code || erasure.deleted)
		print(&erasure);
out:
	query_close(&erasure.query);
	return code;
}

static size_t options(struct settings *settings, struct option *table)
{
	const struct option own[] = {
	    TEXT_OPTION("phone", &settings->phone, NULL, "NUMBER",
	                "Calls in which this number or extension is a party, in any usual spelling.", OPTION_LINE_ONLY),
	    TEXT_OPTION("before", &settings->before, NULL, "TIME",
	                "Calls before this time: YYYY-MM-DD[THH:MM[:SS][Z|+HH:MM]], or Unix time in seconds or ms.",
	                OPTION_LINE_ONLY),
	    FLAG_OPTION("yes", &settings->yes, "Delete the calls. Without it, only their number is printed.",
	                OPTION_LINE_ONLY),
	    pace_option(settings),
	    FLAG_OPTION("json", &settings->json, "The result as a JSON object.", 0),
	};
	size_t used = query_tenant_options(settings, table);
	memcpy(table + used, own, sizeof(own));
	return used + sizeof(own) / sizeof(own[0]);
}

const struct command command_delete = {
    .name = "delete",
    .operands = "[ID]...",
    .summary = "Delete calls of a tenant: by their ids, by number, before a time.",
    .details =
        "Prints how many calls are selected; with --yes they are deleted. Needs an eraser's token. --phone and "
        "--before\n"
        "together mean that number's calls before that time. An interrupted run is continued by the same command.",
    .groups = SETTINGS_SERVICE | SETTINGS_TIME,
    .options = options,
    .run = run,
};
