/* handlers/call_check: whether a call may be recorded, its canonical form, and the result of a refused call. Pure. */
#pragma once

#include <callhistory/v1/call_ingest_service.pb-c.h>

#include "base/arena.h"

/* Why a call is refused. */
struct call_fault {
	const char *field;   /* path such as "callers[0].number" */
	const char *message; /* a predicate, without the name of the field */
};

/* When a call began, as a Unix time in ms. It has a start. */
int64_t handlers_call_start_ms(const Callhistory__V1__Call *call);

/*
 * Checks a call field by field against its descriptor and the limits of handlers.h, and makes it canonical on the way:
 * times are cut to whole milliseconds. Fields and enum values that this version does not know are kept as they are.
 * `part`: the start may be missing, but not the id.
 * Returns 0, -EINVAL with *fault set (strings on `arena` or static), or -ENOMEM.
 */
int handlers_call_check(Callhistory__V1__Call *call, bool part, struct arena *arena, struct call_fault *fault);

/* Refuses a call. The id is in the result unless it is what is invalid: then it may not even be UTF-8. */
void handlers_result_refuse(Callhistory__V1__RecordCallResult *result, char *id, const struct call_fault *fault);

/* Refuses a call whose id cannot be used. */
void handlers_result_collide(Callhistory__V1__RecordCallResult *result);
