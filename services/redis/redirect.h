/* redis/redirect: reads the MOVED and ASK errors of a cluster. Pure; thread-safe. */
#ifndef CALLHISTORY_REDIS_REDIRECT_H
#define CALLHISTORY_REDIS_REDIRECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { REDIRECT_HOST = 256, REDIRECT_PORT = 6 };

struct redirect {
	bool ask; /* else MOVED */
	uint16_t slot;
	char host[REDIRECT_HOST]; /* "": the host that was asked */
	char port[REDIRECT_PORT]; /* digits */
};

/*
 * Parses "MOVED 3999 127.0.0.1:6381" and "ASK ...". 0, or -EINVAL: it is no such error, or one that names no usable
 * node.
 */
int redis_redirect_parse(struct redirect *out, const char *text, size_t length);

/*
 * Copies a node's host and port. False when they are unusable: an unknown host ("?"), a port outside 1 to 65535, too
 * long.
 */
bool redis_redirect_node(char host[REDIRECT_HOST], char port[REDIRECT_PORT], const char *name, size_t length,
                         int64_t number);

#endif
