/*
 * handlers/filter: conditions without an index: each call is unpacked and tested. Enum values that this version does
 * not know are compared like all others. Pure.
 */
#ifndef CALLHISTORY_HANDLERS_FILTER_H
#define CALLHISTORY_HANDLERS_FILTER_H

#include <callhistory/v1/call_history_service.pb-c.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/context.h"
#include "handlers/number.h"

enum { FILTER_VALUES_MAX = 64, FILTER_MEMBER_MAX = 1024 };

/* Different enum values in ascending order, known or not; none: all. */
struct filter_values {
	size_t count;
	int values[FILTER_VALUES_MAX];
};

struct filter {
	struct filter_values directions, dispositions;
	char hotline[NUMBER_SIZE]; /* canonical; "": all */
	bool has_missed, missed;
	const char *member_no; /* "": all; never NULL after handlers_filter_read() */
	const char *country_code;
};

/* Reads a filter (NULL: none). The strings still belong to the message. */
int handlers_filter_read(struct context *context, struct filter *out, const Callhistory__V1__CallFilter *message,
                         const char *country_code);

/* Whether there is any condition. */
bool handlers_filter_is_set(const struct filter *filter);

/* Whether a call meets all conditions. */
bool handlers_filter_matches(const struct filter *filter, const Callhistory__V1__Call *call);

#endif
