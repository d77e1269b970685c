/* store/token_code: packs and unpacks tokens (callhistory.stored.Token). Pure. Private to the module. */
#pragma once

#include "store/store.h"

enum { TOKEN_ID_SIZE = 13, TOKEN_TENANTS_MAX = 1000 };

/* The id of a token: the first 12 hex digits of its digest. */
void store_token_id(char out[TOKEN_ID_SIZE], const uint8_t digest[32]);

/* A deep copy in the arena; NULL when out of memory. */
struct store_token *store_token_copy(struct arena *arena, const struct store_token *token);

/* Packs into the arena. 0 or -ENOMEM. */
int store_token_pack(struct arena *arena, const struct store_token *token, uint8_t **out, size_t *length);

/* Unpacks into the arena. 0, -EBADMSG or -ENOMEM. */
int store_token_unpack(struct arena *arena, const void *data, size_t length, struct store_token **out);

/* Unpacks the i-th token of the reply of HGETALL callhistory:tokens into the arena. 0, -EBADMSG or -ENOMEM. */
int store_token_unpack_pair(struct arena *arena, const struct redis_reply *reply, size_t i, struct store_token **token);
