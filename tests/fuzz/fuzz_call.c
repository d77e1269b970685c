/*
 * A Call of any bytes: it is refused with a path and a reason, or its canonical bytes are accepted again, unchanged, and tell
 * their place.
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/unpack.h"
#include "base/utf8.h"
#include "handlers/call_check.h"
#include "handlers/call_store.h"
#include "handlers/filter.h"
#include "store/store.h"
#include "structure_wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_parties(const Callhistory__V1__Call *call, struct arena *arena)
{
	struct call_fault fault = {NULL, NULL};
	struct store_call stored;
	int result = handlers_call_store(&stored, call, "84", arena, &fault);
	if (result && (result != -EINVAL || !fault.field || !fault.message))
		abort();
	for (size_t i = 0; !result && i < stored.number_count; ++i)
		for (size_t j = 0; j <= i; ++j)
			if (!*stored.numbers[i] || (i != j && !strcmp(stored.numbers[i], stored.numbers[j])))
				abort();
	struct filter filter = {0};
	struct context context;
	Callhistory__V1__CallFilter wanted = CALLHISTORY__V1__CALL_FILTER__INIT;
	wanted.hotline = (char *)"19001234";
	wanted.phone_contains = (char *)"0912";
	wanted.optional_min_charge_case = CALLHISTORY__V1__CALL_FILTER__OPTIONAL_MIN_CHARGE_MIN_CHARGE;
	context_init(&context, arena);
	if (handlers_filter_read(&context, &filter, &wanted, "84"))
		abort();
	handlers_filter_matches(&filter, call);
}

static void check_accepted(Callhistory__V1__Call *call, struct arena *arena)
{
	ProtobufCAllocator allocator = {arena_allocator_alloc, arena_allocator_free, arena};
	struct call_fault fault = {NULL, NULL};
	struct store_position position;
	size_t length = callhistory__v1__call__get_packed_size(call);
	uint8_t *packed = arena_alloc(arena, length), *again = arena_alloc(arena, length);
	if (!packed || !again)
		return;
	callhistory__v1__call__pack(call, packed);
	Callhistory__V1__Call *read = callhistory__v1__call__unpack(&allocator, length, packed);
	if (!read || handlers_call_check(read, false, arena, &fault) || callhistory__v1__call__get_packed_size(read) != length)
		abort();
	callhistory__v1__call__pack(read, again);
	if (memcmp(packed, again, length) != 0)
		abort();
	if (*call->id && store_record_position(&(struct store_record){packed, length}, &position))
		abort();
	check_parties(call, arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *arena;
	struct call_fault fault = {NULL, NULL};
	struct utf8_measure text;
	struct store_position position;
	store_record_position(&(struct store_record){data, size}, &position);
	if (arena_create(&arena, 4096))
		return 0;
	ProtobufCMessage *message;
	if (!unpack_message(&callhistory__v1__call__descriptor, data, size, arena, &message)) {
		Callhistory__V1__Call *call = (Callhistory__V1__Call *)message;
		int result = handlers_call_check(call, false, arena, &fault);
		if (!result)
			check_accepted(call, arena);
		else if (!fault.field || !fault.message || utf8_measure(&text, fault.message))
			abort();
	}
	arena_destroy(arena);
	return 0;
}

STRUCTURE_MUTATOR(structure_wire, 0);
