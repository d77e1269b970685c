/* operation: small answers without credentials. */
#include "operation.h"

#include "gateway_docs.h"
#include "gateway_docs_script.h"
#include "gateway_openapi.h"
#include "http.h"
#include "route.h"
#include "worker_resources.h"

static void answer_text(struct request *request, const char *content_type, const void *text, size_t length)
{
	request->answer.status = 200;
	request->answer.content_type = content_type;
	buffer_append(&request->answer.body, text, length);
	http_answer(request);
}

/* The page may load and send nothing from or to other hosts. */
static void restrict_page(struct request *request)
{
	request_answer_header(
	    request, "Content-Security-Policy",
	    "default-src 'none'; script-src 'self'; style-src 'unsafe-inline'; connect-src 'self'; base-uri 'none'; "
	    "form-action 'none'; frame-ancestors 'none'");
	request_answer_header(request, "X-Content-Type-Options", "nosniff");
	request_answer_header(request, "Referrer-Policy", "no-referrer");
}

void operation_index(struct request *request)
{
	struct buffer *body = &request->answer.body;
	size_t count;
	const struct route *routes = routes_all(&count);
	request->answer.status = 200;
	request->answer.content_type = "text/html; charset=utf-8";
	buffer_printf(body,
	              "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<title>Call History</title>\n"
	              "<h1>Call History %s</h1>\n<p>The gateway serves the call history of a customer's account as JSON. "
	              "<a href=\"/docs\">API reference</a>, <a href=\"/openapi.json\">OpenAPI document</a>.</p>\n<ul>\n",
	              CALLHISTORY_VERSION);
	for (size_t i = 0; i < count; i++)
		buffer_printf(body, "<li><code>%s</code> %s</li>\n", routes[i].path, routes[i].methods->names);
	buffer_append_string(body, "</ul>\n</html>\n");
	restrict_page(request);
	http_answer(request);
}

void operation_docs(struct request *request)
{
	restrict_page(request);
	answer_text(request, "text/html; charset=utf-8", gateway_docs, gateway_docs_size);
}

void operation_docs_script(struct request *request)
{
	restrict_page(request);
	answer_text(request, "text/javascript; charset=utf-8", gateway_docs_script, gateway_docs_script_size);
}

static void answer_status(struct request *request, bool good)
{
	request_answer_json(request, good ? 200 : 503);
	buffer_printf(&request->answer.body, "{\"status\":\"%s\"}", good ? "ok" : "unavailable");
	if (!good)
		request_answer_header(request, "Retry-After", "1");
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
	const struct gateway *gateway = request->worker->gateway;
	const struct metrics_names names = {routes_label, request_method_names, gateway->settings->service,
	                                    CALLHISTORY_VERSION};
	request->answer.status = 200;
	request->answer.content_type = "text/plain; version=0.0.4; charset=utf-8";
	metrics_write(&request->answer.body, gateway->metrics, gateway->workers, &names);
	http_answer(request);
}

void operation_openapi(struct request *request)
{
	answer_text(request, "application/json; charset=utf-8", gateway_openapi, gateway_openapi_size);
}
