/*
 * redis/url: what a Redis URL names. Pure; thread-safe.
 *
 *   redis://[user:password@]host[:port][/db]
 *   unix://[user:password@]/path[?db=N]
 *
 * User and password may be percent-encoded; an IPv6 address stands in
 * brackets. The strings live in one block, owned by the struct.
 */
#ifndef CALLHISTORY_REDIS_URL_H
#define CALLHISTORY_REDIS_URL_H

#include <stddef.h>

struct redis_url {
	const char *path;     /* unix socket; NULL: host and port count */
	const char *host;     /* without brackets */
	const char *port;     /* digits */
	const char *user;     /* NULL: the default user */
	const char *password; /* NULL: no AUTH */
	unsigned db;
	char *block; /* owned: all strings */
};

/* Parses `text`. -EINVAL with a sentence in error[0..size), which never quotes the text; -ENOMEM. */
int redis_url_parse(struct redis_url *out, const char *text, char *error, size_t size);

/* Gives the strings back and overwrites the password. Takes a zeroed struct. */
void redis_url_free(struct redis_url *url);

#endif
