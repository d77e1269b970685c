/*
 * handlers/merge: merges a part of a call into what is known of the call, by the rules of MergeCalls
 * (proto/callhistory/v1/call_ingest_service.proto). Pure.
 */
#pragma once

#include <callhistory/v1/call.pb-c.h>

#include "base/arena.h"

/*
 * Merges `part` into `stored` (NULL: nothing is known). Both are unchanged and must live as long as the result, which
 * shares memory with them. They have been checked, but the result may exceed the limits of a call.
 * Returns 0 or -ENOMEM.
 */
int handlers_merge(Callhistory__V1__Call **out, const Callhistory__V1__Call *stored, const Callhistory__V1__Call *part,
                   bool supplement, struct arena *arena);
