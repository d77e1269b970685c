/*
 * Fuzzes packed calls as the gateway takes them from the service. What is no
 * message is refused, and nothing is written. All else makes an answer that a
 * JSON reader takes; and what base/unpack takes for a Call, the same answer as
 * its canonical bytes.
 */
#include <jansson.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/unpack.h"
#include "contract/contract.h"
#include "structure_wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
	if (!holds)
		abort();
}

static void check_canonical(struct contract_zone *zone, const Callhistory__V1__Call *call, const struct buffer *answer)
{
	struct buffer again = {0};
	ProtobufCBinaryData packed = {.len = callhistory__v1__call__get_packed_size(call)};
	packed.data = malloc(packed.len + 1);
	check(packed.data);
	callhistory__v1__call__pack(call, packed.data);
	check(!contract_write_list_part(&again, CONTRACT_GET_ALL, zone, &packed, 1, true, true));
	check(again.length == answer->length && !memcmp(again.data, answer->data, again.length));
	free(packed.data);
	buffer_free(&again);
}

/* NULL where it is no Call whose strings are text. */
static Callhistory__V1__Call *unpack(struct arena *arena, const uint8_t *data, size_t size)
{
	ProtobufCMessage *message;
	if (unpack_message(&callhistory__v1__call__descriptor, data, size, arena, &message))
		return NULL;
	return (Callhistory__V1__Call *)message;
}

/* What is an answer of generations 1 to 3 is one of the fourth, too. */
static void check_flat(const ProtobufCBinaryData *packed, bool refused)
{
	for (enum contract_route route = CONTRACT_FLAT_LIST; route < CONTRACT_ROUTES; ++route) {
		struct buffer answer = {0};
		int result = contract_write_list_part(&answer, route, NULL, packed, 1, true, true);
		check(!result == !refused);
		json_t *value = json_loadb(answer.data, answer.length, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
		check(refused ? !answer.length : json_array_size(json_object_get(value, "data")) == 1);
		json_decref(value);
		buffer_free(&answer);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct contract_zone *zone;
	struct arena *arena;
	struct buffer answer = {0};
	if ((!zone && contract_zone_create(&zone, "Asia/Ho_Chi_Minh")) || arena_create(&arena, 4096))
		return 0;
	const ProtobufCBinaryData packed = {size, (uint8_t *)data};
	Callhistory__V1__Call *call = unpack(arena, data, size);
	const bool refused = contract_write_list_part(&answer, CONTRACT_GET_ALL, zone, &packed, 1, true, true);
	check_flat(&packed, refused);
	if (refused) {
		check(!call && !answer.length);
	} else {
		json_t *value = json_loadb(answer.data, answer.length, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
		check(json_array_size(json_object_get(value, "data")) == 1);
		json_decref(value);
		if (call)
			check_canonical(zone, call, &answer);
	}
	arena_destroy(arena);
	buffer_free(&answer);
	return 0;
}

STRUCTURE_MUTATOR(structure_wire, 0);
