/*
 * handlers/token: a position as text that a client sends back: a version, a checksum over the position and what it
 * belongs to, and the position, in base64url. It is not a secret and grants no access. The checksum makes sure that a
 * token of something else is refused. Pure; thread-safe.
 */
#pragma once

#include <nettle/sha2.h>

#include "base/base64url.h"

enum { TOKEN_OVERHEAD = 9, TOKEN_POSITION_MAX = 32 };

/* Room for the token of a position of so many bytes, TOKEN_POSITION_MAX at most, and its NUL byte. */
#define TOKEN_SIZE(length) (BASE64URL_LENGTH(TOKEN_OVERHEAD + (length)) + 1)

/* Writes the token of a position, with a NUL byte; `scope` is the hash of what it belongs to. Returns its length. */
size_t handlers_token_write(char *out, const uint8_t *position, size_t length, const struct sha256_ctx *scope);

/* Reads a token. 0, or -EINVAL for an invalid token or one of another scope. */
int handlers_token_read(uint8_t *position, size_t length, const char *token, size_t token_length,
                        const struct sha256_ctx *scope);

/* Numbers of a position: 8 bytes, big-endian. Returns the byte after it. */
uint8_t *handlers_token_put(uint8_t *at, uint64_t number);
uint64_t handlers_token_get(const uint8_t *at);
