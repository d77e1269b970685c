/*
 * handlers/arguments: checks the arguments of list and count requests and converts them for the store. Pure; failures
 * are set in the context.
 */
#ifndef CALLHISTORY_HANDLERS_ARGUMENTS_H
#define CALLHISTORY_HANDLERS_ARGUMENTS_H

#include <google/protobuf/timestamp.pb-c.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/context.h"
#include "handlers/filter.h"
#include "handlers/number.h"

/* Longest tenant names, in characters. Other arguments may be as long as the values that can be recorded. */
enum { ARGUMENTS_TENANT_MAX = 64 };

/* The calls that a request selects, for listing and counting. */
struct selection {
	char number[NUMBER_SIZE]; /* canonical; "": all calls of the tenant */
	int64_t from_ms, to_ms;   /* half-open; INT64_MIN, INT64_MAX: open */
	struct filter filter;
};

/*
 * Rounds a timestamp up to whole milliseconds. Calls start at whole milliseconds, so half-open ranges select the same
 * calls. NULL leaves *ms as it is.
 */
int handlers_arguments_read_time(struct context *context, const char *field, const Google__Protobuf__Timestamp *time,
                                 int64_t *ms);

/* Reads the arguments that ListCalls and CountCalls share. */
int handlers_arguments_read_selection(struct context *context, struct selection *out, const char *phone,
                                      const Google__Protobuf__Timestamp *start, const Google__Protobuf__Timestamp *end,
                                      const Callhistory__V1__CallFilter *filter, const char *country_code);

/* Whether the selection is empty whatever is stored. */
bool handlers_selection_is_empty(const struct selection *selection);

/* Appends bytes that differ for every selection and tenant: the scope of a page token. */
void handlers_selection_write_scope(struct buffer *out, const struct selection *selection, const char *tag);

#endif
