/* handlers/page_token: start time (8, big endian), digest of the id (8). */
#include "handlers/page_token.h"

#include <errno.h>
#include <string.h>

#include "handlers/token.h"

enum { START_LENGTH = 8, POSITION_LENGTH = START_LENGTH + STORE_DIGEST_SIZE };

_Static_assert(TOKEN_SIZE(POSITION_LENGTH) <= PAGE_TOKEN_SIZE, "a token fits");

size_t handlers_page_token_write(char out[PAGE_TOKEN_SIZE], const struct store_position *position,
                                 const struct sha256_ctx *scope)
{
	uint8_t raw[POSITION_LENGTH];
	memcpy(handlers_token_put(raw, (uint64_t)position->start_ms), position->digest, STORE_DIGEST_SIZE);
	return handlers_token_write(out, raw, sizeof(raw), scope);
}

int handlers_page_token_read(struct store_position *out, const char *token, size_t length,
                             const struct sha256_ctx *scope)
{
	uint8_t raw[POSITION_LENGTH];
	if (handlers_token_read(raw, sizeof(raw), token, length, scope))
		return -EINVAL;
	uint64_t start = handlers_token_get(raw);
	if (start > STORE_MS_MAX)
		return -EINVAL;
	out->start_ms = (int64_t)start;
	memcpy(out->digest, raw + START_LENGTH, STORE_DIGEST_SIZE);
	return 0;
}
