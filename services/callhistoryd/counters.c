/* callhistoryd/counters: the names of the counters. */
#include "counters.h"

#include <inttypes.h>

#include "connections.h"

/* The methods with counters of their own; the last one is for all others. */
static const char *const methods[COUNTERS_METHODS] = {
    "callhistory.v1.CallHistoryService/ListCalls",
    "callhistory.v1.CallHistoryService/CountCalls",
    "callhistory.v1.CallHistoryService/GetCall",
    "callhistory.v1.CallHistoryService/ListCallChanges",
    "callhistory.v1.CallHistoryService/ExportCalls",
    "callhistory.v1.CallIngestService/RecordCalls",
    "callhistory.v1.CallIngestService/MergeCalls",
    "callhistory.v1.CallIngestService/DeleteCalls",
    "grpc.health.v1.Health/Check",
    "grpc.health.v1.Health/Watch",
    "other",
};

static uint64_t arrivals_of(const struct metric_page *page, size_t method)
{
	return metric_sum(page, offsetof(struct counters, arrived) + method * sizeof(_Atomic uint64_t));
}

void counters_add_arrival(struct counters *counters, const char *method)
{
	metric_add(&counters->arrived[metric_method(methods, COUNTERS_METHODS, method)], 1);
}

void counters_add_call(struct counters *counters, const char *method, int status, int64_t duration_us,
                       size_t request_bytes, size_t response_bytes)
{
	size_t m = metric_method(methods, COUNTERS_METHODS, method), s = metric_status(status);
	metric_observe(counters->calls[m][s], &metric_durations, duration_us);
	metric_observe(counters->received[m][s], &metric_sizes, (int64_t)request_bytes);
	metric_observe(counters->sent[m][s], &metric_sizes, (int64_t)response_bytes);
	metric_add(&counters->request_bytes, request_bytes);
	metric_add(&counters->response_bytes, response_bytes);
}

void counters_set_redis(struct counters *counters, const struct redis *redis)
{
	struct redis_stats stats;
	uint64_t values[sizeof(stats) / sizeof(uint64_t)];
	redis_get_stats(redis, &stats);
	memcpy(values, &stats, sizeof(values));
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); ++i)
		metric_set(&counters->redis[i], values[i]);
	metric_set(&counters->redis_connected, redis_connected(redis));
	metric_set(&counters->redis_pending, redis_pending(redis));
	metric_set(&counters->redis_evicts, !!(stats.risks & REDIS_RISK_EVICTION));
	metric_set(&counters->redis_not_appended, !!(stats.risks & REDIS_RISK_NO_APPEND_ONLY_FILE));
	metric_set(&counters->redis_unlimited, !!(stats.risks & REDIS_RISK_NO_MEMORY_LIMIT));
}

void counters_set_store(struct counters *counters, const struct store *store)
{
	struct store_stats stats;
	store_get_stats(store, &stats);
	metric_set(&counters->token_hits, stats.token_hits);
	metric_set(&counters->token_misses, stats.token_misses);
	metric_set(&counters->missing_records, stats.missing);
}

static void write_calls(const struct metric_page *page)
{
	static const char arrived[] = "grpc_server_call_started_total";
	static const struct metric_calls tables[] = {
	    {"grpc_server_call_duration_seconds", "Time from a call's arrival to its answer.", &metric_durations,
	     offsetof(struct counters, calls)},
	    {"grpc_server_call_sent_total_compressed_message_size_bytes", "Bytes of response messages per call.",
	     &metric_sizes, offsetof(struct counters, sent)},
	    {"grpc_server_call_rcvd_total_compressed_message_size_bytes", "Bytes of request messages per call.",
	     &metric_sizes, offsetof(struct counters, received)},
	};
	metric_head(page, arrived, "counter", "Calls that have arrived.");
	for (size_t m = 0; m < COUNTERS_METHODS; ++m)
		buffer_printf(page->out, "%s{grpc_method=\"%s\"} %" PRIu64 "\n", arrived, methods[m], arrivals_of(page, m));
	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); ++i)
		metric_write_calls(page, &tables[i], methods, COUNTERS_METHODS, "");
}

#define AT(member) offsetof(struct counters, member)
#define AT_REDIS(member) (AT(redis) + offsetof(struct redis_stats, member))

static const struct metric_member members[] = {
    {"grpc_server_calls_in_flight", "", "gauge", "Calls being handled.", AT(in_flight)},
    {"grpc_server_call_received_bytes_total", "", "counter", "Bytes of request messages.", AT(request_bytes)},
    {"grpc_server_call_sent_bytes_total", "", "counter", "Bytes of response messages.", AT(response_bytes)},
    {"callhistory_redis_connections", "", "gauge", "Connections to Redis that are open, one per worker.",
     AT(redis_connected)},
    {"callhistory_redis_pending_commands", "", "gauge", "Commands without a reply.", AT(redis_pending)},
    {"callhistory_redis_commands_total", "", "counter", "Commands sent.", AT_REDIS(commands)},
    {"callhistory_redis_writes_total", "", "counter",
     "Writes to Redis; commands divided by writes is the depth of the pipeline.", AT_REDIS(writes)},
    {"callhistory_redis_replies_total", "", "counter", "Replies received.", AT_REDIS(replies)},
    {"callhistory_redis_reconnects_total", "", "counter", "Reconnects.", AT_REDIS(reconnects)},
    {"callhistory_redis_timeouts_total", "", "counter", "Commands whose deadline passed.", AT_REDIS(timeouts)},
    {"callhistory_redis_redirects_total", "{kind=\"moved\"}", "counter",
     "Redirections by nodes of a cluster that were followed.", AT_REDIS(moved)},
    {"callhistory_redis_redirects_total", "{kind=\"ask\"}", NULL, NULL, AT_REDIS(asked)},
    {"callhistory_redis_delayed_total", "", "counter",
     "Commands sent again later: a slot that moves, a cluster that is down, too few replicas.", AT_REDIS(delayed)},
    {"callhistory_redis_refreshes_total", "", "counter", "Updates of the cluster map or of a sentinel's master.",
     AT_REDIS(refreshes)},
    {"callhistory_redis_parked_commands", "", "gauge", "Commands that wait for a server to take them.",
     AT_REDIS(parked)},
    {"callhistory_redis_slots_unassigned", "", "gauge",
     "Slots of the cluster without a master, summed over the workers.", AT_REDIS(unassigned)},
    {"callhistory_redis_map_age_seconds", "", "gauge",
     "Time since the cluster's map, or the sentinels' master, was confirmed, summed over the workers.",
     AT_REDIS(map_age_s)},
    {"callhistory_redis_setting_risk", "{setting=\"maxmemory-policy\"}", "gauge",
     "Workers whose Redis has a setting that loses data.", AT(redis_evicts)},
    {"callhistory_redis_setting_risk", "{setting=\"appendonly\"}", NULL, NULL, AT(redis_not_appended)},
    {"callhistory_redis_setting_risk", "{setting=\"maxmemory\"}", NULL, NULL, AT(redis_unlimited)},
    {"callhistory_token_cache_hits_total", "", "counter", "Tokens found in the cache.", AT(token_hits)},
    {"callhistory_token_cache_misses_total", "", "counter", "Tokens looked up in Redis.", AT(token_misses)},
    {"callhistory_missing_records_total", "", "counter",
     "References in indexes whose call was missing when they were read.", AT(missing_records)},
};

static void write_redis_times(const struct metric_page *page)
{
	static const char name[] = "callhistory_redis_round_trip_seconds";
	const struct metric_scale times = {redis_latency_bounds_us,
	                                   sizeof(((struct redis_stats *)0)->latency_buckets) / sizeof(uint64_t), 1e-6};
	metric_head(page, name, "histogram", "Time from a command to its reply.");
	/* The sum follows the buckets. */
	metric_histogram(page, name, "", AT_REDIS(latency_buckets), &times);
}

static void write_connections(const struct metric_page *page)
{
	static const char closed[] = "callhistory_connections_closed_total";
	struct connections_stats stats;
	connections_get_stats(&stats);
	metric_value(page, "callhistory_connections", "gauge", "Client connections that are open.", stats.open);
	metric_head(page, closed, "counter", "Client connections refused or closed by a limit, by reason.");
	for (unsigned i = RPC_FRAMES_GOOD + 1; i < CONNECTIONS_REASONS; ++i)
		buffer_printf(page->out, "%s{reason=\"%s\"} %" PRIu64 "\n", closed,
		              connections_reason_name((enum connections_reason)i), stats.closed[i]);
}

uint64_t counters_arrivals(const struct counters *const *workers, size_t count)
{
	const struct metric_page page = {NULL, (const void *const *)workers, count};
	uint64_t arrivals = 0;
	for (size_t m = 0; m < COUNTERS_METHODS; ++m)
		arrivals += arrivals_of(&page, m);
	return arrivals;
}

void counters_write(struct buffer *out, const struct counters *const *workers, size_t count, int64_t start_unix_ms,
                    const struct memory_budget *memory, uint64_t log_dropped)
{
	const struct metric_page page = {out, (const void *const *)workers, count};
	write_calls(&page);
	metric_members(&page, members, sizeof(members) / sizeof(members[0]));
	metric_each(&page, "callhistory_worker_requests", "Requests in progress in each worker.", AT(in_flight));
	metric_each(&page, "callhistory_worker_requests_limit",
	            "Requests in progress that a worker allows; it refuses more.", AT(in_flight_limit));
	write_redis_times(&page);
	write_connections(&page);
	metric_value(&page, "callhistory_memory_budget_bytes", "gauge", "Memory that requests and answers may take.",
	             memory->limit);
	metric_value(&page, "callhistory_memory_used_bytes", "gauge", "Memory that requests and answers use.",
	             memory->used);
	metric_value(&page, "callhistory_memory_refused_total", "counter", "Times that the memory budget was exhausted.",
	             memory->refused);
	metric_value(&page, "callhistory_log_lines_dropped_total", "counter",
	             "Log lines dropped because standard error was not read.", log_dropped);
	metric_value(&page, "callhistory_workers", "gauge", "Workers.", count);
	metric_write_build(&page, "callhistoryd", CALLHISTORY_VERSION);
	metric_head(&page, "process_start_time_seconds", "gauge", "When the process began, in Unix time.");
	buffer_printf(out, "process_start_time_seconds %.3f\n", (double)start_unix_ms / 1e3);
}
