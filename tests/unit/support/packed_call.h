/* Answers of calls that a test has as structs: packs them, as they come from the service. */
#ifndef CALLHISTORY_TESTS_PACKED_CALL_H
#define CALLHISTORY_TESTS_PACKED_CALL_H

#include <stdlib.h>

#include "contract/contract.h"

enum { PACKED_CALLS_MAX = 16 };

/* contract_write_list_part() of structs. */
static inline int packed_write_list(struct buffer *out, struct contract_zone *zone, Callhistory__V1__Call *const *calls,
                                    size_t count)
{
	ProtobufCBinaryData packed[PACKED_CALLS_MAX] = {{0, NULL}};
	if (count > PACKED_CALLS_MAX)
		abort();
	for (size_t i = 0; i < count; ++i) {
		packed[i].len = callhistory__v1__call__get_packed_size(calls[i]);
		packed[i].data = malloc(packed[i].len + 1);
		if (!packed[i].data)
			abort();
		callhistory__v1__call__pack(calls[i], packed[i].data);
	}
	int result = contract_write_list_part(out, CONTRACT_GET_ALL, zone, packed, count, true, true);
	for (size_t i = 0; i < count; ++i)
		free(packed[i].data);
	return result;
}

#endif
