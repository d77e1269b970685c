/* store/get: one call by its id; the script follows the id index, so that it takes one round trip. */
#include <errno.h>

#include "store/internal.h"
#include "store/key.h"

struct getting {
	struct store *store;
	const char *id;
	store_page_callback *callback;
	void *data;
};

/* Whether the record is the call that was asked for: another id may have the same digest. */
static bool is_wanted(const struct getting *getting, const struct store_record *record)
{
	struct wire id;
	return !store_record_id(record, &id) && wire_equals(id, getting->id, strlen(getting->id));
}

static void got(void *data, int status, const struct redis_reply *reply)
{
	struct getting *getting = data;
	struct store *store = getting->store;
	struct store_record record;
	struct store_page page = {.records = &record};
	int result = 0;
	if (!status && reply->type == REDIS_INTEGER)
		++store->stats.missing;
	else if (status || reply->type != REDIS_NIL)
		result = store_reply_status(store, status, reply, REDIS_STRING);
	if (!result && !status && reply->type == REDIS_STRING) {
		result = store_member_record(&record, reply);
		page.count = !result && is_wanted(getting, &record);
	}
	getting->callback(getting->data, result, result ? NULL : &page);
	store_release(store);
}

int store_get(struct store *store, const char *tag, const char *id, struct arena *arena, int64_t deadline_us,
              store_page_callback *callback, void *data)
{
	size_t length = strnlen(id, STORE_ID_MAX + 1);
	if (!store_tag_valid(tag) || !length || length > STORE_ID_MAX)
		return -EINVAL;
	struct getting *getting = arena_calloc(arena, sizeof(*getting));
	const char *meta = store_key(arena, tag, "m"), *phantom = store_key(arena, tag, "!");
	const char *copy = arena_copy(arena, id, length);
	if (!getting || !meta || !phantom || !copy)
		return -ENOMEM;
	*getting = (struct getting){store, copy, callback, data};
	uint8_t digest[STORE_DIGEST_SIZE];
	store->digest(digest, id, length);
	const char *const argv[] = {meta, phantom, (const char *)digest};
	const size_t lengths[] = {strlen(meta), strlen(phantom), STORE_DIGEST_SIZE};
	int result = redis_eval(store->redis, &store->get, 2, 3, argv, lengths, deadline_us, got, getting);
	if (!result)
		store_hold(store);
	return result;
}
