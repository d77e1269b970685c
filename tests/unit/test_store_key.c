/* store/key, range and packed ids: pure, by table. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "store/internal.h"
#include "store/key.h"
#include "store/range.h"

static void outside_numbers(void **state)
{
	static const char *const outside[] = {"0912345678", "1900123", "+84912345678", "+123456", "0000000"};
	static const char *const inside[] = {"",          "101",        "123456",      "+12345",    "+",
	                                     "sip:alice", "09123a5678", "0912 345678", "++1234567", "0912345678+"};
	(void)state;
	for (size_t i = 0; i < sizeof(outside) / sizeof(outside[0]); ++i)
		assert_true(key_is_outside(outside[i]));
	for (size_t i = 0; i < sizeof(inside) / sizeof(inside[0]); ++i)
		assert_false(key_is_outside(inside[i]));
}

struct home_case {
	const char *home;
	const char *others[3];
	size_t count;
	const char *expected;
};

static void homes(void **state)
{
	static const struct home_case table[] = {
	    {"0912345678", {"101"}, 1, "0912345678"},
	    {"0912345678", {"0987654321"}, 1, "0912345678"},
	    {"101", {"0912345678"}, 1, "0912345678"},
	    {"101", {"102", "0987654321", "0912345678"}, 3, "0987654321"},
	    {"", {"0912345678"}, 1, "0912345678"},
	    {"101", {"102"}, 1, ""},
	    {"", {NULL}, 0, ""},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); ++i)
		assert_string_equal(key_home(table[i].home, table[i].others, table[i].count), table[i].expected);
}

static void names(void **state)
{
	struct arena *arena;
	(void)state;
	assert_int_equal(arena_create(&arena, 4096), 0);
	assert_string_equal(key_simple(arena, "1f", 'm'), "{1f}m");
	assert_string_equal(key_number(arena, "1f", 'n', "0912345678"), "{1f}n0912345678");
	assert_string_equal(key_home_set(arena, "1f", "0912345678", 10, 0), "{1f}n0912345678");
	assert_string_equal(key_home_set(arena, "1f", "", 0, 7200000), "{1f}h2");
	assert_string_equal(key_directory(arena, "1f", "101"), "{1f}x101");
	assert_string_equal(key_directory(arena, "1f", NULL), "{1f}t");
	assert_string_equal(key_chunk_prefix(arena, "1f", "101"), "{1f}y101:");
	assert_string_equal(key_chunk_prefix(arena, "1f", NULL), "{1f}u");
	assert_true(key_tag_valid("0"));
	assert_true(key_tag_valid("abcdefghijklmno"));
	assert_false(key_tag_valid(""));
	assert_false(key_tag_valid("abcdefghijklmnop"));
	assert_false(key_tag_valid("A"));
	assert_false(key_tag_valid("a}"));
	arena_destroy(arena);
}

static void spans(void **state)
{
	struct arena *arena;
	struct span span;
	(void)state;
	assert_int_equal(arena_create(&arena, 4096), 0);
	const struct store_range open = {"1f", "0912345678", INT64_MIN, INT64_MAX}, some = {"1f", "101", 5, 10},
	                         nothing = {"1f", NULL, 0, 0}, early = {"1f", NULL, INT64_MIN, INT64_MIN};
	assert_int_equal(span_init(&span, &open, arena), 0);
	assert_true(span.open && span.home);
	assert_string_equal(span.low_text, "0");
	assert_string_equal(span.high_text, "253402300799999");
	assert_int_equal(span_init(&span, &some, arena), 0);
	assert_true(!span.open && !span.home);
	assert_string_equal(span.low_text, "5");
	assert_string_equal(span.high_text, "9");
	assert_int_equal(span_init(&span, &nothing, arena), 0);
	assert_true(!span.open && !span.home && !span.number && span.high_ms == -1);
	assert_int_equal(span_init(&span, &early, arena), 0);
	assert_int_equal(span.high_ms, -1);
	arena_destroy(arena);
}

static void packed_ids(void **state)
{
	char id[STORE_ID_MAX + 1];
	uint8_t packed[STORE_ID_MAX + 3];
	(void)state;
	memset(id, 'i', sizeof(id));
	for (size_t length = 1; length <= STORE_ID_MAX; ++length) {
		const char *found;
		size_t found_length, packed_length = store_pack_id(packed, id, length);
		assert_int_equal(packed_length, length + (length < 128 ? 2 : 3));
		assert_int_equal(store_record_id(packed, packed_length, &found, &found_length), 0);
		assert_int_equal(found_length, length);
		assert_memory_equal(found, id, length);
		for (size_t cut = 0; cut < packed_length; ++cut)
			assert_int_equal(store_record_id(packed, cut, &found, &found_length), -EBADMSG);
	}
	static const uint8_t bad[][4] = {
	    {0x12, 1, 'a', 0}, {0x0a, 0, 0, 0}, {0x0a, 0x81, 0x80, 0}, {0x0a, 0x81, 0x01, 'a'}};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); ++i) {
		const char *found;
		size_t found_length;
		assert_int_equal(store_record_id(bad[i], sizeof(bad[i]), &found, &found_length), -EBADMSG);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(outside_numbers), cmocka_unit_test(homes),      cmocka_unit_test(names),
	    cmocka_unit_test(spans),           cmocka_unit_test(packed_ids),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
