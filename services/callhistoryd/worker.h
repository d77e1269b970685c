/*
 * callhistoryd/worker: one thread with a gRPC server, a Redis connection and the handlers between them. Workers share
 * only the log and what the main thread reads: counters and readiness. Made and destroyed by the main thread; in
 * between, everything runs on the worker's own thread, except the functions that state otherwise.
 */
#pragma once

#include "base/log.h"
#include "base/pem_files.h"
#include "counters.h"
#include "handlers/bucket.h"
#include "settings.h"

struct worker;

/* All pointers must outlive the worker. */
struct worker_options {
	const struct settings *settings;
	const struct log *log;
	struct pem_files *certificates; /* NULL: plaintext */
	struct bucket_table *buckets;   /* of the tokens' rates, shared by all workers */
	struct memory_budget *memory;   /* of requests and answers, shared by all workers */
	unsigned int index;             /* from 0 */
	unsigned int count;             /* of workers */
};

/* Makes a worker that does not listen yet. On failure a negative errno and a sentence in error[0..size). */
int worker_create(struct worker **out, const struct worker_options *options, char *error, size_t size);

/*
 * Listens on one more address, or on that of health alone, in plaintext; *port is the port (0 for unix). Before
 * worker_start().
 */
int worker_listen(struct worker *worker, const char *address, bool health, int *port);

/* Starts the thread. */
int worker_start(struct worker *worker);

/* How a worker is to end: drain, cancel what is left, leave its loop. */
enum worker_stop { WORKER_RUN, WORKER_DRAIN, WORKER_CANCEL, WORKER_END };

/*
 * Makes the worker end, within a tenth of a second. A drained worker serves health until WORKER_END: workers
 * share the port, and others may still have calls. From any thread.
 */
void worker_stop(struct worker *worker, enum worker_stop how);

/* Whether it has drained. From any thread. */
bool worker_is_drained(const struct worker *worker);

/* Whether it serves: Redis is connected and it does not drain. From any thread. */
bool worker_is_ready(const struct worker *worker);

/*
 * Whether its loop makes progress: it has run within the last ten seconds, or has not started or has ended. From any
 * thread.
 */
bool worker_is_alive(const struct worker *worker);

/* Its counters. */
const struct counters *worker_counters(const struct worker *worker);

/* Waits for the thread, if it was started, and frees all. Takes NULL. */
void worker_destroy(struct worker *worker);
