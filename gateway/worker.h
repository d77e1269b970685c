/*
 * worker: one thread that shares nothing: an HTTP daemon, an RPC queue with
 * its channel, and what handlers need. All of it runs on the worker's thread,
 * except worker_create(), worker_wake() and worker_destroy().
 */
#ifndef CALLHISTORY_GATEWAY_WORKER_H
#define CALLHISTORY_GATEWAY_WORKER_H

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/log.h"
#include "compress.h"
#include "contract/contract.h"
#include "gateway.h"
#include "metrics.h"
#include "settings.h"
#include "trace.h"

struct worker;

/*
 * Makes a worker that serves on `listen_fd`, which it then owns, also on failure. `gateway` outlives it. Returns 0 or a negative
 * errno with a sentence in error[0..size).
 */
int worker_create(struct worker **out, struct gateway *gateway, size_t index, int listen_fd, char *error, size_t size);

/* Serves until the gateway's drain is over. The argument is the worker; returns NULL: a thread's function. */
void *worker_run(void *worker);

/* Wakes the worker to look at the gateway's phase. From any thread. */
void worker_wake(struct worker *worker);

/* Takes NULL. worker_run() must have returned or never been called. */
void worker_destroy(struct worker *worker);

/* ---- for handlers ---- */

const struct settings *worker_settings(const struct worker *worker);
const struct log *worker_log(const struct worker *worker);
struct contract_zone *worker_zone(const struct worker *worker);
ProtobufCService *worker_history(const struct worker *worker);
struct metrics *worker_metrics(const struct worker *worker);
struct metrics *const *worker_all_metrics(const struct worker *worker, size_t *count);
struct compressor *worker_compressor(const struct worker *worker);
struct trace_source *worker_trace(struct worker *worker);

/* Whether connections are to be closed after their answer. */
bool worker_is_draining(const struct worker *worker);

/* Whether the grace is over: no request may begin any more. */
bool worker_is_closed(const struct worker *worker);

/* Takes one of the places for requests in flight; false when there is none. */
bool worker_admit(struct worker *worker);
void worker_release(struct worker *worker);

/* Whether new requests are welcome: the gateway has started and does not drain. */
bool worker_is_ready(const struct worker *worker);

/* Whether the loops of all workers came round within the last five seconds. */
bool worker_all_alive(const struct worker *worker);

#endif
