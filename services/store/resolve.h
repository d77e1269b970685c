/*
 * store/resolve: from references to records. A reference names the home set,
 * the millisecond and enough of the id; the records of that place are read in
 * one more pipelined round trip. Private to the room.
 */
#ifndef CALLHISTORY_STORE_RESOLVE_H
#define CALLHISTORY_STORE_RESOLVE_H

#include "store/internal.h"

struct place;

/* One call of a page: a record, or a reference on its way to one. */
struct entry {
	int64_t ms;
	uint8_t digest[STORE_DIGEST4];
	const uint8_t *record; /* packed Call; NULL: a reference not followed yet */
	size_t record_length;
	const char *home; /* references: the home number, in the arena */
	size_t home_length;
	const char *id; /* long references: the whole id, in the arena; else NULL */
	size_t id_length;
	struct entry *next; /* next entry of the same place */
};

/* Reads a member of a set. Records and strings point into it. 0 or -EBADMSG. */
int entry_parse(struct entry *entry, const char *member, size_t length);

/* Copies what the entry points to into the arena. 0 or -ENOMEM. */
int entry_keep(struct entry *entry, struct arena *arena);

/* status 0: every reference found its record, which is in the arena; -EAGAIN: one did not (its call moved): read it all again. */
typedef void resolve_callback(void *data, int status);

/*
 * Follows all references among the entries. Returns how many commands were sent: 0 when there was nothing to follow (the
 * callback won't fire), or a negative errno when none could be sent.
 */
int resolve(struct redis *redis, const char *tag, struct entry *entries, size_t count, struct arena *arena,
            int64_t deadline_us, resolve_callback *callback, void *data);

#endif
