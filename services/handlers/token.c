/* handlers/token: version (1), checksum (8), position, whose numbers are big-endian. */
#include "handlers/token.h"

#include <errno.h>
#include <string.h>

enum { VERSION = 1, CHECKSUM_AT = 1, CHECKSUM_LENGTH = 8, RAW_MAX = TOKEN_OVERHEAD + CHANGE_POSITION };

static void checksum(uint8_t out[CHECKSUM_LENGTH], const uint8_t *position, size_t length,
                     const struct sha256_ctx *scope)
{
	struct sha256_ctx hash = *scope;
	sha256_update(&hash, length, position);
	sha256_digest(&hash, CHECKSUM_LENGTH, out);
}

static size_t write_token(char *out, const uint8_t *position, size_t length, const struct sha256_ctx *scope)
{
	uint8_t raw[RAW_MAX] = {VERSION};
	memcpy(raw + TOKEN_OVERHEAD, position, length);
	checksum(raw + CHECKSUM_AT, position, length, scope);
	return base64url_encode(out, raw, TOKEN_OVERHEAD + length);
}

static int read_token(uint8_t *position, size_t length, const char *token, size_t token_length,
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

static uint8_t *put_number(uint8_t *at, uint64_t number)
{
	for (int i = 0; i < 8; ++i)
		*at++ = (uint8_t)(number >> (56 - 8 * i));
	return at;
}

static uint64_t get_number(const uint8_t *at)
{
	uint64_t number = 0;
	for (int i = 0; i < 8; ++i)
		number = number << 8 | at[i];
	return number;
}

size_t handlers_page_token_write(char out[PAGE_TOKEN_SIZE], const struct store_position *position,
                                 const struct sha256_ctx *scope)
{
	uint8_t raw[PAGE_POSITION];
	memcpy(put_number(raw, (uint64_t)position->start_ms), position->digest, STORE_DIGEST_SIZE);
	return write_token(out, raw, sizeof(raw), scope);
}

int handlers_page_token_read(struct store_position *out, const char *token, size_t length,
                             const struct sha256_ctx *scope)
{
	uint8_t raw[PAGE_POSITION];
	if (read_token(raw, sizeof(raw), token, length, scope))
		return -EINVAL;
	uint64_t start = get_number(raw);
	if (start > STORE_MS_MAX)
		return -EINVAL;
	out->start_ms = (int64_t)start;
	memcpy(out->digest, raw + 8, STORE_DIGEST_SIZE);
	return 0;
}

/* A token of a listing or a deletion is another one. */
static void hash_changes(struct sha256_ctx *hash, const char *tag)
{
	static const uint8_t kind[] = "ListCallChanges";
	sha256_init(hash);
	sha256_update(hash, sizeof(kind), kind);
	sha256_update(hash, strlen(tag), (const uint8_t *)tag);
}

void handlers_change_token_write(char out[CHANGE_TOKEN_SIZE], const struct store_change_position *position,
                                 const char *tag)
{
	uint8_t raw[CHANGE_POSITION], *at = raw;
	struct sha256_ctx scope;
	at = put_number(at, position->ms);
	at = put_number(at, position->sequence);
	at = put_number(at, position->passed);
	put_number(at, (uint64_t)position->seen_ms);
	hash_changes(&scope, tag);
	write_token(out, raw, sizeof(raw), &scope);
}

int handlers_change_token_read(struct store_change_position *out, const char *token, const char *tag)
{
	uint8_t raw[CHANGE_POSITION];
	struct sha256_ctx scope;
	hash_changes(&scope, tag);
	int result = read_token(raw, sizeof(raw), token, strlen(token), &scope);
	if (result)
		return result;
	out->ms = get_number(raw);
	out->sequence = get_number(raw + 8);
	out->passed = (uint32_t)get_number(raw + 16);
	out->seen_ms = (int64_t)get_number(raw + 24);
	return 0;
}
