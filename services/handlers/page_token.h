/*
 * handlers/page_token: the place after which a listing goes on, as text that a
 * client hands back.
 *
 * A token holds a version, a checksum over the place and over the arguments
 * it was given for, and the place. It is no secret and opens nothing: it is
 * checked so that a token of another listing is refused, not half-understood.
 * Pure; thread-safe.
 */
#ifndef CALLHISTORY_HANDLERS_PAGE_TOKEN_H
#define CALLHISTORY_HANDLERS_PAGE_TOKEN_H

#include <stddef.h>
#include <stdint.h>

#include "store/store.h"

/* Longest token, with its NUL byte. */
enum { PAGE_TOKEN_SIZE = 40 };

/*
 * Writes a token for `position`. `scope` is what tells one listing from another (tenant, number, range, filter), as
 * bytes. Returns its length.
 */
int handlers_page_token_write(char out[PAGE_TOKEN_SIZE], const struct store_position *position, const void *scope,
                              size_t scope_length);

/* Reads a token. Returns 0, or -EINVAL for one that is not ours or was given for another scope. */
int handlers_page_token_read(struct store_position *out, const char *token, size_t length, const void *scope,
                             size_t scope_length);

#endif
