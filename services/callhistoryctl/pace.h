/* pace: keeps deletions at a number of calls a second, in steps so small that readers do not notice one. */
#pragma once

#include "callhistoryctl/settings.h"

/*
 * Default of --calls-per-second: readers' p99 stays below twice what it is without deletions
 * (tests/bench/README.md, "Deletions beside readers").
 */
#define PACE_DEFAULT "500"

struct pace {
	const struct settings *settings;
	int64_t next_us; /* when the next step may begin */
};

/* The option --calls-per-second. */
#define PACE_OPTION                                                                                                    \
	NUMBER_OPTION("calls-per-second", SETTING(calls_per_second), PACE_DEFAULT, 1, 1000000, "N",                        \
	              "Calls to delete a second, at most; more delay others that use the store.", 0)

/* Calls of one step. */
uint32_t pace_step(const struct settings *settings);

/* Waits until then (clock_monotonic_us() scale), or until a signal comes. */
void pace_sleep(const struct settings *settings, int64_t until_us);

/* Waits until `calls` more may be deleted, or a signal comes. */
void pace_wait(struct pace *pace, uint64_t calls);
