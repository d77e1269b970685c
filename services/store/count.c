/* store/count: how many calls a range holds. One round trip, no record is read. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "store/internal.h"
#include "store/key.h"
#include "store/range.h"

struct counting {
	store_count_callback *callback;
	void *data;
	struct store *store;
	bool total; /* the reply is the state of an index, which begins with the total */
};

/* The state of an index begins with the total, 8 bytes with the highest first. */
static int parse_total(const struct redis_reply *reply, int64_t *out)
{
	uint64_t total = 0;
	if (reply->length < sizeof(total))
		return -EBADMSG;
	for (size_t i = 0; i < sizeof(total); ++i)
		total = total << 8 | (uint8_t)reply->data[i];
	if (total > INT64_MAX)
		return -EBADMSG;
	*out = (int64_t)total;
	return 0;
}

static void counted(void *data, int status, const struct redis_reply *reply)
{
	struct counting counting = *(struct counting *)data;
	int64_t count = 0;
	int result;
	if (!status && counting.total && reply->type == REDIS_NIL) {
		result = 0;
	} else if (counting.total) {
		result = store_reply_status(status, reply, REDIS_STRING);
		if (!result)
			result = parse_total(reply, &count);
	} else {
		result = store_reply_status(status, reply, REDIS_INTEGER);
		if (!result)
			count = reply->integer;
	}
	counting.callback(counting.data, result, result ? 0 : count);
	store_release(counting.store);
}

static int count_home(struct store *store, const struct span *span, struct arena *arena, int64_t deadline_us,
                      struct counting *counting)
{
	const char *key = key_number(arena, span->tag, 'n', span->number);
	if (!key)
		return -ENOMEM;
	const char *const all[] = {"ZCARD", key};
	const char *const some[] = {"ZCOUNT", key, span->low_text, span->high_text};
	return span->open ? redis_command(store->redis, 2, all, NULL, deadline_us, counted, counting)
	                  : redis_command(store->redis, 4, some, NULL, deadline_us, counted, counting);
}

static int count_index(struct store *store, const struct span *span, struct arena *arena, int64_t deadline_us,
                       struct counting *counting)
{
	const char *key = span->open ? key_simple(arena, span->tag, 'c') : key_directory(arena, span->tag, span->number);
	const char *prefix = key_chunk_prefix(arena, span->tag, span->number);
	if (!key || !prefix)
		return -ENOMEM;
	const char *const all[] = {"HGET", key, span->number ? span->number : ""};
	const char *const some[] = {key, prefix, span->low_text, span->high_text};
	counting->total = span->open;
	return span->open ? redis_command(store->redis, 3, all, NULL, deadline_us, counted, counting)
	                  : redis_eval(store->redis, &store->count, 1, 4, some, NULL, deadline_us, counted, counting);
}

int store_count(struct store *store, const struct store_range *range, struct arena *arena, int64_t deadline_us,
                store_count_callback *callback, void *data)
{
	struct span span;
	int result = span_init(&span, range, arena);
	if (result)
		return result;
	struct counting *counting = arena_calloc(arena, sizeof(*counting));
	if (!counting)
		return -ENOMEM;
	*counting = (struct counting){.callback = callback, .data = data, .store = store};
	result = span.home ? count_home(store, &span, arena, deadline_us, counting)
	                   : count_index(store, &span, arena, deadline_us, counting);
	if (!result)
		store_hold(store);
	return result;
}
