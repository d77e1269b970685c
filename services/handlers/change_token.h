/* handlers/change_token: a position among a tenant's changes, as text that a client sends back. Pure; thread-safe. */
#pragma once

#include "handlers/token.h"
#include "store/store.h"

enum { CHANGE_TOKEN_POSITION = 32, /* four numbers */ CHANGE_TOKEN_SIZE = TOKEN_SIZE(CHANGE_TOKEN_POSITION) };

/* Writes the token of a position among the changes of the tenant with this tag. */
void handlers_change_token_write(char out[CHANGE_TOKEN_SIZE], const struct store_change_position *position,
                                 const char *tag);

/* Reads the token of a tenant. 0, or -EINVAL for an invalid token or one of something else. */
int handlers_change_token_read(struct store_change_position *out, const char *token, const char *tag);
