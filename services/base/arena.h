/*
 * arena: memory of one request, freed in one step. Allocations are never freed one by one. arena_reset() frees all of
 * them and keeps the first block for the next request. Not thread-safe; one arena belongs to one request at a time.
 */
#pragma once

#include <stdarg.h>

#include "base/memory.h"

struct arena;

/* Makes an arena whose first block holds `first_block` bytes (at least 256). Returns 0 or -ENOMEM. */
int arena_create(struct arena **out, size_t first_block);

/*
 * Charges all blocks but the first to a budget, which outlives the arena, from now on: if the budget is exhausted,
 * allocations fail.
 */
void arena_set_budget(struct arena *arena, struct memory_budget *budget);

/* Charges an arena to the budget of another one, if that has one. */
void arena_share_budget(struct arena *arena, const struct arena *other);

/* Frees the arena and all its allocations. Takes NULL. */
void arena_destroy(struct arena *arena);

/* Frees all memory but the first block. */
void arena_reset(struct arena *arena);

/* A position in the order of an arena's allocations. */
struct arena_mark {
	void *block;
	size_t used;
};

/* The current position. */
struct arena_mark arena_mark(const struct arena *arena);

/* Frees what was allocated after the mark. No arena_reset() may be between. */
void arena_rewind(struct arena *arena, struct arena_mark mark);

/* Allocates `size` bytes, aligned to 16, not zeroed. NULL when out of memory. A size of 0 gives a valid pointer. */
void *arena_alloc(struct arena *arena, size_t size);

/* The same, zeroed. */
void *arena_calloc(struct arena *arena, size_t size);

/* Copies `length` bytes and adds a NUL byte. NULL when out of memory. */
char *arena_copy(struct arena *arena, const void *data, size_t length);

/* Formats into the arena. NULL when out of memory. */
char *arena_printf(struct arena *arena, const char *format, ...) __attribute__((format(printf, 2, 3)));
char *arena_vprintf(struct arena *arena, const char *format, va_list arguments);

/* The two functions of a ProtobufCAllocator whose allocator_data is an arena; the second does nothing. */
void *arena_allocator_alloc(void *arena, size_t size);
void arena_allocator_free(void *arena, void *pointer);
