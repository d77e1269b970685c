/* contract/query: the parameters of a raw query string. Pure; thread-safe where each thread has its own arena. */
#pragma once

#include "contract/contract.h"
#include "contract/node.h"

struct query_cursor {
	const char *at, *end;
};

/*
 * Reads the next parameter, decoded: a text with its name as the key. 1, or 0 at the end, or -1 with *error. A '+' is a blank, but for the first byte of `phone`,
 * `key_search` and `hotline`: there it is the plus of an international number, which clients forget to escape.
 */
int contract_query_next(struct arena *arena, struct query_cursor *cursor, const struct node **out,
                        struct contract_error *error);
