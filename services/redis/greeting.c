/*
 * redis/greeting: AUTH and SELECT where the URL asks for them, INFO for the server's version and settings, COMMAND INFO
 * for the commands that not every server has, ROLE behind sentinels, and a PING, which a server that is still loading
 * refuses.
 *
 * They are commands like others, but are sent before those that wait already.
 */
#include "redis/connection.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/file.h"

static void add(struct connection *connection, int argc, const char *const *argv, redis_callback *callback)
{
	struct command *command = redis_connection_send(connection, argc, argv, callback, connection);
	if (!command) {
		connection->out.failed = true;
		return;
	}
	command->sent_us = connection->shared->now_us;
	redis_command_move(command, &connection->lists[COMMANDS_SENT]);
	redis_command_write(command, &connection->out);
}

static void auth_replied(void *data, int status, const struct redis_reply *reply)
{
	struct connection *connection = data;
	char code[32];
	(void)status;
	if (reply->type != REDIS_ERROR)
		return;
	/* A server that does not know AUTH repeats what it was given: only the error's code is kept. */
	snprintf(code, sizeof(code), "%.*s", (int)strcspn(reply->data, " "), reply->data);
	redis_connection_break(connection, code);
}

static void role_replied(void *data, int status, const struct redis_reply *reply)
{
	(void)status;
	bool is_master = reply->type == REDIS_ARRAY && reply->count && reply->elements[0]->data &&
	                 !strcmp(reply->elements[0]->data, "master");
	if (!is_master)
		redis_connection_break(
		    data, reply->type == REDIS_ERROR ? reply->data : "the server that the sentinels name is not a master yet");
}

/* SELECT and PING: an error breaks the connection, and the reply to PING is the last one. */
static void greeted(void *data, int status, const struct redis_reply *reply)
{
	(void)status;
	if (reply->type == REDIS_ERROR)
		redis_connection_break(data, reply->data);
	else if (reply->type == REDIS_STATUS && !strcmp(reply->data, "PONG"))
		redis_connection_greeted(data);
}

/* Checks version and settings; whoever may not run INFO is not checked. Valkey names a version of Redis. */
static void info_replied(void *data, int status, const struct redis_reply *reply)
{
	static const char version[] = "\nredis_version:";
	static const struct {
		const char *text;
		unsigned risk;
	} risks[] = {
	    /* A volatile policy evicts keys with a lifetime only, and there are none. */
	    {"\nmaxmemory_policy:allkeys", REDIS_RISK_EVICTION},
	    {"\naof_enabled:0", REDIS_RISK_NO_APPEND_ONLY_FILE},
	    {"\nmaxmemory:0", REDIS_RISK_NO_MEMORY_LIMIT},
	};
	struct connection *connection = data;
	const char *at = reply->type == REDIS_STRING ? strstr(reply->data, version) : NULL;
	(void)status;
	if (!at)
		return;
	if (atoi(at + strlen(version)) < 7)
		redis_connection_break(connection, "the server is older than Redis 7, which is needed (or Valkey 8)");
	connection->shared->stats.risks = 0;
	for (size_t i = 0; i < sizeof(risks) / sizeof(risks[0]); ++i)
		if (strstr(reply->data, risks[i].text))
			connection->shared->stats.risks |= risks[i].risk;
}

/* The reply has nil for a command that the server lacks. Whoever may not run COMMAND is not checked. */
static void commands_replied(void *data, int status, const struct redis_reply *reply)
{
	(void)status;
	for (size_t i = reply->type == REDIS_ARRAY ? reply->count : 0; i--;)
		if (reply->elements[i]->type == REDIS_NIL)
			redis_connection_break(data, i ? "--redis-ack disk needs WAITAOF: Redis 7.2 or newer, or Valkey"
			                               : "the server lacks EVALSHA_RO: Redis 7 or Valkey 8 is needed");
}

/* Adds AUTH where there is a password. NULL, or why that is impossible. */
static const char *add_auth(struct connection *connection)
{
	const struct redis_url *url = &connection->shared->url;
	const char *path = connection->shared->options.password_file;
	bool own = connection->kind == CONNECTION_SENTINEL && url->sentinel_password;
	const char *user = own ? url->sentinel_user : url->user;
	const char *password = own ? url->sentinel_password : url->password;
	char *text = NULL;
	/* The file is read for every connection, so that a new password needs no restart. */
	if (path && *path && !own) {
		if (file_read(path, false, &text))
			return "the password file cannot be read";
		text[strcspn(text, "\r\n")] = '\0';
		password = text;
	}
	if (user && !password)
		return "the URL has a user but neither it nor a password file has the password";
	if (password)
		add(connection, user ? 3 : 2, (const char *[]){"AUTH", user ? user : password, password}, auth_replied);
	file_wipe(text);
	return NULL;
}

int redis_greeting_begin(struct connection *connection)
{
	const struct redis_url *url = &connection->shared->url;
	char db[16];
	const char *why = add_auth(connection);
	if (why)
		return redis_connection_break(connection, why);
	snprintf(db, sizeof(db), "%u", url->db);
	bool serves = connection->kind != CONNECTION_SENTINEL;
	if (serves && url->db)
		add(connection, 2, (const char *[]){"SELECT", db}, greeted);
	if (serves) {
		add(connection, 1, (const char *[]){"INFO"}, info_replied);
		add(connection, connection->shared->options.ack_disk ? 4 : 3,
		    (const char *[]){"COMMAND", "INFO", "EVALSHA_RO", "WAITAOF"}, commands_replied);
	}
	if (serves && url->mode == REDIS_SENTINEL)
		add(connection, 1, (const char *[]){"ROLE"}, role_replied);
	add(connection, 1, (const char *[]){"PING"}, greeted);
	connection->state = CONNECTION_GREETING;
	return 1;
}
