/*
 * store/list: one store_list() under way. Private to the room.
 *
 * Reading goes in rounds: the range's set or index is read (list.c), what came
 * is made into entries (entries.c), references are followed (resolve.c). A
 * round is repeated when a plain set turns out to hold references, with a
 * wider window when a millisecond holds many calls, and, when a call moved
 * meanwhile, by a script that follows the references itself: slower, but no
 * writer can come between.
 */
#ifndef CALLHISTORY_STORE_LIST_H
#define CALLHISTORY_STORE_LIST_H

#include "store/range.h"
#include "store/resolve.h"

struct list {
	struct store *store;
	struct arena *arena;
	struct span span;
	const struct store_position *after; /* copy in the arena; NULL: by offset */
	uint64_t offset, limit;
	uint64_t window; /* how many members this round asks for */
	bool scores;     /* plain sets: members come with their scores */
	bool whole;      /* a call moved meanwhile: rounds are read with their records, at one moment */
	int64_t deadline_us;
	store_page_callback *callback;
	void *data;
	struct entry *entries; /* in order; those of the position's digest may stand before it */
	size_t count;
};

/* What a reply of the set or the index makes of the round. */
enum round {
	ROUND_COMPLETE, /* the entries hold the page */
	ROUND_WIDER,    /* a wider window is needed */
	ROUND_SCORES,   /* references were met: read again with scores */
};

/* Makes entries of a reply. An enum round, or a negative errno. */
int entries_from_set(struct list *list, const struct redis_reply *reply);
int entries_from_index(struct list *list, const struct redis_reply *reply);

/* Drops what is not after the position and what is beyond the limit. Entries are records now. 0 or -EBADMSG. */
int entries_cut(struct list *list);

#endif
