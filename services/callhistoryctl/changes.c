/* changes: what was recorded, replaced and deleted since a position that a file keeps, as lines of NDJSON. */
#include <errno.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/file.h"
#include "callhistoryctl/command.h"
#include "callhistoryctl/pace.h"
#include "callhistoryctl/query.h"
#include "callhistoryctl/say.h"

#define PAUSE_US INT64_C(1000000)

struct changes {
	struct query query;
	char token[QUERY_TOKEN_SIZE];
};

/* Without a file the service is asked for the position of now. */
static int read_position(struct changes *changes)
{
	const char *path = changes->query.settings->position;
	char *text;
	int result = file_read(path, false, &text);
	if (result == -ENOENT)
		return EXIT_DONE;
	if (result)
		return say_error("%s: %s", path, strerror(-result));
	text[strcspn(text, "\n")] = '\0';
	int code = query_keep_token(changes->token, text);
	if (!code && !*text)
		code = say_error("%s: no position of changes", path);
	file_wipe(text);
	return code;
}

/* Written after the changes, which may come again after a crash but are never left out. */
static int write_position(struct changes *changes, const char *token)
{
	const char *path = changes->query.settings->position;
	char line[QUERY_TOKEN_SIZE + 1];
	bool first = !*changes->token;
	if (query_keep_token(changes->token, token))
		return EXIT_FAILED;
	int length = snprintf(line, sizeof(line), "%s\n", changes->token);
	int result = file_replace(path, line, (size_t)length);
	if (result)
		return say_error("%s: %s", path, strerror(-result));
	if (first)
		say_line("%s has the position of now; export all calls before you read on from it", path);
	return EXIT_DONE;
}

static int print_deleted(const struct settings *settings, const Callhistory__V1__ListCallChangesResponse *answer,
                         const char *id)
{
	struct buffer line = {0};
	const char *project = *answer->project_code ? answer->project_code : settings->project_code;
	const char *vbot = *answer->vbot_id ? answer->vbot_id : settings->vbot_id;
	say_member(&line, "project_code", query_text(project));
	say_member(&line, "vbot_id", query_text(vbot));
	say_member(&line, "id", id);
	buffer_append_string(&line, ",\"deleted\":true}\n");
	bool failed = line.failed;
	if (!failed)
		fwrite(line.data, 1, line.length, stdout);
	buffer_free(&line);
	return failed ? -ENOMEM : 0;
}

static int print(struct changes *changes, const Callhistory__V1__ListCallChangesResponse *answer)
{
	const struct settings *settings = changes->query.settings;
	int result = 0;
	for (size_t i = 0; i < answer->n_changes && !result; ++i) {
		const Callhistory__V1__CallChange *change = answer->changes[i];
		if (change->change_case == CALLHISTORY__V1__CALL_CHANGE__CHANGE_CALL)
			result = query_print_json(&changes->query, answer->project_code, answer->vbot_id, change->call);
		else if (change->change_case == CALLHISTORY__V1__CALL_CHANGE__CHANGE_DELETED_ID)
			result = print_deleted(settings, answer, change->deleted_id);
		else
			return say_error("a change of a kind that this version does not know");
	}
	if (!result)
		result = say_flush();
	return result ? say_error("cannot write: %s", strerror(-result)) : EXIT_DONE;
}

static int follow(struct changes *changes)
{
	const struct settings *settings = changes->query.settings;
	Callhistory__V1__ListCallChangesRequest message = CALLHISTORY__V1__LIST_CALL_CHANGES_REQUEST__INIT;
	message.project_code = query_text(settings->project_code);
	message.vbot_id = query_text(settings->vbot_id);
	message.page_size = QUERY_PAGE_MAX;
	message.change_token = changes->token;
	int code = read_position(changes);
	bool goes_on = true;
	while (!code && goes_on && !*settings->stop) {
		const Callhistory__V1__ListCallChangesResponse *answer =
		    query_ask(&changes->query, "ListCallChanges", &message.base);
		code = answer ? print(changes, answer) : EXIT_FAILED;
		if (!code)
			code = write_position(changes, answer->next_change_token);
		if (!code && settings->follow && !answer->more)
			pace_sleep(settings, clock_monotonic_us() + PAUSE_US);
		goes_on = !code && (settings->follow || answer->more);
	}
	return code;
}

static int run(struct settings *settings)
{
	if (!settings->position)
		return settings_usage(settings, "--position must be given");
	struct changes changes = {.token = ""};
	int code = query_open(&changes.query, settings);
	if (!code)
		code = follow(&changes);
	query_close(&changes.query);
	return code;
}

static const struct option options[] = {
    TEXT_OPTION("position", SETTING(position), NULL, "FILE",
                "File that keeps the position; if there is none, it is made with the position of now.",
                OPTION_LINE_ONLY),
    FLAG_OPTION("follow", SETTING(follow), "Go on with new changes, until a signal.", OPTION_LINE_ONLY),
    {.name = NULL},
};

const struct command command_changes = {
    .name = "changes",
    .groups = SETTINGS_SERVICE | SETTINGS_TIME,
    .summary = "Write what was recorded, replaced or deleted.",
    .details =
        "A line has a call as it is now, as `export` writes it, or \"deleted\":true and its id. For a copy that stays\n"
        "up to date: run `export` with --changes FILE, then `changes` with --position FILE again and again, or with\n"
        "--follow. After a crash the last changes may come once more. Where the position has expired, the exit\n"
        "status is 1: remove FILE and start over.",
    .own = {query_tenant, options},
    .run = run,
};
