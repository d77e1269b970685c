/*
 * handlers/call_parties: the external party is a caller of an inbound call and a callee of an outbound call, so that
 * side comes first.
 */
#include "handlers/call_parties.h"

#include <errno.h>
#include <string.h>

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

int handlers_call_parties_read(struct call_parties *out, const Callhistory__V1__Call *call, const char *country_code,
                               struct arena *arena, struct call_fault *fault)
{
	struct numbers numbers = {.count = 0};
	bool outbound = call->direction == CALLHISTORY__V1__CALL_DIRECTION__CALL_DIRECTION_OUTBOUND;
	numbers.texts = arena_alloc(arena, (call->n_callers + call->n_callees + 1) * sizeof(*numbers.texts));
	numbers.sorted = arena_alloc(arena, (call->n_callers + call->n_callees) * sizeof(*numbers.sorted));
	if (!numbers.texts || !numbers.sorted)
		return -ENOMEM;
	int result = 0;
	for (int turn = 0; turn < 2 && !result; ++turn) {
		bool callees = outbound == !turn;
		result =
		    read_side(&numbers, callees ? call->callees : call->callers, callees ? call->n_callees : call->n_callers,
		              callees ? "callees" : "callers", country_code, arena, fault);
	}
	if (result)
		return result;
	if (!*call->hotline)
		numbers.texts[numbers.count++] = HANDLERS_NO_HOTLINE;
	out->numbers = numbers.texts;
	out->count = numbers.count;
	return 0;
}
