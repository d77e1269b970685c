/* store/count: how many calls a range has. One round trip; no record is read. */
#include <errno.h>

#include "store/internal.h"
#include "store/key.h"

enum { TOTAL_BYTES = 6 }; /* at the beginning of an index's state, big-endian */

struct counting {
	struct store *store;
	store_count_callback *callback;
	void *data;
};

static void counted(void *data, int status, const struct redis_reply *reply)
{
	const struct counting *counting = data;
	int64_t count = 0;
	int result = status;
	if (!status && reply->type == REDIS_STRING && reply->length >= TOTAL_BYTES) {
		for (size_t i = 0; i < TOTAL_BYTES; ++i)
			count = count << 8 | (uint8_t)reply->data[i];
	} else if (status || reply->type != REDIS_NIL) {
		result = store_reply_status(counting->store, status, reply, REDIS_INTEGER);
		count = result ? 0 : reply->integer;
	}
	struct store *store = counting->store;
	counting->callback(counting->data, result, count);
	store_release(store);
}

static int count_all(struct counting *counting, const struct store_range *range, const char *place, struct arena *arena,
                     int64_t deadline_us)
{
	bool chunked = !store_place_is_set(place);
	const char *key = store_key(arena, range->tag, chunked ? "m" : place);
	if (!key)
		return -ENOMEM;
	const char *const argv[] = {chunked ? "HGET" : "ZCARD", key, place};
	return redis_command(counting->store->redis, chunked ? 3 : 2, argv, NULL, deadline_us, counted, counting);
}

static int count_some(struct counting *counting, const struct store_range *range, const struct store_span *span,
                      const char *place, struct arena *arena, int64_t deadline_us)
{
	if (store_place_is_set(place)) {
		const char *key = store_key(arena, range->tag, place);
		if (!key)
			return -ENOMEM;
		const char *const argv[] = {"ZCOUNT", key, span->low, span->high};
		return redis_command(counting->store->redis, 4, argv, NULL, deadline_us, counted, counting);
	}
	return store_eval_read(counting->store, range->tag, place, span, 0, 0, NULL, arena, deadline_us, counted, counting);
}

int store_count(struct store *store, const struct store_range *range, struct arena *arena, int64_t deadline_us,
                store_count_callback *callback, void *data)
{
	struct store_span span;
	char place[STORE_PLACE_SIZE];
	int result = store_span_init(&span, range);
	if (result)
		return result;
	struct counting *counting = arena_calloc(arena, sizeof(*counting));
	if (!counting)
		return -ENOMEM;
	*counting = (struct counting){store, callback, data};
	store_place_of(place, range->number);
	result = span.open ? count_all(counting, range, place, arena, deadline_us)
	                   : count_some(counting, range, &span, place, arena, deadline_us);
	if (!result)
		store_hold(store);
	return result;
}
