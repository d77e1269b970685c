/*
 * contract/zone_rule: the POSIX TZ string at the end of a TZif file, which
 * says what happens after the last change that the file lists.
 *
 *   standard offset [daylight [offset] , start[/time] , end[/time]]
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "contract/zone.h"

/* The day and the local time at which the offset changes every year. */
struct change {
	char kind;      /* 'M': week `week` of a month, on a weekday; 'J': a day without 29 February; 'D': a day from 0 */
	int month;      /* 'M': 1 to 12 */
	int week;       /* 'M': 1 to 5, 5 being the last */
	int day;        /* 'M': 0 (Sunday) to 6; else the day of the year */
	int32_t second; /* of that day; may lie outside it */
};

struct rule {
	int32_t standard, daylight; /* offsets */
	bool changes;
	struct change start, end; /* of daylight time */
};

/* Reads digits up to a bound. */
static bool read_number(const char **text, int most, int *out)
{
	int value = 0;
	size_t digits = strspn(*text, "0123456789");
	if (!digits || digits > 3)
		return false;
	for (; digits; --digits)
		value = value * 10 + (*(*text)++ - '0');
	*out = value;
	return value <= most;
}

static bool skip(const char **text, char character)
{
	if (**text != character)
		return false;
	++*text;
	return true;
}

/* A name of letters, or anything in angle brackets. */
static bool skip_name(const char **text)
{
	if (skip(text, '<')) {
		*text += strcspn(*text, ">");
		return skip(text, '>');
	}
	size_t letters = strspn(*text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz");
	*text += letters;
	return letters >= 3;
}

/* Reads [+-]H[:MM[:SS]] as seconds. */
static bool read_time(const char **text, int most_hours, int32_t *out)
{
	bool negative = skip(text, '-');
	int hours, minutes = 0, seconds = 0;
	if (!negative)
		(void)skip(text, '+');
	if (!read_number(text, most_hours, &hours))
		return false;
	if (skip(text, ':') && (!read_number(text, 59, &minutes) || (skip(text, ':') && !read_number(text, 59, &seconds))))
		return false;
	*out = hours * ZONE_HOUR + minutes * 60 + seconds;
	if (negative)
		*out = -*out;
	return true;
}

static bool read_change(const char **text, struct change *out)
{
	out->second = 2 * ZONE_HOUR;
	if (!skip(text, ','))
		return false;
	if (skip(text, 'M')) {
		out->kind = 'M';
		if (!read_number(text, 12, &out->month) || !skip(text, '.') || !read_number(text, 5, &out->week) ||
		    !skip(text, '.') || !read_number(text, 6, &out->day) || !out->month || !out->week)
			return false;
	} else {
		out->kind = skip(text, 'J') ? 'J' : 'D';
		if (!read_number(text, 365, &out->day) || (out->kind == 'J' && !out->day))
			return false;
	}
	return !skip(text, '/') || read_time(text, 167, &out->second);
}

static bool read_rule(const char *text, struct rule *out)
{
	if (!skip_name(&text) || !read_time(&text, 24, &out->standard))
		return false;
	/* POSIX counts offsets westwards. */
	out->standard = -out->standard;
	out->changes = *text;
	if (!out->changes)
		return true;
	if (!skip_name(&text))
		return false;
	out->daylight = out->standard + ZONE_HOUR;
	if (*text && *text != ',') {
		if (!read_time(&text, 24, &out->daylight))
			return false;
		out->daylight = -out->daylight;
	}
	return read_change(&text, &out->start) && read_change(&text, &out->end) && !*text;
}

/* The moment of a year's change, with `offset` in force before it. */
static int64_t moment_of(const struct change *change, int year, int32_t offset)
{
	int64_t days = zone_days_of(year, 1, 1);
	if (change->kind == 'M') {
		const int length = zone_days_in_month(year, change->month);
		days = zone_days_of(year, change->month, 1);
		/* 1970-01-01 was a Thursday. */
		int first_weekday = (int)((days + 4) % 7);
		int day = (change->day - first_weekday + 7) % 7 + (change->week - 1) * 7;
		days += day < length ? day : day - 7;
	} else if (change->kind == 'J') {
		days += change->day - 1 + (change->day >= 60 && zone_days_in_month(year, 2) == 29);
	} else {
		days += change->day;
	}
	return days * ZONE_DAY + change->second - offset;
}

static int add_after(struct contract_zone *zone, int64_t last, int64_t moment, int32_t offset)
{
	return moment > last ? zone_add(zone, moment, offset) : 0;
}

int zone_rule_add(struct contract_zone *zone, const char *text, int64_t last)
{
	struct rule rule = {0};
	int result = 0;
	/* Without a rule, the last offset stays in force. */
	if (!*text)
		return 0;
	if (!read_rule(text, &rule) || abs(rule.standard) >= ZONE_DAY || abs(rule.daylight) >= ZONE_DAY)
		return -EINVAL;
	if (!rule.changes)
		return 0;
	for (int year = 1970; year <= ZONE_LAST_YEAR && !result; ++year) {
		int64_t start = moment_of(&rule.start, year, rule.standard);
		int64_t end = moment_of(&rule.end, year, rule.daylight);
		if (start < end)
			result = add_after(zone, last, start, rule.daylight);
		if (!result)
			result = add_after(zone, last, end, rule.standard);
		if (!result && start >= end)
			result = add_after(zone, last, start, rule.daylight);
	}
	return result;
}
