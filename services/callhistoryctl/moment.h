/* moment: parses and prints times and durations for a person. */
#pragma once

#include "contract/contract.h"

/*
 * Reads Unix seconds (below 10^11) or milliseconds, or "YYYY-MM-DD", "YYYY-MM-DDTHH:MM" or "YYYY-MM-DDTHH:MM:SS" (a
 * blank may replace the T), followed by nothing (local to `zone`), "Z", "+HH:MM" or "-HH:MM". So it reads what
 * moment_format() writes. *ms is Unix time in milliseconds, 1970 to 9999. 0 or -EINVAL.
 */
int moment_parse(struct contract_zone *zone, const char *text, int64_t *ms);

/* Reads "90s", "15m", "12h" or "30d": at least 1, at most 36,500 days. 0 or -EINVAL. */
int moment_parse_span(const char *text, int64_t *ms);

enum { MOMENT_SIZE = 32 };

/*
 * Writes "YYYY-MM-DD HH:MM:SS+HH:MM", local to `zone`, with ".mmm" after the seconds if `exact` and they are not 0; "-"
 * for a time before 1970 or after 9999. Returns out.
 */
char *moment_format(struct contract_zone *zone, int64_t ms, bool exact, char out[MOMENT_SIZE]);

/* Writes "YYYY-MM-DDTHH:MM:SSZ". Returns out. */
char *moment_format_utc(int64_t ms, char out[MOMENT_SIZE]);
