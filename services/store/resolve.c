/* store/resolve: one ZRANGEBYSCORE per place (home and millisecond); entries of one place share it. */
#include "store/resolve.h"

#include <errno.h>
#include <string.h>

#include "base/decimal.h"
#include "store/key.h"

struct resolving {
	struct arena *arena;
	resolve_callback *callback;
	void *data;
	size_t waiting;
	int status;
	bool missing;
};

struct place {
	struct resolving *resolving;
	struct entry *entries;
	struct place *previous;
};

static int parse_long_reference(struct entry *entry, const char *member, size_t length)
{
	size_t at = 1, id_length = length > 1 ? (uint8_t)member[0] : 0;
	if (id_length >= 0x80) {
		id_length = (id_length & 0x7f) | (size_t)(uint8_t)member[1] << 7;
		at = 2;
	}
	if (!id_length || id_length > STORE_ID_MAX || at + id_length > length)
		return -EBADMSG;
	entry->id = member + at;
	entry->id_length = id_length;
	entry->home = member + at + id_length;
	entry->home_length = length - at - id_length;
	return 0;
}

int entry_parse(struct entry *entry, const char *member, size_t length)
{
	const char *rest = member + STORE_DIGEST4;
	if (length < STORE_DIGEST4)
		return -EBADMSG;
	memcpy(entry->digest, member, STORE_DIGEST4);
	length -= STORE_DIGEST4;
	uint8_t mark = length ? (uint8_t)*rest : 0;
	int result = 0;
	if (mark == STORE_MARK_RECORD) {
		entry->record = (const uint8_t *)rest;
		entry->record_length = length;
	} else if (mark == STORE_MARK_LONG_RECORD) {
		entry->record = (const uint8_t *)rest + 1;
		entry->record_length = length - 1;
	} else if (mark == STORE_MARK_LONG_REFERENCE) {
		result = parse_long_reference(entry, rest + 1, length - 1);
	} else {
		entry->home = rest;
		entry->home_length = length;
	}
	if (!result && entry->home_length > STORE_NUMBER_MAX)
		result = -EBADMSG;
	return result;
}

int entry_keep(struct entry *entry, struct arena *arena)
{
	if (entry->record) {
		entry->record = (const uint8_t *)arena_copy(arena, entry->record, entry->record_length);
		return entry->record ? 0 : -ENOMEM;
	}
	entry->home = arena_copy(arena, entry->home, entry->home_length);
	if (entry->id)
		entry->id = arena_copy(arena, entry->id, entry->id_length);
	return entry->home && (entry->id || !entry->id_length) ? 0 : -ENOMEM;
}

/*
 * Whether a member of the home set is what the entry refers to. A long reference may lead to a record whose other references
 * are short: one that met another call's in its own set only.
 */
static bool matches(const struct entry *entry, const char *member, size_t length, struct entry *found)
{
	const char *id;
	size_t id_length;
	if (length <= STORE_DIGEST4 || memcmp(member, entry->digest, STORE_DIGEST4))
		return false;
	if (!entry->id && member[STORE_DIGEST4] != STORE_MARK_RECORD)
		return false;
	if (entry_parse(found, member, length) || !found->record)
		return false;
	if (!entry->id)
		return true;
	return !store_record_id(found->record, found->record_length, &id, &id_length) && id_length == entry->id_length &&
	       !memcmp(id, entry->id, id_length);
}

static int follow(struct entry *entry, const struct redis_reply *members, struct arena *arena)
{
	for (size_t i = 0; i < members->count; ++i) {
		const struct redis_reply *member = members->elements[i];
		struct entry found = {0};
		if (member->type != REDIS_STRING)
			return -EBADMSG;
		if (!matches(entry, member->data, member->length, &found))
			continue;
		int result = entry_keep(&found, arena);
		if (!result) {
			entry->record = found.record;
			entry->record_length = found.record_length;
		}
		return result;
	}
	return 0;
}

static void place_replied(void *data, int status, const struct redis_reply *reply)
{
	struct place *place = data;
	struct resolving *resolving = place->resolving;
	int result = store_reply_status(status, reply, REDIS_ARRAY);
	for (struct entry *entry = place->entries; entry && !result; entry = entry->next) {
		result = follow(entry, reply, resolving->arena);
		if (!entry->record)
			resolving->missing = true;
	}
	if (!resolving->status)
		resolving->status = result;
	if (--resolving->waiting)
		return;
	if (!resolving->status && resolving->missing)
		resolving->status = -EAGAIN;
	resolving->callback(resolving->data, resolving->status);
}

static int send_place(struct redis *redis, const char *tag, struct place *place, int64_t deadline_us)
{
	const struct entry *entry = place->entries;
	struct resolving *resolving = place->resolving;
	char ms[DECIMAL_TEXT];
	decimal_text(ms, entry->ms);
	const char *key = key_home_set(resolving->arena, tag, entry->home, entry->home_length, entry->ms);
	if (!key)
		return -ENOMEM;
	const char *const argv[] = {"ZRANGEBYSCORE", key, ms, ms};
	int result = redis_command(redis, 4, argv, NULL, deadline_us, place_replied, place);
	if (!result)
		++resolving->waiting;
	return result;
}

/* Entries stand in the order of their times, so an equal place is only a few places back. */
static struct place *place_of(struct place *newest, const struct entry *entry)
{
	for (struct place *place = newest; place && place->entries->ms == entry->ms; place = place->previous)
		if (place->entries->home_length == entry->home_length &&
		    !memcmp(place->entries->home, entry->home, entry->home_length))
			return place;
	return NULL;
}

int resolve(struct redis *redis, const char *tag, struct entry *entries, size_t count, struct arena *arena,
            int64_t deadline_us, resolve_callback *callback, void *data)
{
	struct resolving *resolving = arena_calloc(arena, sizeof(*resolving));
	struct place *newest = NULL;
	if (!resolving)
		return -ENOMEM;
	*resolving = (struct resolving){.arena = arena, .callback = callback, .data = data};
	for (size_t i = 0; i < count; ++i) {
		struct entry *entry = &entries[i];
		if (entry->record)
			continue;
		struct place *place = place_of(newest, entry);
		if (!place) {
			place = arena_calloc(arena, sizeof(*place));
			if (!place)
				return -ENOMEM;
			*place = (struct place){.resolving = resolving, .previous = newest};
			newest = place;
		}
		entry->next = place->entries;
		place->entries = entry;
	}
	/* Nothing is answered before redis_run(), so a failure half-way only has to wait for what is sent. */
	int result = 0;
	for (struct place *place = newest; place && !result; place = place->previous)
		result = send_place(redis, tag, place, deadline_us);
	resolving->status = result;
	if (resolving->waiting)
		return (int)resolving->waiting;
	return result;
}
