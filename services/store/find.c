/*
 * store/find: one call by its id, and what is stored under ids, with the condition of a write that depends on it. The
 * scripts follow the id index, so that each takes one round trip.
 */
#include <errno.h>

#include "store/internal.h"
#include "store/key.h"

enum { REPLIES = 3 /* elements of the script's reply per id */ };

/* ---- One call ---- */

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
	const struct getting *getting = data;
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
}

int store_get(struct store *store, const char *tag, const char *id, struct arena *arena, int64_t deadline_us,
              store_page_callback *callback, void *data)
{
	size_t length = strnlen(id, STORE_ID_MAX + 1);
	if (!store_tag_valid(tag) || !length || length > STORE_ID_MAX)
		return -EINVAL;
	struct getting *getting = arena_alloc(arena, sizeof(*getting));
	const char *copy = arena_copy(arena, id, length);
	if (!getting || !copy)
		return -ENOMEM;
	*getting = (struct getting){store, copy, callback, data};
	uint8_t digest[STORE_DIGEST_SIZE];
	store->digest(digest, id, length);
	const char *const arguments[] = {(const char *)digest};
	const size_t lengths[] = {STORE_DIGEST_SIZE};
	return store_eval(store, &store->get, tag, 1, arguments, lengths, deadline_us, got, getting);
}

/* ---- All of some ids ---- */

struct finding {
	struct store *store;
	struct arena *arena;
	const char *const *ids;
	size_t count;
	store_find_callback *callback;
	void *data;
};

static int read_record(struct store_record *out, const struct redis_reply *reply, const char *id, bool member)
{
	struct wire stored_id;
	if (reply->type == REDIS_NIL)
		return 0;
	if (reply->type != REDIS_STRING)
		return -EBADMSG;
	struct store_record record = {(const uint8_t *)reply->data, reply->length};
	int result = member ? store_member_record(&record, reply) : 0;
	if (!result)
		result = store_record_id(&record, &stored_id);
	if (result)
		return result;
	if (!wire_equals(stored_id, id, strlen(id)))
		return -EEXIST;
	*out = record;
	return 0;
}

static int read_found(struct store_found *out, const struct redis_reply *const *replies, const char *id)
{
	*out = (struct store_found){.condition = replies[2]->data};
	int result = read_record(&out->record, replies[0], id, true);
	if (result == -EEXIST) {
		out->collision = true;
		return 0;
	}
	if (!result)
		result = read_record(&out->parts, replies[1], id, false);
	if (replies[2]->type != REDIS_STRING || replies[2]->length != STORE_CONDITION_LENGTH)
		return -EBADMSG;
	return result;
}

static int read_all(const struct finding *finding, const struct redis_reply *reply, struct store_found **out)
{
	size_t count = reply->count / REPLIES;
	if (!count || count > finding->count || reply->count % REPLIES)
		return -EBADMSG;
	*out = arena_alloc(finding->arena, count * sizeof(**out));
	int result = *out ? 0 : -ENOMEM;
	for (size_t i = 0; i < count && !result; ++i)
		result = read_found(&(*out)[i], &reply->elements[i * REPLIES], finding->ids[i]);
	return result;
}

static void found(void *data, int status, const struct redis_reply *reply)
{
	const struct finding *finding = data;
	struct store_found *all = NULL;
	int result = store_reply_status(finding->store, status, reply, REDIS_ARRAY);
	if (!result)
		result = read_all(finding, reply, &all);
	finding->callback(finding->data, result, result ? NULL : all, result ? 0 : reply->count / REPLIES);
}

int store_find(struct store *store, const char *tag, const char *const *ids, size_t count, struct arena *arena,
               int64_t deadline_us, store_find_callback *callback, void *data)
{
	if (!store_tag_valid(tag) || !count)
		return -EINVAL;
	struct finding *finding = arena_alloc(arena, sizeof(*finding));
	const char **arguments = arena_alloc(arena, 2 * count * sizeof(*arguments));
	size_t *lengths = arena_alloc(arena, 2 * count * sizeof(*lengths));
	uint8_t(*digests)[STORE_DIGEST_SIZE] = arena_alloc(arena, count * sizeof(*digests));
	if (!finding || !arguments || !lengths || !digests)
		return -ENOMEM;
	for (size_t i = 0; i < count; ++i) {
		size_t length = strnlen(ids[i], STORE_ID_MAX + 1);
		if (!length || length > STORE_ID_MAX)
			return -EINVAL;
		store->digest(digests[i], ids[i], length);
		arguments[2 * i] = (const char *)digests[i];
		lengths[2 * i] = STORE_DIGEST_SIZE;
		arguments[2 * i + 1] = ids[i];
		lengths[2 * i + 1] = length;
	}
	*finding = (struct finding){store, arena, ids, count, callback, data};
	return store_eval(store, &store->find, tag, 2 * count, arguments, lengths, deadline_us, found, finding);
}
