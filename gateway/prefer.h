/*
 * prefer: what a developer asked for by `Prefer: handling=...` (RFC 7240) about
 * fields that the contract doesn't know.
 */
#ifndef CALLHISTORY_GATEWAY_PREFER_H
#define CALLHISTORY_GATEWAY_PREFER_H

#include "request.h"

enum prefer_handling { PREFER_NOTHING, PREFER_LENIENT, PREFER_STRICT };

/* Reads the header; the first `handling` counts. */
enum prefer_handling prefer_read(const char *header);

/*
 * Acts on the request's unknown fields: strict gives the sentence of a 400; lenient adds X-Unknown-Fields to the
 * answer. Returns NULL when the request may go on.
 */
const char *prefer_apply(struct request *request);

#endif
