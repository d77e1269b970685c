/* handlers/token: version (1), checksum (8), position. */
#include "handlers/token.h"

#include <errno.h>
#include <string.h>

enum { VERSION = 1, CHECKSUM_AT = 1, CHECKSUM_LENGTH = 8, RAW_MAX = TOKEN_OVERHEAD + TOKEN_POSITION_MAX };

static void checksum(uint8_t out[CHECKSUM_LENGTH], const uint8_t *position, size_t length,
                     const struct sha256_ctx *scope)
{
	struct sha256_ctx hash = *scope;
	sha256_update(&hash, length, position);
	sha256_digest(&hash, CHECKSUM_LENGTH, out);
}

size_t handlers_token_write(char *out, const uint8_t *position, size_t length, const struct sha256_ctx *scope)
{
	uint8_t raw[RAW_MAX] = {VERSION};
	memcpy(raw + TOKEN_OVERHEAD, position, length);
	checksum(raw + CHECKSUM_AT, position, length, scope);
	return base64url_encode(out, raw, TOKEN_OVERHEAD + length);
}

int handlers_token_read(uint8_t *position, size_t length, const char *token, size_t token_length,
                        const struct sha256_ctx *scope)
{
	uint8_t raw[RAW_MAX], expected[CHECKSUM_LENGTH];
	int read = base64url_decode(raw, TOKEN_OVERHEAD + length, token, token_length);
	if (read < 0 || (size_t)read != TOKEN_OVERHEAD + length || raw[0] != VERSION)
		return -EINVAL;
	checksum(expected, raw + TOKEN_OVERHEAD, length, scope);
	if (memcmp(expected, raw + CHECKSUM_AT, CHECKSUM_LENGTH))
		return -EINVAL;
	memcpy(position, raw + TOKEN_OVERHEAD, length);
	return 0;
}

uint8_t *handlers_token_put(uint8_t *at, uint64_t number)
{
	for (int i = 0; i < 8; ++i)
		*at++ = (uint8_t)(number >> (56 - 8 * i));
	return at;
}

uint64_t handlers_token_get(const uint8_t *at)
{
	uint64_t number = 0;
	for (int i = 0; i < 8; ++i)
		number = number << 8 | at[i];
	return number;
}
