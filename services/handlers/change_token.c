/* handlers/change_token: four numbers. */
#include "handlers/change_token.h"

#include <string.h>

/* A token of a listing or a deletion is another one. */
static void hash_scope(struct sha256_ctx *hash, const char *tag)
{
	static const uint8_t kind[] = "ListCallChanges";
	sha256_init(hash);
	sha256_update(hash, sizeof(kind), kind);
	sha256_update(hash, strlen(tag), (const uint8_t *)tag);
}

void handlers_change_token_write(char out[CHANGE_TOKEN_SIZE], const struct store_change_position *position,
                                 const char *tag)
{
	uint8_t raw[CHANGE_TOKEN_POSITION], *at = raw;
	struct sha256_ctx scope;
	at = handlers_token_put(at, position->ms);
	at = handlers_token_put(at, position->sequence);
	at = handlers_token_put(at, position->passed);
	handlers_token_put(at, (uint64_t)position->seen_ms);
	hash_scope(&scope, tag);
	handlers_token_write(out, raw, sizeof(raw), &scope);
}

int handlers_change_token_read(struct store_change_position *out, const char *token, const char *tag)
{
	uint8_t raw[CHANGE_TOKEN_POSITION];
	struct sha256_ctx scope;
	hash_scope(&scope, tag);
	int result = handlers_token_read(raw, sizeof(raw), token, strlen(token), &scope);
	if (result)
		return result;
	out->ms = handlers_token_get(raw);
	out->sequence = handlers_token_get(raw + 8);
	out->passed = (uint32_t)handlers_token_get(raw + 16);
	out->seen_ms = (int64_t)handlers_token_get(raw + 24);
	return 0;
}
