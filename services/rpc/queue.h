/*
 * rpc/queue: one thread's events. Servers and channels are made on a queue,
 * and everything that they do happens inside rpc_queue_run() on the thread
 * that runs it. One queue per worker; never two threads on one queue.
 */
#ifndef CALLHISTORY_RPC_QUEUE_H
#define CALLHISTORY_RPC_QUEUE_H

#include <stdint.h>

struct rpc_queue;

/*
 * Prepares the process for gRPC; to be called in main() before there is a thread. What GRPC_POLL_STRATEGY and
 * GRPC_VERBOSITY already say in the environment stays.
 */
void rpc_prepare(void);

/*
 * Ends the process: what main() does last where it has called rpc_prepare(). gRPC Core 1.51 has threads of its event
 * engine until then, whatever is shut down before, and what they use is taken away by the libraries' destructors:
 * returning from main() crashed now and then. Standard streams are flushed.
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

/*
 * Destroys the queue. Its servers and channels must have been destroyed. Takes NULL.
 */
void rpc_queue_destroy(struct rpc_queue *queue);

#endif
