/*
 * contract/names: the contract's spellings of dispositions and call types. The API has enums, and separates the
 * direction of a call from whether it was missed; the contract has one word for both. Pure; thread-safe.
 */
#pragma once

#include <stdbool.h>

#include "callhistory/v1/call.pb-c.h"

/* What a call type of the contract means. */
struct names_call_type {
	Callhistory__V1__CallDirection direction; /* UNSPECIFIED: the text is no call type of the contract */
	bool missed;
};

/* The value of a recorded spelling, case ignored; UNSPECIFIED for any other text. */
Callhistory__V1__Disposition contract_names_disposition(const char *text);

/* The same for a call type; INCALL and OUTCALL are accepted, too (contract §3). */
struct names_call_type contract_names_call_type(const char *text);

/* The contract's spelling; NULL for UNSPECIFIED and values that it does not know. Static. */
const char *contract_names_of_disposition(Callhistory__V1__Disposition disposition);

/* The same for a call type. The contract has no internal calls: a member placed them, so they are CALLOUT. */
const char *contract_names_of_call_type(Callhistory__V1__CallDirection direction, bool missed);

/* A call type in generation 4: 1 in, 2 out, 3 missed; 0 where contract_names_of_call_type() has no name. */
unsigned contract_names_number_of_call_type(Callhistory__V1__CallDirection direction, bool missed);
