/*
 * handlers/token: positions as text that a client sends back. A token contains a version, a checksum over the position
 * and its scope, and the position, in base64url. It is not a secret and grants no access. The checksum makes sure that
 * a token of something else is refused. Pure; thread-safe.
 */
#pragma once

#include <nettle/sha2.h>

#include "base/base64url.h"
#include "store/store.h"

/* Bytes of a token, before base64url, and of the positions in it: numbers of 8 bytes. */
enum { TOKEN_OVERHEAD = 9, PAGE_POSITION = 8 + STORE_DIGEST_SIZE, CHANGE_POSITION = 4 * 8 };

/* Longest tokens, with their NUL bytes. */
enum {
	PAGE_TOKEN_SIZE = BASE64URL_LENGTH(TOKEN_OVERHEAD + PAGE_POSITION) + 1,
	CHANGE_TOKEN_SIZE = BASE64URL_LENGTH(TOKEN_OVERHEAD + CHANGE_POSITION) + 1,
};

/*
 * Writes the token of the position after which a listing or a deletion continues. `scope` is the hash of what
 * identifies it: its tenant, number, range and filter. Returns the length of the token.
 */
size_t handlers_page_token_write(char out[PAGE_TOKEN_SIZE], const struct store_position *position,
                                 const struct sha256_ctx *scope);

/* Reads a token. Returns 0, or -EINVAL for an invalid token or one of another scope. */
int handlers_page_token_read(struct store_position *out, const char *token, size_t length,
                             const struct sha256_ctx *scope);

/* Writes the token of a position among the changes of the tenant with this tag. */
void handlers_change_token_write(char out[CHANGE_TOKEN_SIZE], const struct store_change_position *position,
                                 const char *tag);

/* Reads the token of a tenant. 0, or -EINVAL for an invalid token or one of something else. */
int handlers_change_token_read(struct store_change_position *out, const char *token, const char *tag);
