/*
 * contract/zone: a time zone as a sorted table of offsets, shared by the code
 * that reads it (zone_file.c, zone_rule.c) and the code that uses it
 * (zone.c). Not for other rooms.
 */
#ifndef CALLHISTORY_CONTRACT_ZONE_H
#define CALLHISTORY_CONTRACT_ZONE_H

#include <stdint.h>

#include "contract/contract.h"

enum { ZONE_HOUR = 3600, ZONE_DAY = 86400, ZONE_LAST_YEAR = 2100 };

/* Seconds from `from` on, until the next interval begins, have this offset. */
struct zone_interval {
	int64_t from;
	int32_t offset;
};

struct contract_zone {
	struct zone_interval *intervals; /* the first begins at INT64_MIN; offsets are less than a day */
	size_t count;
};

/* Adds a change of the offset after those before it; one that changes nothing is left out. 0 or -ENOMEM. */
int zone_add(struct contract_zone *zone, int64_t from, int32_t offset);

/* Reads the zone's file into an empty zone. 0, -ENOENT (no such file, or none that can be understood) or -ENOMEM. */
int zone_file_read(struct contract_zone *zone, const char *name);

/* Adds the changes after `last` that a POSIX TZ string such as "CET-1CEST,M3.5.0,M10.5.0/3" makes. 0, -EINVAL or -ENOMEM. */
int zone_rule_add(struct contract_zone *zone, const char *rule, int64_t last);

/* The calendar. Days are counted from 1970-01-01. */
int64_t zone_days_of(int year, int month, int day);
int zone_days_in_month(int year, int month);

#endif
