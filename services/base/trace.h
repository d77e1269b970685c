/*
 * trace: the ids that tie a request to its log lines: X-Request-Id and the W3C traceparent, taken from the client if
 * valid, generated otherwise. They need to be unique, not secret.
 */
#pragma once

#include "base/arena.h"

/* Whether this is a traceparent of version 00 or later with ids that are not all zero. False for NULL. */
bool trace_parent_is_valid(const char *parent);

enum { TRACE_ID_SIZE = 33 };

/* Writes the id of the trace. Returns out, or NULL if `parent` is not a traceparent. */
const char *trace_parent_id(char out[TRACE_ID_SIZE], const char *parent);

/* Whether a client's request id may be used: 1 to 128 visible ASCII characters. False for NULL. */
bool trace_request_id_is_sane(const char *id);

/* New ones from the state of mix_next(), in the arena; NULL when out of memory. A new traceparent is not sampled. */
const char *trace_request_id_make(uint64_t *state, struct arena *arena);
const char *trace_parent_make(uint64_t *state, struct arena *arena);
