/* calls/page_token: version (1), checksum (8), start time (8, big endian), id; in base64url. */
#include "calls/page_token.h"

#include <errno.h>
#include <nettle/sha2.h>
#include <string.h>

#include "base/base64url.h"

enum {
	VERSION = 1,
	CHECKSUM_AT = 1,
	CHECKSUM_LENGTH = 8,
	PLACE_AT = CHECKSUM_AT + CHECKSUM_LENGTH,
	ID_AT = PLACE_AT + 8,
	RAW_MAX = ID_AT + STORE_ID_MAX,
};

/* The end of the year 9999. */
#define START_MAX_MS UINT64_C(253402300799999)

_Static_assert(BASE64URL_LENGTH(RAW_MAX) < PAGE_TOKEN_SIZE, "a token of the longest id fits");

static void checksum(uint8_t out[CHECKSUM_LENGTH], const uint8_t *place, size_t length, const void *scope,
                     size_t scope_length)
{
	struct sha256_ctx hash;
	sha256_init(&hash);
	sha256_update(&hash, scope_length, scope);
	sha256_update(&hash, length, place);
	sha256_digest(&hash, CHECKSUM_LENGTH, out);
}

int page_token_write(char out[PAGE_TOKEN_SIZE], const struct store_position *position, const void *scope,
                     size_t scope_length)
{
	uint8_t raw[RAW_MAX];
	if (position->id_length > STORE_ID_MAX)
		return -EINVAL;
	raw[0] = VERSION;
	for (int i = 0; i < 8; ++i)
		raw[PLACE_AT + i] = (uint8_t)((uint64_t)position->start_ms >> (56 - 8 * i));
	memcpy(raw + ID_AT, position->id, position->id_length);
	checksum(raw + CHECKSUM_AT, raw + PLACE_AT, 8 + position->id_length, scope, scope_length);
	return (int)base64url_encode(out, raw, ID_AT + position->id_length);
}

int page_token_read(struct store_position *out, const char *token, size_t length, const void *scope,
                    size_t scope_length)
{
	uint8_t raw[RAW_MAX], expected[CHECKSUM_LENGTH];
	int read = base64url_decode(raw, sizeof(raw), token, length);
	if (read <= ID_AT || raw[0] != VERSION)
		return -EINVAL;
	size_t id_length = (size_t)read - ID_AT;
	checksum(expected, raw + PLACE_AT, 8 + id_length, scope, scope_length);
	if (memcmp(expected, raw + CHECKSUM_AT, CHECKSUM_LENGTH))
		return -EINVAL;
	uint64_t start = 0;
	for (int i = 0; i < 8; ++i)
		start = start << 8 | raw[PLACE_AT + i];
	if (start > START_MAX_MS)
		return -EINVAL;
	store_position_init(out, (int64_t)start, (const char *)raw + ID_AT, id_length);
	return 0;
}
