/*
 * trace_parent: what a W3C traceparent says. Pure.
 */
#ifndef CALLHISTORY_BASE_TRACE_PARENT_H
#define CALLHISTORY_BASE_TRACE_PARENT_H

#include <stdbool.h>

/*
 * Whether this is one, of version 00 or of a later version, which begin alike; its ids must not be all zero. NULL is
 * none.
 */
bool trace_parent_is_valid(const char *parent);

enum { TRACE_ID_SIZE = 33 };

/* Writes the trace's id, as log lines have it. Returns out; NULL where `parent` is no traceparent. */
const char *trace_parent_id(char out[TRACE_ID_SIZE], const char *parent);

#endif
