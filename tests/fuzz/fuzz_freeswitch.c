/* Fuzzes bodies of mod_json_cdr in all encodings. What is accepted has an id, a start and fits the limits of a record. */
#include <stdint.h>
#include <stdlib.h>

#include "base/utf8.h"
#include "sources/freeswitch.h"
#include "structure_json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
	if (!holds)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct contract_zone *zone;
	struct arena *arena = NULL;
	struct sources_record record;
	struct contract_error error = {0};
	if ((!zone && contract_zone_create(&zone, "Asia/Ho_Chi_Minh")) || arena_create(&arena, 4096))
		return 0;
	static const char *const variables[] = {"record_name"};
	static const struct sources_freeswitch_options options = {variables, 1};
	const struct import_reader reader = {arena, zone, &error};
	if (!sources_freeswitch_read(&options, &reader, (const char *)data, size, &record)) {
		const Callhistory__V1__Call *call = record.part->call;
		check(*call->id && call->start_time && call->start_time->seconds >= 0);
		check(call->n_callers == 1 && call->n_callees <= CONTRACT_PARTY_MAX &&
		      call->n_recordings <= CONTRACT_RECORDING_MAX);
		check(utf8_is_valid(call->callers[0]->name, strlen(call->callers[0]->name)));
		check(callhistory__v1__call__get_packed_size(call) > 0);
	} else {
		check(error.message && error.code == 400);
	}
	arena_destroy(arena);
	return 0;
}

STRUCTURE_MUTATOR(structure_json, 0);
