/*
 * metrics: counters of HTTP requests. Each worker writes its own object; any
 * worker may read them all, so the numbers are atomics with one writer.
 */
#ifndef CALLHISTORY_GATEWAY_METRICS_H
#define CALLHISTORY_GATEWAY_METRICS_H

#include <stddef.h>
#include <stdint.h>

#include "base/metric.h"

struct metrics;

/* Returns 0 or -ENOMEM. */
int metrics_create(struct metrics **out);
void metrics_destroy(struct metrics *metrics);

/* One request is over. `route` and `method` are indexes below METRICS_ROUTES_MAX and METRICS_METHODS_MAX. */
enum { METRICS_ROUTES_MAX = 16, METRICS_METHODS_MAX = 8 };
void metrics_request(struct metrics *metrics, unsigned route, unsigned method, int status, int64_t duration_us);

/* An attempt of a call to the service begins. `method` is the full name. */
void metrics_attempt_started(struct metrics *metrics, const char *method);

/* One attempt of a call to the service, and a whole call, are over. `status` is an enum status. */
void metrics_attempt(struct metrics *metrics, const char *method, int status, int64_t duration_us, size_t request_bytes,
                     size_t response_bytes);
void metrics_call(struct metrics *metrics, const char *method, int status, int64_t duration_us);

/* Requests in progress, their limit, and open connections of this worker. */
void metrics_in_flight(struct metrics *metrics, size_t value);
void metrics_in_flight_limit(struct metrics *metrics, size_t value);
void metrics_connections(struct metrics *metrics, size_t value);

/* A connection beyond a limit was refused. */
void metrics_refused_connection(struct metrics *metrics);

struct metrics_names {
	const char *const *routes; /* METRICS_ROUTES_MAX, NULL where there is none */
	const char *const *methods;
	const char *target; /* the service's address, as it was given */
	const char *version;
};

/* Writes the sum of `count` objects in Prometheus's text format. */
void metrics_write(struct buffer *out, struct metrics *const *all, size_t count, const struct metrics_names *names);

#endif
