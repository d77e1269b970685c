/*
 * metrics: one dense table per worker, indexed by route, method and status;
 * pages of it that no request touches cost no memory.
 */
#include "metrics.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/* Statuses of the gateway's answers; others are counted in the last cell. */
static const short statuses[] = {200, 204, 302, 400, 401, 403, 404, 405, 408, 409, 410,
                                 413, 414, 415, 429, 431, 499, 500, 503, 504, 505, 0};
_Static_assert(sizeof(statuses) / sizeof(statuses[0]) == METRICS_STATUSES, "a cell for each status");

/* The methods that are called; the last one stands for all others. */
static const char *const rpc_methods[] = {
    "callhistory.v1.CallHistoryService/ListCalls",
    "callhistory.v1.CallHistoryService/CountCalls",
    "callhistory.v1.CallHistoryService/GetCall",
    "callhistory.v1.CallHistoryService/ListCallChanges",
    "callhistory.v1.CallIngestService/MergeCalls",
    "grpc.health.v1.Health/Check",
    "other",
};
_Static_assert(sizeof(rpc_methods) / sizeof(rpc_methods[0]) == METRICS_RPC_METHODS, "a row for each method");
enum { TARGET_SIZE = 512 };

void metrics_request(struct metrics *metrics, unsigned route, unsigned method, int status, int64_t duration_us)
{
	unsigned cell = 0;
	if (route >= METRICS_ROUTES_MAX || method >= METRICS_METHODS_MAX)
		return;
	while (cell < METRICS_STATUSES - 1 && statuses[cell] != status)
		cell++;
	metric_observe(metrics->requests[route][method][cell], &metric_durations, duration_us);
}

static size_t rpc_method(const char *method)
{
	return metric_method(rpc_methods, METRICS_RPC_METHODS, method);
}

void metrics_attempt_started(void *metrics, const char *method)
{
	metric_add(&((struct metrics *)metrics)->started[rpc_method(method)], 1);
}

void metrics_attempt(void *data, const struct rpc_channel_report *report)
{
	struct metrics *metrics = data;
	size_t m = rpc_method(report->method), s = metric_status((int)report->status);
	metric_observe(metrics->attempts[m][s], &metric_durations, report->duration_us);
	metric_observe(metrics->sent[m][s], &metric_sizes, (int64_t)report->request_bytes);
	metric_observe(metrics->received[m][s], &metric_sizes, (int64_t)report->response_bytes);
}

void metrics_call(void *data, const struct rpc_channel_report *report)
{
	struct metrics *metrics = data;
	metric_observe(metrics->calls[rpc_method(report->method)][metric_status((int)report->status)], &metric_durations,
	               report->duration_us);
}

static void write_requests(const struct metric_page *page, const struct metrics_names *names)
{
	static const char name[] = "http_server_request_duration_seconds";
	char labels[160];
	metric_head(page, name, "histogram", "Time from a request's first line to its last byte.");
	for (unsigned route = 0; route < METRICS_ROUTES_MAX; route++)
		for (unsigned method = 0; names->route(route) && method < METRICS_METHODS_MAX; method++)
			for (unsigned cell = 0; names->methods[method] && cell < METRICS_STATUSES; cell++) {
				size_t place = (route * METRICS_METHODS_MAX + method) * METRICS_STATUSES + cell;
				size_t offset = offsetof(struct metrics, requests) + place * sizeof(metrics_durations);
				if (!metric_count(page, offset, &metric_durations))
					continue;
				char code[8] = "other";
				if (statuses[cell])
					snprintf(code, sizeof(code), "%d", statuses[cell]);
				snprintf(labels, sizeof(labels),
				         "http_route=\"%s\",http_request_method=\"%s\",http_response_status_code=\"%s\"",
				         names->route(route), names->methods[method], code);
				metric_histogram(page, name, labels, offset, &metric_durations);
			}
}

/* Escapes the characters that are special in a label; text that does not fit is cut. */
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

/* What the gateway does as a client of the service. */
static void write_client(const struct metric_page *page, const char *service)
{
	static const char started[] = "grpc_client_attempt_started_total";
	static const struct metric_calls tables[] = {
	    {"grpc_client_attempt_duration_seconds",
	     "Time of one attempt of a call to the service; several where one was repeated.", &metric_durations,
	     offsetof(struct metrics, attempts)},
	    {"grpc_client_attempt_sent_total_compressed_message_size_bytes", "Bytes of request messages per attempt.",
	     &metric_sizes, offsetof(struct metrics, sent)},
	    {"grpc_client_attempt_rcvd_total_compressed_message_size_bytes", "Bytes of response messages per attempt.",
	     &metric_sizes, offsetof(struct metrics, received)},
	    {"grpc_client_call_duration_seconds", "Time of a call to the service, with all attempts.", &metric_durations,
	     offsetof(struct metrics, calls)},
	};
	char target[TARGET_SIZE], label[TARGET_SIZE + 32];
	escape_label(target, sizeof(target), service);
	snprintf(label, sizeof(label), "grpc_target=\"%s\",", target);
	metric_head(page, started, "counter", "Attempts of calls to the service that have begun.");
	for (unsigned m = 0; m < METRICS_RPC_METHODS; m++) {
		uint64_t value = metric_sum(page, offsetof(struct metrics, started) + m * sizeof(_Atomic uint64_t));
		if (value || m < METRICS_RPC_METHODS - 1)
			buffer_printf(page->out, "%s{grpc_method=\"%s\",grpc_target=\"%s\"} %" PRIu64 "\n", started, rpc_methods[m],
			              target, value);
	}
	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++)
		metric_write_calls(page, &tables[i], rpc_methods, METRICS_RPC_METHODS, label);
}

/*
 * The gateway serves no gRPC: its histogram is empty, so that one query works for both programs. It names a method of
 * the service, so that queries by method do not find another one.
 */
static void write_grpc_server(struct buffer *out)
{
	static const char name[] = "grpc_server_call_duration_seconds";
	const struct metric_page none = {out, NULL, 0};
	metric_head(&none, name, "histogram", "Time of a gRPC call that was served; the gateway serves none.");
	metric_histogram(&none, name, "grpc_method=\"callhistory.v1.CallHistoryService/ListCalls\",grpc_status=\"OK\"", 0,
	                 &metric_durations);
}

void metrics_write(struct buffer *out, struct metrics *const *all, size_t count, const struct metrics_names *names)
{
	static const struct metric_member members[] = {
	    {"http_server_active_requests", "", "gauge", "Requests that wait for the service.",
	     offsetof(struct metrics, in_flight)},
	    {"http_server_open_connections", "", "gauge", "Open connections.", offsetof(struct metrics, connections)},
	    {"http_server_refused_connections_total", "", "counter", "Connections refused beyond a limit.",
	     offsetof(struct metrics, refused_connections)},
	};
	const struct metric_page page = {out, (const void *const *)all, count};
	write_requests(&page, names);
	write_client(&page, names->target);
	write_grpc_server(out);
	metric_members(&page, members, sizeof(members) / sizeof(members[0]));
	metric_each(&page, "callhistory_worker_requests", "Requests in progress in each worker.",
	            offsetof(struct metrics, in_flight));
	metric_each(&page, "callhistory_worker_requests_limit",
	            "Requests in progress that a worker allows; it refuses more.",
	            offsetof(struct metrics, in_flight_limit));
	metric_value(&page, "callhistory_gateway_workers", "gauge", "Worker threads.", count);
	metric_write_build(&page, "callhistory-gateway", names->version);
}
