/* handlers/call_parties: the numbers that a call is indexed under. Pure. */
#pragma once

#include "handlers/call_check.h"

/* Calls without a hotline are indexed under this, too. No canonical number begins or ends with a blank. */
#define HANDLERS_NO_HOTLINE " "

struct call_parties {
	const char *const *numbers; /* canonical, each once; those of the external party's side first */
	size_t count;
};

/* Strings are on `arena`. Returns 0, -EINVAL with *fault set for an invalid number, or -ENOMEM. */
int handlers_call_parties_read(struct call_parties *out, const Callhistory__V1__Call *call, const char *country_code,
                               struct arena *arena, struct call_fault *fault);
