/*
 * store/changes: what has changed, from the tenant's stream, which the scripts that record and delete write. One script
 * reads the stream's entries and the calls, so that an answer is the state of one moment.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "store/internal.h"
#include "store/key.h"

/* An entry's id: two numbers of 64 bits and a hyphen. */
enum { ENTRY_TEXT = 44 };

struct reading {
	struct store *store;
	struct arena *arena;
	store_changes_callback *callback;
	void *data;
};

/* Reads a number that a script wrote. */
static bool read_number(const struct redis_reply *reply, int64_t *out)
{
	return reply->type == REDIS_STRING && decimal_read(reply->data, reply->length, out) && *out >= 0;
}

static int read_position(struct store_change_position *out, const struct redis_reply *const *elements)
{
	enum { ENTRY, PASSED, SEEN };
	int64_t passed;
	if (elements[ENTRY]->type != REDIS_STRING ||
	    sscanf(elements[ENTRY]->data, "%" SCNu64 "-%" SCNu64, &out->ms, &out->sequence) != 2 ||
	    !read_number(elements[PASSED], &passed) || !read_number(elements[SEEN], &out->seen_ms))
		return -EBADMSG;
	out->passed = (uint32_t)passed;
	return 0;
}

/* A record, or the id of a deleted call in a list. */
static int read_change(struct store_change *out, const struct redis_reply *reply)
{
	*out = (struct store_change){0};
	if (reply->type != REDIS_ARRAY)
		return store_member_record(&out->record, reply);
	if (reply->count != 1 || reply->elements[0]->type != REDIS_STRING)
		return -EBADMSG;
	out->deleted_id = reply->elements[0]->data;
	return 0;
}

static int read_changes(const struct reading *reading, const struct redis_reply *reply, struct store_changes *out)
{
	enum { MORE = 3, CHANGES };
	struct store_change *changes = arena_alloc(reading->arena, (reply->count + 1) * sizeof(*changes));
	if (!changes)
		return -ENOMEM;
	if (reply->count < CHANGES || read_position(&out->next, reply->elements))
		return -EBADMSG;
	out->more = reply->elements[MORE]->type == REDIS_INTEGER;
	out->changes = changes;
	for (size_t i = CHANGES; i < reply->count; ++i) {
		if (!read_change(&changes[out->count], reply->elements[i]))
			++out->count;
		else
			++reading->store->stats.missing;
	}
	return 0;
}

static void replied(void *data, int status, const struct redis_reply *reply)
{
	const struct reading *reading = data;
	struct store_changes changes = {0};
	int result = -ESTALE;
	if (status || reply->type != REDIS_INTEGER)
		result = store_reply_status(reading->store, status, reply, REDIS_ARRAY);
	if (!result)
		result = read_changes(reading, reply, &changes);
	reading->callback(reading->data, result, result ? NULL : &changes);
}

int store_list_changes(struct store *store, const char *tag, const struct store_change_position *after, uint32_t limit,
                       size_t bytes, struct arena *arena, int64_t deadline_us, store_changes_callback *callback,
                       void *data)
{
	char entry[ENTRY_TEXT] = "", passed[DECIMAL_TEXT], seen[DECIMAL_TEXT], most[DECIMAL_TEXT], most_bytes[DECIMAL_TEXT];
	if (!store_tag_valid(tag) || !limit)
		return -EINVAL;
	struct reading *reading = arena_alloc(arena, sizeof(*reading));
	if (!reading)
		return -ENOMEM;
	*reading = (struct reading){store, arena, callback, data};
	if (after)
		snprintf(entry, sizeof(entry), "%" PRIu64 "-%" PRIu64, after->ms, after->sequence);
	const char *const arguments[] = {entry, decimal_text(passed, after ? after->passed : 0),
	                                 decimal_text(seen, after ? after->seen_ms : 0), decimal_text(most, limit),
	                                 decimal_text(most_bytes, (int64_t)bytes)};
	return store_eval(store, &store->changes, tag, 5, arguments, NULL, deadline_us, replied, reading);
}
