/* pace: never catches up after a delay, because that would be a burst. */
#include "callhistoryctl/pace.h"

#include <time.h>

#include "base/clock.h"

enum { STEPS_PER_SECOND = 50, STEP_MAX = 1000 };

/* Longest sleep between two checks of the stop flag. */
#define SLEEP_US INT64_C(50000)

uint32_t pace_step(const struct settings *settings)
{
	int64_t step = settings->calls_per_second / STEPS_PER_SECOND;
	return step < 1 ? 1 : step > STEP_MAX ? STEP_MAX : (uint32_t)step;
}

void pace_sleep(const struct settings *settings, int64_t until_us)
{
	for (int64_t left_us; (left_us = until_us - clock_monotonic_us()) > 0 && !*settings->stop;) {
		struct timespec sleep = {.tv_nsec = (left_us < SLEEP_US ? left_us : SLEEP_US) * 1000};
		nanosleep(&sleep, NULL);
	}
}

void pace_wait(struct pace *pace, uint64_t calls)
{
	int64_t now_us = clock_monotonic_us();
	int64_t begin_us = pace->next_us > now_us ? pace->next_us : now_us;
	pace->next_us = begin_us + (int64_t)calls * 1000000 / pace->settings->calls_per_second;
	pace_sleep(pace->settings, begin_us);
}
