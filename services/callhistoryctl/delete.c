/*
 * delete: deletes calls of one tenant, through the service: by ids, by number, before a time. Without --yes it only
 * counts them. An interrupted run is continued by running it again: deleted calls are no longer selected.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "callhistory/v1/call_ingest_service.pb-c.h"
#include "callhistoryctl/command.h"
#include "callhistoryctl/condition.h"
#include "callhistoryctl/pace.h"
#include "callhistoryctl/progress.h"
#include "callhistoryctl/remote.h"
#include "callhistoryctl/say.h"

enum { ARENA_BLOCK = 65536, IDS_MAX = 1000 };

struct erasure {
	struct settings *settings;
	struct contract_zone *zone;
	struct remote *remote;
	struct arena *arena; /* of one request and its answer */
	struct progress progress;
	struct pace pace;
	Callhistory__V1__DeleteCallsRequest message; /* what all requests have */
	Google__Protobuf__Timestamp end_time;
	uint64_t expected, deleted;
};

/* ---- Setting up ------------------------------------------------------------------------------------------------- */

static int open_erasure(struct erasure *erasure, struct settings *settings, bool by_ids)
{
	*erasure = (struct erasure){.settings = settings, .pace = {.settings = settings}};
	Callhistory__V1__DeleteCallsRequest *message = &erasure->message;
	callhistory__v1__delete_calls_request__init(message);
	int code = settings_check_tenant(settings);
	if (code)
		return code;
	bool selected = (settings->phone && *settings->phone) || settings->before;
	if (by_ids == selected)
		return settings_usage(settings,
		                      by_ids ? "ids exclude --phone and --before" : "ids, --phone or --before must be given");
	code = settings_make_zone(settings, &erasure->zone);
	if (!code)
		code = condition_read_time(settings, erasure->zone, "--before", settings->before, &erasure->end_time,
		                           &message->end_time);
	if (code)
		return code;
	if (settings->project_code) {
		message->project_code = (char *)(uintptr_t)settings->project_code;
		message->vbot_id = (char *)(uintptr_t)settings->vbot_id;
	}
	if (settings->phone)
		message->phone = (char *)(uintptr_t)settings->phone;
	message->page_size = (int32_t)pace_step(settings);
	if (arena_create(&erasure->arena, ARENA_BLOCK))
		return say_error("out of memory");
	return remote_open(&erasure->remote, settings);
}

static void close_erasure(struct erasure *erasure)
{
	remote_close(erasure->remote);
	arena_destroy(erasure->arena);
	contract_zone_destroy(erasure->zone);
}

/* ---- Requests --------------------------------------------------------------------------------------------------- */

static const Callhistory__V1__DeleteCallsResponse *ask(struct erasure *erasure,
                                                       const Callhistory__V1__DeleteCallsRequest *message)
{
	return remote_ask(erasure->remote, remote_ingest(erasure->remote), "DeleteCalls", &message->base, erasure->arena);
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
	const size_t step = pace_step(erasure->settings);
	char token[256] = "";
	size_t at = 0;
	message.page_token = token;
	do {
		message.ids = ids + at;
		message.n_ids = count - at < step ? count - at : step;
		pace_wait(&erasure->pace, step);
		const Callhistory__V1__DeleteCallsResponse *answer = ask(erasure, &message);
		if (!answer)
			return EXIT_FAILED;
		if (strlen(answer->next_page_token) >= sizeof(token))
			return say_error("the service's page token is too long");
		erasure->deleted += (uint64_t)answer->deleted_count;
		at += message.n_ids;
		strcpy(token, answer->next_page_token);
		show(erasure);
	} while (at < count || *token);
	return EXIT_DONE;
}

static void print(const struct erasure *erasure)
{
	bool yes = erasure->settings->yes;
	uint64_t calls = yes ? erasure->deleted : erasure->expected;
	if (erasure->settings->json)
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
	close_erasure(&erasure);
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
	size_t used =
	    settings_tenant_options(settings, table, "Tenant: project code. Without both, the token's only tenant.");
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
