/* access: numbers are masked, tokens never written. */
#include "access.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/trace_parent.h"
#include "metrics.h"
#include "route.h"
#include "worker_resources.h"

/* Whether this one is in the sample. */
static bool is_sampled(struct request *request)
{
	double share = worker_settings(request->worker)->access_log;
	if (share <= 0 || !log_enabled(worker_log(request->worker), LOG_INFO))
		return false;
	return (double)(trace_next(worker_trace(request->worker)) >> 11) * 0x1p-53 < share;
}

static void write_line(struct request *request, int status, int64_t duration_us)
{
	char number[64], code[16], duration[32], bytes[32], trace[TRACE_ID_SIZE];
	const char *phone = request->contract.phone;
	snprintf(code, sizeof(code), "%d", status);
	snprintf(duration, sizeof(duration), "%lld", (long long)duration_us);
	snprintf(bytes, sizeof(bytes), "%zu", request->answer.body.length);
	log_write(worker_log(request->worker), LOG_INFO, "request", "method", request_method_names[request->method],
	          "route", routes_labels[routes_index(request->route)], "status", code, "duration_us", duration, "bytes",
	          bytes, "phone", phone ? log_mask_number(number, sizeof(number), phone) : NULL, "request_id",
	          request->request_id, "traceparent", request->traceparent, "trace_id",
	          trace_parent_id(trace, request->traceparent), "grpc_status",
	          request->context.status ? status_name((int)request->context.status) : NULL, NULL);
}

void access_finish(struct request *request, bool sent)
{
	int64_t duration_us = clock_monotonic_us() - request->received_us;
	/* A request without an answer, or whose answer was not taken, counts as ended by the client (499). */
	int status = request->answered && sent ? request->answer.status : 499;
	metrics_request(worker_metrics(request->worker), routes_index(request->route), request->method, status,
	                duration_us);
	if (status == 500 || is_sampled(request))
		write_line(request, status, duration_us);
}
