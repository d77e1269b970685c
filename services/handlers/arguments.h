/*
 * handlers/arguments: what a reading request asks for, checked and turned into
 * the store's terms. Pure; the context takes the failures.
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

/* Longest tenant names, in characters. Everything else may be as long as what can be recorded. */
enum { ARGUMENTS_TENANT_MAX = 64 };

/* Which calls are meant; the same for listing and counting. */
struct selection {
	char number[NUMBER_SIZE]; /* canonical; "": all calls of the tenant */
	int64_t from_ms, to_ms;   /* half-open; INT64_MIN, INT64_MAX: open */
	struct filter filter;
};

/*
 * A timestamp as the first whole millisecond at or after it: calls stand at whole milliseconds, so half-open ranges
 * stay what they were. NULL leaves *ms as it is.
 */
int handlers_arguments_read_time(struct context *context, const char *field, const Google__Protobuf__Timestamp *time,
                                 int64_t *ms);

/* Reads the arguments that ListCalls and CountCalls share. */
int handlers_arguments_read_selection(struct context *context, struct selection *out, const char *phone,
                                      const Google__Protobuf__Timestamp *start, const Google__Protobuf__Timestamp *end,
                                      const Callhistory__V1__CallFilter *filter, const char *country_code);

/* Whether no call can be meant. */
bool handlers_selection_is_empty(const struct selection *selection);

/* Appends what tells this selection of this tenant from any other: the scope of a page token. */
void handlers_selection_write_scope(struct buffer *out, const struct selection *selection, const char *tag);

#endif
