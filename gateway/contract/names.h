/*
 * contract/names: the legacy spellings of enum values, as tables. Pure;
 * thread-safe.
 */
#ifndef CALLHISTORY_CONTRACT_NAMES_H
#define CALLHISTORY_CONTRACT_NAMES_H

#include <stddef.h>

#include "callhistory/v1/call.pb-c.h"

/* The value that a recorded spelling means, case ignored; UNSPECIFIED when it is none. */
Callhistory__V1__Disposition names_disposition(const char *text);

/* The same for a call type; INCALL and OUTCALL are known too (contract §3). */
Callhistory__V1__CallType names_call_type(const char *text);

#endif
