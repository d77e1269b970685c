/*
 * token_list: shows the tokens, never their text. The store returns them in no
 * particular order, so they are sorted first.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "callhistoryctl/command.h"
#include "callhistoryctl/moment.h"
#include "callhistoryctl/say.h"
#include "callhistoryctl/session.h"
#include "callhistoryctl/table.h"

struct listing {
	struct session *session;
	struct buffer bytes;        /* the tokens, whose texts are in the session's arena */
	struct store_token *tokens; /* the same, once all are there */
	size_t count;
};

static void on_each(void *data, const struct store_token *token)
{
	buffer_append(&((struct listing *)data)->bytes, token, sizeof(*token));
}

static void on_end(void *data, int status, const struct store_token *token)
{
	struct listing *listing = data;
	(void)token;
	listing->tokens = (struct store_token *)(void *)listing->bytes.data;
	listing->count = listing->bytes.length / sizeof(*listing->tokens);
	session_end(listing->session, listing->bytes.failed ? -ENOMEM : status);
}

static int older_first(const void *left, const void *right)
{
	const struct store_token *a = left, *b = right;
	if (a->create_ms != b->create_ms)
		return a->create_ms < b->create_ms ? -1 : 1;
	return strcmp(a->id, b->id);
}

static const char *token_state(const struct store_token *token, int64_t now_ms)
{
	if (token->revoked)
		return "revoked";
	return token->expire_ms && token->expire_ms <= now_ms ? "expired" : "active";
}

static int show_table(const struct listing *listing, struct contract_zone *zone, int64_t now_ms)
{
	static const char *const headings[] = {"ID", "ROLE", "STATUS", "CREATED", "EXPIRES", "RATE", "TENANTS"};
	struct table *table = table_create(listing->session->arena, headings, 7, 0);
	for (size_t i = 0; table && i < listing->count; ++i) {
		const struct store_token *token = &listing->tokens[i];
		struct buffer tenants = {0};
		char created[MOMENT_SIZE], expires[MOMENT_SIZE] = "never", rate[16] = "-";
		for (size_t j = 0; j < token->tenant_count; ++j)
			buffer_printf(&tenants, "%s%s/%s", j ? ", " : "", token->tenants[j].project_code,
			              token->tenants[j].vbot_id);
		buffer_append_byte(&tenants, '\0');
		if (token->expire_ms)
			moment_format(zone, token->expire_ms, false, expires);
		if (token->rate)
			snprintf(rate, sizeof(rate), "%u/s", token->rate);
		const char *texts[] = {token->id,
		                       store_role_name(token->role),
		                       token_state(token, now_ms),
		                       moment_format(zone, token->create_ms, false, created),
		                       expires,
		                       rate,
		                       tenants.data};
		if (tenants.failed || table_add(table, listing->session->arena, texts))
			table = NULL;
		buffer_free(&tenants);
	}
	if (!table)
		return -ENOMEM;
	table_flush(table);
	return 0;
}

static int show_json(const struct listing *listing, int64_t now_ms)
{
	struct buffer out = {0};
	for (size_t i = 0; i < listing->count; ++i) {
		const struct store_token *token = &listing->tokens[i];
		char moment[MOMENT_SIZE];
		say_member(&out, "id", token->id);
		say_member(&out, "role", store_role_name(token->role));
		say_member(&out, "status", token_state(token, now_ms));
		say_member(&out, "created", moment_format_utc(token->create_ms, moment));
		if (token->expire_ms)
			say_member(&out, "expires", moment_format_utc(token->expire_ms, moment));
		buffer_printf(&out, ",\"rate\":%u,\"burst\":%u,\"tenants\":[", token->rate, token->burst);
		for (size_t j = 0; j < token->tenant_count; ++j) {
			if (j)
				buffer_append_byte(&out, ',');
			say_member(&out, "project_code", token->tenants[j].project_code);
			say_member(&out, "vbot_id", token->tenants[j].vbot_id);
			buffer_append_byte(&out, '}');
		}
		buffer_append_string(&out, "]}\n");
	}
	int result = out.failed ? -ENOMEM : 0;
	if (!result)
		fwrite(out.data, 1, out.length, stdout);
	buffer_free(&out);
	return result;
}

static int list(struct settings *settings, int argc, char **argv)
{
	(void)argc;
	(void)argv;
	struct contract_zone *zone = NULL;
	struct session session;
	int code = settings_make_zone(settings, &zone);
	if (!code)
		code = session_open(&session, settings);
	if (code)
		goto out;
	struct listing listing = {.session = &session};
	int status = session_wait(
	    &session, store_token_list(session.store, session.arena, session.deadline_us, on_each, on_end, &listing));
	if (!status) {
		int64_t now_ms = clock_unix_ms();
		if (listing.count)
			qsort(listing.tokens, listing.count, sizeof(*listing.tokens), older_first);
		status = settings->json ? show_json(&listing, now_ms) : show_table(&listing, zone, now_ms);
	}
	if (status)
		code = session_failed(&session, status);
	session_close(&session);
	buffer_free(&listing.bytes);
out:
	contract_zone_destroy(zone);
	return code;
}

static size_t list_options(struct settings *settings, struct option *table)
{
	table[0] = FLAG_OPTION("json", &settings->json, "One JSON object per token and line, times in UTC.", 0);
	return 1;
}

const struct command command_token_list = {
    .name = "token list",
    .operands = "",
    .groups = SETTINGS_REDIS | SETTINGS_TIME,
    .summary = "Show the tokens: id, role, status, times, rate and tenants; never the text.",
    .options = list_options,
    .run = list,
};
