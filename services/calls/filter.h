/*
 * calls/filter: conditions that no index answers; each call is unpacked and
 * tested. Pure.
 */
#ifndef CALLHISTORY_CALLS_FILTER_H
#define CALLHISTORY_CALLS_FILTER_H

#include <callhistory/v1/call_history_service.pb-c.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/context.h"
#include "calls/number.h"

struct filter {
	uint64_t types, dispositions; /* one bit per enum number; 0: all */
	char hotline[NUMBER_SIZE];    /* canonical; "": all */
	const char *member_no;        /* "": all; never NULL after filter_read() */
	const char *country_code;
};

/* Reads a filter (NULL: none). The strings stay the message's. */
int filter_read(struct context *context, struct filter *out, const Callhistory__V1__CallFilter *message,
                const char *country_code);

/* Whether there is any condition. */
bool filter_is_set(const struct filter *filter);

/* Whether a call meets all conditions. */
bool filter_matches(const struct filter *filter, const Callhistory__V1__Call *call);

#endif
