/*
 * store/list: pages. The set of an external number is read by one command. Where it has references, or many calls share
 * the score of the page token, the page is read again by the script that reads indexes in chunks: it follows references
 * at the same moment, so that no writer comes between.
 */
#include <errno.h>

#include "store/internal.h"
#include "store/key.h"

/* Greater offsets are past every end; so sums stay exact in Lua's doubles. */
#define OFFSET_MAX (UINT64_C(1) << 50)

struct list {
	struct store *store;
	const char *tag, *place, *key;
	struct store_span span;
	bool has_after;
	uint8_t after[STORE_DIGEST_SIZE]; /* its score is the span's low */
	uint64_t offset;
	uint32_t limit;
	struct arena *arena;
	int64_t deadline_us;
	store_page_callback *callback;
	void *data;
};

/* What the page is made of; `records` has room for the reply's. */
struct page {
	struct store_record *records;
	struct store_page out;
};

static void list_end(struct list *list, int status, const struct page *page)
{
	struct store *store = list->store;
	list->callback(list->data, status, status ? NULL : &page->out);
	store_release(store);
}

static int page_begin(struct page *page, const struct list *list, size_t count)
{
	*page = (struct page){.records = arena_alloc(list->arena, count * sizeof(*page->records))};
	page->out.records = page->records;
	return page->records ? 0 : -ENOMEM;
}

/* ---- By script ---- */

/* The reply: score and digest of the page's last entry, whether more follow, then the records. */
static int read_entries(struct list *list, const struct redis_reply *reply, struct page *page)
{
	enum { SCORE, DIGEST, MORE, RECORDS };
	int64_t score, start_ms;
	int result = page_begin(page, list, reply->count);
	if (result || !reply->count)
		return result;
	if (reply->count < RECORDS || reply->elements[DIGEST]->length != STORE_DIGEST_SIZE ||
	    reply->elements[SCORE]->type != REDIS_STRING ||
	    !decimal_read(reply->elements[SCORE]->data, reply->elements[SCORE]->length, &score))
		return -EBADMSG;
	page->out.last.start_ms = store_score_ms(score);
	memcpy(page->out.last.digest, reply->elements[DIGEST]->data, STORE_DIGEST_SIZE);
	page->out.more = reply->elements[MORE]->type == REDIS_INTEGER;
	for (size_t i = RECORDS; i < reply->count; ++i) {
		struct store_record *record = &page->records[page->out.count];
		if (!store_member_record(record, reply->elements[i]) && !store_record_start(record, &start_ms))
			++page->out.count;
		else
			++list->store->stats.missing;
	}
	return 0;
}

static void script_replied(void *data, int status, const struct redis_reply *reply)
{
	struct list *list = data;
	struct page page;
	const bool too_many = !status && reply->type == REDIS_INTEGER && *list->place == STORE_KIND_GROUP;
	int result = too_many ? -EOVERFLOW : store_reply_status(list->store, status, reply, REDIS_ARRAY);
	if (!result)
		result = read_entries(list, reply, &page);
	list_end(list, result, &page);
}

static int read_by_script(struct list *list)
{
	return store_eval_read(list->store, list->tag, list->place, &list->span, list->offset, list->limit,
	                       list->has_after ? list->after : NULL, list->arena, list->deadline_us, script_replied, list);
}

/* ---- By one command ---- */

/* Whether the order has this record at or before the page token's position. */
static bool is_passed(const struct list *list, const uint8_t *digest, int64_t start_ms)
{
	char score[DECIMAL_TEXT];
	return list->has_after && !strcmp(decimal_text(score, store_score(start_ms, digest)), list->span.low) &&
	       memcmp(digest, list->after, STORE_DIGEST_SIZE) <= 0;
}

/* Returns 1 where the script has to read the page. */
static int read_members(struct list *list, const struct redis_reply *reply, struct page *page)
{
	size_t passed = 0;
	int result = page_begin(page, list, reply->count);
	for (size_t i = 0; i < reply->count && !result; ++i) {
		const struct redis_reply *member = reply->elements[i];
		struct store_record *record = &page->records[page->out.count];
		int64_t start_ms;
		if (store_member_record(record, member) || store_record_start(record, &start_ms))
			return 1;
		if (passed == i && is_passed(list, (const uint8_t *)member->data, start_ms)) {
			++passed;
			continue;
		}
		if (page->out.count == list->limit) {
			page->out.more = true;
			break;
		}
		++page->out.count;
		page->out.last.start_ms = start_ms;
		memcpy(page->out.last.digest, member->data, STORE_DIGEST_SIZE);
	}
	return result ? result : passed > 1;
}

static void command_replied(void *data, int status, const struct redis_reply *reply)
{
	struct list *list = data;
	struct page page;
	int result = store_reply_status(list->store, status, reply, REDIS_ARRAY);
	if (!result)
		result = read_members(list, reply, &page);
	if (result > 0) {
		result = read_by_script(list);
		if (!result)
			return;
	}
	list_end(list, result, &page);
}

static int read_by_command(struct list *list)
{
	char first[DECIMAL_TEXT], last[DECIMAL_TEXT];
	decimal_text(first, (int64_t)list->offset);
	/* By rank where there are no bounds: it costs the same on every page. */
	if (list->span.open) {
		decimal_text(last, (int64_t)(list->offset + list->limit));
		const char *const argv[] = {"ZRANGE", list->key, first, last};
		return redis_command(list->store->redis, 4, argv, NULL, list->deadline_us, command_replied, list);
	}
	/* The page token's own call comes back too. */
	decimal_text(last, (int64_t)list->limit + 1 + list->has_after);
	const char *const argv[] = {"ZRANGEBYSCORE", list->key, list->span.low, list->span.high, "LIMIT", first, last};
	return redis_command(list->store->redis, 7, argv, NULL, list->deadline_us, command_replied, list);
}

static void set_after(struct list *list, const struct store_position *after)
{
	memcpy(list->after, after->digest, sizeof(list->after));
	list->has_after = store_span_begin_at(&list->span, store_score(after->start_ms, after->digest));
}

/* Reads a page of a place: store_list() with the place of the range's number. */
static int list_place(struct list *list, const struct store_range *range, const char *place,
                      const struct store_position *after)
{
	struct arena *arena = list->arena;
	int result = store_span_init(&list->span, range);
	if (result)
		return result;
	list->tag = arena_copy(arena, range->tag, strlen(range->tag));
	list->place = arena_copy(arena, place, strlen(place));
	list->key = store_key(arena, range->tag, place);
	if (!list->tag || !list->place || !list->key)
		return -ENOMEM;
	if (after)
		set_after(list, after);
	result = store_place_is_set(place) ? read_by_command(list) : read_by_script(list);
	if (!result)
		store_hold(list->store);
	return result;
}

int store_list(struct store *store, const struct store_range *range, const struct store_position *after,
               uint64_t offset, uint32_t limit, struct arena *arena, int64_t deadline_us, store_page_callback *callback,
               void *data)
{
	char place[STORE_PLACE_SIZE];
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
	if (range->number && !store_number_valid(range->number))
		return -EINVAL;
	store_place_of(place, range->number);
	return list_place(list, range, place, after);
}

int store_list_group(struct store *store, const struct store_range *range, const char *group,
                     const struct store_position *after, uint32_t limit, struct arena *arena, int64_t deadline_us,
                     store_page_callback *callback, void *data)
{
	char place[STORE_PLACE_SIZE];
	uint8_t digest[STORE_DIGEST_SIZE];
	struct list *list = limit && !range->number ? arena_alloc(arena, sizeof(*list)) : NULL;
	if (!list)
		return limit && !range->number ? -ENOMEM : -EINVAL;
	*list = (struct list){
	    .store = store, .limit = limit, .arena = arena, .deadline_us = deadline_us, .callback = callback, .data = data};
	store->digest(digest, group, strlen(group));
	store_place_of_group(place, digest);
	return list_place(list, range, place, after);
}
