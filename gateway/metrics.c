/*
 * metrics: one dense table per worker, indexed by route, method and status;
 * pages of it that no request touches cost no memory.
 */
#include "metrics.h"

#include <errno.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/status.h"

/* Upper bounds in microseconds; one more bucket holds the rest. */
static const int64_t bounds[] = {500,    1000,   2500,   5000,    10000,   25000,   50000,
                                 100000, 250000, 500000, 1000000, 2500000, 5000000, 10000000};
enum { BUCKETS = sizeof(bounds) / sizeof(bounds[0]) + 1 };

/* Statuses that the gateway gives; others are counted in the last cell. */
static const short statuses[] = {200, 204, 302, 400, 401, 403, 404, 405, 409, 413, 429, 499, 500, 503, 504, 0};
enum { STATUSES = sizeof(statuses) / sizeof(statuses[0]) };

/* The methods that are called; the last one stands for all others. */
static const char *const rpc_methods[] = {
    "callhistory.v1.CallHistoryService/ListCalls",
    "callhistory.v1.CallHistoryService/CountCalls",
    "callhistory.v1.CallHistoryService/GetCall",
    "grpc.health.v1.Health/Check",
    "other",
};
enum { RPC_METHODS = sizeof(rpc_methods) / sizeof(rpc_methods[0]), RPC_STATUSES = STATUS_UNAUTHENTICATED + 1 };

struct histogram {
	_Atomic uint64_t buckets[BUCKETS];
	_Atomic uint64_t sum_us;
};

struct metrics {
	_Atomic int64_t in_flight, connections;
	struct histogram requests[METRICS_ROUTES_MAX][METRICS_METHODS_MAX][STATUSES];
	struct histogram attempts[RPC_METHODS][RPC_STATUSES], calls[RPC_METHODS][RPC_STATUSES];
};

int metrics_create(struct metrics **out)
{
	struct metrics *metrics = calloc(1, sizeof(*metrics));
	if (!metrics)
		return -ENOMEM;
	*out = metrics;
	return 0;
}

void metrics_destroy(struct metrics *metrics)
{
	free(metrics);
}

/* One writer: a load and a store are enough, no locked instruction. */
static void add(_Atomic uint64_t *counter, uint64_t more)
{
	atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + more, memory_order_relaxed);
}

static void add_duration(struct histogram *histogram, int64_t duration_us)
{
	unsigned bucket = 0;
	while (bucket < BUCKETS - 1 && duration_us > bounds[bucket])
		bucket++;
	add(&histogram->buckets[bucket], 1);
	add(&histogram->sum_us, duration_us > 0 ? (uint64_t)duration_us : 0);
}

void metrics_request(struct metrics *metrics, unsigned route, unsigned method, int status, int64_t duration_us)
{
	unsigned cell = 0;
	if (route >= METRICS_ROUTES_MAX || method >= METRICS_METHODS_MAX)
		return;
	while (cell < STATUSES - 1 && statuses[cell] != status)
		cell++;
	add_duration(&metrics->requests[route][method][cell], duration_us);
}

static void add_rpc(struct histogram table[RPC_METHODS][RPC_STATUSES], const char *method, int status,
                    int64_t duration_us)
{
	unsigned m = 0;
	while (m < RPC_METHODS - 1 && strcmp(rpc_methods[m], method) != 0)
		m++;
	add_duration(&table[m][status < 0 || status >= RPC_STATUSES ? STATUS_UNKNOWN : status], duration_us);
}

void metrics_attempt(struct metrics *metrics, const char *method, int status, int64_t duration_us)
{
	add_rpc(metrics->attempts, method, status, duration_us);
}

void metrics_call(struct metrics *metrics, const char *method, int status, int64_t duration_us)
{
	add_rpc(metrics->calls, method, status, duration_us);
}

void metrics_in_flight(struct metrics *metrics, int64_t value)
{
	atomic_store_explicit(&metrics->in_flight, value, memory_order_relaxed);
}

void metrics_connections(struct metrics *metrics, int64_t value)
{
	atomic_store_explicit(&metrics->connections, value, memory_order_relaxed);
}

/* Sums the histogram at `offset` over the workers; gives its count. */
static uint64_t sum_histogram(struct metrics *const *all, size_t count, size_t offset, uint64_t buckets[BUCKETS],
                              uint64_t *sum_us)
{
	uint64_t total = 0;
	*sum_us = 0;
	for (unsigned b = 0; b < BUCKETS; b++)
		buckets[b] = 0;
	for (size_t i = 0; i < count; i++) {
		const struct histogram *histogram = (const void *)((const char *)all[i] + offset);
		for (unsigned b = 0; b < BUCKETS; b++) {
			uint64_t value = atomic_load_explicit(&histogram->buckets[b], memory_order_relaxed);
			buckets[b] += value;
			total += value;
		}
		*sum_us += atomic_load_explicit(&histogram->sum_us, memory_order_relaxed);
	}
	return total;
}

static void write_histogram(struct buffer *out, const char *name, const char *labels, const uint64_t buckets[BUCKETS],
                            uint64_t sum_us)
{
	uint64_t total = 0;
	for (unsigned b = 0; b < BUCKETS; b++) {
		total += buckets[b];
		if (b < BUCKETS - 1)
			buffer_printf(out, "%s_bucket{%s,le=\"%g\"} %" PRIu64 "\n", name, labels, (double)bounds[b] / 1e6, total);
		else
			buffer_printf(out, "%s_bucket{%s,le=\"+Inf\"} %" PRIu64 "\n", name, labels, total);
	}
	buffer_printf(out, "%s_sum{%s} %.6f\n", name, labels, (double)sum_us / 1e6);
	buffer_printf(out, "%s_count{%s} %" PRIu64 "\n", name, labels, total);
}

static void write_requests(struct buffer *out, struct metrics *const *all, size_t count,
                           const struct metrics_names *names)
{
	uint64_t buckets[BUCKETS], sum_us;
	char labels[160];
	for (unsigned route = 0; route < METRICS_ROUTES_MAX; route++)
		for (unsigned method = 0; names->routes[route] && method < METRICS_METHODS_MAX; method++)
			for (unsigned cell = 0; names->methods[method] && cell < STATUSES; cell++) {
				size_t place = (route * METRICS_METHODS_MAX + method) * STATUSES + cell;
				size_t offset = offsetof(struct metrics, requests) + place * sizeof(struct histogram);
				if (!sum_histogram(all, count, offset, buckets, &sum_us))
					continue;
				char code[8] = "other";
				if (statuses[cell])
					snprintf(code, sizeof(code), "%d", statuses[cell]);
				snprintf(labels, sizeof(labels),
				         "http_route=\"%s\",http_request_method=\"%s\",http_response_status_code=\"%s\"",
				         names->routes[route], names->methods[method], code);
				write_histogram(out, "http_server_request_duration_seconds", labels, buckets, sum_us);
			}
}

/* A histogram for each method and status of which there were any; `table` is the offset of the table of them. */
static void write_rpc(struct buffer *out, struct metrics *const *all, size_t count, const char *name, const char *help,
                      size_t table)
{
	uint64_t buckets[BUCKETS], sum_us;
	char labels[160];
	buffer_printf(out, "# HELP %s %s\n# TYPE %s histogram\n", name, help, name);
	for (unsigned place = 0; place < RPC_METHODS * RPC_STATUSES; place++) {
		if (!sum_histogram(all, count, table + place * sizeof(struct histogram), buckets, &sum_us))
			continue;
		snprintf(labels, sizeof(labels), "grpc_method=\"%s\",grpc_status=\"%s\"",
		         rpc_methods[place / RPC_STATUSES], status_name((int)(place % RPC_STATUSES)));
		write_histogram(out, name, labels, buckets, sum_us);
	}
}

/* The gateway serves no gRPC: the service's histogram stands here empty, so that one query fits both programs. */
static void write_grpc_server(struct buffer *out)
{
	static const char name[] = "grpc_server_call_duration_seconds";
	const uint64_t none[BUCKETS] = {0};
	buffer_printf(out, "# HELP %s Time of a gRPC call that was served; the gateway serves none.\n# TYPE %s histogram\n",
	              name, name);
	write_histogram(out, name, "rpc_system=\"grpc\"", none, 0);
}

static void write_gauge(struct buffer *out, const char *name, const char *help, int64_t value)
{
	buffer_printf(out, "# HELP %s %s\n# TYPE %s gauge\n%s %" PRId64 "\n", name, help, name, name, value);
}

void metrics_write(struct buffer *out, struct metrics *const *all, size_t count, const struct metrics_names *names)
{
	int64_t in_flight = 0, connections = 0;
	for (size_t i = 0; i < count; i++) {
		in_flight += atomic_load_explicit(&all[i]->in_flight, memory_order_relaxed);
		connections += atomic_load_explicit(&all[i]->connections, memory_order_relaxed);
	}
	buffer_append_string(
	    out, "# HELP http_server_request_duration_seconds Time from a request's first line to its last byte.\n"
	         "# TYPE http_server_request_duration_seconds histogram\n");
	write_requests(out, all, count, names);
	write_rpc(out, all, count, "grpc_client_attempt_duration_seconds",
	          "Time of one attempt of a call to the service; several where one was repeated.",
	          offsetof(struct metrics, attempts));
	write_rpc(out, all, count, "grpc_client_call_duration_seconds", "Time of a call to the service, with all attempts.",
	          offsetof(struct metrics, calls));
	write_grpc_server(out);
	write_gauge(out, "http_server_active_requests", "Requests that wait for the service.", in_flight);
	write_gauge(out, "http_server_open_connections", "Open connections.", connections);
	write_gauge(out, "callhistory_gateway_workers", "Worker threads.", (int64_t)count);
	buffer_printf(out,
	              "# HELP callhistory_build_info Version of the program.\n# TYPE callhistory_build_info gauge\n"
	              "callhistory_build_info{program=\"callhistory-gateway\",version=\"%s\"} 1\n",
	              names->version);
}
