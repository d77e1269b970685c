/* operation: small answers without credentials. */
#include "operation.h"

#include "gateway_openapi.h"
#include "http.h"
#include "metrics.h"
#include "routes.h"
#include "settings.h"
#include "worker.h"

static void answer_text(struct request *request, int status, const char *content_type, const void *text, size_t length)
{
	request->answer.status = status;
	request->answer.content_type = content_type;
	buffer_append(&request->answer.body, text, length);
}

static void answer_status(struct request *request, bool good)
{
	request->answer.status = good ? 200 : 503;
	request->answer.content_type = "application/json; charset=utf-8";
	buffer_printf(&request->answer.body, "{\"status\":\"%s\"}", good ? "ok" : "unavailable");
	if (!good)
		answer_header(request, "Retry-After", "1");
}

void operation_healthz(struct request *request)
{
	answer_status(request, worker_all_alive(request->worker));
	http_answer(request);
}

void operation_readyz(struct request *request)
{
	answer_status(request, worker_is_ready(request->worker));
	http_answer(request);
}

void operation_metrics(struct request *request)
{
	const struct metrics_names names = {routes_labels, request_method_names, worker_settings(request->worker)->service,
	                                    CALLHISTORY_VERSION};
	size_t count;
	struct metrics *const *all = worker_all_metrics(request->worker, &count);
	request->answer.status = 200;
	request->answer.content_type = "text/plain; version=0.0.4; charset=utf-8";
	metrics_write(&request->answer.body, all, count, &names);
	http_answer(request);
}

void operation_openapi(struct request *request)
{
	answer_text(request, 200, "application/json; charset=utf-8", gateway_openapi, gateway_openapi_size);
	http_answer(request);
}
