/* store: the object, and what all operations need. */
#include "store/store.h"

#include <errno.h>
#include <nettle/sha2.h>
#include <stdlib.h>
#include <sys/random.h>

#include "store/internal.h"
#include "store/key.h"
#include "store/token_cache.h"
#include "store_lua_changes.h"
#include "store_lua_find.h"
#include "store_lua_get.h"
#include "store_lua_read.h"
#include "store_lua_record.h"
#include "store_lua_verify.h"

enum { SCRATCH_FIRST = 64 << 10 };

static void digest_of(uint8_t out[STORE_DIGEST_SIZE], const char *id, size_t length)
{
	uint8_t whole[SHA256_DIGEST_SIZE] = {0};
	store_token_digest(whole, id, length);
	for (size_t i = 0; i < STORE_DIGEST_SIZE; ++i)
		out[i] = (uint8_t)~whole[i];
}

static int random_bytes(void *out, size_t length)
{
	return getrandom(out, length, 0) == (ssize_t)length ? 0 : -EIO;
}

int store_create(struct store **out, struct redis *redis)
{
	struct store *store = calloc(1, sizeof(*store));
	if (!store)
		return -ENOMEM;
	store->redis = redis;
	TAILQ_INIT(&store->ingests);
	TAILQ_INIT(&store->queued);
	LIST_INIT(&store->lookups);
	store->digest = digest_of;
	store->random = random_bytes;
	redis_script_init(&store->record, (const char *)store_lua_record, false);
	redis_script_init(&store->get, (const char *)store_lua_get, true);
	redis_script_init(&store->find, (const char *)store_lua_find, true);
	redis_script_init(&store->read, (const char *)store_lua_read, true);
	redis_script_init(&store->changes, (const char *)store_lua_changes, true);
	redis_script_init(&store->verify, (const char *)store_lua_verify, true);
	redis_script_init(&store->repair, (const char *)store_lua_verify, false);
	int result = arena_create(&store->scratch, SCRATCH_FIRST);
	if (!result)
		result = store_token_cache_create(&store->cache);
	if (result) {
		store_destroy(store);
		return result;
	}
	*out = store;
	return 0;
}

void store_destroy(struct store *store)
{
	if (!store)
		return;
	arena_destroy(store->scratch);
	store_token_cache_destroy(store->cache);
	free(store);
}

int store_eval(struct store *store, const struct redis_script *script, const char *tag, size_t count,
               const char *const *arguments, const size_t *lengths, int64_t deadline_us, redis_callback *callback,
               void *data)
{
	enum { META, PHANTOM, KEYS };
	const size_t argc = KEYS + count;
	const char **argv = arena_alloc(store->scratch, argc * sizeof(*argv));
	size_t *sizes = arena_alloc(store->scratch, argc * sizeof(*sizes));
	const char *meta = store_key(store->scratch, tag, "m"), *phantom = store_key(store->scratch, tag, "!");
	int result = -ENOMEM;
	if (argv && sizes && meta && phantom) {
		argv[META] = meta;
		argv[PHANTOM] = phantom;
		memcpy(argv + KEYS, arguments, count * sizeof(*argv));
		for (size_t i = 0; i < argc; ++i)
			sizes[i] = i >= KEYS && lengths ? lengths[i - KEYS] : strlen(argv[i]);
		result = redis_eval(store->redis, script, KEYS, (int)argc, argv, sizes, deadline_us, callback, data);
	}
	arena_reset(store->scratch);
	return result;
}

void store_set_change_retention(struct store *store, int64_t ms)
{
	store->change_retention_ms = ms;
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
	position->start_ms = start_ms;
	digest_of(position->digest, id, id_length);
}

int store_record_position(const struct store_record *record, struct store_position *position)
{
	struct wire id;
	int64_t start_ms;
	if (store_record_id(record, &id) || store_record_start(record, &start_ms))
		return -EBADMSG;
	store_position_init(position, start_ms, (const char *)id.at, wire_length(id));
	return 0;
}

void store_get_stats(const struct store *store, struct store_stats *out)
{
	*out = store->stats;
}

/* Redis's error codes; others are -EREMOTEIO. ERR has no code of its own, so its most frequent messages are listed. */
static const struct error {
	const char *begin;
	int status;
} errors[] = {
    {"LATE", -ETIMEDOUT},
    {"NOTREPLICATED", -ENOLINK},
    {"OOM", -ENOSPC},
    {"WRONGTYPE", -EMEDIUMTYPE},
    {"NOPERM", -EACCES},
    {"NOAUTH", -EACCES},
    {"WRONGPASS", -EACCES},
    {"MOVED", -EAGAIN},
    {"ASK", -EAGAIN},
    {"TRYAGAIN", -EAGAIN},
    {"CLUSTERDOWN", -EAGAIN},
    {"CROSSSLOT", -EAGAIN},
    {"LOADING", -EAGAIN},
    {"MASTERDOWN", -EAGAIN},
    {"ERR Script attempted to access a non local key", -EAGAIN},
    {"ERR Script attempted to access keys that do not hash", -EAGAIN},
    {"ERR unknown command", -ENOSYS},
    {"ERR Unknown Redis command", -ENOSYS},
    {"ERR This Redis command is not allowed", -ENOSYS},
    {"ERR The user executing the script can't run", -EACCES}, /* Redis 7.0 */
    {"ERR ACL failure in script", -EACCES},                   /* Redis 7.2, Valkey */
    {"ERR", -EPROTO},
};

int store_reply_status(struct store *store, int status, const struct redis_reply *reply, enum redis_type type)
{
	if (status == -EPROTO)
		return -EBADMSG;
	if (status)
		return status;
	if (reply->type == type)
		return 0;
	if (reply->type != REDIS_ERROR)
		return -EBADMSG;
	store->last_refusal = -EREMOTEIO;
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); ++i) {
		if (strncmp(reply->data, errors[i].begin, strlen(errors[i].begin)))
			continue;
		store->last_refusal = errors[i].status;
		break;
	}
	return store->last_refusal;
}

const char *store_last_refusal(const struct store *store)
{
	return store->last_refusal ? store_status_text(store->last_refusal) : "";
}

const char *store_status_text(int status)
{
	static const struct {
		int status;
		const char *text;
	} texts[] = {
	    {-ETIMEDOUT, "Redis did not answer in time"},
	    {-EBUSY, "too many commands wait for Redis"},
	    {-ENOMEM, "out of memory"},
	    {-E2BIG, "a reply was too large"},
	    {-EAGAIN, "Redis is changing, loading or has no master; the command may be repeated"},
	    {-EREMOTEIO, "Redis refuses the command"},
	    {-ENOLINK, "a write was not confirmed by enough replicas or disks in time (--redis-ack)"},
	    {-ENOSPC, "Redis is out of memory: raise maxmemory or delete calls"},
	    {-EACCES, "the Redis user lacks a permission: compare its ACL with the documented one"},
	    {-ENOSYS, "Redis does not know a command, or it is disabled: Redis 7 or Valkey 8 is needed"},
	    {-EMEDIUMTYPE, "a key has a foreign type: run callhistoryctl verify"},
	    {-EBADMSG, "a reply or a stored record cannot be understood: run callhistoryctl verify"},
	    {-EPROTO, "a script failed"},
	};
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); ++i)
		if (texts[i].status == status)
			return texts[i].text;
	return strerrordesc_np(-status);
}
