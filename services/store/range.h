/* store/range: a caller's range, checked and put into the terms of the keys. Private to the room. */
#ifndef CALLHISTORY_STORE_RANGE_H
#define CALLHISTORY_STORE_RANGE_H

#include "base/decimal.h"
#include "store/store.h"

struct span {
	const char *tag, *number; /* copies in the arena; number NULL: the time line */
	bool home;                /* the number's set holds records, else an index in chunks */
	bool open;                /* no bounds at all */
	int64_t low_ms, high_ms;  /* both included; low above high: nothing */
	char low_text[DECIMAL_TEXT], high_text[DECIMAL_TEXT];
};

/* 0, -EINVAL or -ENOMEM. */
int span_init(struct span *span, const struct store_range *range, struct arena *arena);

/* Sets an upper bound that is at or below the present one. */
void span_set_high(struct span *span, int64_t high_ms);

#endif
