/* handlers/call_store: a call as the store takes it. Pure. */
#pragma once

#include "handlers/call_check.h"
#include "store/store.h"

/*
 * Packs a call that has been checked and has an id. Without a start it is parts of one. All memory is the arena's.
 * 0, -EINVAL with *fault set for an invalid number or too many bytes, or -ENOMEM.
 */
int handlers_call_store(struct store_call *out, const Callhistory__V1__Call *call, const char *country_code,
                        struct arena *arena, struct call_fault *fault);
