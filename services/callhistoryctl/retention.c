/*
 * retention: deletes what is older than a span, of all tenants or of one, directly in Redis: an operator's command, as
 * verify is, which needs no token of any tenant. It may be ended at any time and run again.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "base/clock.h"
#include "callhistoryctl/command.h"
#include "callhistoryctl/moment.h"
#include "callhistoryctl/pace.h"
#include "callhistoryctl/progress.h"
#include "callhistoryctl/say.h"
#include "callhistoryctl/session.h"

/* Attempts, a second apart, before the command fails: a failover may take that long. */
enum { TRIES = 20, ARENA_BLOCK = 65536 };

struct retention {
	struct settings *settings;
	struct session session;
	size_t current;
	int64_t before_ms;
	struct arena *arena; /* of one step */
	struct store_deletion deletion;
	int64_t count;
	uint64_t expected, deleted; /* of the current tenant */
	uint64_t total;
	struct pace pace;
	struct progress progress;
};

static void on_deleted(void *data, int status, const struct store_deletion *deletion)
{
	struct retention *retention = data;
	(void)deletion;
	session_end(&retention->session, status);
}

static void on_count(void *data, int status, int64_t count)
{
	struct retention *retention = data;
	retention->count = count;
	session_end(&retention->session, status);
}

static bool is_passing(int status)
{
	return status == -EAGAIN || status == -EREMOTEIO || status == -ETIMEDOUT || status == -ENOLINK || status == -EBUSY;
}

/*
 * Takes a step until it succeeds, fails for good or has failed too often: counts the current tenant's calls, or
 * deletes some after a position (NULL: the newest). 0 or a negative errno.
 */
static int step(struct retention *retention, bool count, const struct store_position *after)
{
	struct session *session = &retention->session;
	const struct store_range range = {
	    .tag = retention->session.tenants[retention->current].tenant.tag,
	    .from_ms = INT64_MIN,
	    .to_ms = retention->before_ms,
	};
	int result = 0;
	for (int tries = 0; tries < TRIES; ++tries) {
		int64_t deadline_us = clock_monotonic_us() + SESSION_PATIENCE_US;
		arena_reset(retention->arena);
		if (count)
			result = store_count(session->store, &range, retention->arena, deadline_us, on_count, retention);
		else
			result =
			    store_delete_range(session->store, &retention->deletion, &range, after, pace_step(retention->settings),
			                       retention->arena, deadline_us, on_deleted, retention);
		result = session_wait(session, result);
		if (!is_passing(result) || *retention->settings->stop)
			return result;
		pace_sleep(retention->settings, clock_monotonic_us() + 1000000);
	}
	return result;
}

static int delete_calls(struct retention *retention)
{
	struct store_position after;
	bool more = false;
	do {
		pace_wait(&retention->pace, pace_step(retention->settings));
		int result = *retention->settings->stop ? -EINTR : step(retention, false, more ? &after : NULL);
		if (result)
			return result;
		retention->deleted += retention->deletion.deleted;
		more = retention->deletion.more;
		after = retention->deletion.last;
		progress_update(&retention->progress, retention->deleted, retention->expected, "tenant %zu of %zu",
		                retention->current + 1, retention->session.tenant_count);
	} while (more);
	return 0;
}

static void print(struct retention *retention, const struct store_tenant *tenant)
{
	const struct settings *settings = retention->settings;
	uint64_t calls = settings->yes ? retention->deleted : retention->expected;
	char before[MOMENT_SIZE];
	struct buffer line = {0};
	progress_clear(&retention->progress);
	retention->total += calls;
	if (!settings->json) {
		if (calls)
			printf("%s/%s: %" PRIu64 " calls\n", tenant->project_code, tenant->vbot_id, calls);
		return;
	}
	say_member(&line, "project_code", tenant->project_code);
	say_member(&line, "vbot_id", tenant->vbot_id);
	say_member(&line, "before", moment_format_utc(retention->before_ms, before));
	buffer_printf(&line, ",\"calls\":%" PRIu64 ",\"deleted\":%s}\n", calls, settings->yes ? "true" : "false");
	fwrite(line.data, 1, line.length, stdout);
	buffer_free(&line);
}

static int do_tenant(struct retention *retention)
{
	const struct store_tenant *tenant = &retention->session.tenants[retention->current].tenant;
	retention->deleted = 0;
	int result = step(retention, true, NULL);
	retention->expected = result ? 0 : (uint64_t)retention->count;
	if (!result && retention->settings->yes && retention->expected)
		result = delete_calls(retention);
	if (!result || retention->deleted)
		print(retention, tenant);
	return result;
}

static int do_all(struct retention *retention)
{
	int result = session_read_tenants(&retention->session);
	for (; !result && retention->current < retention->session.tenant_count; ++retention->current)
		result = do_tenant(retention);
	progress_clear(&retention->progress);
	if (result)
		return session_failed(&retention->session, result);
	if (!retention->settings->json) {
		char before[MOMENT_SIZE];
		printf("%zu tenants, %" PRIu64 " calls before %s %s\n", retention->session.tenant_count, retention->total,
		       moment_format_utc(retention->before_ms, before),
		       retention->settings->yes ? "deleted" : "would be deleted; --yes deletes them");
	}
	return EXIT_DONE;
}

static int run(struct settings *settings)
{
	struct retention retention = {.settings = settings, .pace = {.settings = settings}};
	int64_t span_ms;
	int code = settings_check_tenant(settings);
	if (code)
		return code;
	if (!settings->older_than || moment_parse_span(settings->older_than, &span_ms))
		return settings_usage(settings, "--older-than is needed: a number with s, m, h or d, such as 400d");
	retention.before_ms = clock_unix_ms() - span_ms;
	progress_init(&retention.progress);
	code = session_open(&retention.session, settings);
	if (code)
		return code;
	if (arena_create(&retention.arena, ARENA_BLOCK))
		code = say_error("out of memory");
	if (!code)
		code = do_all(&retention);
	/* What is pending refers to the arena. */
	session_close(&retention.session);
	arena_destroy(retention.arena);
	return code;
}

static const struct option options[] = {
    TEXT_OPTION("older-than", SETTING(older_than), NULL, "SPAN",
                "Age of the calls that are deleted: a number with s, m, h or d.", 0),
    FLAG_OPTION("yes", SETTING(yes), "Delete the calls. Without it, only their numbers are printed.", OPTION_LINE_ONLY),
    PACE_OPTION,
    FLAG_OPTION("json", SETTING(json), "Print each tenant as a JSON object on a line of its own.", 0),
    {.name = NULL},
};

const struct command command_retention = {
    .name = "retention",
    .summary = "Delete the calls of all tenants that are older than a span.",
    .details =
        "Prints how many calls of each tenant are selected; with --yes they are deleted, while reads and writes\n"
        "continue. The command may be interrupted and repeated. Deletions count that Redis has acknowledged: after a\n"
        "restart of Redis midway the numbers may be too low.",
    .groups = SETTINGS_REDIS,
    .own = {settings_any_tenant, options},
    .run = run,
};
