/*
 * contract/zone: local times of one time zone.
 *
 * A zone is a sorted table of offsets, made once from the zone's file. From
 * then on a local time is a binary search and arithmetic, and the table is
 * never written again: threads may share it. After 2100 the last offset
 * stays in force.
 */
#include "contract/zone.h"

#include <errno.h>
#include <stdlib.h>

#define YEAR_10000 INT64_C(253402300800)

/* ---- Calendar: days of the proleptic Gregorian calendar, counted from 1970-01-01; years begin in March ---- */

int64_t zone_days_of(int year, int month, int day)
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

int zone_days_in_month(int year, int month)
{
	static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
	return days[month - 1] + (month == 2 && leap);
}

/* ---- Creation ---- */

int zone_add(struct contract_zone *zone, int64_t from, int32_t offset)
{
	if (zone->count && zone->intervals[zone->count - 1].from == from) {
		zone->intervals[zone->count - 1].offset = offset;
		return 0;
	}
	if (zone->count && zone->intervals[zone->count - 1].offset == offset)
		return 0;
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

int contract_zone_create(struct contract_zone **out, const char *name)
{
	struct contract_zone *zone = calloc(1, sizeof(*zone));
	if (!zone)
		return -ENOMEM;
	int result = zone_file_read(zone, name);
	if (result) {
		contract_zone_destroy(zone);
		return result;
	}
	*out = zone;
	return 0;
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

static void write_two(char *out, unsigned value)
{
	out[0] = (char)('0' + value / 10);
	out[1] = (char)('0' + value % 10);
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
	write_two(out, month);
	out[2] = '/';
	write_two(out + 3, day);
	out[5] = '/';
	write_two(out + 6, year / 100);
	write_two(out + 8, year % 100);
	out[10] = ' ';
	write_two(out + 11, second_of_day / 3600);
	out[13] = ':';
	write_two(out + 14, second_of_day / 60 % 60);
	out[16] = ':';
	write_two(out + 17, second_of_day % 60);
}

/* Reads digits laid out as in `form`, where '0' stands for a digit and all else for itself. */
static bool matches(const char *text, const char *form)
{
	for (; *form; ++form, ++text)
		if (*form == '0' ? *text < '0' || *text > '9' : *text != *form)
			return false;
	return true;
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
	if (length != 19 || !matches(text, "00/00/0000 00:00:00"))
		return -EINVAL;
	int month = number_at(text, 2), day = number_at(text + 3, 2), year = number_at(text + 6, 4);
	int hour = number_at(text + 11, 2), minute = number_at(text + 14, 2), second = number_at(text + 17, 2);
	if (year < 1969 || month < 1 || month > 12 || day < 1 || day > zone_days_in_month(year, month))
		return -EINVAL;
	if (hour > 23 || minute > 59 || second > 59)
		return -EINVAL;
	int64_t local = zone_days_of(year, month, day) * ZONE_DAY + hour * 3600 + minute * 60 + second;
	int64_t moment = moment_of(zone, local);
	if (moment < 0 || moment >= YEAR_10000)
		return -EINVAL;
	*unix_seconds = moment;
	return 0;
}
