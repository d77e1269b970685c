/*
 * worker_resources: what request handlers use of their worker. For the worker's thread only.
 */
#ifndef CALLHISTORY_GATEWAY_WORKER_RESOURCES_H
#define CALLHISTORY_GATEWAY_WORKER_RESOURCES_H

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/log.h"
#include "base/memory.h"
#include "compress.h"
#include "contract/contract.h"
#include "metrics.h"
#include "settings.h"
#include "trace.h"

struct worker;

const struct settings *worker_settings(const struct worker *worker);
const struct log *worker_log(const struct worker *worker);
struct contract_zone *worker_zone(const struct worker *worker);
ProtobufCService *worker_history(const struct worker *worker);
struct metrics *worker_metrics(const struct worker *worker);
struct metrics *const *worker_all_metrics(const struct worker *worker, size_t *count);
struct compressor *worker_compressor(const struct worker *worker);
struct memory_budget *worker_memory(const struct worker *worker);
struct trace_source *worker_trace(struct worker *worker);

/* Whether connections are to be closed after their answer. */
bool worker_is_draining(const struct worker *worker);

/* Whether the grace period is over: no request may begin. */
bool worker_is_closed(const struct worker *worker);

/*
 * Counts a request in flight and charges the memory that it and its answer may take; false beyond --max-in-flight or
 * --max-memory.
 */
bool worker_admit(struct worker *worker, size_t bytes);
void worker_release(struct worker *worker);

/* Whether the gateway has started and does not drain. */
bool worker_is_ready(const struct worker *worker);

/* Whether the loops of all workers have run within the last five seconds. */
bool worker_all_alive(const struct worker *worker);

#endif
