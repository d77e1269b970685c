/*
 * credentials: the caller's token, from `Authorization: Bearer` or `X-API-KEY`.
 * Only its form is checked here; the service knows whether it is valid.
 */
#pragma once

#include "request.h"

struct credentials {
	const char *authorization; /* "Bearer <token>", in the arena */
	bool api_key;              /* the token came as X-API-KEY */
};

/* Reads the credentials. Returns NULL, or the message of a 401, and then leaves *out untouched. */
const char *credentials_read(const struct request_headers *headers, struct arena *arena, struct credentials *out);

/* The same, and HTTP Basic (RFC 7617) too: the password is the token, and the user's name is ignored. */
const char *credentials_read_basic(const struct request_headers *headers, struct arena *arena, struct credentials *out);
