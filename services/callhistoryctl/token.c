/*
 * token: issue, revoke and list. A token's text is made here from the kernel's randomness, printed once, and stored
 * nowhere: Redis keeps its digest.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/base64url.h"
#include "base/clock.h"
#include "base/utf8.h"
#include "callhistoryctl/command.h"
#include "callhistoryctl/moment.h"
#include "callhistoryctl/say.h"
#include "callhistoryctl/session.h"
#include "callhistoryctl/table.h"

#define TOKEN_PREFIX "cht_"

enum {
	RANDOM_BYTES = 32,
	TOKEN_LENGTH = sizeof(TOKEN_PREFIX) - 1 + BASE64URL_LENGTH(RANDOM_BYTES),
	TENANT_FIELD_MAX = 64,
	RATE_MAX = 1000000,
	ID_LENGTH = 12,
};

/* The token that was added or revoked. */
struct answer {
	struct session *session;
	char id[ID_LENGTH + 1];
};

static void on_token(void *data, int status, const struct store_token *token)
{
	struct answer *answer = data;
	if (token)
		snprintf(answer->id, sizeof(answer->id), "%s", token->id);
	session_end(answer->session, status);
}

/* ---- issue ------------------------------------------------------------------------------------------------------ */

static void make_token(char out[TOKEN_LENGTH + 1])
{
	uint8_t random[RANDOM_BYTES];
	arc4random_buf(random, sizeof(random));
	memcpy(out, TOKEN_PREFIX, sizeof(TOKEN_PREFIX) - 1);
	base64url_encode(out + sizeof(TOKEN_PREFIX) - 1, random, sizeof(random));
	explicit_bzero(random, sizeof(random));
}

/* The contract's rule for both halves of a tenant's name. */
static bool tenant_field_valid(const char *text)
{
	struct utf8_measure measure;
	return !utf8_measure(&measure, text) && !measure.control && measure.characters >= 1 &&
	       measure.characters <= TENANT_FIELD_MAX;
}

/* 0: there is no such role. */
static enum store_role read_role(const char *text)
{
	unsigned role = STORE_ROLE_READER;
	while (text && store_role_name(role) && strcmp(text, store_role_name(role)) != 0)
		++role;
	return text && store_role_name(role) ? (enum store_role)role : 0;
}

/* Fills in what the options ask for. Returns 0 or EXIT_USAGE. */
static int read_order(const struct settings *settings, struct store_token *token, struct store_tenant *tenants)
{
	const struct option_list *projects = &settings->project_codes, *vbots = &settings->vbot_ids;
	int64_t span_ms = 0;
	if (!projects->count || projects->count != vbots->count)
		return settings_usage(settings, "--project-code and --vbot-id must be given, equally often");
	for (size_t i = 0; i < projects->count; ++i) {
		if (!tenant_field_valid(projects->values[i]))
			return settings_usage(settings, "--project-code: 1 to 64 characters, no control characters");
		if (!tenant_field_valid(vbots->values[i]))
			return settings_usage(settings, "--vbot-id: 1 to 64 characters, no control characters");
		for (size_t j = 0; j < i; ++j)
			if (!strcmp(projects->values[i], projects->values[j]) && !strcmp(vbots->values[i], vbots->values[j]))
				return settings_usage(settings, "%s/%s is named twice", projects->values[i], vbots->values[i]);
		tenants[i] = (struct store_tenant){.project_code = projects->values[i], .vbot_id = vbots->values[i]};
	}
	enum store_role role = read_role(settings->role);
	if (!role)
		return settings_usage(settings, "--role is needed: reader, writer or eraser");
	if (settings->expires && moment_parse_span(settings->expires, &span_ms))
		return settings_usage(settings, "--expires: %s is not a number with s, m, h or d, such as 12h",
		                      settings->expires);
	if (settings->burst && !settings->rate)
		return settings_usage(settings, "--burst needs --rate");
	int64_t now_ms = clock_unix_ms();
	*token = (struct store_token){
	    .role = role,
	    .tenants = tenants,
	    .tenant_count = projects->count,
	    .create_ms = now_ms,
	    .expire_ms = span_ms ? now_ms + span_ms : 0,
	    .rate = (uint32_t)settings->rate,
	    .burst = (uint32_t)settings->burst,
	};
	return EXIT_DONE;
}

/* Revokes by digest or by id; the other is NULL. Returns 0, -ENOENT or another negative errno. */
static int send_revocation(struct session *session, const uint8_t *digest, const char *id, struct answer *answer)
{
	*answer = (struct answer){.session = session};
	return session_wait(session, store_token_revoke(session->store, digest, id, session->arena, session->deadline_us,
	                                                on_token, answer));
}

/*
 * Prints the token, alone. If that fails, the token is revoked: its owner cannot use it, and part of its text may have
 * been written.
 */
static int print_token(struct session *session, const char *text, const uint8_t *digest)
{
	struct answer answer;
	if (printf("%s\n", text) > 0 && !fflush(stdout))
		return EXIT_DONE;
	int error = errno;
	session->deadline_us = clock_monotonic_us() + SESSION_PATIENCE_US;
	if (!send_revocation(session, digest, NULL, &answer))
		say_error("can't write the token to standard output: %s; it has been revoked", strerror(error));
	else
		say_error("can't write the token to standard output: %s; revoke it: its id is the newest in `token list`",
		          strerror(error));
	return EXIT_FAILED;
}

static int issue_token(struct settings *settings)
{
	struct store_tenant tenants[OPTION_LIST_MAX];
	struct store_token token;
	struct session session;
	struct answer answer = {.session = &session};
	char text[TOKEN_LENGTH + 1];
	uint8_t digest[32];
	int code = read_order(settings, &token, tenants);
	if (code)
		return code;
	make_token(text);
	store_token_digest(digest, text, TOKEN_LENGTH);
	code = session_open(&session, settings);
	if (code)
		return code;
	int status = session_wait(&session, store_token_add(session.store, digest, &token, session.arena,
	                                                    session.deadline_us, on_token, &answer));
	code = status ? session_failed(&session, status) : print_token(&session, text, digest);
	session_close(&session);
	explicit_bzero(text, sizeof(text));
	return code;
}

static const struct option issue_options[] = {
    LIST_OPTION("project-code", SETTING(project_codes), NULL, "CODE",
                "Project code of a tenant that the token opens; goes with the --vbot-id in the same place.",
                OPTION_LINE_ONLY),
    LIST_OPTION("vbot-id", SETTING(vbot_ids), NULL, "ID", "VBot id of a tenant that the token opens.",
                OPTION_LINE_ONLY),
    TEXT_OPTION("role", SETTING(role), NULL, "ROLE",
                "reader (list, count), writer (records calls, too) or eraser (deletes calls, and nothing else).",
                OPTION_LINE_ONLY),
    TEXT_OPTION("expires", SETTING(expires), NULL, "SPAN",
                "Lifetime of the token: a number with s, m, h or d. Without it, the token does not expire.",
                OPTION_LINE_ONLY),
    NUMBER_OPTION("rate", SETTING(rate), "0", 0, RATE_MAX, "N",
                  "Requests a second that the token may make; 0: no limit.", OPTION_LINE_ONLY),
    NUMBER_OPTION("burst", SETTING(burst), "0", 0, RATE_MAX, "N",
                  "Requests of that rate that may come at once; 0: a second's worth.", OPTION_LINE_ONLY),
    {.name = NULL},
};

const struct command command_token_issue = {
    .name = "token issue",
    .groups = SETTINGS_REDIS,
    .summary = "Make a token and print it, alone, on standard output.",
    .details = "The token's text is shown this once and stored nowhere: Redis keeps a digest.",
    .own = {issue_options},
    .run = issue_token,
};

/* ---- revoke ----------------------------------------------------------------------------------------------------- */

static bool id_valid(const char *text)
{
	return strlen(text) == ID_LENGTH && strspn(text, "0123456789abcdef") == ID_LENGTH;
}

static int revoke_token(struct settings *settings)
{
	char *name = settings->operands[0];
	struct session session;
	struct answer answer;
	uint8_t digest[32];
	if (settings->operand_count != 1)
		return settings_usage(settings, "one operand is needed: a token's id, or its text");
	/* As it comes from a file: without the line end. */
	name[strcspn(name, "\r\n")] = '\0';
	bool by_text = !strncmp(name, TOKEN_PREFIX, sizeof(TOKEN_PREFIX) - 1);
	if (by_text) {
		store_token_digest(digest, name, strlen(name));
		/* Hidden from ps. */
		memset(name, 'x', strlen(name));
	} else if (!id_valid(name)) {
		return settings_usage(settings, "an id is 12 hexadecimal digits, as `token list` shows it");
	}
	int code = session_open(&session, settings);
	if (code)
		return code;
	int status = send_revocation(&session, by_text ? digest : NULL, by_text ? NULL : name, &answer);
	if (status)
		code = status == -ENOENT ? say_error("there is no such token") : session_failed(&session, status);
	else
		printf("%s\n", answer.id);
	session_close(&session);
	return code;
}

const struct command command_token_revoke = {
    .name = "token revoke",
    .operands = "ID|TOKEN",
    .groups = SETTINGS_REDIS,
    .summary = "Make a token invalid, within a second, everywhere. Prints its id.",
    .run = revoke_token,
};

/* ---- list ------------------------------------------------------------------------------------------------------- */

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

/* The store returns the tokens in no particular order. */
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

static int list_tokens(struct settings *settings)
{
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

static const struct option list_options[] = {
    FLAG_OPTION("json", SETTING(json), "One JSON object per token and line, times in UTC.", 0),
    {.name = NULL},
};

const struct command command_token_list = {
    .name = "token list",
    .groups = SETTINGS_REDIS | SETTINGS_TIME,
    .summary = "Show the tokens: id, role, status, times, rate and tenants; never the text.",
    .own = {list_options},
    .run = list_tokens,
};
