/*
 * cors: lets browsers of listed origins call the API. Off unless
 * --cors-origins names at least one origin.
 */
#pragma once

#include "request.h"

/* Whether any origin is listed. */
bool cors_enabled(const struct request *request);

/* Fills in the answer to a preflight. */
void cors_preflight(struct request *request, const char *methods);

/* Adds the CORS headers of an answer to a listed origin; nothing when off. */
void cors_decorate(struct request *request);
