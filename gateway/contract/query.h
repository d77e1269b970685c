/* contract/query: the parameters of a raw query string. Pure; thread-safe where each thread has its own arena. */
#pragma once

#include "contract/contract.h"

struct query_cursor {
	const char *at, *end;
};

/* One parameter, decoded; both end with a NUL byte that is not counted and have none before it. */
struct query_parameter {
	const char *name;
	const char *value;
	size_t value_length;
};

/*
 * Reads the next parameter. 1, or 0 at the end, or -1 with *error. A '+' is a blank, but for the first byte of `phone`,
 * `key_search` and `hotline`: there it is the plus of an international number, which clients forget to escape.
 */
int contract_query_next(struct arena *arena, struct query_cursor *cursor, struct query_parameter *out,
                        struct contract_error *error);
