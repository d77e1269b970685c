/* redis/url: splits a copy of the text in place; the parts are pointers into it. */
#include "redis/url.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "base/hex.h"

enum { URL_MAX = 4096, DB_MAX = 65535, PORT_MAX = 65535 };

#define PERCENT "Redis URL: a percent sign in user or password must be followed by two hex digits"

static int refuse(char *error, size_t size, const char *sentence)
{
	snprintf(error, size, "%s", sentence);
	return -EINVAL;
}

/* Reads a decimal number that fills the whole text. */
static int parse_number(const char *text, unsigned maximum, unsigned *out)
{
	unsigned value = 0;
	if (!*text)
		return -EINVAL;
	for (; *text; ++text) {
		if (*text < '0' || *text > '9')
			return -EINVAL;
		value = value * 10 + (unsigned)(*text - '0');
		if (value > maximum)
			return -EINVAL;
	}
	*out = value;
	return 0;
}

/* Decodes %XX in place; a NUL byte is refused. */
static int decode(char *text)
{
	char *out = text;
	for (; *text; ++text) {
		if (*text == '%') {
			int high = hex_digit(text[1]);
			int low = high < 0 ? -1 : hex_digit(text[2]);
			if (low < 0 || (high == 0 && low == 0))
				return -EINVAL;
			*out++ = (char)(high * 16 + low);
			text += 2;
		} else {
			*out++ = *text;
		}
	}
	*out = '\0';
	return 0;
}

/* Takes "user:password@" off the front of an authority; *rest is what follows it. */
static int parse_credentials(struct redis_url *url, char *authority, char **rest, char *error, size_t size)
{
	char *at = strrchr(authority, '@');
	*rest = authority;
	if (!at)
		return 0;
	*at = '\0';
	*rest = at + 1;
	char *colon = strchr(authority, ':');
	if (!colon && !*authority)
		return refuse(error, size, "Redis URL: the part before @ must be user, user:password or :password");
	if (colon)
		*colon = '\0';
	if (decode(authority) || (colon && decode(colon + 1)))
		return refuse(error, size, PERCENT);
	if (*authority)
		url->user = authority;
	url->password = colon ? colon + 1 : NULL;
	return 0;
}

static int parse_host(struct redis_url *url, char *host, const char *default_port, char *error, size_t size)
{
	char *port = NULL;
	if (*host == '[') {
		char *close = strchr(++host, ']');
		if (!close || (close[1] && close[1] != ':'))
			return refuse(error, size, "Redis URL: an address that begins with [ must end with ]");
		if (close[1])
			port = close + 2;
		*close = '\0';
	} else if ((port = strchr(host, ':'))) {
		*port++ = '\0';
	}
	unsigned number;
	if (!*host)
		return refuse(error, size, "Redis URL: the host is missing");
	if (strpbrk(host, ",?"))
		return refuse(error, size, "Redis URL: several hosts need redis+cluster:// or redis+sentinel://");
	if (port && (parse_number(port, PORT_MAX, &number) || !number))
		return refuse(error, size, "Redis URL: the port must be a number from 1 to 65535");
	if (url->endpoint_count == REDIS_ENDPOINTS_MAX)
		return refuse(error, size, "Redis URL: more than 32 hosts");
	url->endpoints[url->endpoint_count++] = (struct redis_endpoint){host, port ? port : default_port};
	return 0;
}

/* Splits "host:port,host:port"; only one where the mode has one. */
static int parse_hosts(struct redis_url *url, char *text, char *error, size_t size)
{
	const char *default_port = url->mode == REDIS_SENTINEL ? "26379" : "6379";
	for (char *next; text; text = next) {
		next = url->mode == REDIS_SINGLE ? NULL : strchr(text, ',');
		if (next)
			*next++ = '\0';
		int result = parse_host(url, text, default_port, error, size);
		if (result)
			return result;
	}
	return 0;
}

/* What follows '?' of a sentinel URL. */
static int parse_sentinel_query(struct redis_url *url, char *query, char *error, size_t size)
{
	for (char *next; query; query = next) {
		next = strchr(query, '&');
		if (next)
			*next++ = '\0';
		char *value = strchr(query, '=');
		const char **field = !strncmp(query, "sentinel_user=", 14)       ? &url->sentinel_user
		                     : !strncmp(query, "sentinel_password=", 18) ? &url->sentinel_password
		                                                                 : NULL;
		if (!field)
			return refuse(error, size, "Redis URL: after ? only sentinel_user and sentinel_password are known");
		if (decode(++value))
			return refuse(error, size, PERCENT);
		*field = value;
	}
	if (url->sentinel_user && !url->sentinel_password)
		return refuse(error, size, "Redis URL: sentinel_user needs sentinel_password");
	return 0;
}

/* The part after the hosts: /db, or /master/db and the sentinels' user. */
static int parse_path(struct redis_url *url, char *path, char *error, size_t size)
{
	char *query = url->mode == REDIS_SENTINEL && path ? strchr(path, '?') : NULL;
	char *db = path;
	if (url->mode == REDIS_SENTINEL) {
		if (query)
			*query++ = '\0';
		db = path ? strchr(path, '/') : NULL;
		if (db)
			*db++ = '\0';
		if (!path || !*path)
			return refuse(error, size, "Redis URL: the master's name is missing after the sentinels: /name");
		url->master = path;
	}
	if (db && *db && url->mode == REDIS_CLUSTER)
		return refuse(error, size, "Redis URL: a cluster has no databases, so nothing may follow the hosts");
	if (db && *db && parse_number(db, DB_MAX, &url->db))
		return refuse(error, size, "Redis URL: the database after the slash must be a number from 0 to 65535");
	return query ? parse_sentinel_query(url, query, error, size) : 0;
}

static int parse_tcp(struct redis_url *url, char *text, char *error, size_t size)
{
	/* A query's values may hold any character, so it does not take part in the search for '@'. */
	char *slash = strchr(text, '/');
	if (slash)
		*slash++ = '\0';
	char *hosts;
	int result = parse_credentials(url, text, &hosts, error, size);
	if (!result)
		result = parse_hosts(url, hosts, error, size);
	return result ? result : parse_path(url, slash, error, size);
}

static int parse_unix(struct redis_url *url, char *text, char *error, size_t size)
{
	char *slash = strchr(text, '/');
	if (!slash)
		return refuse(error, size, "Redis URL: unix:// must be followed by an absolute path");
	char *question = strchr(slash, '?');
	if (question) {
		*question = '\0';
		if (strncmp(question + 1, "db=", 3) || parse_number(question + 4, DB_MAX, &url->db))
			return refuse(error, size, "Redis URL: after ? only db=N with a number from 0 to 65535 is known");
	}
	if (!slash[1] || strlen(slash) >= sizeof(((struct sockaddr_un *)0)->sun_path))
		return refuse(error, size, "Redis URL: the socket's path is empty or too long");
	url->path = slash;
	if (slash == text)
		return 0;
	/* The path keeps its slash, so the credentials are looked at in a copy of their own behind it. */
	size_t length = (size_t)(slash - text);
	char *authority = url->block + strlen(url->block) + 1;
	memcpy(authority, text, length);
	authority[length] = '\0';
	char *rest;
	int result = parse_credentials(url, authority, &rest, error, size);
	if (!result && *rest)
		result = refuse(error, size, "Redis URL: unix:// takes no host");
	return result;
}

static int parse_scheme(struct redis_url *url, char *error, size_t size)
{
	static const char *const modes[] = {
	    [REDIS_SINGLE] = "", [REDIS_SENTINEL] = "+sentinel", [REDIS_CLUSTER] = "+cluster"};
	if (!strncmp(url->block, "unix://", 7))
		return parse_unix(url, url->block + 7, error, size);
	for (int i = 0; i < 6; ++i) {
		char scheme[24];
		int length = snprintf(scheme, sizeof(scheme), "redis%s%s://", i & 1 ? "s" : "", modes[i / 2]);
		if (strncmp(url->block, scheme, (size_t)length))
			continue;
		url->tls = i & 1;
		url->mode = (enum redis_mode)(i / 2);
		return parse_tcp(url, url->block + length, error, size);
	}
	return refuse(error, size,
	              "Redis URL: it must begin with redis://, redis+cluster:// or redis+sentinel:// (rediss with TLS), "
	              "or with unix://");
}

int redis_url_parse(struct redis_url *out, const char *text, char *error, size_t size)
{
	struct redis_url url = {0};
	size_t length = strlen(text);
	int result = 0;
	if (length > URL_MAX)
		return refuse(error, size, "Redis URL: it is longer than 4096 bytes");
	for (size_t i = 0; i < length; ++i)
		if ((unsigned char)text[i] <= ' ' || text[i] == 0x7f)
			return refuse(error, size, "Redis URL: blanks and control characters are not allowed");
	/* Twice the length: parse_unix() needs a second copy. calloc keeps strlen() of the first one within the block. */
	url.block = calloc(2, length + 2);
	if (!url.block)
		return -ENOMEM;
	memcpy(url.block, text, length);
	url.block_size = 2 * (length + 2);
	result = parse_scheme(&url, error, size);
	if (result) {
		redis_url_free(&url);
		return result;
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
