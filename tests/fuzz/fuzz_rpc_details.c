/* Fuzzes the reading of grpc-status-details-bin: what a server sent must never hurt its client. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "rpc/details.h"
#include "structure_wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *arena;
	struct context context;
	const uint8_t *packed;
	size_t length, seen = 0;
	if (arena_create(&arena, 1024))
		return 0;
	context_init(&context, arena);
	rpc_details_unpack(&context, data, size);
	if (context.violation.field)
		seen = strlen(context.violation.field) + strlen(context.violation.description);
	if (context.retry_after_ms < 0 || seen > 2 * size)
		abort();
	context.status = STATUS_INVALID_ARGUMENT;
	if (rpc_details_pack(&context, arena, &packed, &length) == 0 && length > RPC_DETAILS_LIMIT)
		abort();
	arena_destroy(arena);
	return 0;
}

STRUCTURE_MUTATOR(structure_wire, 0);
