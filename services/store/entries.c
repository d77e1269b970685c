/* store/entries: replies into entries, and the cut at a page token's position. */
#include <errno.h>
#include <string.h>

#include "store/list.h"

static int allocate(struct list *list, size_t count)
{
	list->count = 0;
	list->entries = arena_calloc(list->arena, count * sizeof(*list->entries));
	return list->entries ? 0 : -ENOMEM;
}

/* Whether the order puts this place before the position's; equal digests are left to entries_cut(). */
static bool is_before(const struct list *list, int64_t ms, const uint8_t *digest)
{
	const struct store_position *after = list->after;
	return after && ms == after->start_ms && memcmp(digest, after->digest, STORE_DIGEST4) > 0;
}

static bool has_digest(const struct list *list, const struct entry *entry)
{
	return list->after && entry->ms == list->after->start_ms &&
	       !memcmp(entry->digest, list->after->digest, STORE_DIGEST4);
}

static int append(struct list *list, int64_t ms, const struct redis_reply *member, bool reversed)
{
	struct entry *entry = &list->entries[list->count];
	if (member->type != REDIS_STRING || entry_parse(entry, member->data, member->length))
		return -EBADMSG;
	for (size_t i = 0; reversed && i < sizeof(entry->digest); ++i)
		entry->digest[i] = (uint8_t)~entry->digest[i];
	entry->ms = ms;
	if (is_before(list, ms, entry->digest))
		*entry = (struct entry){0};
	else
		++list->count;
	return 0;
}

/* A window that came back full may hide calls behind those that were passed over. */
static enum round judge(const struct list *list, uint64_t received)
{
	uint64_t usable = list->count;
	for (size_t i = 0; i < list->count && has_digest(list, &list->entries[i]); ++i)
		--usable;
	return list->after && received >= list->window && usable < list->limit ? ROUND_WIDER : ROUND_COMPLETE;
}

static int parse_score(const struct redis_reply *score, int64_t *out)
{
	return score->type == REDIS_STRING ? store_parse_number(score->data, score->length, out) : -EBADMSG;
}

int entries_from_set(struct list *list, const struct redis_reply *reply)
{
	size_t step = list->scores ? 2 : 1;
	bool references = false;
	if (reply->count % step)
		return -EBADMSG;
	int result = allocate(list, reply->count / step);
	for (size_t i = 0; i < reply->count && !result; i += step) {
		int64_t ms = 0;
		if (list->scores)
			result = parse_score(reply->elements[i + 1], &ms);
		if (!result)
			result = append(list, ms, reply->elements[i], false);
	}
	if (result)
		return result;
	for (size_t i = 0; i < list->count; ++i)
		references |= !list->entries[i].record;
	if (references && !list->scores)
		return ROUND_SCORES;
	for (size_t i = 0; references && i < list->count && !result; ++i)
		result = entry_keep(&list->entries[i], list->arena);
	return result ? result : (int)judge(list, reply->count / step);
}

/* Chunks begin with the newest: scores count down from the base, and digests are complemented. */
static int append_chunk(struct list *list, const struct redis_reply *base_text, const struct redis_reply *pairs)
{
	int64_t base, score;
	int result = parse_score(base_text, &base);
	if (pairs->type != REDIS_ARRAY || pairs->count % 2)
		return -EBADMSG;
	for (size_t i = 0; i < pairs->count && !result; i += 2) {
		result = parse_score(pairs->elements[i + 1], &score);
		if (!result)
			result = append(list, base - score, pairs->elements[i], true);
	}
	return result;
}

int entries_from_index(struct list *list, const struct redis_reply *reply)
{
	size_t total = 0;
	if (reply->count % 2)
		return -EBADMSG;
	for (size_t i = 0; i < reply->count; i += 2)
		total += reply->elements[i + 1]->count / 2;
	int result = allocate(list, total);
	for (size_t i = 0; i < reply->count && !result; i += 2)
		result = append_chunk(list, reply->elements[i], reply->elements[i + 1]);
	for (size_t i = 0; i < list->count && !result; ++i)
		result = list->entries[i].record && !list->whole ? -EBADMSG : entry_keep(&list->entries[i], list->arena);
	return result ? result : (int)judge(list, total);
}

int entries_cut(struct list *list)
{
	size_t same = 0, drop = 0;
	while (same < list->count && has_digest(list, &list->entries[same]))
		++same;
	/* Of the calls with the position's digest, the page begins behind the one with its id. */
	for (size_t i = 0; i < same; ++i) {
		const char *id;
		size_t length;
		if (store_record_id(list->entries[i].record, list->entries[i].record_length, &id, &length))
			return -EBADMSG;
		if (length == list->after->id_length && !memcmp(id, list->after->id, length))
			drop = i + 1;
	}
	list->entries += drop;
	list->count -= drop;
	if (list->count > list->limit)
		list->count = (size_t)list->limit;
	return 0;
}
