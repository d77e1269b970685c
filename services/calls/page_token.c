/* calls/page_token: version (1), checksum (8), start time (8, big endian), id; in base64url. */
#include "calls/page_token.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdbool.h>
#include <string.h>

#include "calls/base64url.h"

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

static int checksum(uint8_t out[CHECKSUM_LENGTH], const uint8_t *place, size_t length, const void *scope,
                    size_t scope_length)
{
	uint8_t digest[EVP_MAX_MD_SIZE];
	EVP_MD_CTX *hash = EVP_MD_CTX_new();
	bool done = hash && EVP_DigestInit_ex(hash, EVP_sha256(), NULL) && EVP_DigestUpdate(hash, scope, scope_length) &&
	            EVP_DigestUpdate(hash, place, length) && EVP_DigestFinal_ex(hash, digest, NULL);
	EVP_MD_CTX_free(hash);
	if (!done)
		return -EINVAL;
	memcpy(out, digest, CHECKSUM_LENGTH);
	return 0;
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
	int result = checksum(raw + CHECKSUM_AT, raw + PLACE_AT, 8 + position->id_length, scope, scope_length);
	return result ? result : (int)base64url_encode(out, raw, ID_AT + position->id_length);
}

int page_token_read(struct store_position *out, const char *token, size_t length, const void *scope,
                    size_t scope_length)
{
	uint8_t raw[RAW_MAX], expected[CHECKSUM_LENGTH];
	int read = base64url_decode(raw, sizeof(raw), token, length);
	if (read <= ID_AT || raw[0] != VERSION)
		return -EINVAL;
	size_t id_length = (size_t)read - ID_AT;
	if (checksum(expected, raw + PLACE_AT, 8 + id_length, scope, scope_length) ||
	    memcmp(expected, raw + CHECKSUM_AT, CHECKSUM_LENGTH))
		return -EINVAL;
	uint64_t start = 0;
	for (int i = 0; i < 8; ++i)
		start = start << 8 | raw[PLACE_AT + i];
	if (start > START_MAX_MS)
		return -EINVAL;
	store_position_init(out, (int64_t)start, (const char *)raw + ID_AT, id_length);
	return 0;
}
