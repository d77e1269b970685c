/* link: creates the channel, then its stub; destroys them in reverse order. */
#include "link.h"

#include <errno.h>
#include <spliced.pb-c.h>
#include <stdlib.h>

#include "callhistory/v1/call_history_service.pb-c.h"

struct link {
	struct rpc_channel *channel;
	ProtobufCService *history; /* the channel's */
};

static void count_start(void *data, const char *method)
{
	metrics_attempt_started(data, method);
}

static void count_attempt(void *data, const struct rpc_channel_report *report)
{
	metrics_attempt(data, report->method, (int)report->status, report->duration_us, report->request_bytes,
	                report->response_bytes);
}

static void count_call(void *data, const struct rpc_channel_report *report)
{
	metrics_call(data, report->method, (int)report->status, report->duration_us);
}

int link_create(struct link **out, struct rpc_queue *queue, const struct link_options *options)
{
	struct rpc_channel_options channel_options;
	struct link *link = calloc(1, sizeof(*link));
	if (!link)
		return -ENOMEM;
	rpc_channel_options_init(&channel_options);
	channel_options.tls_ca = options->ca;
	channel_options.tls_cert = options->cert;
	channel_options.tls_key = options->key;
	channel_options.keepalive_ms = options->keepalive_ms;
	channel_options.keepalive_timeout_ms = options->keepalive_timeout_ms;
	channel_options.silence_ms = options->silence_ms;
	channel_options.attempt_started = count_start;
	channel_options.report_attempt = count_attempt;
	channel_options.report_call = count_call;
	channel_options.report_data = options->metrics;
	int result = rpc_channel_create(&link->channel, queue, options->address, &channel_options);
	if (!result)
		result = rpc_channel_service(link->channel, &callhistory__spliced__call_history_service__descriptor,
		                             callhistory__v1__call_history_service__descriptor.name, &link->history);
	if (result)
		link_destroy(link);
	else
		*out = link;
	return result;
}

void link_destroy(struct link *link)
{
	if (!link)
		return;
	rpc_channel_destroy(link->channel);
	free(link);
}

ProtobufCService *link_history(const struct link *link)
{
	return link->history;
}

bool link_is_busy(const struct link *link)
{
	return link && rpc_channel_in_flight(link->channel);
}
