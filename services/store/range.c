/* store/range: bounds are cut to the times that a call can have, so that they are plain numbers everywhere. */
#include "store/range.h"

#include <errno.h>
#include <string.h>

#include "store/internal.h"
#include "store/key.h"

void span_set_high(struct span *span, int64_t high_ms)
{
	span->high_ms = high_ms;
	span->open = false;
	decimal_text(span->high_text, high_ms);
}

int span_init(struct span *span, const struct store_range *range, struct arena *arena)
{
	if (!key_tag_valid(range->tag) || (range->number && !key_number_valid(range->number)))
		return -EINVAL;
	*span = (struct span){
	    .tag = arena_copy(arena, range->tag, strlen(range->tag)),
	    .number = range->number ? arena_copy(arena, range->number, strlen(range->number)) : NULL,
	    .home = range->number && key_is_outside(range->number),
	    .low_ms = range->from_ms > 0 ? range->from_ms : 0,
	};
	if (!span->tag || (range->number && !span->number))
		return -ENOMEM;
	int64_t high_ms = range->to_ms > 0 ? range->to_ms - 1 : -1;
	span_set_high(span, high_ms < STORE_MS_MAX ? high_ms : STORE_MS_MAX);
	span->open = span->low_ms == 0 && span->high_ms == STORE_MS_MAX;
	decimal_text(span->low_text, span->low_ms);
	return 0;
}
