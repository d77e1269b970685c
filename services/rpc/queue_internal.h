/*
 * rpc/queue, inside: tags and timers, for the files of this module only.
 *
 * Whatever is handed to gRPC as a tag is a struct rpc_tag inside a larger struct; the queue calls its function when the
 * tag comes back. Timers are intrusive too, so that starting one can't fail.
 */
#pragma once

#include <grpc/grpc.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/queue.h>

#include "rpc/queue.h"

#define RPC_TAG_MAGIC UINT32_C(0x72746167)

#define RPC_CONTAINER(pointer, type, member) ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

/* gRPC rounds the timeout that it sends: client and server may disagree on a deadline by this much. */
#define RPC_DEADLINE_SLACK_US INT64_C(20000)

struct rpc_tag {
	uint32_t magic; /* RPC_TAG_MAGIC */
	void (*handle)(struct rpc_tag *tag, bool ok);
};

struct rpc_timer {
	TAILQ_ENTRY(rpc_timer) entry; /* in the queue */
	int64_t due_us;
	void (*fire)(struct rpc_timer *timer);
	bool running;
};

/* Fills in a tag, whose handler the queue calls once for each operation that was started with it. */
static inline void rpc_tag_init(struct rpc_tag *tag, void (*handle)(struct rpc_tag *tag, bool ok))
{
	*tag = (struct rpc_tag){.magic = RPC_TAG_MAGIC, .handle = handle};
}

/* The completion queue; owned by the queue. */
grpc_completion_queue *rpc_queue_completions(struct rpc_queue *queue);

/* How often rpc_queue_run() was called. */
uint64_t rpc_queue_runs(const struct rpc_queue *queue);

/*
 * Lets timer->fire be called from rpc_queue_run() at `due_us` or later; 0: at once. A
 * running timer is moved.
 */
void rpc_queue_timer_start(struct rpc_queue *queue, struct rpc_timer *timer, int64_t due_us);

/* Stops a timer; does nothing to one that is not running. */
void rpc_queue_timer_stop(struct rpc_queue *queue, struct rpc_timer *timer);

/* A moment of clock_monotonic_us() for gRPC, and back. CLOCK_NEVER is gRPC's infinite future. */
gpr_timespec rpc_timespec(int64_t monotonic_us);
int64_t rpc_microseconds(gpr_timespec time);
