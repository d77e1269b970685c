/* callhistoryctl's times, as they are typed and shown, and what it lets through to a terminal. */
#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>

#include "callhistoryctl/moment.h"
#include "callhistoryctl/say.h"

static void test_parse(void **state)
{
	static const struct {
		const char *text;
		int64_t ms; /* -1: refused */
	} cases[] = {
	    {"0", 0},
	    {"1761363255", INT64_C(1761363255000)},
	    {"99999999999", INT64_C(99999999999000)},
	    {"100000000000", INT64_C(100000000000)},
	    {"1761363255123", INT64_C(1761363255123)},
	    {"253402300799999", INT64_C(253402300799999)},
	    {"253402300800000", -1},
	    {"9999999999999999", -1},
	    {"1970-01-02", INT64_C(57600000)}, /* the zone was 8 hours ahead then */
	    {"2026-10-25", INT64_C(1792861200000)},
	    {"2026-10-25T10:34:15", INT64_C(1792899255000)},
	    {"2026-10-25 10:34:15", INT64_C(1792899255000)},
	    {"", -1},
	    {"-1", -1},
	    {"1.5", -1},
	    {" 1", -1},
	    {"now", -1},
	    {"2026-02-29", -1},
	    {"2026-13-01", -1},
	    {"2026-1-1", -1},
	    {"2026/10/25", -1},
	    {"25-10-2026", -1},
	    {"2026-10-25T10:34", INT64_C(1792899240000)},
	    {"2026-10-25T10:34+07:00", INT64_C(1792899240000)},
	    {"2026-10-25 10:34:15+07:00", INT64_C(1792899255000)},
	    {"2026-10-25 09:04:15+05:30", INT64_C(1792899255000)},
	    {"2026-10-24 22:34:15-05:00", INT64_C(1792899255000)},
	    {"2026-10-25T03:34:15Z", INT64_C(1792899255000)},
	    {"1970-01-01T00:00Z", 0},
	    {"1970-01-01T00:00+00:01", -1},
	    {"9999-12-31T23:59:59Z", INT64_C(253402300799000)},
	    {"9999-12-31T23:59:59-00:01", -1},
	    {"2026-02-29T00:00Z", -1},
	    {"2026-10-25T24:00Z", -1},
	    {"2026-10-25T10:34:60Z", -1},
	    {"2026-10-25T10:3", -1},
	    {"2026-10-25T10:34:1", -1},
	    {"2026-10-25T10:34Zx", -1},
	    {"2026-10-25T10:34+7", -1},
	    {"2026-10-25T10:34+0700", -1},
	    {"2026-10-25T10:34+24:00", -1},
	    {"2026-10-25Z", -1},
	    {"2026-10-25T", -1},
	    {"2026- 1- 5T10:34Z", -1},
	    {"2026-10-25T24:00:00", -1},
	    {"2026-10-25x10:34:15", -1},
	};
	struct contract_zone *zone;
	(void)state;
	assert_int_equal(contract_zone_create(&zone, "Asia/Ho_Chi_Minh"), 0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); ++i) {
		int64_t ms = -2;
		int result = moment_parse(zone, cases[i].text, &ms);
		if (result != (cases[i].ms < 0 ? -EINVAL : 0) || ms != (cases[i].ms < 0 ? -2 : cases[i].ms))
			fail_msg("%s: %d, %lld", cases[i].text, result, (long long)ms);
	}
	contract_zone_destroy(zone);
}

static void test_span(void **state)
{
	static const struct {
		const char *text;
		int64_t ms; /* -1: refused */
	} cases[] = {
	    {"1s", 1000},
	    {"90m", 5400000},
	    {"12h", 43200000},
	    {"30d", INT64_C(2592000000)},
	    {"36500d", INT64_C(3153600000000)},
	    {"36501d", -1},
	    {"999999999999999s", -1},
	    {"9999999999999999s", -1},
	    {"0d", -1},
	    {"", -1},
	    {"d", -1},
	    {"30", -1},
	    {"-1d", -1},
	    {"1.5h", -1},
	    {"1w", -1},
	    {"1 d", -1},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); ++i) {
		int64_t ms = -2;
		int result = moment_parse_span(cases[i].text, &ms);
		if (result != (cases[i].ms < 0 ? -EINVAL : 0) || ms != (cases[i].ms < 0 ? -2 : cases[i].ms))
			fail_msg("%s: %d, %lld", cases[i].text, result, (long long)ms);
	}
}

static void test_format(void **state)
{
	struct contract_zone *zone;
	char text[MOMENT_SIZE];
	(void)state;
	assert_int_equal(contract_zone_create(&zone, "Asia/Ho_Chi_Minh"), 0);
	assert_string_equal(moment_format(zone, INT64_C(1792899255999), false, text), "2026-10-25 10:34:15+07:00");
	assert_string_equal(moment_format(zone, INT64_C(1792899255999), true, text), "2026-10-25 10:34:15.999+07:00");
	assert_string_equal(moment_format(zone, INT64_C(1792899255000), true, text), "2026-10-25 10:34:15+07:00");
	assert_string_equal(moment_format(zone, -1, false, text), "-");
	assert_string_equal(moment_format(zone, INT64_MAX, false, text), "-");
	assert_string_equal(moment_format_utc(INT64_C(1792899255999), text), "2026-10-25T03:34:15Z");
	assert_string_equal(moment_format_utc(INT64_MIN, text), "-");
	contract_zone_destroy(zone);
}

/* What is shown can be typed again, also in the hour that a clock repeats. */
static void test_shown_times_can_be_typed(void **state)
{
	static const char *const zones[] = {"Europe/Berlin", "America/St_Johns", "Asia/Kolkata", "UTC"};
	(void)state;
	for (size_t i = 0; i < sizeof(zones) / sizeof(zones[0]); ++i) {
		struct contract_zone *zone;
		assert_int_equal(contract_zone_create(&zone, zones[i]), 0);
		/* From 25 October 2026 00:00 UTC, every 10 minutes of 2 days; and 1 November, when America changes. */
		for (int64_t ms = INT64_C(1792886400000); ms < INT64_C(1793664000000); ms += 600000) {
			char text[MOMENT_SIZE];
			int64_t read_ms = -1;
			moment_format(zone, ms, false, text);
			if (moment_parse(zone, text, &read_ms) || read_ms != ms)
				fail_msg("%s: %s is read as %lld, not %lld", zones[i], text, (long long)read_ms, (long long)ms);
		}
		contract_zone_destroy(zone);
	}
}

static void test_terminal_safety(void **state)
{
	char escape[] = "a\033[2Jb\tc\x7f";
	char second_half[] = "x\xc2\x9b"
	                     "1my";
	char name[] = "Nguyễn Thị Ánh";
	(void)state;
	assert_string_equal(say_clean(escape), "a?[2Jb?c?");
	assert_string_equal(say_clean(second_half), "x??1my");
	assert_string_equal(say_clean(name), "Nguyễn Thị Ánh");
	assert_int_equal(say_width(name), 14);
	assert_int_equal(say_width("a\u0302\u0300"), 1);
	assert_int_equal(say_width("中文"), 4);
	assert_int_equal(say_width("\xff."), 2);
	assert_int_equal(say_width(""), 0);
	size_t width;
	assert_int_equal(say_prefix("中文", 3, &width), 3);
	assert_int_equal(width, 2);
	assert_int_equal(say_prefix("a\u0302\u0300b", 1, &width), 5);
	assert_int_equal(width, 1);
	assert_int_equal(say_prefix("abc", 0, &width), 0);
}

int main(void)
{
	setlocale(LC_CTYPE, "C.UTF-8");
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_parse),           cmocka_unit_test(test_span),
	    cmocka_unit_test(test_format),          cmocka_unit_test(test_shown_times_can_be_typed),
	    cmocka_unit_test(test_terminal_safety),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
