/*
 * rpc/queue: a completion queue, and a list of timers sorted by due time.
 *
 * New timers are nearly always the latest, so they are put in from the end, or due at once. Timers exist because the C
 * API of gRPC has none: client backoff and the end of a drain's grace need them.
 */
#include "rpc/queue.h"

#include <errno.h>
#include <grpc/support/log.h>
#include <grpc/support/time.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "rpc/queue_internal.h"

/* Most events that one run handles, so that the caller's other work is not delayed. */
enum { QUEUE_BATCH = 256 };

/* Cancelled calls normally end at once; this bounds the wait for one that does not. */
enum { QUEUE_DESTROY_SECONDS = 30 };

struct rpc_queue {
	grpc_completion_queue *completions;
	TAILQ_HEAD(rpc_timers, rpc_timer) timers; /* the next to fire first */
	uint64_t runs;
};

void rpc_prepare(int64_t queues)
{
	/*
	 * gRPC's epoll engine has one set for all queues of a process, so that idle workers wake for the busy one's events:
	 * with "poll" each queue waits for its own (measured: 10 µs of 39 per call in the service, tests/bench/README.md).
	 * But "poll" visits every open connection each time that it waits: 3,000 idle ones kept a core busy.
	 */
	setenv("GRPC_POLL_STRATEGY", queues > 1 ? "poll" : "epoll1", 0);
	/* gRPC would write to standard error, where only the program's own log lines belong. */
	if (!getenv("GRPC_VERBOSITY"))
		gpr_set_log_verbosity((gpr_log_severity)(GPR_LOG_SEVERITY_ERROR + 1));
}

void rpc_exit(int status)
{
#ifdef __SANITIZE_ADDRESS__
	/*
	 * Leaks are looked for on this way only. gRPC must have shut down before: exit() ends OpenSSL first, and what a
	 * last thread of gRPC has not freed by then counts as a leak.
	 */
	int64_t end_us = clock_monotonic_us() + (int64_t)QUEUE_DESTROY_SECONDS * 1000000;
	while (grpc_is_initialized() && clock_monotonic_us() < end_us)
		usleep(1000);
	exit(status);
#else
	fflush(NULL);
	_exit(status);
#endif
}

int rpc_queue_create(struct rpc_queue **out)
{
	struct rpc_queue *queue = calloc(1, sizeof(*queue));
	if (!queue)
		return -ENOMEM;
	grpc_init();
	TAILQ_INIT(&queue->timers);
	queue->completions = grpc_completion_queue_create_for_next(NULL);
	*out = queue;
	return 0;
}

grpc_completion_queue *rpc_queue_completions(struct rpc_queue *queue)
{
	return queue->completions;
}

gpr_timespec rpc_timespec(int64_t monotonic_us)
{
	if (monotonic_us == CLOCK_NEVER)
		return gpr_inf_future(GPR_CLOCK_MONOTONIC);
	if (monotonic_us < 0)
		monotonic_us = 0;
	return (gpr_timespec){.tv_sec = monotonic_us / 1000000,
	                      .tv_nsec = (int32_t)(monotonic_us % 1000000) * 1000,
	                      .clock_type = GPR_CLOCK_MONOTONIC};
}

int64_t rpc_microseconds(gpr_timespec time)
{
	if (gpr_time_cmp(time, gpr_inf_future(time.clock_type)) == 0)
		return CLOCK_NEVER;
	time = gpr_convert_clock_type(time, GPR_CLOCK_MONOTONIC);
	if (time.tv_sec > INT64_MAX / 1000000 - 1)
		return CLOCK_NEVER;
	if (time.tv_sec < 0)
		return 0;
	return time.tv_sec * 1000000 + time.tv_nsec / 1000;
}

void rpc_queue_timer_stop(struct rpc_queue *queue, struct rpc_timer *timer)
{
	if (timer->running)
		TAILQ_REMOVE(&queue->timers, timer, entry);
	timer->running = false;
}

void rpc_queue_timer_start(struct rpc_queue *queue, struct rpc_timer *timer, int64_t due_us)
{
	rpc_queue_timer_stop(queue, timer);
	timer->due_us = due_us;
	timer->running = true;
	struct rpc_timer *before = due_us > 0 ? TAILQ_LAST(&queue->timers, rpc_timers) : NULL;
	while (before && before->due_us > due_us)
		before = TAILQ_PREV(before, rpc_timers, entry);
	if (before)
		TAILQ_INSERT_AFTER(&queue->timers, before, timer, entry);
	else
		TAILQ_INSERT_HEAD(&queue->timers, timer, entry);
}

/* A timer that is started again while it fires waits for the next run: `now` is read once. */
static int fire_timers(struct rpc_queue *queue)
{
	struct rpc_timer *timer = TAILQ_FIRST(&queue->timers);
	int64_t now = timer ? clock_monotonic_us() : 0;
	int fired = 0;
	for (; timer && timer->due_us <= now && fired < QUEUE_BATCH; timer = TAILQ_FIRST(&queue->timers), fired++) {
		rpc_queue_timer_stop(queue, timer);
		timer->fire(timer);
	}
	return fired;
}

/* Handles one event. Returns whether there was one by `deadline`. */
static bool handle_one(struct rpc_queue *queue, gpr_timespec deadline)
{
	grpc_event event = grpc_completion_queue_next(queue->completions, deadline, NULL);
	if (event.type != GRPC_OP_COMPLETE)
		return false;
	struct rpc_tag *tag = event.tag;
	if (tag->magic != RPC_TAG_MAGIC)
		abort();
	tag->handle(tag, event.success != 0);
	return true;
}

/*
 * Handles what is there. Where an operation has completed since gRPC polled last, its epoll engine skips the next poll
 * (kicked_without_poller) and reports that there is nothing. So nothing counts only if nothing was handled before it:
 * otherwise the requests that have arrived meanwhile would wait for another turn of the loop.
 */
static int handle_ready(struct rpc_queue *queue, int handled)
{
	gpr_timespec past = gpr_time_0(GPR_CLOCK_MONOTONIC);
	int before;
	do {
		before = handled;
		while (handled < QUEUE_BATCH && handle_one(queue, past))
			handled++;
	} while (handled > before && handled < QUEUE_BATCH);
	return handled;
}

uint64_t rpc_queue_runs(const struct rpc_queue *queue)
{
	return queue->runs;
}

int rpc_queue_run(struct rpc_queue *queue, int64_t until_us)
{
	queue->runs++;
	int handled = handle_ready(queue, fire_timers(queue));
	if (handled > 0 || until_us <= 0)
		return handled;
	const struct rpc_timer *next = TAILQ_FIRST(&queue->timers);
	if (next && next->due_us < until_us)
		until_us = next->due_us;
	if (handle_one(queue, rpc_timespec(until_us)))
		handled = handle_ready(queue, 1);
	return handled + fire_timers(queue);
}

void rpc_queue_destroy(struct rpc_queue *queue)
{
	if (!queue)
		return;
	grpc_completion_queue_shutdown(queue->completions);
	int64_t end_us = clock_monotonic_us() + (int64_t)QUEUE_DESTROY_SECONDS * 1000000;
	for (;;) {
		grpc_event event = grpc_completion_queue_next(queue->completions, rpc_timespec(end_us), NULL);
		if (event.type != GRPC_OP_COMPLETE)
			break;
		struct rpc_tag *tag = event.tag;
		tag->handle(tag, event.success != 0);
	}
	grpc_completion_queue_destroy(queue->completions);
	grpc_shutdown_blocking();
	free(queue);
}
