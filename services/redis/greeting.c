/*
 * redis/greeting: AUTH and SELECT where the URL asks for them, INFO for the
 * server's version and settings, ROLE behind sentinels, and a PING, which a
 * server that is still loading refuses.
 */
#include "redis/greeting.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { GREET_AUTH, GREET_SELECT, GREET_INFO, GREET_ROLE, GREET_PING };
enum { PASSWORD_MAX = 1024, VERSION_MIN = 7 };

static void add(struct connection *connection, int kind, int argc, const char *const *argv)
{
	struct buffer *out = &connection->greeting;
	buffer_printf(out, "*%d\r\n", argc);
	for (int i = 0; i < argc; ++i)
		buffer_printf(out, "$%zu\r\n%s\r\n", strlen(argv[i]), argv[i]);
	connection->greetings[connection->greeting_count++] = (uint8_t)kind;
}

/* Reads the file's first line. It is read for every connection, so that a new password needs no restart. */
static int read_password(const char *path, char out[PASSWORD_MAX])
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	ssize_t length = fd < 0 ? -1 : read(fd, out, PASSWORD_MAX - 1);
	if (fd >= 0)
		close(fd);
	if (length <= 0)
		return -EINVAL;
	out[length] = '\0';
	out[strcspn(out, "\r\n")] = '\0';
	return 0;
}

static int add_auth(struct connection *connection, const char **why)
{
	const struct redis_url *url = &connection->shared->url;
	const char *path = connection->shared->options.password_file;
	bool own = connection->kind == CONNECTION_SENTINEL && url->sentinel_password;
	const char *user = own ? url->sentinel_user : url->user;
	const char *password = own ? url->sentinel_password : url->password;
	char text[PASSWORD_MAX];
	if (path && !own) {
		if (read_password(path, text)) {
			*why = "the password file cannot be read, or is empty";
			return -EINVAL;
		}
		password = text;
	}
	if (user && !password) {
		*why = "the URL has a user but neither it nor a password file has the password";
		return -EINVAL;
	}
	if (password)
		add(connection, GREET_AUTH, user ? 3 : 2, (const char *[]){"AUTH", user ? user : password, password});
	explicit_bzero(text, sizeof(text));
	return 0;
}

int greeting_write(struct connection *connection, const char **why)
{
	const struct connection_shared *shared = connection->shared;
	char db[16];
	buffer_clear(&connection->greeting);
	connection->greeting_written = 0;
	connection->greeting_count = connection->greeting_at = 0;
	int result = add_auth(connection, why);
	if (result)
		return result;
	if (connection->kind != CONNECTION_SENTINEL) {
		snprintf(db, sizeof(db), "%u", shared->url.db);
		if (shared->url.db)
			add(connection, GREET_SELECT, 2, (const char *[]){"SELECT", db});
		add(connection, GREET_INFO, 4, (const char *[]){"INFO", "server", "memory", "persistence"});
		if (shared->url.mode == REDIS_SENTINEL)
			add(connection, GREET_ROLE, 1, (const char *[]){"ROLE"});
	}
	add(connection, GREET_PING, 1, (const char *[]){"PING"});
	if (connection->greeting.failed)
		*why = "out of memory";
	return connection->greeting.failed ? -ENOMEM : 0;
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

static int check_info(struct connection *connection, const struct redis_reply *info, const char **why)
{
	static const char too_old[] = "the server is older than Redis 7, which is needed (or Valkey 8)";
	struct connection_shared *shared = connection->shared;
	if (info->type != REDIS_STRING) {
		/* Redis 6 takes one section only. Whoever may not run INFO is not checked. */
		*why = too_old;
		return info->type == REDIS_ERROR && !strncmp(info->data, "ERR syntax", 10) ? -1 : 0;
	}
	const char *version = field(info, "redis_version:"), *valkey = field(info, "valkey_version:");
	if (!version)
		return 0;
	char *end;
	long major = strtol(version, &end, 10), minor = *end == '.' ? strtol(end + 1, NULL, 10) : 0;
	if (major < VERSION_MIN && !valkey) {
		*why = too_old;
		return -1;
	}
	if (shared->options.ack_disk && !valkey && major == 7 && minor < 2) {
		*why = "--redis-ack disk needs Redis 7.2 or newer, or Valkey";
		return -1;
	}
	shared->stats.risks = read_risks(info);
	return 0;
}

int greeting_reply(struct connection *connection, const struct redis_reply *reply, const char **why)
{
	int kind = connection->greetings[connection->greeting_at++];
	bool last = connection->greeting_at == connection->greeting_count;
	if (kind == GREET_INFO)
		return check_info(connection, reply, why);
	if (reply->type == REDIS_ERROR) {
		/* A server that does not know AUTH repeats what it was given: only the error's code is kept. */
		snprintf(connection->refusal, sizeof(connection->refusal), "%.*s", (int)strcspn(reply->data, " "), reply->data);
		*why = connection->greetings[0] == GREET_AUTH ? connection->refusal : reply->data;
		return -1;
	}
	if (kind == GREET_ROLE && (reply->type != REDIS_ARRAY || !reply->count || !reply->elements[0]->data ||
	                           strcmp(reply->elements[0]->data, "master"))) {
		*why = "the server that the sentinels name is not a master yet";
		return -1;
	}
	if (last)
		explicit_bzero(connection->greeting.data, connection->greeting.length);
	return last;
}
