/* Fuzzes request bodies: the first byte chooses route and credentials, the rest is the body. What is accepted keeps its bounds. */
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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *arena = NULL;
	struct contract_request request;
	struct contract_error error;
	struct buffer answer = {0};
	if (!size || arena_create(&arena, 4096))
		return 0;
	const struct contract_input input = {.route = (enum contract_route)((data[0] & 0x7f) % CONTRACT_ROUTES),
	                                     .api_key = data[0] & 0x80,
	                                     .body = (const char *)data + 1,
	                                     .body_length = size - 1};
	if (contract_read_request(arena, &input, &request, &error)) {
		check(error.message && (error.code == 400 || error.code == 413));
		contract_write_error(&answer, error.code, error.message);
		check(!answer.failed);
	} else {
		check(!request.is_list || (request.size >= 1 && request.size <= CONTRACT_SIZE_MAX));
		check(!request.is_list || request.page >= 1 || input.route == CONTRACT_CHANGES);
		check(!contract_route_is_flat(input.route) == !request.filter);
		check(input.api_key || input.route > CONTRACT_RECORD ||
		      (request.vbot_id && *request.vbot_id && request.project_code && *request.project_code));
		check(request.unknown_count <= 32);
	}
	buffer_free(&answer);
	arena_destroy(arena);
	return 0;
}

STRUCTURE_MUTATOR(structure_json, 1);
