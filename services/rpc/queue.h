/*
 * rpc/queue: one thread's events. Servers and channels are made on a queue, and everything that they do happens inside
 * rpc_queue_run() on the thread that runs it. One queue per worker; never two threads on one queue.
 */
#pragma once

#include <stdint.h>

struct rpc_queue;

/*
 * Prepares the process for gRPC; to be called in main() before there is a thread. `queues`: how many rpc_queue it will
 * run at the same time, which selects gRPC's polling engine. Existing values of GRPC_POLL_STRATEGY and GRPC_VERBOSITY
 * in the environment are kept.
 */
void rpc_prepare(int64_t queues);

/*
 * Ends the process: what main() does last where it has called rpc_prepare(). The threads of
 * the event engine of gRPC Core 1.51 run until the process ends and outlive the C++ static destructors, so that
 * returning from main() crashed occasionally. Standard streams are flushed.
 */
void rpc_exit(int status) __attribute__((noreturn));

/* Takes a reference on the gRPC library and makes a queue. Returns 0 or -ENOMEM. */
int rpc_queue_create(struct rpc_queue **out);

/*
 * Handles every event that is ready. If none is, waits for the first until `until_us` (clock_monotonic_us() scale; 0:
 * don't wait). Closures and handlers run inside. Also ends server calls whose deadline has passed. Returns how many
 * events were handled.
 */
int rpc_queue_run(struct rpc_queue *queue, int64_t until_us);

/* Destroys the queue. Its servers and channels must have been destroyed. Takes NULL. */
void rpc_queue_destroy(struct rpc_queue *queue);
