/* store: the object, and what all operations need. */
#include "store/store.h"

#include <errno.h>
#include <nettle/sha2.h>
#include <stdlib.h>
#include <string.h>

#include "store/internal.h"
#include "store/token_cache.h"
#include "store_lua_count.h"
#include "store_lua_get.h"
#include "store_lua_list.h"
#include "store_lua_record.h"
#include "store_lua_tenants.h"
#include "store_lua_whole.h"

enum { SCRATCH_FIRST = 64 << 10 };

static void digest_of(uint8_t out[STORE_DIGEST], const char *id, size_t length)
{
	uint8_t whole[32] = {0};
	store_token_digest(whole, id, length);
	memcpy(out, whole, STORE_DIGEST);
}

int store_create(struct store **out, struct redis *redis)
{
	struct store *store = calloc(1, sizeof(*store));
	if (!store)
		return -ENOMEM;
	store->redis = redis;
	store->holds = 1;
	store->digest = digest_of;
	store->queue_end = &store->queue;
	redis_script_init(&store->record, (const char *)store_lua_record, false);
	redis_script_init(&store->get, (const char *)store_lua_get, true);
	redis_script_init(&store->list, (const char *)store_lua_list, true);
	redis_script_init(&store->whole, (const char *)store_lua_whole, true);
	redis_script_init(&store->count, (const char *)store_lua_count, true);
	redis_script_init(&store->tenants, (const char *)store_lua_tenants, false);
	int result = arena_create(&store->scratch, SCRATCH_FIRST);
	if (!result)
		result = token_cache_create(&store->cache);
	if (result) {
		store_release(store);
		return result;
	}
	*out = store;
	return 0;
}

void store_hold(struct store *store)
{
	++store->holds;
}

void store_release(struct store *store)
{
	if (--store->holds)
		return;
	arena_destroy(store->scratch);
	token_cache_destroy(store->cache);
	free(store);
}

void store_destroy(struct store *store)
{
	if (store)
		store_release(store);
}

void store_token_digest(uint8_t out[32], const char *token, size_t length)
{
	struct sha256_ctx hash;
	sha256_init(&hash);
	sha256_update(&hash, length, (const uint8_t *)token);
	sha256_digest(&hash, SHA256_DIGEST_SIZE, out);
}

void store_position_init(struct store_position *position, int64_t start_ms, const char *id, size_t id_length)
{
	uint8_t digest[STORE_DIGEST];
	if (id_length > STORE_ID_MAX)
		id_length = STORE_ID_MAX;
	digest_of(digest, id, id_length);
	position->start_ms = start_ms;
	memcpy(position->digest, digest, sizeof(position->digest));
	memcpy(position->id, id, id_length);
	position->id_length = id_length;
}

static bool error_begins(const struct redis_reply *reply, const char *code)
{
	return !strncmp(reply->data, code, strlen(code));
}

int store_reply_status(int status, const struct redis_reply *reply, enum redis_type type)
{
	if (status == -EPROTO)
		return -EBADMSG;
	if (status)
		return status;
	if (reply->type == type)
		return 0;
	if (reply->type != REDIS_ERROR)
		return -EBADMSG;
	/* A key of a foreign type is bad data; all else is a server that can't now: no memory, no disk, busy, a replica, no permission. */
	return error_begins(reply, "WRONGTYPE") || error_begins(reply, "ERR") ? -EBADMSG : -EREMOTEIO;
}

int store_parse_number(const char *text, size_t length, int64_t *out)
{
	bool negative = length && text[0] == '-';
	int64_t value = 0;
	if (length == (negative ? 1 : 0) || length > 18)
		return -EBADMSG;
	for (size_t i = negative ? 1 : 0; i < length; ++i) {
		if (text[i] < '0' || text[i] > '9')
			return -EBADMSG;
		value = value * 10 + (text[i] - '0');
	}
	*out = negative ? -value : value;
	return 0;
}

size_t store_pack_id(uint8_t out[STORE_ID_MAX + 3], const char *id, size_t length)
{
	size_t at = 0;
	out[at++] = STORE_MARK_RECORD;
	if (length >= 0x80) {
		out[at++] = (uint8_t)(length | 0x80);
		out[at++] = (uint8_t)(length >> 7);
	} else {
		out[at++] = (uint8_t)length;
	}
	memcpy(out + at, id, length);
	return at + length;
}

int store_record_id(const uint8_t *record, size_t length, const char **id, size_t *id_length)
{
	size_t at = 2;
	if (length < 2 || record[0] != STORE_MARK_RECORD)
		return -EBADMSG;
	size_t value = record[1];
	if (value >= 0x80) {
		if (length < 3 || record[2] >= 0x80)
			return -EBADMSG;
		value = (value & 0x7f) | (size_t)record[2] << 7;
		at = 3;
	}
	if (!value || value > STORE_ID_MAX || value > length - at)
		return -EBADMSG;
	*id = (const char *)record + at;
	*id_length = value;
	return 0;
}
