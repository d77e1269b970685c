/*
 * redis/url: splits a copy of the text in place; the parts are pointers into it. Each part returns NULL or an error
 * message.
 */
#include "redis/url.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "base/decimal.h"
#include "base/hex.h"

enum { DB_MAX = 65535 };

static bool parse_db(const char *text, unsigned *out)
{
	int64_t value;
	if (!decimal_read(text, strlen(text), &value) || value < 0 || value > DB_MAX)
		return false;
	*out = (unsigned)value;
	return true;
}

/* Decodes %XX in place; a NUL byte is refused. */
static bool decode(char *text)
{
	char *out = text;
	for (; *text; ++text) {
		if (*text != '%') {
			*out++ = *text;
			continue;
		}
		int byte = hex_byte(text + 1);
		if (byte <= 0)
			return false;
		*out++ = (char)byte;
		text += 2;
	}
	*out = '\0';
	return true;
}

static const char *parse_credentials(struct redis_url *url, char *text)
{
	if (!*text)
		return "the part before @ must be user, user:password or :password";
	char *user = strsep(&text, ":");
	if (!decode(user) || (text && !decode(text)))
		return "a percent sign in user or password must be followed by two hex digits";
	url->user = *user ? user : NULL;
	url->password = text;
	return NULL;
}

static const char *parse_host(struct redis_url *url, char *host)
{
	const char *port = url->mode == REDIS_SENTINEL ? "26379" : "6379";
	char *end = host + strcspn(host, ":");
	int64_t number;
	if (*host == '[') {
		end = strchr(++host, ']');
		if (!end || (end[1] && end[1] != ':'))
			return "an address that begins with [ must end with ]";
		*end++ = '\0';
	}
	if (*end) {
		*end = '\0';
		port = end + 1;
	}
	if (!*host || strchr(host, '?'))
		return "the host is missing, or has a question mark";
	if (url->endpoint_count == REDIS_ENDPOINTS_MAX)
		return "more than 32 hosts";
	if (!decimal_read(port, strlen(port), &number) ||
	    !redis_address_set(&url->endpoints[url->endpoint_count++], host, strlen(host), number))
		return "the port must be a number from 1 to 65535, and the host shorter than 256 bytes";
	return NULL;
}

/* Splits "host:port,host:port". */
static const char *parse_hosts(struct redis_url *url, char *text)
{
	const char *why = NULL;
	while (text && !why)
		why = parse_host(url, strsep(&text, ","));
	if (!why && url->mode == REDIS_SINGLE && url->endpoint_count > 1)
		why = "several hosts need redis+cluster:// or redis+sentinel://";
	return why;
}

/* What follows '?'. */
static const char *parse_parameters(struct redis_url *url, char *text)
{
	while (text) {
		char *value = strsep(&text, "&"), *name = strsep(&value, "=");
		bool good = value && decode(value);
		if (good && url->master && !strcmp(name, "sentinel_user"))
			url->sentinel_user = value;
		else if (good && url->master && !strcmp(name, "sentinel_password"))
			url->sentinel_password = value;
		else if (!good || !url->path || strcmp(name, "db") != 0 || !parse_db(value, &url->db))
			return "after ? may follow db=N, from 0 to 65535, for a unix socket, or, percent-encoded, sentinel_user=U "
			       "and sentinel_password=P for sentinels";
	}
	return url->sentinel_user && !url->sentinel_password ? "sentinel_user needs sentinel_password" : NULL;
}

/* What follows the slash behind the hosts: NULL, "", db, master, or master/db. */
static const char *parse_path(struct redis_url *url, char *text)
{
	if (url->mode == REDIS_SENTINEL) {
		url->master = strsep(&text, "/");
		if (!url->master || !*url->master)
			return "the master's name is missing after the sentinels: /name";
	}
	if (!text || !*text)
		return NULL;
	if (url->mode == REDIS_CLUSTER)
		return "a cluster has no databases, so nothing may follow the hosts";
	if (!parse_db(text, &url->db))
		return "the database after the slash must be a number from 0 to 65535";
	return NULL;
}

static const char *parse_socket(struct redis_url *url, const char *path)
{
	if (*path != '/' || !path[1] || strlen(path) >= sizeof(((struct sockaddr_un *)0)->sun_path))
		return "unix:// must be followed by an absolute path, without a host, which is not too long";
	url->path = path;
	snprintf(url->endpoints[0].host, sizeof(url->endpoints[0].host), "%s", path);
	return NULL;
}

/* Parses what follows the scheme. */
static const char *parse_rest(struct redis_url *url, char *text, bool is_socket)
{
	/* Passwords may have an @, and so may what follows the first slash. */
	char *at = memrchr(text, '@', strcspn(text, "/"));
	char *rest = at ? at + 1 : text, *parameters = NULL;
	const char *why = NULL;
	if (at) {
		*at = '\0';
		why = parse_credentials(url, text);
	}
	if (is_socket || url->mode == REDIS_SENTINEL) {
		parameters = rest;
		strsep(&parameters, "?");
	}
	if (!why)
		why = is_socket ? parse_socket(url, rest) : parse_hosts(url, strsep(&rest, "/"));
	if (!why && !is_socket)
		why = parse_path(url, rest);
	return why ? why : parse_parameters(url, parameters);
}

static const char *parse(struct redis_url *url)
{
	static const struct {
		const char *text;
		enum redis_mode mode;
		bool tls, is_socket;
	} schemes[] = {
	    {"redis://", REDIS_SINGLE, false, false},
	    {"rediss://", REDIS_SINGLE, true, false},
	    {"redis+cluster://", REDIS_CLUSTER, false, false},
	    {"rediss+cluster://", REDIS_CLUSTER, true, false},
	    {"redis+sentinel://", REDIS_SENTINEL, false, false},
	    {"rediss+sentinel://", REDIS_SENTINEL, true, false},
	    {"unix://", REDIS_SINGLE, false, true},
	};
	for (const char *at = url->block; *at; ++at)
		if ((unsigned char)*at <= ' ' || *at == 0x7f)
			return "blanks and control characters are not allowed";
	for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); ++i) {
		size_t length = strlen(schemes[i].text);
		if (strncmp(url->block, schemes[i].text, length))
			continue;
		url->mode = schemes[i].mode;
		url->tls = schemes[i].tls;
		return parse_rest(url, url->block + length, schemes[i].is_socket);
	}
	return "it must begin with redis://, redis+cluster:// or redis+sentinel:// (rediss with TLS), or with unix://";
}

int redis_url_parse(struct redis_url *out, const char *text, char *error, size_t size)
{
	struct redis_url url = {.block = strdup(text), .block_size = strlen(text) + 1};
	if (!url.block)
		return -ENOMEM;
	const char *why = parse(&url);
	if (why) {
		snprintf(error, size, "Redis URL: %s", why);
		redis_url_free(&url);
		return -EINVAL;
	}
	*out = url;
	return 0;
}

void redis_url_free(struct redis_url *url)
{
	if (url->block)
		explicit_bzero(url->block, url->block_size);
	free(url->block);
	*url = (struct redis_url){0};
}
