/*
 * Fuzzes imported records. Whatever is accepted must make an answer that a
 * JSON reader takes, and a line for import that gives the same call.
 */
#include <jansson.h>
#include <stdint.h>
#include <stdlib.h>

#include "contract/contract.h"
#include "structure_json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
	if (!holds)
		abort();
}

static void check_answer(struct contract_zone *zone, const struct contract_import *import)
{
	struct buffer answer = {0};
	ProtobufCBinaryData packed = {.len = callhistory__v1__call__get_packed_size(import->call)};
	packed.data = malloc(packed.len + 1);
	check(packed.data);
	callhistory__v1__call__pack(import->call, packed.data);
	check(!contract_write_list_part(&answer, CONTRACT_GET_ALL, zone, &packed, 1, true, true) && !answer.failed);
	free(packed.data);
	json_t *value = json_loadb(answer.data, answer.length, JSON_REJECT_DUPLICATES, NULL);
	check(json_array_size(json_object_get(value, "data")) == 1);
	json_decref(value);
	buffer_free(&answer);
}

static void check_export(struct arena *arena, struct contract_zone *zone, const struct contract_import *import)
{
	struct buffer line = {0};
	struct contract_import again;
	struct contract_error error;
	contract_write_import(&line, zone, import->project_code, import->vbot_id, import->call);
	check(!line.failed && !contract_read_import(arena, zone, line.data, line.length, &again, &error));
	size_t size = callhistory__v1__call__get_packed_size(import->call);
	check(size == callhistory__v1__call__get_packed_size(again.call));
	uint8_t *left = arena_alloc(arena, size), *right = arena_alloc(arena, size);
	check(left && right);
	callhistory__v1__call__pack(import->call, left);
	callhistory__v1__call__pack(again.call, right);
	check(!memcmp(left, right, size));
	check(!strcmp(import->project_code, again.project_code) && !strcmp(import->vbot_id, again.vbot_id));
	buffer_free(&line);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct contract_zone *zone;
	struct arena *arena = NULL;
	struct contract_import import;
	struct contract_error error;
	if ((!zone && contract_zone_create(&zone, "Asia/Ho_Chi_Minh")) || arena_create(&arena, 4096))
		return 0;
	if (contract_read_import(arena, zone, (const char *)data, size, &import, &error)) {
		check(error.message && (error.code == 400 || error.code == 413));
	} else {
		check(*import.call->id && *import.project_code && *import.vbot_id && import.call->start_time);
		check(import.call->n_callers <= CONTRACT_PARTY_MAX && import.call->n_callees <= CONTRACT_PARTY_MAX);
		check_answer(zone, &import);
		check_export(arena, zone, &import);
	}
	arena_destroy(arena);
	return 0;
}

STRUCTURE_MUTATOR(structure_json, 0);
