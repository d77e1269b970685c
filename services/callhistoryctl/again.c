/* again: one policy for imports and queries. */
#include "callhistoryctl/again.h"

#include <stdlib.h>

#define BACKOFF_MIN_US INT64_C(50000)
#define BACKOFF_MAX_US INT64_C(2000000)
#define ASKED_MAX_MS INT64_C(60000)

enum { TRIES_MAX = 6 /* number of tries after which the wait no longer grows */ };

int64_t again_wait_us(const struct context *context, unsigned tries)
{
	enum status status = context->status;
	if (status != STATUS_UNAVAILABLE && status != STATUS_RESOURCE_EXHAUSTED && status != STATUS_ABORTED)
		return -1;
	int64_t wait_us = tries < TRIES_MAX ? BACKOFF_MIN_US << (tries - 1) : BACKOFF_MAX_US;
	wait_us = wait_us < BACKOFF_MAX_US ? wait_us : BACKOFF_MAX_US;
	/* Jitter, so that batches or clients that failed together do not retry together. */
	wait_us = wait_us / 2 + (int64_t)arc4random_uniform((uint32_t)(wait_us / 2 + 1));
	int64_t asked_ms = context->retry_after_ms < ASKED_MAX_MS ? context->retry_after_ms : ASKED_MAX_MS;
	return wait_us > asked_ms * 1000 ? wait_us : asked_ms * 1000;
}
