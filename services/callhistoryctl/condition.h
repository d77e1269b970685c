/* condition: the options that select calls, and the request fields that they set. */
#pragma once

#include "callhistory/v1/call_history_service.pb-c.h"
#include "callhistoryctl/settings.h"

enum { CONDITION_DIRECTIONS_MAX = 64, CONDITION_DISPOSITIONS_MAX = 64 };

/* Valid after condition_read(). Must not be copied or moved: its pointers are into itself. */
struct condition {
	Google__Protobuf__Timestamp from, to;
	Google__Protobuf__Timestamp *start_time, *end_time; /* NULL: without bound */
	Callhistory__V1__CallFilter filter_value;
	Callhistory__V1__CallFilter *filter; /* NULL: none is set */
	Callhistory__V1__CallDirection directions[CONDITION_DIRECTIONS_MAX];
	Callhistory__V1__Disposition dispositions[CONDITION_DISPOSITIONS_MAX];
};

/* Writes the options to `table`. Returns how many. */
size_t condition_options(struct settings *settings, struct option *table);

/* Reads the options' values, times local to `zone`. Reports errors itself. Returns 0 or EXIT_USAGE. */
int condition_read(struct condition *condition, const struct settings *settings, struct contract_zone *zone);
