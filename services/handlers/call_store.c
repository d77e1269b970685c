/* handlers/call_store: the numbers under which a call is found, and its packed bytes. */
#include "handlers/call_store.h"

#include <errno.h>
#include <string.h>

#include "handlers/handlers.h"
#include "handlers/number.h"

/* The numbers found so far, each once. A call may have 1,024 of them, so a lookup is a binary search. */
struct numbers {
	const char **texts;
	uint16_t *sorted; /* indexes of `texts`, sorted by text */
	size_t count;
};

/* The index of the number in `sorted`; *found: it is there already. */
static size_t find_number(const struct numbers *numbers, const char *number, bool *found)
{
	size_t low = 0, high = numbers->count;
	*found = false;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = strcmp(numbers->texts[numbers->sorted[middle]], number);
		if (!order) {
			*found = true;
			return middle;
		}
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* Adds a number unless it is there. 0 or -ENOMEM. */
static int add_number(struct numbers *numbers, const char *number, size_t length, struct arena *arena)
{
	bool found;
	size_t at = find_number(numbers, number, &found);
	if (found)
		return 0;
	char *copy = arena_copy(arena, number, length);
	if (!copy)
		return -ENOMEM;
	uint16_t *entry = numbers->sorted + at;
	memmove(entry + 1, entry, (numbers->count - at) * sizeof(*entry));
	*entry = (uint16_t)numbers->count;
	numbers->texts[numbers->count++] = copy;
	return 0;
}

static int read_side(struct numbers *numbers, Callhistory__V1__Party *const *parties, size_t count, const char *field,
                     const char *country_code, struct arena *arena, struct call_fault *fault)
{
	char number[NUMBER_SIZE];
	for (size_t i = 0; i < count; ++i) {
		int length = handlers_number_canonical(number, parties[i]->phone, strlen(parties[i]->phone), country_code);
		if (length < 0) {
			fault->field = arena_printf(arena, "%s[%zu].phone", field, i);
			fault->message = "is not a phone number, extension or name";
			return fault->field ? -EINVAL : -ENOMEM;
		}
		if (length && add_number(numbers, number, (size_t)length, arena))
			return -ENOMEM;
	}
	return 0;
}

/*
 * The external party is a caller of an inbound call and a callee of an outbound call, so that side comes first.
 */
static int read_numbers(struct numbers *out, const Callhistory__V1__Call *call, const char *country_code,
                        struct arena *arena, struct call_fault *fault)
{
	bool outbound = call->direction == CALLHISTORY__V1__CALL_DIRECTION__CALL_DIRECTION_OUTBOUND;
	size_t count = call->n_callers + call->n_callees;
	*out = (struct numbers){
	    .texts = arena_alloc(arena, (count + 1) * sizeof(*out->texts)),
	    .sorted = arena_alloc(arena, count * sizeof(*out->sorted)),
	};
	if (!out->texts || !out->sorted)
		return -ENOMEM;
	int result = 0;
	for (int turn = 0; turn < 2 && !result; ++turn) {
		if (outbound == !turn)
			result = read_side(out, call->callees, call->n_callees, "callees", country_code, arena, fault);
		else
			result = read_side(out, call->callers, call->n_callers, "callers", country_code, arena, fault);
	}
	if (!result && !*call->hotline)
		out->texts[out->count++] = HANDLERS_NO_HOTLINE;
	return result;
}

int handlers_call_store(struct store_call *out, const Callhistory__V1__Call *call, const char *country_code,
                        struct arena *arena, struct call_fault *fault)
{
	struct numbers numbers;
	int result = read_numbers(&numbers, call, country_code, arena, fault);
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
	out->numbers = numbers.texts;
	out->number_count = numbers.count;
	return 0;
}
