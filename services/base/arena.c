/* arena: a chain of blocks, the newest first; the oldest is kept across resets. */
#include "base/arena.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ARENA_ALIGNMENT = 16, ARENA_FIRST_MINIMUM = 256, ARENA_BLOCK_MAXIMUM = 1 << 20 };

struct block {
	struct block *older;
	size_t used, size;
	_Alignas(ARENA_ALIGNMENT) unsigned char bytes[];
};

struct arena {
	struct block *newest;
	struct block *oldest;
	struct memory_budget *budget; /* NULL: none */
};

static struct block *block_create(size_t size, struct block *older)
{
	struct block *block = malloc(sizeof(*block) + size);
	if (!block)
		return NULL;
	block->older = older;
	block->used = 0;
	block->size = size;
	return block;
}

int arena_create(struct arena **out, size_t first_block)
{
	struct arena *arena = malloc(sizeof(*arena));
	if (!arena)
		return -ENOMEM;
	arena->budget = NULL;
	if (first_block < ARENA_FIRST_MINIMUM)
		first_block = ARENA_FIRST_MINIMUM;
	arena->oldest = arena->newest = block_create(first_block, NULL);
	if (!arena->oldest) {
		free(arena);
		return -ENOMEM;
	}
	*out = arena;
	return 0;
}

void arena_set_budget(struct arena *arena, struct memory_budget *budget)
{
	arena->budget = budget;
}

void arena_share_budget(struct arena *arena, const struct arena *other)
{
	arena->budget = other->budget;
}

struct arena_mark arena_mark(const struct arena *arena)
{
	return (struct arena_mark){arena->newest, arena->newest->used};
}

void arena_rewind(struct arena *arena, struct arena_mark mark)
{
	while (arena->newest != mark.block) {
		struct block *older = arena->newest->older;
		memory_give(arena->budget, arena->newest->size);
		free(arena->newest);
		arena->newest = older;
	}
	arena->newest->used = mark.used;
}

void arena_reset(struct arena *arena)
{
	arena_rewind(arena, (struct arena_mark){arena->oldest, 0});
}

void arena_destroy(struct arena *arena)
{
	if (!arena)
		return;
	arena_reset(arena);
	free(arena->oldest);
	free(arena);
}

void *arena_alloc(struct arena *arena, size_t size)
{
	struct block *block = arena->newest;
	if (size > SIZE_MAX / 2)
		return NULL;
	size = (size + ARENA_ALIGNMENT - 1) & ~(size_t)(ARENA_ALIGNMENT - 1);
	if (size > block->size - block->used) {
		size_t wanted = block->size < ARENA_BLOCK_MAXIMUM ? block->size * 2 : ARENA_BLOCK_MAXIMUM;
		wanted = wanted > size ? wanted : size;
		if (!memory_take(arena->budget, wanted))
			return NULL;
		block = block_create(wanted, arena->newest);
		if (!block) {
			memory_give(arena->budget, wanted);
			return NULL;
		}
		arena->newest = block;
	}
	void *memory = block->bytes + block->used;
	block->used += size;
	return memory;
}

void *arena_calloc(struct arena *arena, size_t size)
{
	void *memory = arena_alloc(arena, size);
	return memory ? memset(memory, 0, size) : NULL;
}

char *arena_copy(struct arena *arena, const void *data, size_t length)
{
	char *copy = length < SIZE_MAX ? arena_alloc(arena, length + 1) : NULL;
	if (!copy)
		return NULL;
	if (length)
		memcpy(copy, data, length);
	copy[length] = '\0';
	return copy;
}

char *arena_vprintf(struct arena *arena, const char *format, va_list arguments)
{
	va_list again;
	va_copy(again, arguments);
	int length = vsnprintf(NULL, 0, format, again);
	va_end(again);
	if (length < 0)
		return NULL;
	char *text = arena_alloc(arena, (size_t)length + 1);
	if (text)
		vsnprintf(text, (size_t)length + 1, format, arguments);
	return text;
}

char *arena_printf(struct arena *arena, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	char *text = arena_vprintf(arena, format, arguments);
	va_end(arguments);
	return text;
}

void *arena_allocator_alloc(void *arena, size_t size)
{
	return arena_alloc(arena, size);
}

void arena_allocator_free(void *arena, void *pointer)
{
	(void)arena;
	(void)pointer;
}
