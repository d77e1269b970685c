/* Time zones: "date_create is MM/DD/YYYY HH:MM:SS, 24-hour, in the deployment's time zone" (contract §1). */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "contract/contract.h"

#define START INT64_C(1698204855) /* 10/25/2023 10:34:15 in Asia/Ho_Chi_Minh */

static struct contract_zone *zone_of(const char *name)
{
	struct contract_zone *zone = NULL;
	assert_int_equal(contract_zone_create(&zone, name), 0);
	return zone;
}

static void assert_format(struct contract_zone *zone, int64_t unix_seconds, const char *expected)
{
	char text[20] = {0};
	contract_zone_format(zone, unix_seconds, text);
	assert_string_equal(text, expected);
}

static void assert_parse(struct contract_zone *zone, const char *text, int64_t expected)
{
	int64_t moment = -1;
	assert_int_equal(contract_zone_parse(zone, text, strlen(text), &moment), 0);
	assert_int_equal(moment, expected);
}

static void assert_refused(struct contract_zone *zone, const char *text)
{
	int64_t moment = 4711;
	assert_int_equal(contract_zone_parse(zone, text, strlen(text), &moment), -EINVAL);
	assert_int_equal(moment, 4711);
}

static void the_default_zone_shows_the_seeds_date(void **state)
{
	(void)state;
	struct contract_zone *zone = zone_of("Asia/Ho_Chi_Minh");
	assert_format(zone, 1698204855, "10/25/2023 10:34:15");
	assert_parse(zone, "10/25/2023 10:34:15", 1698204855);
	assert_format(zone, 0, "01/01/1970 08:00:00");
	assert_format(zone, 1698253199, "10/25/2023 23:59:59");
	assert_format(zone, 1698253200, "10/26/2023 00:00:00");
	contract_zone_destroy(zone);
}

static void other_zones_show_their_own_time(void **state)
{
	(void)state;
	static const struct {
		const char *zone, *expected;
	} rows[] = {
	    {"UTC", "10/25/2023 03:34:15"},           {"Asia/Kolkata", "10/25/2023 09:04:15"},
	    {"Europe/Berlin", "10/25/2023 05:34:15"}, {"America/New_York", "10/24/2023 23:34:15"},
	    {"Pacific/Apia", "10/25/2023 16:34:15"},
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); ++i) {
		struct contract_zone *zone = zone_of(rows[i].zone);
		assert_format(zone, 1698204855, rows[i].expected);
		assert_parse(zone, rows[i].expected, 1698204855);
		contract_zone_destroy(zone);
	}
}

static void an_hour_that_is_there_twice_is_its_first(void **state)
{
	(void)state;
	struct contract_zone *zone = zone_of("Europe/Berlin");
	assert_format(zone, 1698539400, "10/29/2023 02:30:00");
	assert_format(zone, 1698539400 + 3600, "10/29/2023 02:30:00");
	assert_parse(zone, "10/29/2023 02:30:00", 1698539400);
	assert_parse(zone, "10/29/2023 01:59:59", 1698537599);
	assert_parse(zone, "10/29/2023 03:00:00", 1698544800);
	contract_zone_destroy(zone);
}

static void an_hour_that_is_skipped_is_read_with_the_offset_before(void **state)
{
	(void)state;
	struct contract_zone *zone = zone_of("Europe/Berlin");
	/* 01:59:59 CET is followed by 03:00:00 CEST; 02:30 CET would be 01:30 UTC. */
	assert_parse(zone, "03/26/2023 01:59:59", 1679792399);
	assert_parse(zone, "03/26/2023 02:30:00", 1679794200);
	assert_parse(zone, "03/26/2023 03:00:00", 1679792400);
	assert_format(zone, 1679792400, "03/26/2023 03:00:00");
	contract_zone_destroy(zone);
	zone = zone_of("America/New_York");
	assert_parse(zone, "03/12/2023 02:15:00", 1678605300);
	contract_zone_destroy(zone);
}

static void a_day_that_is_skipped_is_read_with_the_offset_before(void **state)
{
	(void)state;
	struct contract_zone *zone = zone_of("Pacific/Apia");
	/* Samoa had no 30 December 2011. */
	assert_format(zone, 1325239199, "12/29/2011 23:59:59");
	assert_format(zone, 1325239200, "12/31/2011 00:00:00");
	assert_parse(zone, "12/29/2011 23:59:59", 1325239199);
	assert_parse(zone, "12/30/2011 12:00:00", 1325239200 + 12 * 3600);
	assert_parse(zone, "12/31/2011 00:00:00", 1325239200);
	contract_zone_destroy(zone);
}

static void what_is_no_date_is_refused(void **state)
{
	(void)state;
	static const char *const texts[] = {
	    "",
	    "10/25/2023",
	    "10/25/2023 10:34",
	    "10/25/2023 10:34:150",
	    "2023-10-25 10:34:15",
	    "10/25/2023T10:34:15",
	    "10-25-2023 10:34:15",
	    " 0/25/2023 10:34:15",
	    "1x/25/2023 10:34:15",
	    "25/10/2023 10:34:15",
	    "00/25/2023 10:34:15",
	    "13/25/2023 10:34:15",
	    "10/00/2023 10:34:15",
	    "10/32/2023 10:34:15",
	    "04/31/2023 10:34:15",
	    "02/29/2023 10:34:15",
	    "02/29/2100 10:34:15",
	    "10/25/2023 24:00:00",
	    "10/25/2023 10:60:00",
	    "10/25/2023 10:00:60",
	    "12/31/1969 23:59:59",
	    "10/25/0000 10:34:15",
	};
	struct contract_zone *zone = zone_of("UTC");
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); ++i)
		assert_refused(zone, texts[i]);
	assert_parse(zone, "02/29/2024 00:00:00", 1709164800);
	assert_parse(zone, "02/29/2000 00:00:00", 951782400);
	contract_zone_destroy(zone);
}

static void times_stay_within_1970_and_9999(void **state)
{
	(void)state;
	struct contract_zone *east = zone_of("Asia/Ho_Chi_Minh"), *west = zone_of("America/New_York");
	assert_format(east, -5, "01/01/1970 08:00:00");
	assert_format(east, INT64_MIN, "01/01/1970 08:00:00");
	assert_format(east, INT64_MAX, "12/31/9999 23:59:59");
	assert_format(west, 0, "12/31/1969 19:00:00");
	assert_format(west, INT64_MAX, "12/31/9999 18:59:59");
	assert_parse(west, "12/31/1969 19:00:00", 0);
	assert_refused(west, "12/31/1969 18:59:59");
	assert_refused(west, "12/31/9999 23:59:59");
	assert_parse(east, "12/31/9999 23:59:59", INT64_C(253402275599));
	contract_zone_destroy(east);
	contract_zone_destroy(west);
}

static void names_that_are_no_zone_are_refused(void **state)
{
	(void)state;
	static const char *const names[] = {
	    "",         "Mars/Olympus", "../zoneinfo/UTC", "Asia/../UTC", "/usr/share/zoneinfo/UTC",
	    ":UTC",     "Asia",         "zone1970.tab",    "UTC+7",       "asia/Ho_Chi_Minh",
	    "right/UTC"};
	struct contract_zone *zone = (struct contract_zone *)&state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); ++i)
		assert_int_equal(contract_zone_create(&zone, names[i]), -ENOENT);
	char *endless = calloc(1, 8192);
	assert_non_null(endless);
	memset(endless, 'a', 8191);
	assert_int_equal(contract_zone_create(&zone, endless), -ENOENT);
	free(endless);
	assert_ptr_equal(zone, &state);
	contract_zone_destroy(NULL);
}

/* What is in force before the zone is read is in force afterwards. */
static void the_c_librarys_zone_is_left_as_it_was(void **state)
{
	(void)state;
	const time_t moment = START;
	struct tm local;
	setenv("TZ", "Asia/Kolkata", 1);
	contract_zone_destroy(zone_of("Europe/Berlin"));
	assert_string_equal(getenv("TZ"), "Asia/Kolkata");
	assert_int_equal(localtime_r(&moment, &local)->tm_gmtoff, 19800);
	unsetenv("TZ");
	contract_zone_destroy(zone_of("Europe/Berlin"));
	assert_null(getenv("TZ"));
	tzset();
}

/* A fixed sequence of numbers that look random. */
static uint64_t next_random(uint64_t *seed)
{
	*seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return *seed >> 16;
}

static void every_time_is_what_the_c_library_says(void **state)
{
	(void)state;
	static const char *const names[] = {"Asia/Ho_Chi_Minh", "Europe/Berlin",   "America/New_York",  "Asia/Kolkata",
	                                    "Pacific/Apia",     "Asia/Gaza",       "Africa/Casablanca", "America/Noronha",
	                                    "Europe/Dublin",    "Antarctica/Troll"};
	uint64_t seed = 20231025;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); ++i) {
		struct contract_zone *zone = zone_of(names[i]);
		setenv("TZ", names[i], 1);
		tzset();
		for (int n = 0; n < 20000; ++n) {
			time_t moment = (time_t)(next_random(&seed) % UINT64_C(4133980800));
			struct tm local;
			char expected[40];
			assert_non_null(localtime_r(&moment, &local));
			assert_int_equal(strftime(expected, sizeof(expected), "%m/%d/%Y %H:%M:%S", &local), 19);
			assert_format(zone, moment, expected);
			/* Reading it back gives this moment, or the first of the two that look alike. */
			int64_t again = 0;
			assert_int_equal(contract_zone_parse(zone, expected, 19, &again), 0);
			assert_true(again == moment || (again < moment && again >= moment - 10800));
			assert_format(zone, again, expected);
		}
		contract_zone_destroy(zone);
	}
	unsetenv("TZ");
	tzset();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_default_zone_shows_the_seeds_date),
	    cmocka_unit_test(other_zones_show_their_own_time),
	    cmocka_unit_test(an_hour_that_is_there_twice_is_its_first),
	    cmocka_unit_test(an_hour_that_is_skipped_is_read_with_the_offset_before),
	    cmocka_unit_test(a_day_that_is_skipped_is_read_with_the_offset_before),
	    cmocka_unit_test(what_is_no_date_is_refused),
	    cmocka_unit_test(times_stay_within_1970_and_9999),
	    cmocka_unit_test(names_that_are_no_zone_are_refused),
	    cmocka_unit_test(the_c_librarys_zone_is_left_as_it_was),
	    cmocka_unit_test(every_time_is_what_the_c_library_says),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
