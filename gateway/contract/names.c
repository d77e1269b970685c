/* contract/names: two short tables, searched in order. */
#include "contract/names.h"

#include <strings.h>

#include "contract/contract.h"

static const char *const dispositions[] = {
    [CALLHISTORY__V1__DISPOSITION__DISPOSITION_MORE] = "MORE",
    [CALLHISTORY__V1__DISPOSITION__DISPOSITION_MISSCALL] = "MISSCALL",
    [CALLHISTORY__V1__DISPOSITION__DISPOSITION_ANSWER] = "ANSWER",
    [CALLHISTORY__V1__DISPOSITION__DISPOSITION_BUSY] = "BUSY",
    [CALLHISTORY__V1__DISPOSITION__DISPOSITION_NOANSWER] = "NOANSWER",
    [CALLHISTORY__V1__DISPOSITION__DISPOSITION_CANCEL] = "CANCEL",
    [CALLHISTORY__V1__DISPOSITION__DISPOSITION_SOMEONEANSWERED] = "SOMEONEANSWERED",
    [CALLHISTORY__V1__DISPOSITION__DISPOSITION_LOGOUT] = "LOGOUT",
    [CALLHISTORY__V1__DISPOSITION__DISPOSITION_INCALL] = "INCALL",
    [CALLHISTORY__V1__DISPOSITION__DISPOSITION_CONGESTION] = "CONGESTION",
    [CALLHISTORY__V1__DISPOSITION__DISPOSITION_CHANUNAVAIL] = "CHANUNAVAIL",
    [CALLHISTORY__V1__DISPOSITION__DISPOSITION_DONTCALL] = "DONTCALL",
    [CALLHISTORY__V1__DISPOSITION__DISPOSITION_TORTURE] = "TORTURE",
    [CALLHISTORY__V1__DISPOSITION__DISPOSITION_INVALIDARGS] = "INVALIDARGS",
    [CALLHISTORY__V1__DISPOSITION__DISPOSITION_NORMAL_CLEARING] = "NORMAL_CLEARING",
};

static const char *const call_types[] = {
    [CALLHISTORY__V1__CALL_TYPE__CALL_TYPE_INBOUND] = "CALLIN",
    [CALLHISTORY__V1__CALL_TYPE__CALL_TYPE_OUTBOUND] = "CALLOUT",
    [CALLHISTORY__V1__CALL_TYPE__CALL_TYPE_MISSED] = "MISSCALL",
};

enum {
	DISPOSITION_COUNT = sizeof(dispositions) / sizeof(dispositions[0]),
	CALL_TYPE_COUNT = sizeof(call_types) / sizeof(call_types[0])
};

/* Index 0, UNSPECIFIED, has no name. */
static int find(const char *const *names, int count, const char *text)
{
	for (int i = 1; i < count; ++i)
		if (!strcasecmp(names[i], text))
			return i;
	return 0;
}

const char *contract_disposition_name(Callhistory__V1__Disposition disposition)
{
	return (unsigned)disposition < DISPOSITION_COUNT ? dispositions[disposition] : NULL;
}

const char *contract_call_type_name(Callhistory__V1__CallType type)
{
	return (unsigned)type < CALL_TYPE_COUNT ? call_types[type] : NULL;
}

Callhistory__V1__Disposition names_disposition(const char *text)
{
	return (Callhistory__V1__Disposition)find(dispositions, DISPOSITION_COUNT, text);
}

Callhistory__V1__CallType names_call_type(const char *text)
{
	if (!strcasecmp(text, "INCALL"))
		return CALLHISTORY__V1__CALL_TYPE__CALL_TYPE_INBOUND;
	if (!strcasecmp(text, "OUTCALL"))
		return CALLHISTORY__V1__CALL_TYPE__CALL_TYPE_OUTBOUND;
	return (Callhistory__V1__CallType)find(call_types, CALL_TYPE_COUNT, text);
}
