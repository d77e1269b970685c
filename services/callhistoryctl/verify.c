/*
 * verify: compares a live store's records with their indexes, tenant by tenant, and repairs what differs. Prints each
 * kind of difference once per tenant, with how often it was found.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "callhistoryctl/command.h"
#include "callhistoryctl/progress.h"
#include "callhistoryctl/say.h"
#include "callhistoryctl/tenants.h"

enum { KINDS_MAX = 64 };

struct kind {
	char text[128];
	uint64_t count;
};

struct verification {
	struct settings *settings;
	struct session session;
	struct tenants tenants;
	size_t current;
	struct kind kinds[KINDS_MAX]; /* of the current tenant */
	size_t kind_count;
	uint64_t differences;
	struct progress progress;
};

static void on_done(void *data, int status)
{
	struct verification *verification = data;
	session_end(&verification->session, status);
}

static void on_difference(void *data, const char *text)
{
	struct verification *verification = data;
	size_t i = 0;
	while (i < verification->kind_count && strcmp(verification->kinds[i].text, text))
		++i;
	if (i == KINDS_MAX)
		return;
	if (i == verification->kind_count) {
		snprintf(verification->kinds[i].text, sizeof(verification->kinds[i].text), "%s", text);
		verification->kinds[verification->kind_count++].count = 0;
	}
	++verification->kinds[i].count;
	++verification->differences;
}

static void on_progress(void *data, uint64_t done, uint64_t total)
{
	struct verification *verification = data;
	char tenant[64];
	snprintf(tenant, sizeof(tenant), "tenant %zu of %zu", verification->current + 1, verification->tenants.count);
	progress_update(&verification->progress, done, total, tenant);
}

static void print_json(const struct store_tenant *tenant, const struct kind *kind, bool repaired)
{
	struct buffer line = {0};
	say_member(&line, "project_code", tenant->project_code);
	say_member(&line, "vbot_id", tenant->vbot_id);
	say_member(&line, "difference", kind->text);
	buffer_printf(&line, ",\"count\":%" PRIu64 ",\"repaired\":%s}\n", kind->count, repaired ? "true" : "false");
	fwrite(line.data, 1, line.length, stdout);
	buffer_free(&line);
}

static void print_kinds(struct verification *verification)
{
	const struct store_tenant *tenant = &verification->tenants.list[verification->current].tenant;
	progress_clear(&verification->progress);
	for (size_t i = 0; i < verification->kind_count; ++i) {
		const struct kind *kind = &verification->kinds[i];
		if (verification->settings->json)
			print_json(tenant, kind, verification->settings->repair);
		else
			printf("%s/%s: %s (%" PRIu64 " times)\n", tenant->project_code, tenant->vbot_id, kind->text, kind->count);
	}
}

static int verify_tenant(struct verification *verification)
{
	struct session *session = &verification->session;
	const struct store_tenant *tenant = &verification->tenants.list[verification->current].tenant;
	const struct store_verify verify = {
	    .tag = tenant->tag,
	    .project_code = tenant->project_code,
	    .vbot_id = tenant->vbot_id,
	    .repair = verification->settings->repair,
	    .difference = on_difference,
	    .progress = on_progress,
	    .done = on_done,
	    .data = verification,
	};
	struct arena *arena;
	int result = arena_create(&arena, 1 << 16);
	if (result)
		return result;
	verification->kind_count = 0;
	if (!verification->tenants.list[verification->current].listed) {
		on_difference(verification, "the list of tenants lacks a tenant that a token names");
		if (verification->settings->repair)
			result = session_wait(session, store_tenant_enter(session->store, tenant, arena, on_done, verification));
	}
	if (!result)
		result = session_wait(session, store_verify(session->store, &verify, arena));
	print_kinds(verification); /* while there are the tenant's names, which are the session's */
	/* What is pending refers to the arena. */
	if (result && !session->done)
		session_close(session);
	arena_destroy(arena);
	return result;
}

static int run(struct settings *settings, int argc, char **argv)
{
	(void)argc;
	(void)argv;
	struct verification verification = {.settings = settings};
	int code = settings_check_tenant(settings);
	if (code)
		return code;
	progress_init(&verification.progress, clock_monotonic_us());
	code = session_open(&verification.session, settings);
	if (code)
		return code;
	int result = tenants_read(&verification.tenants, &verification.session);
	for (; !result && verification.current < verification.tenants.count; ++verification.current)
		result = verify_tenant(&verification);
	if (!result && !settings->json)
		printf("%zu tenants verified, %" PRIu64 " differences%s\n", verification.tenants.count,
		       verification.differences, verification.differences && settings->repair ? " repaired" : "");
	if (result)
		session_failed(&verification.session, result);
	session_close(&verification.session);
	tenants_free(&verification.tenants);
	return result || verification.differences ? EXIT_FAILED : EXIT_DONE;
}

static size_t options(struct settings *settings, struct option *table)
{
	const struct option own[] = {
	    FLAG_OPTION("repair", &settings->repair, "Repair what differs; reads and writes may continue meanwhile.",
	                OPTION_LINE_ONLY),
	    FLAG_OPTION("json", &settings->json, "Print each kind of difference as a JSON object on a line of its own.", 0),
	};
	size_t used = settings_tenant_options(settings, table, "Tenant: project code. Without both, all tenants.");
	memcpy(table + used, own, sizeof(own));
	return used + sizeof(own) / sizeof(own[0]);
}

const struct command command_verify = {
    .name = "verify",
    .operands = "",
    .summary = "Compare a live store's records with their indexes; exit 1 if anything differs.",
    .details =
        "Prints each kind of difference with how often it was found. With --repair, differences are repaired in\n"
        "bounded steps; the command may be interrupted and repeated.",
    .groups = SETTINGS_REDIS,
    .options = options,
    .run = run,
};
