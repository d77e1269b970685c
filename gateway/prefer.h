/* prefer: `Prefer: handling=...` (RFC 7240) for fields that the contract does not define. */
#pragma once

#include "request.h"

enum prefer_handling { PREFER_NOTHING, PREFER_LENIENT, PREFER_STRICT };

/* Reads the header; the first `handling` counts. */
enum prefer_handling prefer_read(const char *header);

/*
 * Acts on the request's unknown fields: strict returns the message of a 400; lenient adds X-Unknown-Fields to the
 * answer. Returns NULL if the request may continue.
 */
const char *prefer_apply(struct request *request);
