/*
 * trace_parent: parses W3C traceparent headers. Pure.
 */
#ifndef CALLHISTORY_BASE_TRACE_PARENT_H
#define CALLHISTORY_BASE_TRACE_PARENT_H

#include <stdbool.h>

/*
 * Whether this is a traceparent of version 00 or later with ids that are not all zero. False for NULL.
 */
bool trace_parent_is_valid(const char *parent);

enum { TRACE_ID_SIZE = 33 };

/* Writes the id of the trace. Returns out, or NULL if `parent` is not a traceparent. */
const char *trace_parent_id(char out[TRACE_ID_SIZE], const char *parent);

#endif
