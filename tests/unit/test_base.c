/* base: arena, buffer, context and status. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/arena.h"
#include "base/buffer.h"
#include "base/clock.h"
#include "base/context.h"

static void test_arena(void **state)
{
	(void)state;
	struct arena *arena = NULL;
	assert_int_equal(arena_create(&arena, 0), 0);
	char *first = arena_alloc(arena, 1);
	assert_int_equal((uintptr_t)first % 16, 0);
	for (size_t size = 0; size < 5000; size += 7) {
		char *block = arena_alloc(arena, size);
		assert_non_null(block);
		assert_int_equal((uintptr_t)block % 16, 0);
		memset(block, 0xaa, size);
	}
	assert_null(arena_alloc(arena, SIZE_MAX));
	assert_null(arena_alloc(arena, SIZE_MAX - 20));
	char *zeroed = arena_calloc(arena, 100);
	for (int i = 0; i < 100; ++i)
		assert_int_equal(zeroed[i], 0);
	assert_string_equal(arena_copy(arena, "abc", 2), "ab");
	assert_string_equal(arena_printf(arena, "%d-%s", 7, "x"), "7-x");
	arena_reset(arena);
	assert_ptr_equal(arena_alloc(arena, 1), first);
	struct arena_mark mark = arena_mark(arena);
	char *next = arena_copy(arena, "next", 4);
	for (int i = 0; i < 1000; ++i)
		assert_non_null(arena_alloc(arena, 100));
	arena_rewind(arena, mark);
	assert_ptr_equal(arena_alloc(arena, 1), next);
	arena_destroy(arena);
	arena_destroy(NULL);
}

static void test_buffer(void **state)
{
	(void)state;
	struct buffer buffer = {0};
	for (int i = 0; i < 1000; ++i)
		buffer_append_byte(&buffer, (char)('a' + i % 26));
	buffer_append_string(&buffer, "tail");
	buffer_printf(&buffer, "%05d", 42);
	assert_int_equal(buffer.length, 1009);
	assert_memory_equal(buffer.data + 1000, "tail00042", 9);
	buffer_clear(&buffer);
	assert_int_equal(buffer_reserve(&buffer, SIZE_MAX - 1), -ENOMEM);
	assert_true(buffer.failed);
	buffer_append(&buffer, "x", 1);
	assert_int_equal(buffer.length, 0);
	buffer_clear(&buffer);
	buffer_append(&buffer, "x", 1);
	assert_int_equal(buffer.length, 1);
	buffer_free(&buffer);
	assert_null(buffer.data);
}

static void test_the_first_failure_stays(void **state)
{
	(void)state;
	struct arena *arena = NULL;
	struct context context;
	assert_int_equal(arena_create(&arena, 256), 0);
	context_init(&context, arena);
	assert_int_equal(context.magic, CONTEXT_MAGIC);
	assert_true(context.deadline_us == CLOCK_NEVER);
	assert_int_equal(context_fail_field(&context, "page", "is %s", "wrong"), -STATUS_INVALID_ARGUMENT);
	assert_int_equal(context_fail(&context, STATUS_INTERNAL, NULL, "later"), -STATUS_INVALID_ARGUMENT);
	assert_int_equal(context_fail_field(&context, "size", "later"), -STATUS_INVALID_ARGUMENT);
	assert_string_equal(context.message, "page: is wrong");
	assert_string_equal(context.violation.field, "page");
	assert_string_equal(context.violation.description, "is wrong");
	arena_destroy(arena);
}

static void test_status_names(void **state)
{
	(void)state;
	assert_string_equal(status_name(STATUS_OK), "OK");
	assert_string_equal(status_name(STATUS_UNAUTHENTICATED), "UNAUTHENTICATED");
	assert_string_equal(status_name(17), "UNKNOWN");
	assert_string_equal(status_name(-1), "UNKNOWN");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_arena),
	    cmocka_unit_test(test_buffer),
	    cmocka_unit_test(test_the_first_failure_stays),
	    cmocka_unit_test(test_status_names),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
