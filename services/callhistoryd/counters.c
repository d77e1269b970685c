/* callhistoryd/counters: histograms and gauges, and their text. */
#include "counters.h"

#include <stdio.h>
#include <string.h>

#include "base/status.h"
#include "connections.h"

/* The methods that are counted apart; the last one stands for all others. */
static const char *const methods[COUNTERS_METHODS] = {
    "callhistory.v1.CallHistoryService/ListCalls",
    "callhistory.v1.CallHistoryService/CountCalls",
    "callhistory.v1.CallHistoryService/GetCall",
    "callhistory.v1.CallIngestService/RecordCalls",
    "grpc.health.v1.Health/Check",
    "grpc.health.v1.Health/Watch",
    "other",
};

/* Upper bounds; the last bucket has none. */
static const int64_t bounds_us[COUNTERS_BUCKETS - 1] = {
    100, 250, 500, 1000, 2500, 5000, 10000, 25000, 50000, 100000, 250000, 500000, 1000000, 2500000, 5000000, 10000000,
};

/* Upper bounds of messages; the last bucket has none. */
static const int64_t bounds_bytes[COUNTERS_SIZES - 1] = {
    64, 256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216, 67108864,
};

/* There is one writer: a plain addition that readers see whole. */
static void add(_Atomic uint64_t *counter, uint64_t value)
{
	atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + value, memory_order_relaxed);
}

static void put(_Atomic uint64_t *counter, uint64_t value)
{
	atomic_store_explicit(counter, value, memory_order_relaxed);
}

static uint64_t get(const _Atomic uint64_t *counter)
{
	return atomic_load_explicit(counter, memory_order_relaxed);
}

static size_t method_index(const char *method)
{
	size_t m = 0;
	while (m < COUNTERS_METHODS - 1 && strcmp(methods[m], method) != 0)
		++m;
	return m;
}

void counters_add_arrival(struct counters *counters, const char *method)
{
	add(&counters->arrived[method_index(method)], 1);
}

static void add_size(struct counters_sizes *sizes, size_t bytes)
{
	size_t bucket = 0;
	while (bucket < COUNTERS_SIZES - 1 && bytes > (size_t)bounds_bytes[bucket])
		++bucket;
	add(&sizes->buckets[bucket], 1);
	add(&sizes->sum, bytes);
}

void counters_add_call(struct counters *counters, const char *method, int status, int64_t duration_us,
                       size_t request_bytes, size_t response_bytes)
{
	size_t m = method_index(method), bucket = 0;
	while (bucket < COUNTERS_BUCKETS - 1 && duration_us > bounds_us[bucket])
		++bucket;
	if (status < 0 || status >= COUNTERS_STATUSES)
		status = STATUS_UNKNOWN;
	struct counters_durations *durations = &counters->calls[m][status];
	add(&durations->buckets[bucket], 1);
	add(&durations->sum_us, duration_us > 0 ? (uint64_t)duration_us : 0);
	add_size(&counters->received[m][status], request_bytes);
	add_size(&counters->sent[m][status], response_bytes);
	add(&counters->request_bytes, request_bytes);
	add(&counters->response_bytes, response_bytes);
}

_Static_assert(COUNTERS_REDIS_BUCKETS == sizeof(((struct redis_stats *)0)->latency_buckets) / sizeof(uint64_t),
               "redis counts in as many buckets");

void counters_set_redis(struct counters *counters, const struct redis *redis)
{
	struct redis_stats stats;
	redis_get_stats(redis, &stats);
	put(&counters->redis_connected, redis_connected(redis));
	put(&counters->redis_pending, redis_pending(redis));
	put(&counters->redis_commands, stats.commands);
	put(&counters->redis_replies, stats.replies);
	put(&counters->redis_writes, stats.writes);
	put(&counters->redis_reconnects, stats.reconnects);
	put(&counters->redis_timeouts, stats.timeouts);
	for (size_t i = 0; i < COUNTERS_REDIS_BUCKETS; ++i)
		put(&counters->redis_latency[i], stats.latency_buckets[i]);
	put(&counters->redis_latency_sum_us, stats.latency_sum_us);
	put(&counters->redis_moved, stats.moved);
	put(&counters->redis_asked, stats.asked);
	put(&counters->redis_delayed, stats.delayed);
	put(&counters->redis_refreshes, stats.refreshes);
	put(&counters->redis_parked, stats.parked);
	put(&counters->redis_unassigned, stats.unassigned);
	put(&counters->redis_evicts, !!(stats.risks & REDIS_RISK_EVICTION));
	put(&counters->redis_not_appended, !!(stats.risks & REDIS_RISK_NO_APPEND_ONLY_FILE));
	put(&counters->redis_unlimited, !!(stats.risks & REDIS_RISK_NO_MEMORY_LIMIT));
}

void counters_set_store(struct counters *counters, const struct store *store)
{
	struct store_stats stats;
	store_get_stats(store, &stats);
	put(&counters->token_hits, stats.token_hits);
	put(&counters->token_misses, stats.token_misses);
	put(&counters->missing_records, stats.missing);
}

/* All workers' counters; `offset` says which one is meant. */
struct sum {
	const struct counters *const *workers;
	size_t count;
};

static uint64_t total(const struct sum *sum, size_t offset)
{
	uint64_t value = 0;
	for (size_t i = 0; i < sum->count; ++i)
		value += get((const _Atomic uint64_t *)((const char *)sum->workers[i] + offset));
	return value;
}

#define TOTAL(sum, member) total(sum, offsetof(struct counters, member))

static void write_head(struct buffer *out, const char *name, const char *type, const char *help)
{
	buffer_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void write_value(struct buffer *out, const char *name, const char *type, const char *help, uint64_t value)
{
	write_head(out, name, type, help);
	buffer_printf(out, "%s %llu\n", name, (unsigned long long)value);
}

/* How a histogram counts: the unit of its bounds and of its sum, as a part of the metric's. */
struct scale {
	const int64_t *bounds;
	size_t buckets;
	double unit;
};

/* Writes a histogram's lines; `first` is the offset of its first bucket. */
static void write_histogram(struct buffer *out, const struct sum *sum, const char *name, const char *labels,
                            size_t first, const struct scale *scale, uint64_t sum_units)
{
	uint64_t count = 0;
	const char *comma = *labels ? "," : "";
	for (size_t i = 0; i < scale->buckets; ++i) {
		count += total(sum, first + i * sizeof(_Atomic uint64_t));
		buffer_printf(out, "%s_bucket{%s%sle=\"", name, labels, comma);
		if (i + 1 < scale->buckets)
			buffer_printf(out, "%.9g\"} %llu\n", (double)scale->bounds[i] * scale->unit, (unsigned long long)count);
		else
			buffer_printf(out, "+Inf\"} %llu\n", (unsigned long long)count);
	}
	const char *open = *labels ? "{" : "", *close = *labels ? "}" : "";
	buffer_printf(out, "%s_sum%s%s%s %.6f\n", name, open, labels, close, (double)sum_units * scale->unit);
	buffer_printf(out, "%s_count%s%s%s %llu\n", name, open, labels, close, (unsigned long long)count);
}

/* One histogram for each method and status of which there were calls; `table` is the offset of the table of them. */
static void write_by_method(struct buffer *out, const struct sum *sum, const char *name, size_t table,
                            const struct scale *scale)
{
	size_t size = (scale->buckets + 1) * sizeof(_Atomic uint64_t); /* the sum follows the buckets */
	for (size_t m = 0; m < COUNTERS_METHODS; ++m)
		for (int s = 0; s < COUNTERS_STATUSES; ++s) {
			size_t first = table + (m * COUNTERS_STATUSES + (size_t)s) * size;
			uint64_t seen = 0;
			char labels[160];
			for (size_t i = 0; i < scale->buckets; ++i)
				seen += total(sum, first + i * sizeof(_Atomic uint64_t));
			if (!seen)
				continue;
			snprintf(labels, sizeof(labels), "grpc_method=\"%s\",grpc_status=\"%s\"", methods[m], status_name(s));
			write_histogram(out, sum, name, labels, first, scale, total(sum, first + size - sizeof(_Atomic uint64_t)));
		}
}

static void write_arrivals(struct buffer *out, const struct sum *sum)
{
	static const char name[] = "grpc_server_call_started_total";
	write_head(out, name, "counter", "Calls that have come.");
	for (size_t m = 0; m < COUNTERS_METHODS; ++m)
		buffer_printf(
		    out, "%s{grpc_method=\"%s\"} %llu\n", name, methods[m],
		    (unsigned long long)total(sum, offsetof(struct counters, arrived) + m * sizeof(_Atomic uint64_t)));
}

_Static_assert(sizeof(struct counters_durations) == (COUNTERS_BUCKETS + 1) * sizeof(_Atomic uint64_t), "sum is last");
_Static_assert(sizeof(struct counters_sizes) == (COUNTERS_SIZES + 1) * sizeof(_Atomic uint64_t), "sum is last");

static void write_calls(struct buffer *out, const struct sum *sum)
{
	static const char duration[] = "grpc_server_call_duration_seconds";
	static const char sent[] = "grpc_server_call_sent_total_compressed_message_size_bytes";
	static const char received[] = "grpc_server_call_rcvd_total_compressed_message_size_bytes";
	const struct scale times = {bounds_us, COUNTERS_BUCKETS, 1e-6}, sizes = {bounds_bytes, COUNTERS_SIZES, 1};
	write_arrivals(out, sum);
	write_head(out, duration, "histogram", "Time from a call's arrival to its answer.");
	write_by_method(out, sum, duration, offsetof(struct counters, calls), &times);
	write_head(out, sent, "histogram", "Bytes of response messages per call.");
	write_by_method(out, sum, sent, offsetof(struct counters, sent), &sizes);
	write_head(out, received, "histogram", "Bytes of request messages per call.");
	write_by_method(out, sum, received, offsetof(struct counters, received), &sizes);
}

static void write_redis(struct buffer *out, const struct sum *sum)
{
	static const char name[] = "callhistory_redis_round_trip_seconds";
	write_head(out, name, "histogram", "Time from a command to its reply.");
	const struct scale times = {redis_latency_bounds_us, COUNTERS_REDIS_BUCKETS, 1e-6};
	write_histogram(out, sum, name, "", offsetof(struct counters, redis_latency), &times,
	                TOTAL(sum, redis_latency_sum_us));
	write_value(out, "callhistory_redis_connections", "gauge", "Connections to Redis that are up, one per worker.",
	            TOTAL(sum, redis_connected));
	write_value(out, "callhistory_redis_pending_commands", "gauge", "Commands without a reply yet.",
	            TOTAL(sum, redis_pending));
	write_value(out, "callhistory_redis_commands_total", "counter", "Commands sent.", TOTAL(sum, redis_commands));
	write_value(out, "callhistory_redis_writes_total", "counter",
	            "Writes to Redis; commands divided by writes is the depth of the pipeline.", TOTAL(sum, redis_writes));
	write_value(out, "callhistory_redis_replies_total", "counter", "Replies received.", TOTAL(sum, redis_replies));
	write_value(out, "callhistory_redis_reconnects_total", "counter", "Connections made anew.",
	            TOTAL(sum, redis_reconnects));
	write_value(out, "callhistory_redis_timeouts_total", "counter", "Commands whose deadline passed.",
	            TOTAL(sum, redis_timeouts));
}

static void write_redis_cluster(struct buffer *out, const struct sum *sum)
{
	static const char redirects[] = "callhistory_redis_redirects_total", risk[] = "callhistory_redis_setting_risk";
	write_head(out, redirects, "counter", "Redirections by nodes of a cluster that were followed.");
	buffer_printf(out, "%s{kind=\"moved\"} %llu\n", redirects, (unsigned long long)TOTAL(sum, redis_moved));
	buffer_printf(out, "%s{kind=\"ask\"} %llu\n", redirects, (unsigned long long)TOTAL(sum, redis_asked));
	write_value(out, "callhistory_redis_delayed_total", "counter",
	            "Commands sent again later: a slot that moves, a cluster that is down, too few replicas.",
	            TOTAL(sum, redis_delayed));
	write_value(out, "callhistory_redis_refreshes_total", "counter", "Cluster maps and masters of sentinels taken.",
	            TOTAL(sum, redis_refreshes));
	write_value(out, "callhistory_redis_parked_commands", "gauge", "Commands that wait for a server to take them.",
	            TOTAL(sum, redis_parked));
	write_value(out, "callhistory_redis_slots_unassigned", "gauge",
	            "Slots of the cluster without a master, summed over the workers.", TOTAL(sum, redis_unassigned));
	write_head(out, risk, "gauge", "Workers whose Redis has a setting that loses data.");
	buffer_printf(out, "%s{setting=\"maxmemory-policy\"} %llu\n", risk, (unsigned long long)TOTAL(sum, redis_evicts));
	buffer_printf(out, "%s{setting=\"appendonly\"} %llu\n", risk, (unsigned long long)TOTAL(sum, redis_not_appended));
	buffer_printf(out, "%s{setting=\"maxmemory\"} %llu\n", risk, (unsigned long long)TOTAL(sum, redis_unlimited));
}

static void write_connections(struct buffer *out)
{
	static const char closed[] = "callhistory_connections_closed_total";
	struct connections_stats stats;
	connections_get_stats(&stats);
	write_value(out, "callhistory_connections", "gauge", "Client connections that are open.", stats.open);
	write_head(out, closed, "counter", "Client connections refused or closed by a limit, by reason.");
	for (unsigned i = RPC_FRAMES_GOOD + 1; i < CONNECTIONS_REASONS; ++i)
		buffer_printf(out, "%s{reason=\"%s\"} %llu\n", closed, connections_reason_name((enum connections_reason)i),
		              (unsigned long long)stats.closed[i]);
}

uint64_t counters_arrivals(const struct counters *const *workers, size_t count)
{
	struct sum sum = {workers, count};
	uint64_t arrivals = 0;
	for (size_t m = 0; m < COUNTERS_METHODS; ++m)
		arrivals += total(&sum, offsetof(struct counters, arrived) + m * sizeof(_Atomic uint64_t));
	return arrivals;
}

void counters_write(struct buffer *out, const struct counters *const *workers, size_t count, int64_t start_unix_ms,
                    const struct memory_budget *memory, uint64_t log_dropped)
{
	struct sum sum = {workers, count};
	write_calls(out, &sum);
	write_value(out, "grpc_server_calls_in_flight", "gauge", "Calls being handled.", TOTAL(&sum, in_flight));
	write_value(out, "grpc_server_call_received_bytes_total", "counter", "Bytes of request messages.",
	            TOTAL(&sum, request_bytes));
	write_value(out, "grpc_server_call_sent_bytes_total", "counter", "Bytes of response messages.",
	            TOTAL(&sum, response_bytes));
	write_redis(out, &sum);
	write_redis_cluster(out, &sum);
	write_connections(out);
	write_value(out, "callhistory_token_cache_hits_total", "counter", "Tokens that were known without asking Redis.",
	            TOTAL(&sum, token_hits));
	write_value(out, "callhistory_token_cache_misses_total", "counter", "Tokens that Redis was asked for.",
	            TOTAL(&sum, token_misses));
	write_value(out, "callhistory_memory_budget_bytes", "gauge", "Memory that requests and answers may take.",
	            memory->limit);
	write_value(out, "callhistory_memory_used_bytes", "gauge", "Memory that they take.", memory->used);
	write_value(out, "callhistory_memory_refused_total", "counter", "Times that the budget was used up.",
	            memory->refused);
	write_value(out, "callhistory_log_lines_dropped_total", "counter", "Log lines dropped because nobody read them.",
	            log_dropped);
	write_value(out, "callhistory_missing_records_total", "counter",
	            "References in indexes whose call was missing when they were read.", TOTAL(&sum, missing_records));
	write_value(out, "callhistory_workers", "gauge", "Workers.", count);
	write_head(out, "callhistory_build_info", "gauge", "The program's version.");
	buffer_printf(out, "callhistory_build_info{program=\"callhistoryd\",version=\"%s\"} 1\n", CALLHISTORY_VERSION);
	write_head(out, "process_start_time_seconds", "gauge", "When the process began, in Unix time.");
	buffer_printf(out, "process_start_time_seconds %.3f\n", (double)start_unix_ms / 1e3);
}
