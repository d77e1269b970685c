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

static int open_erasure(struct erasure *erasure, struct settings *settings)
{
	*erasure = (struct erasure){.pace = {.settings = settings}};
	Callhistory__V1__DeleteCallsRequest *message = &erasure->message;
	bool by_ids = settings->operand_count > 0, selected = (settings->phone && *settings->phone) || settings->before;
	if (by_ids == selected)
		return settings_usage(settings,
		                      by_ids ? "ids exclude --phone and --before" : "ids, --phone or --before must be given");
	int code = query_open(&erasure->query, settings);
	callhistory__v1__delete_calls_request__init(message);
	message->project_code = query_text(settings->project_code);
	message->vbot_id = query_text(settings->vbot_id);
	message->phone = query_text(settings->phone);
	message->end_time = erasure->query.end_time;
	message->page_size = (int32_t)pace_step(settings);
	return code;
}

/* Sends the request for at most `step` of the ids, from this one on. */
static const Callhistory__V1__DeleteCallsResponse *
ask(struct erasure *erasure, Callhistory__V1__DeleteCallsRequest *message, size_t at, size_t step)
{
	const struct settings *settings = erasure->query.settings;
	struct remote *remote = &erasure->query.remote;
	size_t left = (size_t)settings->operand_count - at;
	message->ids = settings->operands + at;
	message->n_ids = left < step ? left : step;
	return remote_ask(remote, remote->ingest, "DeleteCalls", &message->base, erasure->query.arena);
}

/* Counts the selected calls. Returns an exit code. */
static int count_calls(struct erasure *erasure)
{
	Callhistory__V1__DeleteCallsRequest message = erasure->message;
	const size_t count = (size_t)erasure->query.settings->operand_count;
	size_t at = 0;
	message.validate_only = 1;
	do {
		const Callhistory__V1__DeleteCallsResponse *answer = ask(erasure, &message, at, IDS_MAX);
		if (!answer)
			return EXIT_FAILED;
		erasure->expected += (uint64_t)answer->deleted_count;
		at += message.n_ids;
	} while (at < count);
	return EXIT_DONE;
}

/* Returns an exit code. */
static int delete_calls(struct erasure *erasure)
{
	Callhistory__V1__DeleteCallsRequest message = erasure->message;
	const size_t step = pace_step(erasure->query.settings), count = (size_t)erasure->query.settings->operand_count;
	char token[QUERY_TOKEN_SIZE] = "";
	size_t at = 0;
	message.page_token = token;
	do {
		pace_wait(&erasure->pace, step);
		const Callhistory__V1__DeleteCallsResponse *answer = ask(erasure, &message, at, step);
		if (!answer || query_keep_token(token, answer->next_page_token))
			return EXIT_FAILED;
		erasure->deleted += (uint64_t)answer->deleted_count;
		at += message.n_ids;
		progress_update(&erasure->progress, erasure->deleted, erasure->expected, "%" PRIu64 " of %" PRIu64 " calls",
		                erasure->deleted, erasure->expected);
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

static int run(struct settings *settings)
{
	struct erasure erasure;
	int code = open_erasure(&erasure, settings);
	if (code)
		goto out;
	progress_init(&erasure.progress);
	/* A deletion needs the count for the progress bar only. */
	if (!settings->yes || erasure.progress.on)
		code = count_calls(&erasure);
	if (!code && settings->yes)
		code = delete_calls(&erasure);
	progress_clear(&erasure.progress);
	if (!code || erasure.deleted)
		print(&erasure);
out:
	query_close(&erasure.query);
	return code;
}

static const struct option options[] = {
    TEXT_OPTION("phone", SETTING(phone), NULL, "NUMBER",
                "Calls in which this number or extension is a party, in any usual spelling.", OPTION_LINE_ONLY),
    TEXT_OPTION("before", SETTING(before), NULL, "TIME",
                "Calls before this time: YYYY-MM-DD[THH:MM[:SS][Z|+HH:MM]], or Unix time in seconds or ms.",
                OPTION_LINE_ONLY),
    FLAG_OPTION("yes", SETTING(yes), "Delete the calls. Without it, only their number is printed.", OPTION_LINE_ONLY),
    PACE_OPTION,
    FLAG_OPTION("json", SETTING(json), "The result as a JSON object.", 0),
    {.name = NULL},
};

const struct command command_delete = {
    .name = "delete",
    .operands = "[ID]...",
    .summary = "Delete calls of a tenant: by their ids, by number, before a time.",
    .details =
        "Prints how many calls are selected; with --yes they are deleted. Needs an eraser's token. --phone and "
        "--before\n"
        "together mean that number's calls before that time. An interrupted run is continued by the same command.",
    .groups = SETTINGS_SERVICE | SETTINGS_TIME,
    .own = {query_tenant, options},
    .run = run,
};
