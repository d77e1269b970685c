/*
 * callhistoryd/counters: the counters of one worker. Only the worker writes them, any thread reads them: relaxed
 * atomics, summed when they are read.
 */
#pragma once

#include "base/metric.h"
#include "store/store.h"

enum { COUNTERS_METHODS = 11 };

struct counters {
	_Atomic uint64_t arrived[COUNTERS_METHODS];
	_Atomic uint64_t calls[COUNTERS_METHODS][METRIC_STATUSES][METRIC_DURATION_CELLS];
	_Atomic uint64_t received[COUNTERS_METHODS][METRIC_STATUSES][METRIC_SIZE_CELLS];
	_Atomic uint64_t sent[COUNTERS_METHODS][METRIC_STATUSES][METRIC_SIZE_CELLS];
	_Atomic uint64_t request_bytes, response_bytes;
	_Atomic uint64_t in_flight, in_flight_limit;
	_Atomic uint64_t redis[sizeof(struct redis_stats) / sizeof(uint64_t)]; /* its members in order */
	_Atomic uint64_t redis_connected;                                      /* 0 or 1 */
	_Atomic uint64_t redis_pending;
	_Atomic uint64_t redis_evicts, redis_not_appended, redis_unlimited; /* risks of its settings, 0 or 1 */
	_Atomic uint64_t token_hits, token_misses;
	_Atomic uint64_t missing_records;
};

/* Counts an arrived call. */
void counters_add_arrival(struct counters *counters, const char *method);

/* Counts one finished call. `method` is the full name. */
void counters_add_call(struct counters *counters, const char *method, int status, int64_t duration_us,
                       size_t request_bytes, size_t response_bytes);

/* Copies the counters of the Redis client. */
void counters_set_redis(struct counters *counters, const struct redis *redis);

/* Copies the counters of the store. */
void counters_set_store(struct counters *counters, const struct store *store);

/* Calls that have arrived at all workers. */
uint64_t counters_arrivals(const struct counters *const *workers, size_t count);

/* Writes the sums over `count` workers, and the counters of the process, in Prometheus's text format. */
void counters_write(struct buffer *out, const struct counters *const *workers, size_t count, int64_t start_unix_ms,
                    const struct memory_budget *memory, uint64_t log_dropped);
