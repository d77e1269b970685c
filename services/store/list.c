/* store/list: the rounds of a read, and its end. */
#include "store/list.h"

#include <errno.h>
#include <string.h>

#include "store/key.h"

/* Greater offsets are past every end; so sums stay exact in Lua's doubles. */
#define OFFSET_MAX (UINT64_C(1) << 50)

static void list_end(struct list *list, int status)
{
	struct store *store = list->store;
	struct store_record *records = NULL;
	if (!status)
		status = entries_cut(list);
	if (!status) {
		records = arena_alloc(list->arena, list->count * sizeof(*records));
		if (!records)
			status = -ENOMEM;
	}
	if (status) {
		list->callback(list->data, status, NULL);
	} else {
		for (size_t i = 0; i < list->count; ++i)
			records[i] = (struct store_record){list->entries[i].record, list->entries[i].record_length};
		const struct store_page page = {records, list->count};
		list->callback(list->data, 0, &page);
	}
	store_release(store);
}

static void list_replied(void *data, int status, const struct redis_reply *reply);

static int read_home(struct list *list)
{
	const struct span *span = &list->span;
	char first[DECIMAL_TEXT], last[DECIMAL_TEXT];
	const char *key = key_number(list->arena, span->tag, 'n', span->number);
	if (!key)
		return -ENOMEM;
	/* By rank where there are no bounds: it costs the same on every page. */
	if (span->open && list->window) {
		decimal_text(first, (int64_t)list->offset);
		decimal_text(last, (int64_t)(list->offset + list->window - 1));
		const char *const argv[] = {"ZREVRANGE", key, first, last, "WITHSCORES"};
		return redis_command(list->store->redis, list->scores ? 5 : 4, argv, NULL, list->deadline_us, list_replied,
		                     list);
	}
	decimal_text(first, (int64_t)list->offset);
	decimal_text(last, (int64_t)list->window);
	const char *const argv[] = {"ZREVRANGEBYSCORE", key, span->high_text, span->low_text, "LIMIT", first, last,
	                            "WITHSCORES"};
	return redis_command(list->store->redis, list->scores ? 8 : 7, argv, NULL, list->deadline_us, list_replied, list);
}

/* Reads an index; or either kind with its records. */
static int read_by_script(struct list *list)
{
	const struct span *span = &list->span;
	char skip[DECIMAL_TEXT], want[DECIMAL_TEXT];
	const char *key = span->home ? key_number(list->arena, span->tag, 'n', span->number)
	                             : key_directory(list->arena, span->tag, span->number);
	const char *prefix = span->home ? "" : key_chunk_prefix(list->arena, span->tag, span->number);
	const char *states = key_simple(list->arena, span->tag, 'c');
	const char *tag = list->whole ? arena_printf(list->arena, "{%s}", span->tag) : "";
	if (!key || !prefix || !states || !tag)
		return -ENOMEM;
	decimal_text(skip, (int64_t)list->offset);
	decimal_text(want, (int64_t)list->window);
	const char *const argv[] = {
	    key, prefix, span->low_text, span->high_text, skip, want, states, span->number ? span->number : "", tag};
	const struct redis_script *script = list->whole ? &list->store->whole : &list->store->list;
	return redis_eval(list->store->redis, script, 1, list->whole ? 9 : 8, argv, NULL, list->deadline_us, list_replied,
	                  list);
}

static int list_read(struct list *list)
{
	return list->span.home && !list->whole ? read_home(list) : read_by_script(list);
}

static void read_again(struct list *list)
{
	int result = list_read(list);
	if (result)
		list_end(list, result);
}

static void list_resolved(void *data, int status)
{
	struct list *list = data;
	/* A call that was replaced between the two round trips stands elsewhere now. Within one there is no such excuse. */
	if (status == -EAGAIN && !list->whole) {
		list->whole = list->scores = true;
		read_again(list);
	} else {
		list_end(list, status == -EAGAIN ? -EBADMSG : status);
	}
}

static void list_replied(void *data, int status, const struct redis_reply *reply)
{
	struct list *list = data;
	int result = store_reply_status(status, reply, REDIS_ARRAY);
	if (!result)
		result = list->span.home ? entries_from_set(list, reply) : entries_from_index(list, reply);
	if (result == ROUND_SCORES) {
		list->scores = true;
		read_again(list);
		return;
	}
	if (result == ROUND_WIDER) {
		list->window *= 2;
		read_again(list);
		return;
	}
	if (!result)
		result = resolve(list->store->redis, list->span.tag, list->entries, list->count, list->arena, list->deadline_us,
		                 list_resolved, list);
	if (result <= 0)
		list_end(list, result);
}

int store_list(struct store *store, const struct store_range *range, const struct store_position *after,
               uint64_t offset, uint32_t limit, struct arena *arena, int64_t deadline_us, store_page_callback *callback,
               void *data)
{
	if (after && (offset || after->id_length > STORE_ID_MAX))
		return -EINVAL;
	struct list *list = arena_calloc(arena, sizeof(*list));
	if (!list)
		return -ENOMEM;
	*list = (struct list){
	    .store = store,
	    .arena = arena,
	    .offset = offset < OFFSET_MAX ? offset : OFFSET_MAX,
	    .limit = limit,
	    .window = limit,
	    .deadline_us = deadline_us,
	    .callback = callback,
	    .data = data,
	};
	int result = span_init(&list->span, range, arena);
	if (!result && after) {
		list->after = (const struct store_position *)arena_copy(arena, after, sizeof(*after));
		if (!list->after)
			return -ENOMEM;
		/* The position's own call comes back too. */
		list->window = (uint64_t)limit + 1;
		list->scores = true;
		if (after->start_ms < list->span.high_ms)
			span_set_high(&list->span, after->start_ms);
	}
	if (!result)
		result = list_read(list);
	if (!result)
		store_hold(store);
	return result;
}
