/*
 * store/token_cache: tokens that were looked up within the last second, so that a read stays at one round trip. Private
 * to the module.
 *
 * Two tables, of found tokens and of unknown digests, so that a flood of invalid tokens can't evict valid ones. Both
 * tables are set-associative; a full set evicts its oldest entry. Looking up allocates nothing.
 */
#pragma once

#include "store/store.h"

struct token_cache;

/* 0 or -ENOMEM. */
int store_token_cache_create(struct token_cache **out);

/* Takes NULL. */
void store_token_cache_destroy(struct token_cache *cache);

/*
 * Whether the answer is known now. *token is then the token, NULL for an unknown one; valid until the next put or drop.
 */
bool store_token_cache_find(const struct token_cache *cache, const uint8_t digest[32], int64_t now_us,
                            const struct store_token **token);

/* Keeps an answer (token NULL: unknown) from now on. Out of memory, it is not kept. */
void store_token_cache_put(struct token_cache *cache, const uint8_t digest[32], const struct store_token *token,
                           int64_t now_us);

/* Forgets what is known of a digest. */
void store_token_cache_drop(struct token_cache *cache, const uint8_t digest[32]);
