/*
 * moment: points and spans of time as a person types them and reads them.
 */
#ifndef CALLHISTORY_CTL_MOMENT_H
#define CALLHISTORY_CTL_MOMENT_H

#include <stdint.h>

#include "contract/contract.h"

/*
 * Reads Unix seconds (below 10^11) or milliseconds, "YYYY-MM-DD" or "YYYY-MM-DDTHH:MM:SS" (a blank may stand for the T), local to
 * `zone`. *ms is Unix time in milliseconds. 0 or -EINVAL.
 */
int moment_parse(struct contract_zone *zone, const char *text, int64_t *ms);

/* Reads "90s", "15m", "12h" or "30d": at least 1, at most 36,500 days. 0 or -EINVAL. */
int moment_parse_span(const char *text, int64_t *ms);

enum { MOMENT_SIZE = 24 };

/* Writes "YYYY-MM-DD HH:MM:SS" in `zone`; "-" for a time before 1970 or after 9999. Returns out. */
char *moment_format(struct contract_zone *zone, int64_t ms, char out[MOMENT_SIZE]);

/* Writes "YYYY-MM-DDTHH:MM:SSZ". Returns out. */
char *moment_format_utc(int64_t ms, char out[MOMENT_SIZE]);

#endif
