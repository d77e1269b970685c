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

/* ---- Zone files made for a test ---- */

#define FOLDER "/tmp/zone-test-XXXXXX"

static char folder[] = FOLDER;

static int make_folder(void **state)
{
	(void)state;
	memcpy(folder, FOLDER, sizeof(FOLDER));
	return !mkdtemp(folder) || setenv("TZDIR", folder, 1);
}

static int drop_folder(void **state)
{
	(void)state;
	char path[64];
	snprintf(path, sizeof(path), "%s/zone", folder);
	unlink(path);
	return rmdir(folder) || unsetenv("TZDIR");
}

static void write_zone(const void *bytes, size_t size)
{
	char path[64];
	snprintf(path, sizeof(path), "%s/zone", folder);
	FILE *file = fopen(path, "wb");
	assert_non_null(file);
	assert_int_equal(fwrite(bytes, 1, size, file), size);
	fclose(file);
}

/* A zone that has been at UTC+1 for ever, but for its rule. */
static size_t build_zone(unsigned char out[512], const char *rule)
{
	static const unsigned char header[44] = {'T', 'Z', 'i', 'f', '2', [39] = 1, [43] = 1};
	static const unsigned char type[7] = {0, 0, 3600 >> 8, 3600 & 255, 0, 0, 0};
	unsigned char *at = out;
	for (int block = 0; block < 2; ++block) {
		memcpy(at, header, sizeof(header));
		memcpy(at + sizeof(header), type, sizeof(type));
		at += sizeof(header) + sizeof(type);
	}
	return (size_t)(at - out) + (size_t)sprintf((char *)at, "\n%s\n", rule);
}

static int create_ruled(struct contract_zone **zone, const char *rule)
{
	unsigned char bytes[512];
	write_zone(bytes, build_zone(bytes, rule));
	return contract_zone_create(zone, "zone");
}

static void rules_have_several_forms(void **state)
{
	(void)state;
	static const struct {
		const char *rule;
		int64_t before; /* the last second before a change */
		const char *shown, *next;
	} rows[] = {
	    {"CET-1CEST,M3.5.0,M10.5.0/3", 1679792399, "03/26/2023 01:59:59", "03/26/2023 03:00:00"},
	    {"CET-1CEST,M3.5.0,M10.5.0/3", 1698541199, "10/29/2023 02:59:59", "10/29/2023 02:00:00"},
	    /* Day 60 is 1 March in every year with J, and 29 February or 1 March without. */
	    {"AAA-1BBB-3,J60,J300", 1709254799, "03/01/2024 01:59:59", "03/01/2024 04:00:00"},
	    {"AAA-1BBB-3,J60,J300", 1677632399, "03/01/2023 01:59:59", "03/01/2023 04:00:00"},
	    {"<+01>-1<+02>,59/0,J300", 1709161199, "02/28/2024 23:59:59", "02/29/2024 01:00:00"},
	    {"<+01>-1<+02>,59/0,J300", 1677625199, "02/28/2023 23:59:59", "03/01/2023 01:00:00"},
	    /* Times of day may lie outside the day. */
	    {"AAA-1BBB,M3.5.0/-1,M10.5.0/48:30:15", 1679781599, "03/25/2023 22:59:59", "03/26/2023 00:00:00"},
	    {"AAA-1BBB,M3.5.0/-1,M10.5.0/48:30:15", 1698704999 + 15 - 3600, "10/30/2023 23:30:14", "10/30/2023 23:30:15"},
	    /* Winter time that is called daylight time, as Ireland's. */
	    {"IST-1GMT0,M10.5.0,M3.5.0/1", 1679792399, "03/26/2023 00:59:59", "03/26/2023 02:00:00"},
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); ++i) {
		struct contract_zone *zone = NULL;
		assert_int_equal(create_ruled(&zone, rows[i].rule), 0);
		assert_format(zone, rows[i].before, rows[i].shown);
		assert_format(zone, rows[i].before + 1, rows[i].next);
		contract_zone_destroy(zone);
	}
}

static void rules_that_are_none_are_refused(void **state)
{
	(void)state;
	static const char *const rules[] = {"A-1",
	                                    "AAA",
	                                    "<A-1",
	                                    "AAA-25",
	                                    "AAA-1BBB",
	                                    "AAA-1BBB,",
	                                    "AAA-1BBB,J0,J1",
	                                    "AAA-1BBB,J1",
	                                    "AAA-1BBB,366,J1",
	                                    "AAA-1BBB,M13.1.0,J1",
	                                    "AAA-1BBB,M0.1.0,J1",
	                                    "AAA-1BBB,M1.6.0,J1",
	                                    "AAA-1BBB,M1.0.0,J1",
	                                    "AAA-1BBB,M1.1.7,J1",
	                                    "AAA-1BBB,J1/168,J2",
	                                    "AAA-1BBB,J1,J2x",
	                                    "AAA-1BBB-24,J1,J2",
	                                    "AAA-1:60",
	                                    "AAA-1BBB,J9999,J1"};
	struct contract_zone *zone = NULL;
	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); ++i)
		if (create_ruled(&zone, rules[i]) != -ENOENT)
			fail_msg("accepted: %s", rules[i]);
	assert_null(zone);
	assert_int_equal(create_ruled(&zone, "AAA-1"), 0);
	contract_zone_destroy(zone);
	assert_int_equal(create_ruled(&zone, ""), 0);
	contract_zone_destroy(zone);
}

/* Cut short anywhere, or with any byte changed, a zone's file is refused or read, and harms nothing. */
static void assert_robust(const unsigned char *bytes, size_t size)
{
	unsigned char copy[4096];
	struct contract_zone *zone = NULL;
	for (size_t length = 0; length < size; ++length) {
		write_zone(bytes, length);
		assert_int_equal(contract_zone_create(&zone, "zone"), -ENOENT);
	}
	for (size_t at = 0; at < size; ++at) {
		char text[19];
		memcpy(copy, bytes, size);
		copy[at] = (unsigned char)~copy[at];
		write_zone(copy, size);
		int result = contract_zone_create(&zone, "zone");
		assert_true(result == 0 || result == -ENOENT);
		if (result)
			continue;
		contract_zone_format(zone, START, text);
		contract_zone_destroy(zone);
	}
}

/* The smallest offset that a file can hold has no absolute value. */
static void an_offset_of_more_than_a_day_is_refused(void **state)
{
	(void)state;
	static const unsigned char offsets[][4] = {{0x80, 0, 0, 0}, {0xff, 0xfe, 0xae, 0x80}, {0, 1, 0x51, 0x80}};
	for (size_t i = 0; i < sizeof(offsets) / sizeof(offsets[0]); ++i) {
		unsigned char bytes[512];
		struct contract_zone *zone = NULL;
		size_t size = build_zone(bytes, "");
		memcpy(bytes + 2 * 44 + 7, offsets[i], 4);
		write_zone(bytes, size);
		assert_int_equal(contract_zone_create(&zone, "zone"), -ENOENT);
	}
}

static void broken_files_do_no_harm(void **state)
{
	(void)state;
	unsigned char bytes[4096];
	assert_robust(bytes, build_zone(bytes, "CET-1CEST,M3.5.0,M10.5.0/3"));
	FILE *file = fopen("/usr/share/zoneinfo/Asia/Ho_Chi_Minh", "rb");
	assert_non_null(file);
	size_t size = fread(bytes, 1, sizeof(bytes), file);
	fclose(file);
	assert_in_range(size, 100, sizeof(bytes) - 1);
	assert_robust(bytes, size);
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
	    cmocka_unit_test_setup_teardown(rules_have_several_forms, make_folder, drop_folder),
	    cmocka_unit_test_setup_teardown(rules_that_are_none_are_refused, make_folder, drop_folder),
	    cmocka_unit_test_setup_teardown(broken_files_do_no_harm, make_folder, drop_folder),
	    cmocka_unit_test_setup_teardown(an_offset_of_more_than_a_day_is_refused, make_folder, drop_folder),
	    cmocka_unit_test(every_time_is_what_the_c_library_says),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
