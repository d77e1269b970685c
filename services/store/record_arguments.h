/*
 * store/record_arguments: calls as the record script takes them: one packed
 * string, and the numbers that they name beside their home, each once. (Every
 * argument of a script costs Redis more than a piece of a string does.)
 * Private to the room.
 */
#ifndef CALLHISTORY_STORE_RECORD_ARGUMENTS_H
#define CALLHISTORY_STORE_RECORD_ARGUMENTS_H

#include "store/internal.h"

/* What a single call may have. */
enum { RECORD_BYTES_MAX = 1 << 20, RECORD_OTHERS_MAX = 1024 };

struct record_arguments {
	int count;
	int keys; /* how many of them are keys: the first ones */
	const char **data;
	size_t *lengths;
};

/*
 * Makes the arguments for `count` calls, each with at most RECORD_OTHERS_MAX others and RECORD_BYTES_MAX bytes. All memory is
 * the store's scratch arena's. 0 or -ENOMEM.
 */
int record_arguments_make(struct record_arguments *out, struct store *store, const char *tag,
                          const struct store_call *calls, size_t count);

#endif
