/*
 * token: issue and revoke. A token's text is made here from the kernel's randomness, printed once, and stored nowhere:
 * Redis keeps its digest.
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

static int issue_token(struct settings *settings, int argc, char **argv)
{
	(void)argc;
	(void)argv;
	struct store_tenant tenants[sizeof(settings->project_codes.values) / sizeof(settings->project_codes.values[0])];
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

static size_t issue_options(struct settings *settings, struct option *table)
{
	const struct option own[] = {
	    LIST_OPTION("project-code", &settings->project_codes, NULL, "CODE",
	                "Project code of a tenant that the token opens; goes with the --vbot-id in the same place.",
	                OPTION_LINE_ONLY),
	    LIST_OPTION("vbot-id", &settings->vbot_ids, NULL, "ID", "VBot id of a tenant that the token opens.",
	                OPTION_LINE_ONLY),
	    TEXT_OPTION("role", &settings->role, NULL, "ROLE",
	                "reader (list, count), writer (records calls, too) or eraser (deletes calls, and nothing else).",
	                OPTION_LINE_ONLY),
	    TEXT_OPTION("expires", &settings->expires, NULL, "SPAN",
	                "Lifetime of the token: a number with s, m, h or d. Without it, the token does not expire.",
	                OPTION_LINE_ONLY),
	    NUMBER_OPTION("rate", &settings->rate, "0", 0, RATE_MAX, "N",
	                  "Requests a second that the token may make; 0: no limit.", OPTION_LINE_ONLY),
	    NUMBER_OPTION("burst", &settings->burst, "0", 0, RATE_MAX, "N",
	                  "Requests of that rate that may come at once; 0: a second's worth.", OPTION_LINE_ONLY),
	};
	memcpy(table, own, sizeof(own));
	return sizeof(own) / sizeof(own[0]);
}

const struct command command_token_issue = {
    .name = "token issue",
    .operands = "",
    .groups = SETTINGS_REDIS,
    .summary = "Make a token and print it, alone, on standard output.",
    .details = "The token's text is shown this once and stored nowhere: Redis keeps a digest.",
    .options = issue_options,
    .run = issue_token,
};

/* ---- revoke ----------------------------------------------------------------------------------------------------- */

static bool id_valid(const char *text)
{
	return strlen(text) == ID_LENGTH && strspn(text, "0123456789abcdef") == ID_LENGTH;
}

static int revoke_token(struct settings *settings, int argc, char **argv)
{
	struct session session;
	struct answer answer;
	uint8_t digest[32];
	if (argc != 1)
		return settings_usage(settings, "one operand is needed: a token's id, or its text");
	/* As it comes from a file: without the line end. */
	argv[0][strcspn(argv[0], "\r\n")] = '\0';
	bool by_text = !strncmp(argv[0], TOKEN_PREFIX, sizeof(TOKEN_PREFIX) - 1);
	if (by_text) {
		store_token_digest(digest, argv[0], strlen(argv[0]));
		/* Hidden from ps. */
		memset(argv[0], 'x', strlen(argv[0]));
	} else if (!id_valid(argv[0])) {
		return settings_usage(settings, "an id is 12 hexadecimal digits, as `token list` shows it");
	}
	int code = session_open(&session, settings);
	if (code)
		return code;
	int status = send_revocation(&session, by_text ? digest : NULL, by_text ? NULL : argv[0], &answer);
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
