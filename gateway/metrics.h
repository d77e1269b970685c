/*
 * metrics: counters of HTTP requests. Each worker writes its own object; any
 * worker may read them all, so the numbers are atomics with one writer.
 */
#pragma once

#include "base/metric.h"
#include "rpc/channel.h"

enum { METRICS_ROUTES_MAX = 20, METRICS_METHODS_MAX = 8, METRICS_STATUSES = 22, METRICS_RPC_METHODS = 7 };

typedef _Atomic uint64_t metrics_durations[METRIC_DURATION_CELLS];
typedef _Atomic uint64_t metrics_sizes[METRIC_SIZE_CELLS];

/* One worker's; all zero at first. The functions below write the tables. */
struct metrics {
	_Atomic uint64_t in_flight, in_flight_limit, connections, refused_connections;
	metrics_durations requests[METRICS_ROUTES_MAX][METRICS_METHODS_MAX][METRICS_STATUSES];
	_Atomic uint64_t started[METRICS_RPC_METHODS];
	metrics_durations attempts[METRICS_RPC_METHODS][METRIC_STATUSES], calls[METRICS_RPC_METHODS][METRIC_STATUSES];
	metrics_sizes sent[METRICS_RPC_METHODS][METRIC_STATUSES], received[METRICS_RPC_METHODS][METRIC_STATUSES];
};

/* One request is over. `route` and `method` are indexes below METRICS_ROUTES_MAX and METRICS_METHODS_MAX. */
void metrics_request(struct metrics *metrics, unsigned route, unsigned method, int status, int64_t duration_us);

/* Callbacks for calls of the service (rpc/channel.h); `metrics` is a struct metrics. */
void metrics_attempt_started(void *metrics, const char *method);
void metrics_attempt(void *metrics, const struct rpc_channel_report *report);
void metrics_call(void *metrics, const struct rpc_channel_report *report);

struct metrics_names {
	const char *(*route)(unsigned index); /* NULL where there is none */
	const char *const *methods;
	const char *target; /* the service's address, as it was given */
	const char *version;
};

/* Writes the sum of `count` objects in Prometheus's text format. */
void metrics_write(struct buffer *out, struct metrics *const *all, size_t count, const struct metrics_names *names);
