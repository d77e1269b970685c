/* store/get: one call by its id; the script follows the id index, so it is one round trip. */
#include <errno.h>
#include <string.h>

#include "store/key.h"
#include "store/resolve.h"

struct getting {
	struct store *store;
	store_page_callback *callback;
	void *data;
};

static void got(void *data, int status, const struct redis_reply *reply)
{
	struct getting getting = *(struct getting *)data;
	struct entry entry = {0};
	bool absent = !status && reply->type == REDIS_NIL;
	int result = absent ? 0 : store_reply_status(status, reply, REDIS_STRING);
	if (!result && !absent) {
		result = entry_parse(&entry, reply->data, reply->length);
		if (!entry.record)
			result = -EBADMSG;
	}
	const struct store_record record = {entry.record, entry.record_length};
	const struct store_page page = {&record, absent ? 0 : 1};
	getting.callback(getting.data, result, result ? NULL : &page);
	store_release(getting.store);
}

int store_get(struct store *store, const char *tag, const char *id, struct arena *arena, int64_t deadline_us,
              store_page_callback *callback, void *data)
{
	size_t length = strnlen(id, STORE_ID_MAX + 1);
	if (!key_tag_valid(tag) || !length || length > STORE_ID_MAX)
		return -EINVAL;
	struct getting *getting = arena_calloc(arena, sizeof(*getting));
	const char *meta = key_simple(arena, tag, 'm');
	if (!getting || !meta)
		return -ENOMEM;
	*getting = (struct getting){store, callback, data};
	uint8_t digest[STORE_DIGEST], packed_id[STORE_ID_MAX + 3];
	store->digest(digest, id, length);
	size_t packed_length = store_pack_id(packed_id, id, length);
	/* The tag in braces is the meta key without its last letter. */
	const char *const argv[] = {meta, meta, (const char *)digest + STORE_DIGEST4, (const char *)packed_id};
	const size_t lengths[] = {strlen(meta), strlen(meta) - 1, STORE_FIELD, packed_length};
	int result = redis_eval(store->redis, &store->get, 1, 4, argv, lengths, deadline_us, got, getting);
	if (!result)
		store_hold(store);
	return result;
}
