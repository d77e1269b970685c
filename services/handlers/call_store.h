/* handlers/call_store: a call as the store takes it, with the numbers that it is indexed under. Pure. */
#pragma once

#include "handlers/call_check.h"
#include "store/store.h"

/* Calls without a hotline are indexed under this, too. No canonical number begins or ends with a blank. */
#define HANDLERS_NO_HOTLINE " "

/*
 * Packs a call that has been checked and has an id. Without a start it is parts of one. All memory is the arena's.
 * 0, -EINVAL with *fault set for an invalid number or too many bytes, or -ENOMEM.
 */
int handlers_call_store(struct store_call *out, const Callhistory__V1__Call *call, const char *country_code,
                        struct arena *arena, struct call_fault *fault);
