/*
 * contract/zone: local times of one time zone.
 *
 * The C library knows the rules, but keeps one zone at a time behind a global and a lock, and treats an unknown name as
 * UTC. So a zone's offsets are read from it once, into a sorted table. Afterwards a local time is a binary search and
 * arithmetic, and the table is never written again: threads may share it. The last offset applies to all times after
 * 2100.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/decimal.h"
#include "contract/contract.h"

#define YEAR_10000 INT64_C(253402300800)
#define YEAR_2101 INT64_C(4133980800)
#define ZONE_FOLDER "/usr/share/zoneinfo"

enum { ZONE_DAY = 86400 };

/* Seconds from `from` on, until the next interval begins, have this offset. */
struct zone_interval {
	int64_t from;
	int32_t offset;
};

struct contract_zone {
	struct zone_interval *intervals; /* the first begins at INT64_MIN; offsets are less than a day */
	size_t count;
};

/* ---- Calendar: days of the proleptic Gregorian calendar, counted from 1970-01-01; years begin in March ---- */

static int64_t days_of(int year, int month, int day)
{
	year -= month <= 2;
	int era = year / 400, year_of_era = year % 400;
	int day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
	return (int64_t)era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719468;
}

static void date_of(int64_t days, unsigned *year, unsigned *month, unsigned *day)
{
	unsigned shifted = (unsigned)(days + 719468);
	unsigned era = shifted / 146097, day_of_era = shifted % 146097;
	unsigned year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
	unsigned day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
	unsigned shifted_month = (5 * day_of_year + 2) / 153;
	*day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
	*month = shifted_month < 10 ? shifted_month + 3 : shifted_month - 9;
	*year = era * 400 + year_of_era + (*month <= 2);
}

static int days_in_month(int year, int month)
{
	static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
	return days[month - 1] + (month == 2 && leap);
}

/* ---- Creation ---- */

/* Whether there is a compiled zone of that name. */
static bool is_zone(const char *name)
{
	const char *folder = getenv("TZDIR");
	char path[4096], magic[4];
	if (!*name || *name == '/' || strstr(name, ".."))
		return false;
	int length = snprintf(path, sizeof(path), "%s/%s", folder && *folder ? folder : ZONE_FOLDER, name);
	FILE *file = length > 0 && (size_t)length < sizeof(path) ? fopen(path, "rbe") : NULL;
	if (!file)
		return false;
	bool compiled = fread(magic, 1, sizeof(magic), file) == sizeof(magic) && !memcmp(magic, "TZif", sizeof(magic));
	fclose(file);
	return compiled;
}

/* The offset of the C library's zone at a moment. */
static int32_t offset_at(int64_t moment)
{
	time_t time = (time_t)moment;
	struct tm local;
	return localtime_r(&time, &local) ? (int32_t)local.tm_gmtoff : 0;
}

/* The first moment after `before` that has the offset of `after`. */
static int64_t find_change(int64_t before, int64_t after)
{
	const int32_t offset = offset_at(after);
	while (after - before > 1) {
		int64_t middle = before + (after - before) / 2;
		*(offset_at(middle) == offset ? &after : &before) = middle;
	}
	return after;
}

static int add_interval(struct contract_zone *zone, int64_t from, int32_t offset)
{
	/* Grows at each power of two. */
	if (!(zone->count & (zone->count - 1))) {
		size_t capacity = zone->count ? zone->count * 2 : 1;
		struct zone_interval *grown = realloc(zone->intervals, capacity * sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		zone->intervals = grown;
	}
	zone->intervals[zone->count++] = (struct zone_interval){from, offset};
	return 0;
}

/* Reads the C library's zone, whose offset changes at most once in a day. */
static int read_zone(struct contract_zone *zone)
{
	time_t sample = (time_t)YEAR_2101;
	struct tm local;
	/* A zone that counts leap seconds is on another scale than Unix time. */
	if (!localtime_r(&sample, &local))
		return -ENOENT;
	const int64_t days = days_of(local.tm_year + 1900, local.tm_mon + 1, local.tm_mday);
	if (days * ZONE_DAY + local.tm_hour * 3600 + local.tm_min * 60 + local.tm_sec - local.tm_gmtoff != sample)
		return -ENOENT;
	int result = add_interval(zone, INT64_MIN, offset_at(0));
	for (int64_t day = 0; day < YEAR_2101 && !result; day += ZONE_DAY) {
		int32_t offset = offset_at(day + ZONE_DAY);
		if (offset != zone->intervals[zone->count - 1].offset)
			result = add_interval(zone, find_change(day, day + ZONE_DAY), offset);
	}
	return result;
}

int contract_zone_create(struct contract_zone **out, const char *name)
{
	if (!is_zone(name))
		return -ENOENT;
	const char *set = getenv("TZ");
	char *before = set ? strdup(set) : NULL;
	struct contract_zone *zone = calloc(1, sizeof(*zone));
	int result = !zone || (set && !before) || setenv("TZ", name, 1) ? -ENOMEM : 0;
	if (!result) {
		tzset();
		result = read_zone(zone);
		if (before)
			setenv("TZ", before, 1);
		else
			unsetenv("TZ");
		tzset();
	}
	free(before);
	if (result)
		contract_zone_destroy(zone);
	else
		*out = zone;
	return result;
}

void contract_zone_destroy(struct contract_zone *zone)
{
	if (!zone)
		return;
	free(zone->intervals);
	free(zone);
}

/* ---- Local times ---- */

/* Index of the interval that holds this moment. */
static size_t interval_of(const struct contract_zone *zone, int64_t unix_seconds)
{
	size_t low = 0, high = zone->count;
	while (high - low > 1) {
		size_t middle = low + (high - low) / 2;
		if (zone->intervals[middle].from <= unix_seconds)
			low = middle;
		else
			high = middle;
	}
	return low;
}

void contract_zone_format(struct contract_zone *zone, int64_t unix_seconds, char out[19])
{
	if (unix_seconds < 0)
		unix_seconds = 0;
	if (unix_seconds >= YEAR_10000)
		unix_seconds = YEAR_10000 - 1;
	int64_t local = unix_seconds + zone->intervals[interval_of(zone, unix_seconds)].offset;
	if (local >= YEAR_10000)
		local = YEAR_10000 - 1;
	/* West of Greenwich the first hours of 1970 are still 1969. */
	int64_t days = (local + ZONE_DAY) / ZONE_DAY - 1;
	unsigned second_of_day = (unsigned)(local - days * ZONE_DAY), year, month, day;
	date_of(days, &year, &month, &day);
	decimal_two(out, month);
	out[2] = '/';
	decimal_two(out + 3, day);
	out[5] = '/';
	decimal_two(out + 6, year / 100);
	decimal_two(out + 8, year % 100);
	out[10] = ' ';
	decimal_two(out + 11, second_of_day / 3600);
	out[13] = ':';
	decimal_two(out + 14, second_of_day / 60 % 60);
	out[16] = ':';
	decimal_two(out + 17, second_of_day % 60);
}

static int number_at(const char *text, int digits)
{
	int value = 0;
	while (digits--)
		value = value * 10 + (*text++ - '0');
	return value;
}

/* The moment at which clocks of the zone show `local`, seconds since 1970 as if it were UTC. */
static int64_t moment_of(const struct contract_zone *zone, int64_t local)
{
	/* No offset exceeds a day, so the answer lies in an interval of this window. */
	size_t first = interval_of(zone, local - ZONE_DAY), last = interval_of(zone, local + ZONE_DAY);
	for (size_t i = first; i < last; ++i) {
		int64_t moment = local - zone->intervals[i].offset;
		/* It is in this interval, or in the gap that the next one opens with. */
		if (moment < zone->intervals[i + 1].from || local - zone->intervals[i + 1].offset < zone->intervals[i + 1].from)
			return moment;
	}
	return local - zone->intervals[last].offset;
}

int contract_zone_parse(struct contract_zone *zone, const char *text, size_t length, int64_t *unix_seconds)
{
	if (length != 19 || !decimal_begins_like(text, "00/00/0000 00:00:00"))
		return -EINVAL;
	int month = number_at(text, 2), day = number_at(text + 3, 2), year = number_at(text + 6, 4);
	int hour = number_at(text + 11, 2), minute = number_at(text + 14, 2), second = number_at(text + 17, 2);
	if (year < 1969 || month < 1 || month > 12 || day < 1 || day > days_in_month(year, month))
		return -EINVAL;
	if (hour > 23 || minute > 59 || second > 59)
		return -EINVAL;
	int64_t local = days_of(year, month, day) * ZONE_DAY + hour * 3600 + minute * 60 + second;
	int64_t moment = moment_of(zone, local);
	if (moment < 0 || moment >= YEAR_10000)
		return -EINVAL;
	*unix_seconds = moment;
	return 0;
}
