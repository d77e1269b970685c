/*
 * verify: compares a live store's records with their indexes, tenant by
 * tenant, and repairs what differs. Prints each kind of difference once per
 * tenant, with how often it was found.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "callhistoryctl/command.h"
#include "callhistoryctl/progress.h"
#include "callhistoryctl/say.h"
#include "callhistoryctl/session.h"
#include "contract/contract.h"

enum { KINDS_MAX = 64 };

struct kind {
	char text[128];
	uint64_t count;
};

struct verification {
	struct settings *settings;
	struct session session;
	struct store_tenant *tenants;
	bool *listed; /* of each tenant: the list of tenants names it */
	size_t count, capacity, current;
	struct kind kinds[KINDS_MAX]; /* of the current tenant */
	size_t kind_count;
	uint64_t differences;
	bool done;
	int status;
	struct progress progress;
};

static bool is_wanted(const struct settings *settings, const struct store_tenant *tenant)
{
	return !settings->project_code ||
	       (!strcmp(settings->project_code, tenant->project_code) && !strcmp(settings->vbot_id, tenant->vbot_id));
}

static void on_tenant(void *data, const struct store_tenant *tenant, bool listed)
{
	struct verification *verification = data;
	if (!is_wanted(verification->settings, tenant) || verification->status)
		return;
	if (verification->count == verification->capacity) {
		size_t capacity = verification->capacity ? 2 * verification->capacity : 64;
		struct store_tenant *tenants = reallocarray(verification->tenants, capacity, sizeof(*tenants));
		bool *flags = reallocarray(verification->listed, capacity, sizeof(*flags));
		verification->tenants = tenants ? tenants : verification->tenants;
		verification->listed = flags ? flags : verification->listed;
		if (!tenants || !flags) {
			verification->status = -ENOMEM;
			return;
		}
		verification->capacity = capacity;
	}
	verification->listed[verification->count] = listed;
	verification->tenants[verification->count++] = *tenant;
}

static void on_done(void *data, int status)
{
	struct verification *verification = data;
	verification->done = true;
	if (!verification->status)
		verification->status = status;
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
	snprintf(tenant, sizeof(tenant), "tenant %zu of %zu", verification->current + 1, verification->count);
	if (total && progress_due(&verification->progress, clock_monotonic_us()))
		progress_show(&verification->progress, (double)done / (double)total, tenant);
}

/* Waits for the operation that was started with `result`. 0, or a negative errno. */
static int wait_for(struct verification *verification, int result)
{
	verification->done = false;
	if (!result)
		result = session_wait(&verification->session, &verification->done);
	return result ? result : verification->status;
}

static void print_json(const struct store_tenant *tenant, const struct kind *kind, bool repaired)
{
	struct buffer line = {0};
	buffer_append_string(&line, "{\"project_code\":");
	contract_write_string(&line, tenant->project_code);
	buffer_append_string(&line, ",\"vbot_id\":");
	contract_write_string(&line, tenant->vbot_id);
	buffer_append_string(&line, ",\"difference\":");
	contract_write_string(&line, kind->text);
	buffer_printf(&line, ",\"count\":%" PRIu64 ",\"repaired\":%s}\n", kind->count, repaired ? "true" : "false");
	fwrite(line.data, 1, line.length, stdout);
	buffer_free(&line);
}

static void print_kinds(struct verification *verification)
{
	const struct store_tenant *tenant = &verification->tenants[verification->current];
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
	const struct store_tenant *tenant = &verification->tenants[verification->current];
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
	if (!verification->listed[verification->current]) {
		on_difference(verification, "the list of tenants lacks a tenant that a token names");
		if (verification->settings->repair)
			result = wait_for(verification,
			                  store_tenant_enter(verification->session.store, tenant, arena, on_done, verification));
	}
	if (!result)
		result = wait_for(verification, store_verify(verification->session.store, &verify, arena));
	/* What is pending refers to the arena. */
	if (result && !verification->done)
		session_close(&verification->session);
	arena_destroy(arena);
	print_kinds(verification);
	return result;
}

static int run(struct settings *settings, int argc, char **argv)
{
	(void)argc;
	(void)argv;
	struct verification verification = {.settings = settings};
	if (!settings->project_code != !settings->vbot_id)
		return settings_usage(settings, "--project-code and --vbot-id name a tenant together");
	progress_init(&verification.progress, clock_monotonic_us());
	int code = session_open(&verification.session, settings);
	if (code)
		return code;
	int result =
	    wait_for(&verification, store_tenant_list(verification.session.store, verification.session.arena,
	                                              verification.session.deadline_us, on_tenant, on_done, &verification));
	for (; !result && verification.current < verification.count; ++verification.current)
		result = verify_tenant(&verification);
	if (!result && !settings->json)
		printf("%zu tenants verified, %" PRIu64 " differences%s\n", verification.count, verification.differences,
		       verification.differences && settings->repair ? " repaired" : "");
	if (result)
		session_failed(&verification.session, result);
	session_close(&verification.session);
	free(verification.tenants);
	free(verification.listed);
	return result || verification.differences ? EXIT_FAILED : EXIT_DONE;
}

static size_t options(struct settings *settings, struct option *table)
{
	const struct option own[] = {
	    TEXT_OPTION("project-code", &settings->project_code, NULL, "P", "Project code of the only tenant to verify.",
	                OPTION_LINE_ONLY),
	    TEXT_OPTION("vbot-id", &settings->vbot_id, NULL, "V", "VBot id of that tenant.", OPTION_LINE_ONLY),
	    FLAG_OPTION("repair", &settings->repair, "Repair what differs; reads and writes may continue meanwhile.",
	                OPTION_LINE_ONLY),
	    FLAG_OPTION("json", &settings->json, "Print each kind of difference as a JSON object on a line of its own.", 0),
	};
	memcpy(table, own, sizeof(own));
	return sizeof(own) / sizeof(own[0]);
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
