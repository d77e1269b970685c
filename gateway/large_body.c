/* large_body: a buffer that doubles. */
#include "large_body.h"

#include <stdlib.h>
#include <string.h>

enum { FIRST = 16 * 1024 };

bool large_body_append(struct large_body *body, struct memory_budget *budget, const char *data, size_t length)
{
	size_t size = body->size ? body->size : FIRST;
	while (size - body->length < length)
		size *= 2;
	if (size > body->size) {
		/* Not beyond half of the budget: the senders' tokens are not known yet, and the rest is for answers. */
		if (atomic_load(&budget->used) + size - body->size > budget->limit / 2 ||
		    !memory_take(budget, size - body->size))
			return false;
		char *grown = realloc(body->data, size);
		if (!grown) {
			memory_give(budget, size - body->size);
			return false;
		}
		body->data = grown;
		body->size = size;
	}
	memcpy(body->data + body->length, data, length);
	body->length += length;
	return true;
}

void large_body_free(struct large_body *body, struct memory_budget *budget)
{
	if (body->size)
		memory_give(budget, body->size);
	free(body->data);
	*body = (struct large_body){0};
}
