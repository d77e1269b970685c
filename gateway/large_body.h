/*
 * large_body: the body of a request whose path allows more than every request may have. It grows with what has arrived,
 * and its memory is charged to the budget. One thread at a time.
 */
#pragma once

#include "base/memory.h"

/* All zeros: empty. */
struct large_body {
	char *data;
	size_t length, size;
};

/* Appends; false, and nothing is changed, if the budget or the memory is exhausted. */
bool large_body_append(struct large_body *body, struct memory_budget *budget, const char *data, size_t length);

/* Frees the memory, and leaves an empty body. */
void large_body_free(struct large_body *body, struct memory_budget *budget);
