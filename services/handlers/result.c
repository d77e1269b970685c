/* handlers/result: refusals. */
#include "handlers/result.h"

#include <string.h>

void handlers_result_refuse(Callhistory__V1__RecordCallResult *result, char *id, const struct call_fault *fault)
{
	if (strcmp(fault->field, "id"))
		result->id = id;
	result->outcome = CALLHISTORY__V1__RECORD_CALL_RESULT__OUTCOME__OUTCOME_REFUSED;
	result->field = (char *)fault->field;
	result->message = (char *)fault->message;
}

void handlers_result_collide(Callhistory__V1__RecordCallResult *result)
{
	result->outcome = CALLHISTORY__V1__RECORD_CALL_RESULT__OUTCOME__OUTCOME_REFUSED;
	result->field = (char *)"id";
	result->message = (char *)"another call's id has the same digest; give this call another id";
}
