/* store/token_cache: digests are uniform already, so their first bytes choose the set. */
#include "store/token_cache.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "store/token_code.h"

enum { WAYS = 8, SETS = STORE_TOKEN_CACHE_SIZE / WAYS, TOKEN_FIRST = 512 };

struct slot {
	uint8_t digest[32];
	int64_t expire_us;   /* 0: empty */
	struct arena *arena; /* owned; holds the token; kept when the slot is reused; NULL among unknown ones */
	const struct store_token *token;
};

struct token_cache {
	struct slot known[SETS][WAYS];
	struct slot unknown[SETS][WAYS];
};

int store_token_cache_create(struct token_cache **out)
{
	struct token_cache *cache = calloc(1, sizeof(*cache));
	if (!cache)
		return -ENOMEM;
	*out = cache;
	return 0;
}

void store_token_cache_destroy(struct token_cache *cache)
{
	if (!cache)
		return;
	for (size_t i = 0; i < SETS; ++i)
		for (size_t j = 0; j < WAYS; ++j)
			arena_destroy(cache->known[i][j].arena);
	free(cache);
}

static size_t set_of(const uint8_t digest[32])
{
	return (digest[0] | (size_t)digest[1] << 8) % SETS;
}

static struct slot *find(const struct slot set[WAYS], const uint8_t digest[32])
{
	for (size_t i = 0; i < WAYS; ++i)
		if (set[i].expire_us && !memcmp(set[i].digest, digest, sizeof(set[i].digest)))
			return (struct slot *)(uintptr_t)&set[i];
	return NULL;
}

bool store_token_cache_find(const struct token_cache *cache, const uint8_t digest[32], int64_t now_us,
                            const struct store_token **token)
{
	size_t set = set_of(digest);
	const struct slot *slot = find(cache->known[set], digest);
	if (!slot || slot->expire_us <= now_us)
		slot = find(cache->unknown[set], digest);
	if (!slot || slot->expire_us <= now_us)
		return false;
	*token = slot->token;
	return true;
}

/* The slot of the digest, else an empty one, else the oldest. */
static struct slot *choose(struct slot set[WAYS], const uint8_t digest[32])
{
	struct slot *slot = find(set, digest);
	if (slot)
		return slot;
	slot = &set[0];
	for (size_t i = 1; i < WAYS; ++i)
		if (set[i].expire_us < slot->expire_us)
			slot = &set[i];
	return slot;
}

void store_token_cache_put(struct token_cache *cache, const uint8_t digest[32], const struct store_token *token,
                           int64_t now_us)
{
	size_t set = set_of(digest);
	store_token_cache_drop(cache, digest);
	struct slot *slot = choose(token ? cache->known[set] : cache->unknown[set], digest);
	slot->expire_us = 0;
	slot->token = NULL;
	if (token) {
		if (slot->arena)
			arena_reset(slot->arena);
		else if (arena_create(&slot->arena, TOKEN_FIRST))
			return;
		slot->token = store_token_copy(slot->arena, token);
		if (!slot->token)
			return;
	}
	memcpy(slot->digest, digest, sizeof(slot->digest));
	slot->expire_us = now_us + STORE_TOKEN_CACHE_US;
}

void store_token_cache_drop(struct token_cache *cache, const uint8_t digest[32])
{
	size_t set = set_of(digest);
	struct slot *slots[] = {find(cache->known[set], digest), find(cache->unknown[set], digest)};
	for (size_t i = 0; i < 2; ++i)
		if (slots[i])
			slots[i]->expire_us = 0;
}
