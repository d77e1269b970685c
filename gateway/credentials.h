/*
 * credentials: the caller's token, from `Authorization: Bearer` or `X-API-KEY`.
 * Only its form is checked here; the service knows whether it is valid.
 */
#pragma once

#include "request.h"

/*
 * Reads the credentials: "Bearer <token>" in the arena goes to *out. Returns NULL, or the message of a 401, and then
 * leaves *out untouched.
 */
const char *credentials_read(const struct request_headers *headers, struct arena *arena, const char **out);

/* The same, and HTTP Basic (RFC 7617) too: the password is the token, and the user's name is ignored. */
const char *credentials_read_basic(const struct request_headers *headers, struct arena *arena, const char **out);
