/* Fuzzes events of the vendor's webhook. What is accepted has an id and fits the limits of a record. */
#include <stdint.h>
#include <stdlib.h>

#include "sources/vbot.h"
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
	const struct import_reader reader = {arena, zone, &error};
	if (!sources_vbot_read(&reader, (const char *)data, size, &record)) {
		check(!record.part || *record.part->call->id);
		check(!record.part || record.part->supplement || record.part->call->start_time);
		check(!record.part || callhistory__v1__call__get_packed_size(record.part->call) > 0);
	} else {
		check(error.message && error.code == 400);
	}
	arena_destroy(arena);
	return 0;
}

STRUCTURE_MUTATOR(structure_json, 0);
