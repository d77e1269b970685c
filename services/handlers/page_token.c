/* handlers/page_token: version (1), checksum (8), start time (8, big endian), digest of the id (8); in base64url. */
#include "handlers/page_token.h"

#include <errno.h>
#include <nettle/sha2.h>
#include <string.h>

#include "base/base64url.h"

enum {
	VERSION = 1,
	CHECKSUM_AT = 1,
	CHECKSUM_LENGTH = 8,
	POSITION_AT = CHECKSUM_AT + CHECKSUM_LENGTH,
	DIGEST_AT = POSITION_AT + 8,
	RAW_LENGTH = DIGEST_AT + STORE_DIGEST_SIZE,
	POSITION_LENGTH = RAW_LENGTH - POSITION_AT,
};

_Static_assert(BASE64URL_LENGTH(RAW_LENGTH) < PAGE_TOKEN_SIZE, "a token fits");

static void checksum(uint8_t out[CHECKSUM_LENGTH], const uint8_t *position, const void *scope, size_t scope_length)
{
	struct sha256_ctx hash;
	sha256_init(&hash);
	sha256_update(&hash, scope_length, scope);
	sha256_update(&hash, POSITION_LENGTH, position);
	sha256_digest(&hash, CHECKSUM_LENGTH, out);
}

int handlers_page_token_write(char out[PAGE_TOKEN_SIZE], const struct store_position *position, const void *scope,
                              size_t scope_length)
{
	uint8_t raw[RAW_LENGTH] = {VERSION};
	for (int i = 0; i < 8; ++i)
		raw[POSITION_AT + i] = (uint8_t)((uint64_t)position->start_ms >> (56 - 8 * i));
	memcpy(raw + DIGEST_AT, position->digest, STORE_DIGEST_SIZE);
	checksum(raw + CHECKSUM_AT, raw + POSITION_AT, scope, scope_length);
	return (int)base64url_encode(out, raw, RAW_LENGTH);
}

int handlers_page_token_read(struct store_position *out, const char *token, size_t length, const void *scope,
                             size_t scope_length)
{
	uint8_t raw[RAW_LENGTH], expected[CHECKSUM_LENGTH];
	int read = base64url_decode(raw, sizeof(raw), token, length);
	if (read != RAW_LENGTH || raw[0] != VERSION)
		return -EINVAL;
	checksum(expected, raw + POSITION_AT, scope, scope_length);
	if (memcmp(expected, raw + CHECKSUM_AT, CHECKSUM_LENGTH))
		return -EINVAL;
	uint64_t start = 0;
	for (int i = 0; i < 8; ++i)
		start = start << 8 | raw[POSITION_AT + i];
	if (start > STORE_MS_MAX)
		return -EINVAL;
	out->start_ms = (int64_t)start;
	memcpy(out->digest, raw + DIGEST_AT, STORE_DIGEST_SIZE);
	return 0;
}
