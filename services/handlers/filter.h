/*
 * handlers/filter: conditions beside number and time: each call is unpacked and tested. Enum values that this version
 * does not know are compared like all others. Pure.
 */
#pragma once

#include <callhistory/v1/call_history_service.pb-c.h>

#include "base/context.h"
#include "handlers/number.h"

enum { FILTER_VALUES_MAX = 64, FILTER_TEXT_MAX = 1024 };

/* Different enum values in ascending order, known or not; none: all. */
struct filter_values {
	size_t count;
	int values[FILTER_VALUES_MAX];
};

/* Texts that a call has exactly. */
enum filter_text {
	FILTER_MEMBER_NO, /* of a party; all others of the call */
	FILTER_CUSTOMER_CODE,
	FILTER_GROUP_MEMBER_NO,
	FILTER_DISPOSITION_OTHER,
	FILTER_GROUP_ID,
	FILTER_TEXTS,
};

struct filter {
	struct filter_values directions, dispositions;
	char hotline[NUMBER_SIZE];        /* canonical; "": all */
	char phone_contains[NUMBER_SIZE]; /* canonical; "": all */
	bool has_missed, missed;
	bool has_has_hotline, has_hotline;
	double min_charge, max_charge;   /* -INFINITY, INFINITY: no bound */
	const char *texts[FILTER_TEXTS]; /* "": all; never NULL after handlers_filter_read() */
	const char *country_code;
};

/* Reads a filter (NULL: none) to `out`, which is zero. The strings still belong to the message. */
int handlers_filter_read(struct context *context, struct filter *out, const Callhistory__V1__CallFilter *message,
                         const char *country_code);

/* Whether there is any condition. */
bool handlers_filter_is_set(const struct filter *filter);

/* Whether a call meets all conditions. */
bool handlers_filter_matches(const struct filter *filter, const Callhistory__V1__Call *call);
