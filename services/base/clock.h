/* clock: the two clocks that the programs read. Pure modules take times as arguments instead. Thread-safe. */
#pragma once

#include <stdint.h>

/* Later than every time: no deadline. */
#define CLOCK_NEVER INT64_MAX

/* Microseconds of the monotonic clock. Deadlines are on this scale. */
int64_t clock_monotonic_us(void);

/* Milliseconds since 1970-01-01T00:00:00Z. */
int64_t clock_unix_ms(void);
