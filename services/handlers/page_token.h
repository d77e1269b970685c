/*
 * handlers/page_token: the position after which a listing continues, as text that a client sends back. A token contains
 * a version, a checksum over the position and the arguments of the listing, and the position. It is not a secret and
 * grants no access. The checksum makes sure that the token of another listing is refused. Pure; thread-safe.
 */
#pragma once

#include <nettle/sha2.h>

#include "store/store.h"

/* Longest token, with its NUL byte. */
enum { PAGE_TOKEN_SIZE = 40 };

/*
 * Writes a token for `position`. `scope` is the hash of what identifies the listing: its tenant, number, range and
 * filter. Returns the length of the token.
 */
size_t handlers_page_token_write(char out[PAGE_TOKEN_SIZE], const struct store_position *position,
                                 const struct sha256_ctx *scope);

/* Reads a token. Returns 0, or -EINVAL for an invalid token or one of another scope. */
int handlers_page_token_read(struct store_position *out, const char *token, size_t length,
                             const struct sha256_ctx *scope);
