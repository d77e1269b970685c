/*
 * store/list: pages and counts of a range. The set of an external number is read by one command. Where it has
 * references, or many calls share the score of the page token, the page is read again by the script that reads indexes
 * in chunks: it follows references at the same moment, so that no writer comes between.
 */
#include <errno.h>

#include "store/internal.h"
#include "store/key.h"

/* Greater offsets are past every end; so sums stay exact in Lua's doubles. */
#define OFFSET_MAX (UINT64_C(1) << 50)

enum { TOTAL_BYTES = 6 }; /* at the beginning of an index's state, big-endian */

/* A page or a count that is being read. */
struct list {
	struct store *store;
	const char *tag, *place;
	struct store_span span;
	bool has_after;
	uint8_t after[STORE_DIGEST_SIZE]; /* its score is the span's low */
	uint64_t offset;
	uint32_t limit; /* 0: to count */
	struct arena *arena;
	int64_t deadline_us;
	struct store_record *records; /* of the page, with room for all of the reply */
	struct store_page page;
	store_page_callback *callback;
	store_count_callback *count_callback;
	void *data;
};

/* ---- Ranges ---- */

int store_span_init(struct store_span *span, const struct store_range *range)
{
	if (!store_tag_valid(range->tag) || (range->number && (range->group || !store_number_valid(range->number))))
		return -EINVAL;
	/* Cut to the times that a call can have, so that products do not overflow. */
	int64_t first_ms = range->from_ms > 0 ? range->from_ms : 0, last_ms = range->to_ms > 0 ? range->to_ms - 1 : -1;
	if (last_ms > STORE_MS_MAX)
		last_ms = STORE_MS_MAX;
	span->open = first_ms == 0 && last_ms == STORE_MS_MAX;
	static const uint8_t zero[STORE_DIGEST_SIZE];
	span->low_score = store_score(last_ms, zero);
	decimal_text(span->low, span->low_score);
	/* An empty range: nothing has a score between these. */
	decimal_text(span->high, first_ms > last_ms ? span->low_score - 1 : store_score_last(first_ms));
	return 0;
}

/* Reads the range, whose strings are copied. */
static int list_begin(struct list *list, const struct store_range *range)
{
	char place[STORE_PLACE_SIZE];
	uint8_t digest[STORE_DIGEST_SIZE];
	int result = store_span_init(&list->span, range);
	if (result)
		return result;
	if (range->group) {
		list->store->digest(digest, range->group, strlen(range->group));
		store_place_of_group(place, digest);
	} else {
		store_place_of(place, range->number);
	}
	list->tag = arena_copy(list->arena, range->tag, strlen(range->tag));
	list->place = arena_copy(list->arena, place, strlen(place));
	return list->tag && list->place ? 0 : -ENOMEM;
}

/* Begins behind a position, unless the range begins behind it. */
static void set_after(struct list *list, const struct store_position *after)
{
	int64_t score = store_score(after->start_ms, after->digest);
	struct store_span *span = &list->span;
	list->has_after = score >= span->low_score;
	memcpy(list->after, after->digest, sizeof(list->after));
	if (!list->has_after)
		return;
	span->open = false;
	span->low_score = score;
	decimal_text(span->low, score);
}

/* Runs lua/read.lua. */
static int eval(struct list *list, redis_callback *callback)
{
	char skip[DECIMAL_TEXT], want[DECIMAL_TEXT] = "";
	decimal_text(skip, (int64_t)list->offset);
	if (list->limit)
		decimal_text(want, list->limit);
	const char *const arguments[] = {list->place, list->span.low, list->span.high,
	                                 skip,        want,           (const char *)list->after};
	const size_t lengths[] = {strlen(arguments[0]), strlen(arguments[1]), strlen(arguments[2]),
	                          strlen(skip),         strlen(want),         list->has_after ? STORE_DIGEST_SIZE : 0};
	return store_eval(list->store, &list->store->read, list->tag, 6, arguments, lengths, list->deadline_us, callback,
	                  list);
}

/* ---- Pages ---- */

static void list_end(struct list *list, int status)
{
	list->callback(list->data, status, status ? NULL : &list->page);
}

static int page_begin(struct list *list, size_t count)
{
	list->records = arena_alloc(list->arena, count * sizeof(*list->records));
	list->page = (struct store_page){.records = list->records};
	return list->records ? 0 : -ENOMEM;
}

/* The reply: score and digest of the page's last entry, whether more follow, then the records. */
static int read_entries(struct list *list, const struct redis_reply *reply)
{
	enum { SCORE, DIGEST, MORE, RECORDS };
	int64_t score, start_ms;
	int result = page_begin(list, reply->count);
	if (result || !reply->count)
		return result;
	if (reply->count < RECORDS || reply->elements[DIGEST]->length != STORE_DIGEST_SIZE ||
	    reply->elements[SCORE]->type != REDIS_STRING ||
	    !decimal_read(reply->elements[SCORE]->data, reply->elements[SCORE]->length, &score))
		return -EBADMSG;
	list->page.last.start_ms = store_score_ms(score);
	memcpy(list->page.last.digest, reply->elements[DIGEST]->data, STORE_DIGEST_SIZE);
	list->page.more = reply->elements[MORE]->type == REDIS_INTEGER;
	for (size_t i = RECORDS; i < reply->count; ++i) {
		struct store_record *record = &list->records[list->page.count];
		if (!store_member_record(record, reply->elements[i]) && !store_record_start(record, &start_ms))
			++list->page.count;
		else
			++list->store->stats.missing;
	}
	return 0;
}

static void script_replied(void *data, int status, const struct redis_reply *reply)
{
	struct list *list = data;
	const bool too_many = !status && reply->type == REDIS_INTEGER && *list->place == STORE_KIND_GROUP;
	int result = too_many ? -EOVERFLOW : store_reply_status(list->store, status, reply, REDIS_ARRAY);
	if (!result)
		result = read_entries(list, reply);
	list_end(list, result);
}

/* Whether the order has this record at or before the page token's position. */
static bool is_passed(const struct list *list, const uint8_t *digest, int64_t start_ms)
{
	char score[DECIMAL_TEXT];
	return list->has_after && !strcmp(decimal_text(score, store_score(start_ms, digest)), list->span.low) &&
	       memcmp(digest, list->after, STORE_DIGEST_SIZE) <= 0;
}

/* Returns 1 where the script has to read the page. */
static int read_members(struct list *list, const struct redis_reply *reply)
{
	size_t passed = 0;
	int result = page_begin(list, reply->count);
	for (size_t i = 0; i < reply->count && !result; ++i) {
		const struct redis_reply *member = reply->elements[i];
		struct store_record *record = &list->records[list->page.count];
		int64_t start_ms;
		if (store_member_record(record, member) || store_record_start(record, &start_ms))
			return 1;
		if (passed == i && is_passed(list, (const uint8_t *)member->data, start_ms)) {
			++passed;
			continue;
		}
		if (list->page.count == list->limit) {
			list->page.more = true;
			break;
		}
		++list->page.count;
		list->page.last.start_ms = start_ms;
		memcpy(list->page.last.digest, member->data, STORE_DIGEST_SIZE);
	}
	return result ? result : passed > 1;
}

static void command_replied(void *data, int status, const struct redis_reply *reply)
{
	struct list *list = data;
	int result = store_reply_status(list->store, status, reply, REDIS_ARRAY);
	if (!result)
		result = read_members(list, reply);
	if (result > 0) {
		result = eval(list, script_replied);
		if (!result)
			return;
	}
	list_end(list, result);
}

static int read_by_command(struct list *list)
{
	char first[DECIMAL_TEXT], last[DECIMAL_TEXT];
	const char *key = store_key(list->arena, list->tag, list->place);
	if (!key)
		return -ENOMEM;
	decimal_text(first, (int64_t)list->offset);
	/* By rank where there are no bounds: it costs the same on every page. */
	if (list->span.open) {
		decimal_text(last, (int64_t)(list->offset + list->limit));
		const char *const argv[] = {"ZRANGE", key, first, last};
		return redis_command(list->store->redis, 4, argv, NULL, list->deadline_us, command_replied, list);
	}
	/* The page token's own call comes back too. */
	decimal_text(last, (int64_t)list->limit + 1 + list->has_after);
	const char *const argv[] = {"ZRANGEBYSCORE", key, list->span.low, list->span.high, "LIMIT", first, last};
	return redis_command(list->store->redis, 7, argv, NULL, list->deadline_us, command_replied, list);
}

int store_list(struct store *store, const struct store_range *range, const struct store_position *after,
               uint64_t offset, uint32_t limit, struct arena *arena, int64_t deadline_us, store_page_callback *callback,
               void *data)
{
	if (!limit || (after && offset))
		return -EINVAL;
	struct list *list = arena_alloc(arena, sizeof(*list));
	if (!list)
		return -ENOMEM;
	*list = (struct list){
	    .store = store,
	    .offset = offset < OFFSET_MAX ? offset : OFFSET_MAX,
	    .limit = limit,
	    .arena = arena,
	    .deadline_us = deadline_us,
	    .callback = callback,
	    .data = data,
	};
	int result = list_begin(list, range);
	if (result)
		return result;
	if (after)
		set_after(list, after);
	return store_place_is_set(list->place) ? read_by_command(list) : eval(list, script_replied);
}

/* ---- Counts ---- */

static void counted(void *data, int status, const struct redis_reply *reply)
{
	const struct list *list = data;
	int64_t count = 0;
	int result = status;
	if (!status && reply->type == REDIS_STRING && reply->length >= TOTAL_BYTES) {
		for (size_t i = 0; i < TOTAL_BYTES; ++i)
			count = count << 8 | (uint8_t)reply->data[i];
	} else if (status || reply->type != REDIS_NIL) {
		result = store_reply_status(list->store, status, reply, REDIS_INTEGER);
		count = result ? 0 : reply->integer;
	}
	list->count_callback(list->data, result, count);
}

/* Counts a set, or reads the state of an index without bounds. */
static int count_by_command(struct list *list)
{
	const bool is_set = store_place_is_set(list->place);
	const char *key = store_key(list->arena, list->tag, is_set ? list->place : "m");
	const char *argv[] = {"ZCOUNT", key, list->span.low, list->span.high};
	int argc = 4;
	if (!key)
		return -ENOMEM;
	if (!is_set) {
		argv[0] = "HGET";
		argv[2] = list->place;
		argc = 3;
	} else if (list->span.open) {
		argv[0] = "ZCARD";
		argc = 2;
	}
	return redis_command(list->store->redis, argc, argv, NULL, list->deadline_us, counted, list);
}

int store_count(struct store *store, const struct store_range *range, struct arena *arena, int64_t deadline_us,
                store_count_callback *callback, void *data)
{
	struct list *list = range->group ? NULL : arena_alloc(arena, sizeof(*list));
	if (!list)
		return range->group ? -EINVAL : -ENOMEM;
	*list = (struct list){
	    .store = store,
	    .arena = arena,
	    .deadline_us = deadline_us,
	    .count_callback = callback,
	    .data = data,
	};
	int result = list_begin(list, range);
	if (result)
		return result;
	return list->span.open || store_place_is_set(list->place) ? count_by_command(list) : eval(list, counted);
}
