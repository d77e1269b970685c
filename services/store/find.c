/* store/find: what is stored under ids, with the condition of a write that depends on it. */
#include <errno.h>

#include "store/internal.h"
#include "store/key.h"

enum { KEYS = 2, REPLIES = 3 /* elements of the script's reply per id */ };

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
	struct store *store = finding->store;
	struct store_found *all = NULL;
	int result = store_reply_status(store, status, reply, REDIS_ARRAY);
	if (!result)
		result = read_all(finding, reply, &all);
	finding->callback(finding->data, result, result ? NULL : all, result ? 0 : reply->count / REPLIES);
	store_release(store);
}

int store_find(struct store *store, const char *tag, const char *const *ids, size_t count, struct arena *arena,
               int64_t deadline_us, store_find_callback *callback, void *data)
{
	if (!store_tag_valid(tag) || !count)
		return -EINVAL;
	struct finding *finding = arena_alloc(arena, sizeof(*finding));
	const size_t argc = KEYS + 2 * count;
	const char **argv = arena_alloc(arena, argc * sizeof(*argv));
	size_t *lengths = arena_alloc(arena, argc * sizeof(*lengths));
	uint8_t(*digests)[STORE_DIGEST_SIZE] = arena_alloc(arena, count * sizeof(*digests));
	if (!finding || !argv || !lengths || !digests)
		return -ENOMEM;
	argv[0] = store_key(arena, tag, "m");
	argv[1] = store_key(arena, tag, "!");
	if (!argv[0] || !argv[1])
		return -ENOMEM;
	lengths[0] = strlen(argv[0]);
	lengths[1] = strlen(argv[1]);
	for (size_t i = 0; i < count; ++i) {
		size_t at = KEYS + 2 * i, length = strnlen(ids[i], STORE_ID_MAX + 1);
		if (!length || length > STORE_ID_MAX)
			return -EINVAL;
		store->digest(digests[i], ids[i], length);
		argv[at] = (const char *)digests[i];
		lengths[at] = STORE_DIGEST_SIZE;
		argv[at + 1] = ids[i];
		lengths[at + 1] = length;
	}
	*finding = (struct finding){store, arena, ids, count, callback, data};
	int result = redis_eval(store->redis, &store->find, KEYS, (int)argc, argv, lengths, deadline_us, found, finding);
	if (!result)
		store_hold(store);
	return result;
}
