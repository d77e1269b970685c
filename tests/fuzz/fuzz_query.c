/* Fuzzes query strings beside a body: a line feed parts the two. What is accepted keeps its bounds. */
#include <stdint.h>
#include <stdlib.h>

#include "contract/contract.h"

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
	if (!size || arena_create(&arena, 4096))
		return 0;
	const char *text = (const char *)data, *end = text + size;
	const char *part = memchr(text, '\n', size);
	struct contract_input input = {.query = text, .query_length = size};
	if (part) {
		input.query_length = (size_t)(part - text);
		input.body = part + 1;
		input.body_length = (size_t)(end - part - 1);
	}
	if (contract_read_request(arena, &input, &request, &error)) {
		check(error.message && (error.code == 400 || error.code == 413));
	} else {
		check(*request.vbot_id && *request.project_code && *request.phone);
		check(strlen(request.vbot_id) <= 64 * 4 && strlen(request.phone) <= 128 * 4);
		check(!request.is_list || (request.page >= 1 && request.size >= 1 && request.size <= CONTRACT_SIZE_MAX));
		check(!request.has_from || request.from_ms >= 0);
		check(!request.has_to || request.to_ms >= 0);
	}
	arena_destroy(arena);
	return 0;
}
