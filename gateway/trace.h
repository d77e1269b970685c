/*
 * trace: the ids that tie a request to its log lines: X-Request-Id and the W3C
 * traceparent, taken from the client if valid, generated otherwise.
 */
#ifndef CALLHISTORY_GATEWAY_TRACE_H
#define CALLHISTORY_GATEWAY_TRACE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"

/* A cheap source of unique, not secret, numbers. One per worker. */
struct trace_source {
	uint64_t state;
};

/* Seeds it from the system's random numbers. */
void trace_source_init(struct trace_source *source);

/* The next number. */
uint64_t trace_next(struct trace_source *source);

/* Whether a client's request id may be used: 1 to 128 visible ASCII characters. */
bool trace_request_id_is_sane(const char *id);

/* New ones, in the arena; NULL when out of memory. A new traceparent is marked as not sampled. */
const char *trace_request_id_make(struct trace_source *source, struct arena *arena);
const char *trace_parent_make(struct trace_source *source, struct arena *arena);

#endif
