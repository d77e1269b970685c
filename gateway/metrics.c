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

enum { BUCKETS = 15 };

/* What a histogram counts: upper bounds, one more bucket holds the rest; and the unit of them in the metric's own. */
struct scale {
	int64_t bounds[BUCKETS - 1];
	double unit;
};

static const struct scale microseconds = {
    {500, 1000, 2500, 5000, 10000, 25000, 50000, 100000, 250000, 500000, 1000000, 2500000, 5000000, 10000000}, 1e-6};
static const struct scale bytes = {
    {16, 64, 128, 256, 512, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216, 67108864}, 1};

/* Statuses that the gateway gives; others are counted in the last cell. */
static const short statuses[] = {200, 204, 302, 400, 401, 403, 404, 405, 408, 409, 413,
                                 414, 415, 429, 431, 499, 500, 503, 504, 505, 0};
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
enum { TARGET_SIZE = 512 };

struct histogram {
	_Atomic uint64_t buckets[BUCKETS];
	_Atomic uint64_t sum;
};

struct metrics {
	_Atomic int64_t in_flight, connections;
	_Atomic uint64_t refused_connections;
	struct histogram requests[METRICS_ROUTES_MAX][METRICS_METHODS_MAX][STATUSES];
	_Atomic uint64_t started[RPC_METHODS];
	struct histogram attempts[RPC_METHODS][RPC_STATUSES], calls[RPC_METHODS][RPC_STATUSES];
	struct histogram sent[RPC_METHODS][RPC_STATUSES], received[RPC_METHODS][RPC_STATUSES];
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

static void add_value(struct histogram *histogram, const struct scale *scale, int64_t value)
{
	unsigned bucket = 0;
	while (bucket < BUCKETS - 1 && value > scale->bounds[bucket])
		bucket++;
	add(&histogram->buckets[bucket], 1);
	add(&histogram->sum, value > 0 ? (uint64_t)value : 0);
}

void metrics_request(struct metrics *metrics, unsigned route, unsigned method, int status, int64_t duration_us)
{
	unsigned cell = 0;
	if (route >= METRICS_ROUTES_MAX || method >= METRICS_METHODS_MAX)
		return;
	while (cell < STATUSES - 1 && statuses[cell] != status)
		cell++;
	add_value(&metrics->requests[route][method][cell], &microseconds, duration_us);
}

static unsigned rpc_method(const char *method)
{
	unsigned m = 0;
	while (m < RPC_METHODS - 1 && strcmp(rpc_methods[m], method) != 0)
		m++;
	return m;
}

static unsigned rpc_status(int status)
{
	return status < 0 || status >= RPC_STATUSES ? STATUS_UNKNOWN : (unsigned)status;
}

void metrics_attempt_started(struct metrics *metrics, const char *method)
{
	add(&metrics->started[rpc_method(method)], 1);
}

void metrics_attempt(struct metrics *metrics, const char *method, int status, int64_t duration_us, size_t request_bytes,
                     size_t response_bytes)
{
	unsigned m = rpc_method(method), s = rpc_status(status);
	add_value(&metrics->attempts[m][s], &microseconds, duration_us);
	add_value(&metrics->sent[m][s], &bytes, (int64_t)request_bytes);
	add_value(&metrics->received[m][s], &bytes, (int64_t)response_bytes);
}

void metrics_call(struct metrics *metrics, const char *method, int status, int64_t duration_us)
{
	add_value(&metrics->calls[rpc_method(method)][rpc_status(status)], &microseconds, duration_us);
}

void metrics_in_flight(struct metrics *metrics, int64_t value)
{
	atomic_store_explicit(&metrics->in_flight, value, memory_order_relaxed);
}

void metrics_connections(struct metrics *metrics, int64_t value)
{
	atomic_store_explicit(&metrics->connections, value, memory_order_relaxed);
}

void metrics_refused_connection(struct metrics *metrics)
{
	add(&metrics->refused_connections, 1);
}

/* Sums the histogram at `offset` over the workers; gives its count. */
static uint64_t sum_histogram(struct metrics *const *all, size_t count, size_t offset, uint64_t buckets[BUCKETS],
                              uint64_t *sum)
{
	uint64_t total = 0;
	*sum = 0;
	for (unsigned b = 0; b < BUCKETS; b++)
		buckets[b] = 0;
	for (size_t i = 0; i < count; i++) {
		const struct histogram *histogram = (const void *)((const char *)all[i] + offset);
		for (unsigned b = 0; b < BUCKETS; b++) {
			uint64_t value = atomic_load_explicit(&histogram->buckets[b], memory_order_relaxed);
			buckets[b] += value;
			total += value;
		}
		*sum += atomic_load_explicit(&histogram->sum, memory_order_relaxed);
	}
	return total;
}

static void write_head(struct buffer *out, const char *name, const char *type, const char *help)
{
	buffer_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void write_histogram(struct buffer *out, const char *name, const char *labels, const struct scale *scale,
                            const uint64_t buckets[BUCKETS], uint64_t sum)
{
	uint64_t total = 0;
	for (unsigned b = 0; b < BUCKETS; b++) {
		total += buckets[b];
		if (b < BUCKETS - 1)
			buffer_printf(out, "%s_bucket{%s,le=\"%.9g\"} %" PRIu64 "\n", name, labels,
			              (double)scale->bounds[b] * scale->unit, total);
		else
			buffer_printf(out, "%s_bucket{%s,le=\"+Inf\"} %" PRIu64 "\n", name, labels, total);
	}
	buffer_printf(out, "%s_sum{%s} %.6f\n", name, labels, (double)sum * scale->unit);
	buffer_printf(out, "%s_count{%s} %" PRIu64 "\n", name, labels, total);
}

static void write_requests(struct buffer *out, struct metrics *const *all, size_t count,
                           const struct metrics_names *names)
{
	uint64_t buckets[BUCKETS], sum;
	char labels[160];
	for (unsigned route = 0; route < METRICS_ROUTES_MAX; route++)
		for (unsigned method = 0; names->routes[route] && method < METRICS_METHODS_MAX; method++)
			for (unsigned cell = 0; names->methods[method] && cell < STATUSES; cell++) {
				size_t place = (route * METRICS_METHODS_MAX + method) * STATUSES + cell;
				size_t offset = offsetof(struct metrics, requests) + place * sizeof(struct histogram);
				if (!sum_histogram(all, count, offset, buckets, &sum))
					continue;
				char code[8] = "other";
				if (statuses[cell])
					snprintf(code, sizeof(code), "%d", statuses[cell]);
				snprintf(labels, sizeof(labels),
				         "http_route=\"%s\",http_request_method=\"%s\",http_response_status_code=\"%s\"",
				         names->routes[route], names->methods[method], code);
				write_histogram(out, "http_server_request_duration_seconds", labels, &microseconds, buckets, sum);
			}
}

/* The parts of the text that mean something inside a label are escaped; what does not fit is cut. */
static void escape_label(char *out, size_t size, const char *text)
{
	size_t length = 0;
	for (; *text && length + 3 <= size; text++) {
		if (*text == '"' || *text == '\\' || *text == '\n')
			out[length++] = '\\';
		out[length++] = *text == '\n' ? 'n' : *text;
	}
	out[length] = '\0';
}

/* A histogram for each method and status of which there were any; `table` is the offset of the table of them. */
static void write_rpc(struct buffer *out, struct metrics *const *all, size_t count, const char *name,
                      const struct scale *scale, size_t table, const char *target)
{
	uint64_t buckets[BUCKETS], sum;
	char labels[TARGET_SIZE + 160];
	for (unsigned place = 0; place < RPC_METHODS * RPC_STATUSES; place++) {
		if (!sum_histogram(all, count, table + place * sizeof(struct histogram), buckets, &sum))
			continue;
		snprintf(labels, sizeof(labels), "grpc_method=\"%s\",grpc_target=\"%s\",grpc_status=\"%s\"",
		         rpc_methods[place / RPC_STATUSES], target, status_name((int)(place % RPC_STATUSES)));
		write_histogram(out, name, labels, scale, buckets, sum);
	}
}

static void write_started(struct buffer *out, struct metrics *const *all, size_t count, const char *target)
{
	static const char name[] = "grpc_client_attempt_started_total";
	write_head(out, name, "counter", "Attempts of calls to the service that have begun.");
	for (unsigned m = 0; m < RPC_METHODS; m++) {
		uint64_t started = 0;
		for (size_t i = 0; i < count; i++)
			started += atomic_load_explicit(&all[i]->started[m], memory_order_relaxed);
		buffer_printf(out, "%s{grpc_method=\"%s\",grpc_target=\"%s\"} %" PRIu64 "\n", name, rpc_methods[m], target,
		              started);
	}
}

/* What the gateway does as a client of the service. */
static void write_client(struct buffer *out, struct metrics *const *all, size_t count, const char *service)
{
	const struct {
		const char *name, *help;
		const struct scale *scale;
		size_t table;
	} tables[] = {
	    {"grpc_client_attempt_duration_seconds",
	     "Time of one attempt of a call to the service; several where one was repeated.", &microseconds,
	     offsetof(struct metrics, attempts)},
	    {"grpc_client_attempt_sent_total_compressed_message_size_bytes", "Bytes of request messages per attempt.",
	     &bytes, offsetof(struct metrics, sent)},
	    {"grpc_client_attempt_rcvd_total_compressed_message_size_bytes", "Bytes of response messages per attempt.",
	     &bytes, offsetof(struct metrics, received)},
	    {"grpc_client_call_duration_seconds", "Time of a call to the service, with all attempts.", &microseconds,
	     offsetof(struct metrics, calls)},
	};
	char target[TARGET_SIZE];
	escape_label(target, sizeof(target), service);
	write_started(out, all, count, target);
	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
		write_head(out, tables[i].name, "histogram", tables[i].help);
		write_rpc(out, all, count, tables[i].name, tables[i].scale, tables[i].table, target);
	}
}

/* The gateway serves no gRPC: the service's histogram stands here empty, so that one query fits both programs. */
static void write_grpc_server(struct buffer *out)
{
	static const char name[] = "grpc_server_call_duration_seconds";
	const uint64_t none[BUCKETS] = {0};
	write_head(out, name, "histogram", "Time of a gRPC call that was served; the gateway serves none.");
	write_histogram(out, name, "grpc_method=\"other\",grpc_status=\"OK\"", &microseconds, none, 0);
}

static void write_gauge(struct buffer *out, const char *name, const char *help, int64_t value)
{
	write_head(out, name, "gauge", help);
	buffer_printf(out, "%s %" PRId64 "\n", name, value);
}

void metrics_write(struct buffer *out, struct metrics *const *all, size_t count, const struct metrics_names *names)
{
	int64_t in_flight = 0, connections = 0;
	uint64_t refused = 0;
	for (size_t i = 0; i < count; i++) {
		in_flight += atomic_load_explicit(&all[i]->in_flight, memory_order_relaxed);
		connections += atomic_load_explicit(&all[i]->connections, memory_order_relaxed);
		refused += atomic_load_explicit(&all[i]->refused_connections, memory_order_relaxed);
	}
	write_head(out, "http_server_request_duration_seconds", "histogram",
	           "Time from a request's first line to its last byte.");
	write_requests(out, all, count, names);
	write_client(out, all, count, names->target);
	write_grpc_server(out);
	write_gauge(out, "http_server_active_requests", "Requests that wait for the service.", in_flight);
	write_gauge(out, "http_server_open_connections", "Open connections.", connections);
	write_head(out, "http_server_refused_connections_total", "counter", "Connections refused beyond a limit.");
	buffer_printf(out, "http_server_refused_connections_total %" PRIu64 "\n", refused);
	write_gauge(out, "callhistory_gateway_workers", "Worker threads.", (int64_t)count);
	buffer_printf(out,
	              "# HELP callhistory_build_info Version of the program.\n# TYPE callhistory_build_info gauge\n"
	              "callhistory_build_info{program=\"callhistory-gateway\",version=\"%s\"} 1\n",
	              names->version);
}
