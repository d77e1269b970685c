/* handlers/result: the results of single calls in a response. Pure. */
#pragma once

#include <callhistory/v1/call_ingest_service.pb-c.h>

#include "handlers/call_check.h"

/* Refuses a call. The id is in the result unless it is what is invalid: then it may not even be UTF-8. */
void handlers_result_refuse(Callhistory__V1__RecordCallResult *result, char *id, const struct call_fault *fault);

/* Refuses a call whose id cannot be used. */
void handlers_result_collide(Callhistory__V1__RecordCallResult *result);
