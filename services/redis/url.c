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
	if (!colon)
		return refuse(error, size, "Redis URL: the part before @ must be user:password or :password");
	*colon = '\0';
	if (decode(authority) || decode(colon + 1))
		return refuse(error, size, "Redis URL: a percent sign in user or password must be followed by two hex digits");
	if (*authority)
		url->user = authority;
	url->password = colon + 1;
	return 0;
}

static int parse_host(struct redis_url *url, char *host, char *error, size_t size)
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
	if (port && (parse_number(port, PORT_MAX, &number) || !number))
		return refuse(error, size, "Redis URL: the port must be a number from 1 to 65535");
	url->host = host;
	url->port = port ? port : "6379";
	return 0;
}

static int parse_tcp(struct redis_url *url, char *text, char *error, size_t size)
{
	char *slash = strchr(text, '/');
	if (slash) {
		*slash++ = '\0';
		if (*slash && parse_number(slash, DB_MAX, &url->db))
			return refuse(error, size, "Redis URL: the database after the slash must be a number from 0 to 65535");
	}
	char *host;
	int result = parse_credentials(url, text, &host, error, size);
	return result ? result : parse_host(url, host, error, size);
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

int redis_url_parse(struct redis_url *out, const char *text, char *error, size_t size)
{
	struct redis_url url = {0};
	size_t length = strlen(text);
	int result;
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
	if (!strncmp(text, "redis://", 8))
		result = parse_tcp(&url, url.block + 8, error, size);
	else if (!strncmp(text, "unix://", 7))
		result = parse_unix(&url, url.block + 7, error, size);
	else
		result = refuse(error, size, "Redis URL: it must begin with redis:// or unix://");
	if (result) {
		redis_url_free(&url);
		return result;
	}
	*out = url;
	return 0;
}

void redis_url_free(struct redis_url *url)
{
	if (url->password)
		explicit_bzero((char *)(uintptr_t)url->password, strlen(url->password));
	free(url->block);
	*url = (struct redis_url){0};
}
