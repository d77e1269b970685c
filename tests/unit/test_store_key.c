/* store/key, ranges and stored calls: pure, by table. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "store/key.h"
#include "support/store_fixture.h"

static void external_numbers(void **state)
{
	static const char *const external[] = {"0912345678", "1900123", "+84912345678", "+123456", "0000000"};
	static const char *const internal[] = {"",          "101",        "123456",      "+12345",    "+",
	                                       "sip:alice", "09123a5678", "0912 345678", "++1234567", "0912345678+"};
	char place[STORE_PLACE_SIZE];
	(void)state;
	for (size_t i = 0; i < sizeof(external) / sizeof(external[0]); ++i) {
		assert_true(store_number_is_external(external[i]));
		assert_int_equal(store_place_of(place, external[i]), strlen(external[i]));
		assert_string_equal(place, external[i]);
		assert_true(store_place_is_set(place));
	}
	for (size_t i = 0; i < sizeof(internal) / sizeof(internal[0]); ++i) {
		assert_false(store_number_is_external(internal[i]));
		store_place_of(place, internal[i]);
		assert_int_equal(place[0], 'x');
		assert_false(store_place_is_set(place));
	}
}

static void names(void **state)
{
	struct arena *arena;
	char place[STORE_PLACE_SIZE], number[STORE_NUMBER_MAX + 2];
	(void)state;
	assert_int_equal(arena_create(&arena, 4096), 0);
	assert_string_equal(store_key(arena, "1f", "m"), "{1f}m");
	assert_string_equal(store_key(arena, "1f", "0912345678"), "{1f}0912345678");
	assert_int_equal(store_place_of_hour(place, 7200000), 2);
	assert_string_equal(place, "h2");
	assert_int_equal(store_place_of(place, NULL), 1);
	assert_string_equal(place, "t");
	assert_true(store_tag_valid("0"));
	assert_true(store_tag_valid("abcdefghijklmno"));
	assert_false(store_tag_valid(""));
	assert_false(store_tag_valid("abcdefghijklmnop"));
	assert_false(store_tag_valid("A"));
	assert_false(store_tag_valid("a}"));
	memset(number, '1', sizeof(number));
	number[STORE_NUMBER_MAX + 1] = '\0';
	assert_false(store_number_valid(number));
	number[STORE_NUMBER_MAX] = '\0';
	assert_true(store_number_valid(number));
	assert_false(store_number_valid(""));
	assert_false(store_number_valid("1\t1"));
	arena_destroy(arena);
}

/* Every score is a double without rounding, and they sort by time and digest. */
static void scores(void **state)
{
	static const uint8_t first[STORE_DIGEST_SIZE] = {0}, second[STORE_DIGEST_SIZE] = {0x08},
	                     last[STORE_DIGEST_SIZE] = {0xff, 0xff};
	static const int64_t times[] = {0,           1, 999, 1763800000000, 2199023255551, 2199023255552, 4102444800000,
	                                STORE_MS_MAX};
	(void)state;
	for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); ++i) {
		int64_t ms = times[i], scores[] = {store_score(ms, first), store_score(ms, second), store_score_last(ms)};
		assert_int_equal(scores[2], store_score(ms, last));
		for (size_t j = 0; j < 3; ++j) {
			assert_int_equal((int64_t)(double)scores[j], scores[j]);
			assert_int_equal(store_score_ms(scores[j]), ms);
		}
		assert_true(scores[0] < scores[1] && scores[1] < scores[2]);
		if (ms)
			assert_true(scores[2] < store_score(ms - 1, first));
		if (ms < STORE_MS_MAX)
			assert_true(scores[0] > store_score_last(ms + 1));
	}
}

static void spans(void **state)
{
	struct store_span span;
	(void)state;
	const struct store_range open = {"1f", "0912345678", INT64_MIN, INT64_MAX, NULL}, some = {"1f", "101", 5, 10, NULL},
	                         nothing = {"1f", NULL, 0, 0, NULL}, early = {"1f", NULL, INT64_MIN, INT64_MIN, NULL},
	                         bad = {"1f", "", 0, 9, NULL};
	assert_int_equal(store_span_init(&span, &open), 0);
	assert_true(span.open);
	assert_string_equal(span.high, "2047");
	assert_int_equal(store_span_init(&span, &some), 0);
	assert_false(span.open);
	assert_string_equal(span.low, "-18432");
	assert_string_equal(span.high, "-8193");
	assert_int_equal(store_span_init(&span, &nothing), 0);
	assert_true(!span.open && strtoll(span.high, NULL, 10) < span.low_score);
	assert_int_equal(store_span_init(&span, &early), 0);
	assert_true(!span.open && strtoll(span.high, NULL, 10) < span.low_score);
	assert_int_equal(store_span_init(&span, &bad), -EINVAL);
}

static void stored_calls(void **state)
{
	char id[STORE_ID_MAX + 1] = {0};
	uint8_t packed[STORE_ID_MAX + 64];
	(void)state;
	for (size_t length = 1; length <= STORE_ID_MAX; ++length) {
		id[length - 1] = 'i';
		struct store_record record = {packed, store_fixture_pack(packed, id, 1763800000123, "")};
		struct store_position position, expected;
		struct wire found;
		int64_t ms;
		assert_int_equal(store_record_id(&record, &found), 0);
		assert_true(wire_equals(found, id, length));
		assert_int_equal(store_record_start(&record, &ms), 0);
		assert_int_equal(ms, 1763800000123);
		assert_int_equal(store_record_position(&record, &position), 0);
		store_position_init(&expected, ms, id, length);
		assert_memory_equal(position.digest, expected.digest, STORE_DIGEST_SIZE);
		for (record.length = 0; record.length < length + (length < 128 ? 2 : 3); ++record.length)
			assert_int_equal(store_record_id(&record, &found), -EBADMSG);
		for (; record.length < length + 10; ++record.length)
			assert_int_equal(store_record_position(&record, &position), -EBADMSG);
	}
	static const uint8_t bad[][4] = {
	    {0x12, 1, 'a', 0}, {0x0a, 0, 0, 0}, {0x0a, 0x81, 0x80, 0}, {0x0a, 0x81, 0x01, 'a'}};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); ++i) {
		struct wire found;
		assert_int_equal(store_record_id(&(struct store_record){bad[i], sizeof(bad[i])}, &found), -EBADMSG);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(external_numbers), cmocka_unit_test(names), cmocka_unit_test(scores), cmocka_unit_test(spans),
	    cmocka_unit_test(stored_calls),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
