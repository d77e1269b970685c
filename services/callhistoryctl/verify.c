/*
 * verify: compares a live store's records with their indexes, tenant by tenant, and repairs what differs. Prints each
 * kind of difference once per tenant, with how often it was found. Before that, it finds calls whose tenant is lost.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "callhistoryctl/command.h"
#include "callhistoryctl/progress.h"
#include "callhistoryctl/say.h"
#include "callhistoryctl/session.h"

enum { KINDS_MAX = 64 };

struct kind {
	char text[192];
	uint64_t count;
};

struct verification {
	struct settings *settings;
	struct session session;
	struct buffer tags; /* struct store_tenant: under which calls are stored, by their own keys */
	size_t current;
	struct kind kinds[KINDS_MAX]; /* of the current tenant */
	size_t kind_count;
	uint64_t differences, lost; /* lost: those of them that no repair can end */
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
	progress_update(&verification->progress, done, total, "tenant %zu of %zu", verification->current + 1,
	                verification->session.tenant_count);
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

static void print_kinds(struct verification *verification, const struct store_tenant *tenant, bool repaired)
{
	progress_clear(&verification->progress);
	for (size_t i = 0; i < verification->kind_count; ++i) {
		const struct kind *kind = &verification->kinds[i];
		if (verification->settings->json)
			print_json(tenant, kind, repaired);
		else
			printf("%s/%s: %s (%" PRIu64 " times)\n", tenant->project_code, tenant->vbot_id, kind->text, kind->count);
	}
}

static int verify_tenant(struct verification *verification)
{
	struct session *session = &verification->session;
	const struct store_tenant *tenant = &verification->session.tenants[verification->current].tenant;
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
	if (!verification->session.tenants[verification->current].listed) {
		on_difference(verification, "the list of tenants lacks a tenant that a token names");
		if (verification->settings->repair)
			result = session_wait(session, store_tenant_enter(session->store, tenant, arena, on_done, verification));
	}
	if (!result)
		result = session_wait(session, store_verify(session->store, &verify, arena));
	/* While there are the tenant's names, which are the session's. */
	print_kinds(verification, tenant, verification->settings->repair);
	/* What is pending refers to the arena. */
	if (result && !session->done)
		session_close(session);
	arena_destroy(arena);
	return result;
}

/* ---- Calls whose tenant is lost --------------------------------------------------------------------------------- */

static bool has_names(const struct store_tenant *tenant, const struct store_tenant *names)
{
	return tenant->project_code && names->project_code && !strcmp(tenant->project_code, names->project_code) &&
	       !strcmp(tenant->vbot_id, names->vbot_id);
}

static void on_tag(void *data, const struct store_tenant *tag)
{
	struct verification *verification = data;
	/* A page of keys may repeat some of another one. */
	for (size_t at = 0; at < verification->tags.length; at += sizeof(*tag))
		if (!strcmp(((const struct store_tenant *)(const void *)(verification->tags.data + at))->tag, tag->tag))
			return;
	buffer_append(&verification->tags, tag, sizeof(*tag));
}

/* Whether a tenant has the tag; *taken: whether another tag has, or claims to have, its tenant. */
static bool is_known(const struct verification *verification, const struct store_tenant *tag, bool *taken)
{
	const struct store_tenant *tags = (const struct store_tenant *)(const void *)verification->tags.data;
	*taken = false;
	for (size_t i = 0; i < verification->tags.length / sizeof(*tags); ++i)
		*taken |= strcmp(tags[i].tag, tag->tag) != 0 && has_names(&tags[i], tag);
	for (size_t i = 0; i < verification->session.tenant_count; ++i) {
		const struct store_tenant *tenant = &verification->session.tenants[i].tenant;
		if (!strcmp(tenant->tag, tag->tag))
			return true;
		*taken |= has_names(tenant, tag);
	}
	return false;
}

/* Reports calls under a tag that no tenant has; with --repair, their tenant gets it back if that is certain. */
static int check_tag(struct verification *verification, const struct store_tenant *tag)
{
	struct session *session = &verification->session;
	const struct store_tenant names = {tag->project_code ? tag->project_code : "?", tag->vbot_id ? tag->vbot_id : "?",
	                                   NULL};
	bool taken, repair = verification->settings->repair;
	char text[sizeof(verification->kinds->text)];
	int result = 0;
	if (is_known(verification, tag, &taken))
		return 0;
	bool certain = tag->project_code && !taken;
	snprintf(text, sizeof(text),
	         "calls are stored under the tag %s, which neither the list of tenants nor a token names; %s", tag->tag,
	         certain ? "--repair enters it in the list, then issue tokens"
	         : taken ? "its tenant has another tag, so see \"Calls without a tenant\" in the runbook"
	                 : "its tenant is unknown, so see \"Calls without a tenant\" in the runbook");
	if (certain && repair) {
		result = session_wait(session, store_tenant_enter(session->store, tag, session->arena, on_done, verification));
		if (!result)
			result = session_add_tenant(session, tag);
	}
	verification->kind_count = 0;
	on_difference(verification, text);
	verification->lost += !certain;
	print_kinds(verification, &names, !result && certain && repair);
	return result;
}

/*
 * Tags come first: a tenant that is new meanwhile has its tag before the list of tenants has it. For one tenant there
 * is no search, because only all tenants together show that nobody has a tag.
 */
static int read_tenants(struct verification *verification)
{
	struct session *session = &verification->session;
	int result = 0;
	if (!verification->settings->project_code)
		result = session_wait(session, store_tag_list(session->store, session->arena, on_tag, on_done, verification));
	if (!result && verification->tags.failed)
		result = -ENOMEM;
	session->deadline_us = clock_monotonic_us() + SESSION_PATIENCE_US;
	if (!result)
		result = session_read_tenants(session);
	for (size_t at = 0; !result && at < verification->tags.length; at += sizeof(struct store_tenant))
		result = check_tag(verification, (const struct store_tenant *)(const void *)(verification->tags.data + at));
	return result;
}

static void print_sum(const struct verification *verification)
{
	printf("%zu tenants verified, %" PRIu64 " differences", verification->session.tenant_count,
	       verification->differences);
	if (verification->settings->repair && verification->lost)
		printf(", all but %" PRIu64 " repaired", verification->lost);
	else if (verification->settings->repair && verification->differences)
		printf(" repaired");
	printf("\n");
}

static int run(struct settings *settings)
{
	struct verification verification = {.settings = settings};
	int code = settings_check_tenant(settings);
	if (code)
		return code;
	progress_init(&verification.progress);
	code = session_open(&verification.session, settings);
	if (code)
		return code;
	int result = read_tenants(&verification);
	for (; !result && verification.current < verification.session.tenant_count; ++verification.current)
		result = verify_tenant(&verification);
	if (!result && !settings->json)
		print_sum(&verification);
	if (result)
		session_failed(&verification.session, result);
	session_close(&verification.session);
	buffer_free(&verification.tags);
	return result || verification.differences ? EXIT_FAILED : EXIT_DONE;
}

static const struct option options[] = {
    FLAG_OPTION("repair", SETTING(repair), "Repair what differs; reads and writes may continue meanwhile.",
                OPTION_LINE_ONLY),
    FLAG_OPTION("json", SETTING(json), "Print each kind of difference as a JSON object on a line of its own.", 0),
    {.name = NULL},
};

const struct command command_verify = {
    .name = "verify",
    .summary = "Compare a live store's records with their indexes; exit 1 if anything differs.",
    .details =
        "Prints each kind of difference with how often it was found; of all tenants, also calls that are stored under "
        "a\n"
        "tag which no tenant has. With --repair, differences are repaired in bounded steps, but for such a tag whose\n"
        "tenant is unknown or has another one; the command may be interrupted and repeated.",
    .groups = SETTINGS_REDIS,
    .own = {settings_any_tenant, options},
    .run = run,
};
