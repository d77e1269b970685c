/*
 * redis/greeting: AUTH and SELECT where the URL asks for them, INFO for the
 * server's version and settings, ROLE behind sentinels, and a PING, which a
 * server that is still loading refuses.
 *
 * They are commands like others, but are sent before those that wait already.
 */
#include "redis/connection.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

enum { PASSWORD_MAX = 1024, VERSION_MIN = 7 };

static void add(struct connection *connection, int argc, const char *const *argv, redis_callback *callback)
{
	if (redis_connection_send(connection, argc, argv, callback, connection)) {
		connection->out.failed = true;
		return;
	}
	struct command *command = TAILQ_LAST(&connection->lists[COMMANDS_NEW], command_list);
	redis_command_move(command, &connection->lists[COMMANDS_SENT]);
	redis_command_write(command, &connection->out);
}

/* Whether a reply is no error; else the connection is broken. */
static bool is_good(struct connection *connection, const struct redis_reply *reply)
{
	if (reply->type == REDIS_ERROR)
		redis_connection_break(connection, reply->data);
	return reply->type != REDIS_ERROR;
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

static void select_replied(void *data, int status, const struct redis_reply *reply)
{
	(void)status;
	is_good(data, reply);
}

static void role_replied(void *data, int status, const struct redis_reply *reply)
{
	struct connection *connection = data;
	(void)status;
	if (is_good(connection, reply) && (reply->type != REDIS_ARRAY || !reply->count || !reply->elements[0]->data ||
	                                   strcmp(reply->elements[0]->data, "master")))
		redis_connection_break(connection, "the server that the sentinels name is not a master yet");
}

static void ping_replied(void *data, int status, const struct redis_reply *reply)
{
	struct connection *connection = data;
	(void)status;
	if (is_good(connection, reply))
		redis_connection_greeted(connection);
}

/* The text after "name:" in a reply to INFO, NULL: there is none. */
static const char *field(const struct redis_reply *reply, const char *name)
{
	size_t length = strlen(name);
	for (const char *line = reply->data; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (!strncmp(line, name, length))
			return line + length;
	}
	return NULL;
}

static unsigned read_risks(const struct redis_reply *info)
{
	const char *policy = field(info, "maxmemory_policy:"), *maximum = field(info, "maxmemory:");
	const char *append = field(info, "aof_enabled:");
	unsigned risks = 0;
	/* A volatile policy evicts keys with a lifetime only, and there are none. */
	if (policy && !strncmp(policy, "allkeys", 7))
		risks |= REDIS_RISK_EVICTION;
	if (append && *append == '0')
		risks |= REDIS_RISK_NO_APPEND_ONLY_FILE;
	if (maximum && *maximum == '0')
		risks |= REDIS_RISK_NO_MEMORY_LIMIT;
	return risks;
}

static void info_replied(void *data, int status, const struct redis_reply *reply)
{
	struct connection *connection = data;
	struct connection_shared *shared = connection->shared;
	(void)status;
	bool is_text = reply->type == REDIS_STRING;
	const char *version = is_text ? field(reply, "redis_version:") : NULL;
	bool valkey = is_text && field(reply, "valkey_version:");
	int major = 0, minor = 0;
	bool known = version && sscanf(version, "%d.%d", &major, &minor) >= 1;
	/* Redis 6 takes one section only. Whoever may not run INFO is not checked. */
	bool too_old = reply->type == REDIS_ERROR && !strncmp(reply->data, "ERR syntax", 10);
	if (too_old || (known && major < VERSION_MIN && !valkey))
		redis_connection_break(connection, "the server is older than Redis 7, which is needed (or Valkey 8)");
	else if (known && shared->options.ack_disk && major == 7 && minor < 2 && !valkey)
		redis_connection_break(connection, "--redis-ack disk needs Redis 7.2 or newer, or Valkey");
	else if (is_text)
		shared->stats.risks = read_risks(reply);
}

/* Reads the file's first line. It is read for every connection, so that a new password needs no restart. */
static const char *read_password(const char *path, char out[PASSWORD_MAX])
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	ssize_t length = fd < 0 ? -1 : read(fd, out, PASSWORD_MAX - 1);
	if (fd >= 0)
		close(fd);
	if (length <= 0)
		return NULL;
	out[length] = '\0';
	out[strcspn(out, "\r\n")] = '\0';
	return out;
}

static const char *add_auth(struct connection *connection)
{
	const struct redis_url *url = &connection->shared->url;
	const char *path = connection->shared->options.password_file;
	bool own = connection->kind == CONNECTION_SENTINEL && url->sentinel_password;
	const char *user = own ? url->sentinel_user : url->user;
	const char *password = own ? url->sentinel_password : url->password;
	char text[PASSWORD_MAX];
	if (path && !own) {
		password = read_password(path, text);
		if (!password)
			return "the password file cannot be read, or is empty";
	}
	if (user && !password)
		return "the URL has a user but neither it nor a password file has the password";
	if (password)
		add(connection, user ? 3 : 2, (const char *[]){"AUTH", user ? user : password, password}, auth_replied);
	explicit_bzero(text, sizeof(text));
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
	if (connection->kind != CONNECTION_SENTINEL && url->db)
		add(connection, 2, (const char *[]){"SELECT", db}, select_replied);
	if (connection->kind != CONNECTION_SENTINEL)
		add(connection, 4, (const char *[]){"INFO", "server", "memory", "persistence"}, info_replied);
	if (connection->kind != CONNECTION_SENTINEL && url->mode == REDIS_SENTINEL)
		add(connection, 1, (const char *[]){"ROLE"}, role_replied);
	add(connection, 1, (const char *[]){"PING"}, ping_replied);
	connection->state = CONNECTION_GREETING;
	return 1;
}
