/*
 * redis/url: what a Redis URL names. Pure; thread-safe.
 *
 *   redis://[user[:password]@]host[:port][/db]                    one server
 *   unix://[user[:password]@]/path[?db=N]                         one server
 *   redis+cluster://[user[:password]@]host[:port],host[:port]...  some nodes of a cluster, which name the others
 *   redis+sentinel://[user[:password]@]host[:port],.../master[/db][?sentinel_user=U&sentinel_password=P]
 *
 * A user without a password is for redis_options.password_file. The sentinels get the servers' user and password
 * unless sentinel_user or sentinel_password is given. rediss instead of redis means TLS. Users and passwords may
 * be percent-encoded; an IPv6 address is written in brackets. The strings are in one block, owned by the struct.
 */
#pragma once

#include "redis/topology.h"

enum { REDIS_ENDPOINTS_MAX = 32 };

enum redis_mode { REDIS_SINGLE, REDIS_SENTINEL, REDIS_CLUSTER };

struct redis_url {
	enum redis_mode mode;
	bool tls;
	const char *path; /* unix socket, which is the endpoint; NULL: none */
	struct redis_address endpoints[REDIS_ENDPOINTS_MAX];
	size_t endpoint_count;
	const char *master;   /* SENTINEL: the name that the sentinels know the server by */
	const char *user;     /* NULL: the default user */
	const char *password; /* NULL: no AUTH, or redis_options.password_file has it */
	const char *sentinel_user, *sentinel_password;
	unsigned db;
	char *block; /* owned: all strings */
	size_t block_size;
};

/* Parses `text`. -EINVAL with a sentence in error[0..size), which never quotes the text; -ENOMEM. */
int redis_url_parse(struct redis_url *out, const char *text, char *error, size_t size);

/* Frees the strings and overwrites the passwords. Takes a zeroed struct. */
void redis_url_free(struct redis_url *url);
