/*
 * again: whether and when a failed request to the service is worth repeating.
 */
#ifndef CALLHISTORY_CTL_AGAIN_H
#define CALLHISTORY_CTL_AGAIN_H

#include <stdint.h>

#include "base/context.h"

/*
 * How long to wait, in microseconds, before a request that has failed `tries` times (at least 1) is sent again: a
 * random time that grows with the tries, at most 2 s, but never less than the service asks for (RetryInfo, at most a
 * minute). -1: the same request would fail again.
 */
int64_t again_wait_us(const struct context *context, unsigned tries);

#endif
