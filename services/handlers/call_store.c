/* handlers/call_store: the packed bytes and the numbers. */
#include "handlers/call_store.h"

#include <errno.h>

#include "handlers/call_parties.h"
#include "handlers/handlers.h"

int handlers_call_store(struct store_call *out, const Callhistory__V1__Call *call, const char *country_code,
                        struct arena *arena, struct call_fault *fault)
{
	struct call_parties parties;
	int result = handlers_call_parties_read(&parties, call, country_code, arena, fault);
	if (result)
		return result;
	size_t length = callhistory__v1__call__get_packed_size(call);
	if (length > HANDLERS_BYTES_MAX) {
		*fault = (struct call_fault){"", "the call has more than 65536 bytes"};
		return -EINVAL;
	}
	uint8_t *packed = arena_alloc(arena, length);
	if (!packed)
		return -ENOMEM;
	callhistory__v1__call__pack(call, packed);
	*out = (struct store_call){.record = {packed, length}};
	if (!call->start_time) {
		out->parts = true;
		return 0;
	}
	out->start_ms = handlers_call_start_ms(call);
	out->group = call->group_id;
	out->numbers = parties.numbers;
	out->number_count = parties.count;
	return 0;
}
