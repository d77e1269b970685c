/* readiness: one question at a time, and a list of those who wait for it. */
#include "readiness.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/clock.h"

enum { KEPT_US = 1000000, ASKED_US = 1000000 };

struct waiter {
	struct waiter *next;
	void (*done)(void *data, bool ready);
	void *data;
};

struct readiness {
	struct rpc_channel *channel;
	struct waiter *waiters;
	bool asking;
	bool ready;
	int64_t known_until_us;
};

int readiness_create(struct readiness **out, struct rpc_channel *channel)
{
	struct readiness *readiness = calloc(1, sizeof(*readiness));
	if (!readiness)
		return -ENOMEM;
	readiness->channel = channel;
	*out = readiness;
	return 0;
}

void readiness_destroy(struct readiness *readiness)
{
	free(readiness);
}

bool readiness_known(const struct readiness *readiness, bool *ready)
{
	if (clock_monotonic_us() >= readiness->known_until_us)
		return false;
	*ready = readiness->ready;
	return true;
}

static void on_checked(void *data, bool serving)
{
	struct readiness *readiness = data;
	struct waiter *waiter = readiness->waiters;
	readiness->asking = false;
	readiness->waiters = NULL;
	readiness->ready = serving;
	readiness->known_until_us = clock_monotonic_us() + KEPT_US;
	while (waiter) {
		struct waiter *next = waiter->next;
		waiter->done(waiter->data, serving);
		free(waiter);
		waiter = next;
	}
}

void readiness_ask(struct readiness *readiness, void (*done)(void *data, bool ready), void *data)
{
	struct waiter *waiter = malloc(sizeof(*waiter));
	if (!waiter) {
		done(data, false);
		return;
	}
	*waiter = (struct waiter){readiness->waiters, done, data};
	readiness->waiters = waiter;
	if (readiness->asking)
		return;
	readiness->asking = true;
	if (rpc_channel_check(readiness->channel, "", clock_monotonic_us() + ASKED_US, on_checked, readiness))
		on_checked(readiness, false);
}
