/*
 * redis/url: splits a copy of the text in place; the parts are pointers into it. Each part gives NULL, or what is
 * wrong.
 */
#include "redis/url.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "base/decimal.h"
#include "base/hex.h"

enum { URL_MAX = 4096, DB_MAX = 65535, PORT_MAX = 65535 };

#define PERCENT "a percent sign in user or password must be followed by two hex digits"

/* Reads a decimal number that fills the whole text. */
static bool parse_number(const char *text, int64_t least, int64_t most, unsigned *out)
{
	int64_t value;
	if (!decimal_read(text, strlen(text), &value) || value < least || value > most)
		return false;
	*out = (unsigned)value;
	return true;
}

/* Decodes %XX in place; a NUL byte is refused. */
static bool decode(char *text)
{
	char *out = text;
	for (; *text; ++text) {
		if (*text == '%') {
			int high = hex_digit(text[1]);
			int low = high < 0 ? -1 : hex_digit(text[2]);
			if (low < 0 || (high == 0 && low == 0))
				return false;
			*out++ = (char)(high * 16 + low);
			text += 2;
		} else {
			*out++ = *text;
		}
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
		return PERCENT;
	url->user = *user ? user : NULL;
	url->password = text;
	return NULL;
}

static const char *parse_host(struct redis_url *url, char *host)
{
	const char *port = url->mode == REDIS_SENTINEL ? "26379" : "6379";
	char *end = host + strcspn(host, ":");
	unsigned number;
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
	if (!parse_number(port, 1, PORT_MAX, &number))
		return "the port must be a number from 1 to 65535";
	if (url->endpoint_count == REDIS_ENDPOINTS_MAX)
		return "more than 32 hosts";
	url->endpoints[url->endpoint_count++] = (struct redis_endpoint){host, port};
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
		char *value = strsep(&text, "&");
		const char *name = strsep(&value, "=");
		if (value && !decode(value))
			return PERCENT;
		if (value && url->path && !strcmp(name, "db") && parse_number(value, 0, DB_MAX, &url->db))
			continue;
		if (value && url->master && !strcmp(name, "sentinel_user"))
			url->sentinel_user = value;
		else if (value && url->master && !strcmp(name, "sentinel_password"))
			url->sentinel_password = value;
		else
			return "after ? may follow db=N, from 0 to 65535, for a unix socket; sentinel_user=U and "
			       "sentinel_password=P "
			       "for sentinels";
	}
	return url->sentinel_user && !url->sentinel_password ? "sentinel_user needs sentinel_password" : NULL;
}

/* What follows the hosts: "", /db, /master, or /master/db. */
static const char *parse_path(struct redis_url *url, char *text)
{
	strsep(&text, "/");
	if (url->mode == REDIS_SENTINEL) {
		url->master = strsep(&text, "/");
		if (!url->master || !*url->master)
			return "the master's name is missing after the sentinels: /name";
	}
	if (!text || !*text)
		return NULL;
	if (url->mode == REDIS_CLUSTER)
		return "a cluster has no databases, so nothing may follow the hosts";
	if (!parse_number(text, 0, DB_MAX, &url->db))
		return "the database after the slash must be a number from 0 to 65535";
	return NULL;
}

static const char *parse_socket(struct redis_url *url, const char *hosts, const char *path)
{
	if (*hosts)
		return "unix:// takes no host";
	if (!*path || !path[1] || strlen(path) >= sizeof(((struct sockaddr_un *)0)->sun_path))
		return "unix:// must be followed by an absolute path, which is not too long";
	url->path = path;
	return NULL;
}

/* Parses what follows the scheme. */
static const char *parse_rest(struct redis_url *url, char *text, bool is_socket)
{
	/*
	 * The part before the path moves over the last slash of the scheme, so that it can end with a NUL and the path
	 * keep its slash.
	 */
	size_t length = strcspn(text, "/");
	char *authority = memmove(text - 1, text, length), *path = text + length;
	authority[length] = '\0';
	/* Passwords may have an @, and so may what is behind the path. */
	char *at = strrchr(authority, '@'), *hosts = at ? at + 1 : authority;
	const char *why = NULL;
	if (at) {
		*at = '\0';
		why = parse_credentials(url, authority);
	}
	char *parameters = path;
	if (is_socket || url->mode == REDIS_SENTINEL)
		strsep(&parameters, "?");
	else
		parameters = NULL;
	if (!why)
		why = is_socket ? parse_socket(url, hosts, path) : parse_hosts(url, hosts);
	if (!why && !is_socket)
		why = parse_path(url, path);
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
	size_t length = strlen(text);
	struct redis_url url = {.block_size = length + 1};
	if (length > URL_MAX) {
		snprintf(error, size, "Redis URL: it is longer than 4096 bytes");
		return -EINVAL;
	}
	url.block = strdup(text);
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
