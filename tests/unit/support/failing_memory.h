/*
 * failing_memory: allocations of our own code that fail when a test says so.
 * The linker leads malloc() and its kin here, and the arenas' functions too, so
 * that what would fit a block fails as well (see tests/unit/CMakeLists.txt).
 * What libraries allocate for themselves is left alone.
 */
#ifndef CALLHISTORY_TESTS_FAILING_MEMORY_H
#define CALLHISTORY_TESTS_FAILING_MEMORY_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"

static struct {
	bool armed;
	long nth;    /* of the armed allocations: the one that fails, from 1; 0: none */
	bool onward; /* and all after it */
	size_t size; /* not 0: only those of so many bytes count */
	int tries; /* of the scenario, so far */
	long seen;
	long failed;
} failing_memory;

static inline bool failing_memory_fails(size_t size)
{
	if (!failing_memory.armed || (failing_memory.size && failing_memory.size != size))
		return false;
	long n = ++failing_memory.seen;
	bool fails = failing_memory.nth && (n == failing_memory.nth || (failing_memory.onward && n > failing_memory.nth));
	failing_memory.failed += fails;
	return fails;
}

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *memory, size_t size);
char *__real_strdup(const char *text);
char *__real_strndup(const char *text, size_t length);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *memory, size_t size);
char *__wrap_strdup(const char *text);
char *__wrap_strndup(const char *text, size_t length);

void *__wrap_malloc(size_t size)
{
	return failing_memory_fails(size) ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
	return failing_memory_fails(count * size) ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *memory, size_t size)
{
	return failing_memory_fails(size) ? NULL : __real_realloc(memory, size);
}

char *__wrap_strdup(const char *text)
{
	return failing_memory_fails(0) ? NULL : __real_strdup(text);
}

char *__wrap_strndup(const char *text, size_t length)
{
	return failing_memory_fails(0) ? NULL : __real_strndup(text, length);
}

void *__real_arena_alloc(struct arena *arena, size_t size);
void *__real_arena_calloc(struct arena *arena, size_t size);
char *__real_arena_copy(struct arena *arena, const void *data, size_t length);
char *__real_arena_vprintf(struct arena *arena, const char *format, va_list arguments);
void *__wrap_arena_alloc(struct arena *arena, size_t size);
void *__wrap_arena_calloc(struct arena *arena, size_t size);
char *__wrap_arena_copy(struct arena *arena, const void *data, size_t length);
char *__wrap_arena_vprintf(struct arena *arena, const char *format, va_list arguments)
    __attribute__((format(printf, 2, 0)));
char *__wrap_arena_printf(struct arena *arena, const char *format, ...) __attribute__((format(printf, 2, 3)));
void *__wrap_arena_allocator_alloc(void *arena, size_t size);

void *__wrap_arena_alloc(struct arena *arena, size_t size)
{
	return failing_memory_fails(0) ? NULL : __real_arena_alloc(arena, size);
}

void *__wrap_arena_calloc(struct arena *arena, size_t size)
{
	return failing_memory_fails(0) ? NULL : __real_arena_calloc(arena, size);
}

char *__wrap_arena_copy(struct arena *arena, const void *data, size_t length)
{
	return failing_memory_fails(0) ? NULL : __real_arena_copy(arena, data, length);
}

char *__wrap_arena_vprintf(struct arena *arena, const char *format, va_list arguments)
{
	return failing_memory_fails(0) ? NULL : __real_arena_vprintf(arena, format, arguments);
}

char *__wrap_arena_printf(struct arena *arena, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	char *text = __wrap_arena_vprintf(arena, format, arguments);
	va_end(arguments);
	return text;
}

void *__wrap_arena_allocator_alloc(void *arena, size_t size)
{
	return __wrap_arena_alloc(arena, size);
}

/* A scenario arms, works, disarms and gives back all it made. It returns 0 when all of it went well. */
typedef int failing_memory_scenario(void *data);

/* Runs a scenario with one allocation failing. Whether one did. On a busy machine a deadline may pass: then once more. */
static inline bool failing_memory_try(const char *name, failing_memory_scenario *scenario, void *data, long nth)
{
	int result = 0;
	for (int tries = 0; tries == 0 || (tries < 5 && result && !failing_memory.failed); ++tries) {
		failing_memory.tries = tries;
		failing_memory.nth = nth;
		failing_memory.seen = failing_memory.failed = 0;
		result = scenario(data);
		failing_memory.armed = false;
	}
	if (!failing_memory.failed && result)
		fail_msg("%s fails with all the memory it wants: %d", name, result);
	return failing_memory.failed > 0;
}

/* Runs a scenario with each of its allocations failing: that one alone, then that one and all after it. */
static inline void failing_memory_run(const char *name, failing_memory_scenario *scenario, void *data, long limit)
{
	long count = 1;
	failing_memory.onward = false;
	while (failing_memory_try(name, scenario, data, count))
		assert_true(++count < limit);
	assert_true(count > 1);
	failing_memory.onward = true;
	for (long nth = 1; nth < count; ++nth)
		failing_memory_try(name, scenario, data, nth);
}

#endif
