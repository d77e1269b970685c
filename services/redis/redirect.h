/* redis/redirect: reads the MOVED and ASK errors of a cluster. Pure; thread-safe. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Where a server is; host "": nowhere. For a unix socket the host is its path, and the port is "". */
struct redis_address {
	char host[256]; /* without brackets */
	char port[6];   /* digits */
};

struct redirect {
	bool ask; /* else MOVED */
	uint16_t slot;
	struct redis_address to; /* host "": the host that sent the redirection */
};

/*
 * Parses "MOVED 3999 127.0.0.1:6381" and "ASK ...". 0, or -EINVAL: it is no such error, or one that names no usable
 * node;
 * *out is then undefined.
 */
int redis_redirect_parse(struct redirect *out, const char *text, size_t length);

/*
 * Fills in an address. False when it is unusable: an unknown host ("?"), blanks or control characters, too long, or a
 * port outside 1 to 65535.
 */
bool redis_address_set(struct redis_address *out, const char *host, size_t length, int64_t port);

/* Whether host and port are equal. */
bool redis_address_equal(const struct redis_address *a, const struct redis_address *b);
