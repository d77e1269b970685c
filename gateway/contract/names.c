/* contract/names: the tables of spellings. */
#include "contract/names.h"

#include <string.h>
#include <strings.h>

static const char *const dispositions[] = {
    [CALLHISTORY__V1__DISPOSITION__DISPOSITION_MULTIPLE] = "MORE",
    [CALLHISTORY__V1__DISPOSITION__DISPOSITION_MISSED] = "MISSCALL",
    [CALLHISTORY__V1__DISPOSITION__DISPOSITION_ANSWERED] = "ANSWER",
    [CALLHISTORY__V1__DISPOSITION__DISPOSITION_BUSY] = "BUSY",
    [CALLHISTORY__V1__DISPOSITION__DISPOSITION_NO_ANSWER] = "NOANSWER",
    [CALLHISTORY__V1__DISPOSITION__DISPOSITION_CANCELLED] = "CANCEL",
    [CALLHISTORY__V1__DISPOSITION__DISPOSITION_ANSWERED_ELSEWHERE] = "SOMEONEANSWERED",
    [CALLHISTORY__V1__DISPOSITION__DISPOSITION_LOGGED_OUT] = "LOGOUT",
    [CALLHISTORY__V1__DISPOSITION__DISPOSITION_ON_ANOTHER_CALL] = "INCALL",
    [CALLHISTORY__V1__DISPOSITION__DISPOSITION_CONGESTION] = "CONGESTION",
    [CALLHISTORY__V1__DISPOSITION__DISPOSITION_CHANNEL_UNAVAILABLE] = "CHANUNAVAIL",
    [CALLHISTORY__V1__DISPOSITION__DISPOSITION_REJECTED] = "DONTCALL",
    [CALLHISTORY__V1__DISPOSITION__DISPOSITION_TORTURE] = "TORTURE",
    [CALLHISTORY__V1__DISPOSITION__DISPOSITION_INVALID_ARGUMENTS] = "INVALIDARGS",
    [CALLHISTORY__V1__DISPOSITION__DISPOSITION_NORMAL_CLEARING] = "NORMAL_CLEARING",
};

static const struct call_type {
	const char *name;
	struct names_call_type meaning;
} call_types[] = {
    {"CALLIN", {CALLHISTORY__V1__CALL_DIRECTION__CALL_DIRECTION_INBOUND, false}},
    {"INCALL", {CALLHISTORY__V1__CALL_DIRECTION__CALL_DIRECTION_INBOUND, false}},
    {"CALLOUT", {CALLHISTORY__V1__CALL_DIRECTION__CALL_DIRECTION_OUTBOUND, false}},
    {"OUTCALL", {CALLHISTORY__V1__CALL_DIRECTION__CALL_DIRECTION_OUTBOUND, false}},
    {"MISSCALL", {CALLHISTORY__V1__CALL_DIRECTION__CALL_DIRECTION_INBOUND, true}},
};

enum {
	DISPOSITION_COUNT = sizeof(dispositions) / sizeof(dispositions[0]),
	CALL_TYPE_COUNT = sizeof(call_types) / sizeof(call_types[0])
};

const char *contract_names_of_disposition(Callhistory__V1__Disposition disposition)
{
	return (unsigned)disposition < DISPOSITION_COUNT ? dispositions[disposition] : NULL;
}

const char *contract_names_of_call_type(Callhistory__V1__CallDirection direction, bool missed)
{
	switch (direction) {
	case CALLHISTORY__V1__CALL_DIRECTION__CALL_DIRECTION_UNSPECIFIED:
		return missed ? "MISSCALL" : NULL;
	case CALLHISTORY__V1__CALL_DIRECTION__CALL_DIRECTION_INBOUND:
		return missed ? "MISSCALL" : "CALLIN";
	case CALLHISTORY__V1__CALL_DIRECTION__CALL_DIRECTION_OUTBOUND:
	case CALLHISTORY__V1__CALL_DIRECTION__CALL_DIRECTION_INTERNAL:
		return "CALLOUT";
	default:
		return NULL;
	}
}

unsigned contract_names_number_of_call_type(Callhistory__V1__CallDirection direction, bool missed)
{
	static const char *const numbers[] = {[1] = "CALLIN", [2] = "CALLOUT", [3] = "MISSCALL"};
	const char *name = contract_names_of_call_type(direction, missed);
	for (unsigned i = 1; name && i < sizeof(numbers) / sizeof(numbers[0]); ++i)
		if (!strcmp(name, numbers[i]))
			return i;
	return 0;
}

Callhistory__V1__Disposition contract_names_disposition(const char *text)
{
	/* Index 0, UNSPECIFIED, has no name. */
	for (int i = 1; i < DISPOSITION_COUNT; ++i)
		if (!strcasecmp(dispositions[i], text))
			return (Callhistory__V1__Disposition)i;
	return CALLHISTORY__V1__DISPOSITION__DISPOSITION_UNSPECIFIED;
}

struct names_call_type contract_names_call_type(const char *text)
{
	for (int i = 0; i < CALL_TYPE_COUNT; ++i)
		if (!strcasecmp(call_types[i].name, text))
			return call_types[i].meaning;
	return (struct names_call_type){CALLHISTORY__V1__CALL_DIRECTION__CALL_DIRECTION_UNSPECIFIED, false};
}
