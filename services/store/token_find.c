/* store/token_find: looks tokens up; requests that ask for the same one at the same time share a lookup. */
#include <errno.h>
#include <stdlib.h>

#include "base/clock.h"
#include "store/internal.h"
#include "store/key.h"
#include "store/token_cache.h"
#include "store/token_code.h"

enum { LOOKUP_FIRST = 1024, SHARED_MAX = 16 };

/* One HGET under way, and who waits for it. It frees itself after its reply. */
struct token_lookup {
	struct store *store;
	LIST_ENTRY(token_lookup) entry;
	uint8_t digest[32];
	int64_t start_us, deadline_us;
	size_t count;
	struct {
		store_token_callback *callback;
		void *data;
	} waiting[SHARED_MAX];
};

static void found(void *data, int status, const struct redis_reply *reply)
{
	struct token_lookup *lookup = data;
	struct store *store = lookup->store;
	struct arena *arena = NULL;
	struct store_token *token = NULL;
	bool unknown = !status && reply->type == REDIS_NIL;
	int result = unknown ? 0 : store_reply_status(store, status, reply, REDIS_STRING);
	if (!result && !unknown)
		result = arena_create(&arena, LOOKUP_FIRST);
	if (!result && !unknown)
		result = store_token_unpack(arena, reply->data, reply->length, &token);
	/* Good from the asking on: the reply may have been long on its way. */
	if (!result)
		store_token_cache_put(store->cache, lookup->digest, token, lookup->start_us);
	/* Off the list first: a callback may look the same token up again. */
	LIST_REMOVE(lookup, entry);
	for (size_t i = 0; i < lookup->count; ++i)
		lookup->waiting[i].callback(lookup->waiting[i].data, result, token);
	arena_destroy(arena);
	free(lookup);
}

static void join(struct token_lookup *lookup, store_token_callback *callback, void *data)
{
	lookup->waiting[lookup->count].callback = callback;
	lookup->waiting[lookup->count++].data = data;
}

int store_token_find(struct store *store, const uint8_t digest[32], int64_t deadline_us,
                     const struct store_token **token, store_token_callback *callback, void *data)
{
	bool reached = redis_reaches(store->redis, STORE_TOKENS_KEY, sizeof(STORE_TOKENS_KEY) - 1);
	int64_t stale_us = reached ? 0 : STORE_TOKEN_STALE_US;
	if (store_token_cache_find(store->cache, digest, clock_monotonic_us() - stale_us, token)) {
		++store->stats.token_hits;
		return 1;
	}
	++store->stats.token_misses;
	/* A lookup may be shared when it does not keep anybody past their deadline. */
	struct token_lookup *lookup;
	LIST_FOREACH (lookup, &store->lookups, entry)
		if (lookup->count < SHARED_MAX && lookup->deadline_us <= deadline_us &&
		    !memcmp(lookup->digest, digest, sizeof(lookup->digest))) {
			join(lookup, callback, data);
			return 0;
		}
	lookup = calloc(1, sizeof(*lookup));
	if (!lookup)
		return -ENOMEM;
	lookup->store = store;
	lookup->start_us = clock_monotonic_us();
	lookup->deadline_us = deadline_us;
	memcpy(lookup->digest, digest, sizeof(lookup->digest));
	join(lookup, callback, data);
	const char *const argv[] = {"HGET", STORE_TOKENS_KEY, (const char *)digest};
	const size_t lengths[] = {4, sizeof(STORE_TOKENS_KEY) - 1, sizeof(lookup->digest)};
	int result = redis_command(store->redis, 3, argv, lengths, deadline_us, found, lookup);
	if (result) {
		free(lookup);
		return result;
	}
	LIST_INSERT_HEAD(&store->lookups, lookup, entry);
	return 0;
}
