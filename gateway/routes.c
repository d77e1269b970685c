/*
 * route: one table. Case and a trailing slash matter. Small answers without credentials, and CORS, which is about all
 * answers of the contract, are here, too.
 */
#include "route.h"

#include <strings.h>

#include "base/clock.h"
#include "base/hex.h"
#include "gateway_docs.h"
#include "gateway_docs_script.h"
#include "gateway_openapi.h"
#include "history.h"
#include "http.h"
#include "recording.h"
#include "webhook.h"
#include "worker.h"

#define BIT(method) (1u << (method))

/* ---- Answers without credentials: documentation and state ---- */

static void answer_index(struct request *request);

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

/*
 * A reference of the API, as a page whose script renders /openapi.json and sends requests. It loads nothing from
 * elsewhere.
 */
static void answer_docs(struct request *request)
{
	restrict_page(request);
	answer_text(request, "text/html; charset=utf-8", gateway_docs, gateway_docs_size);
}

static void answer_docs_script(struct request *request)
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

/* 200 while all workers make progress, else 503. */
static void answer_healthz(struct request *request)
{
	answer_status(request, worker_all_alive(request->worker));
	http_answer(request);
}

/*
 * 200 from the start until the drain, then 503. It does not depend on the service: if it did, all gateways would leave
 * the load balancer while the service is unavailable, and clients would not get the contract's 503.
 */
static void answer_readyz(struct request *request)
{
	answer_status(request, worker_is_ready(request->worker));
	http_answer(request);
}

static void answer_metrics(struct request *request)
{
	const struct gateway *gateway = request->worker->gateway;
	const struct metrics_names names = {routes_label, request_method_names, gateway->settings->service,
	                                    CALLHISTORY_VERSION};
	request->answer.status = 200;
	request->answer.content_type = "text/plain; version=0.0.4; charset=utf-8";
	metrics_write(&request->answer.body, gateway->metrics, gateway->workers, &names);
	http_answer(request);
}

static void answer_openapi(struct request *request)
{
	answer_text(request, "application/json; charset=utf-8", gateway_openapi, gateway_openapi_size);
}

/* ---- The table ---- */

static const struct route_methods read_methods = {BIT(REQUEST_GET) | BIT(REQUEST_HEAD), "GET, HEAD"};
static const struct route_methods ask_methods = {
    BIT(REQUEST_GET) | BIT(REQUEST_HEAD) | BIT(REQUEST_POST) | BIT(REQUEST_QUERY), "GET, HEAD, POST, QUERY"};
static const struct route_methods post_methods = {BIT(REQUEST_POST), "POST"};

static const struct route table[] = {
    {"/api/crm/historycall/getAll", true, &ask_methods, history_handle, CONTRACT_GET_ALL, 0},
    {"/api/crm/historycall/countAll", true, &ask_methods, history_handle, CONTRACT_COUNT_ALL, 0},
    {"/api/crm/historycall/record/{trans_id}", true, &ask_methods, recording_handle, CONTRACT_RECORD, 0},
    {"/m-cdr/api/call/get-all", true, &ask_methods, history_handle, CONTRACT_FLAT_LIST, 0},
    {"/m-cdr/api/call/count-all", true, &ask_methods, history_handle, CONTRACT_FLAT_COUNT, 0},
    {"/m-cdr/api/call/get-detail", true, &ask_methods, history_handle, CONTRACT_FLAT_DETAIL, 0},
    {"/api/v1/calls/changes", true, &ask_methods, history_changes, CONTRACT_CHANGES, 0},
    {"/webhooks/vbot", false, &post_methods, webhook_vbot, 0, WEBHOOK_BODY_MAX},
    {"/webhooks/freeswitch", false, &post_methods, webhook_freeswitch, 0, WEBHOOK_BODY_MAX},
    {"/", false, &read_methods, answer_index, 0, 0},
    {"/docs", false, &read_methods, answer_docs, 0, 0},
    {"/docs.js", false, &read_methods, answer_docs_script, 0, 0},
    {"/healthz", false, &read_methods, answer_healthz, 0, 0},
    {"/readyz", false, &read_methods, answer_readyz, 0, 0},
    {"/metrics", false, &read_methods, answer_metrics, 0, 0},
    {"/openapi.json", false, &read_methods, answer_openapi, 0, 0},
};
enum { ROUTES = sizeof(table) / sizeof(table[0]) };

/* A page with the product's name, version and paths. */
static void answer_index(struct request *request)
{
	struct buffer *body = &request->answer.body;
	request->answer.status = 200;
	request->answer.content_type = "text/html; charset=utf-8";
	buffer_printf(body,
	              "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<title>Call History</title>\n"
	              "<h1>Call History %s</h1>\n<p>The gateway serves the call history of a customer's account as JSON. "
	              "<a href=\"/docs\">API reference</a>, <a href=\"/openapi.json\">OpenAPI document</a>.</p>\n<ul>\n",
	              CALLHISTORY_VERSION);
	for (const struct route *route = table; route < table + ROUTES; route++)
		buffer_printf(body, "<li><code>%s</code> %s</li>\n", route->path, route->methods->names);
	buffer_append_string(body, "</ul>\n</html>\n");
	restrict_page(request);
	http_answer(request);
}

unsigned routes_index(const struct route *route)
{
	return route ? (unsigned)(route - table) : ROUTES;
}

const char *routes_label(unsigned index)
{
	return index < ROUTES ? table[index].path : index == ROUTES ? "_OTHER" : NULL;
}

/* Decodes %XX in place. False for a broken escape or a control character. */
static bool decode(char *text, bool slash_allowed)
{
	char *out = text;
	for (; *text; text++) {
		unsigned char byte = (unsigned char)*text;
		if (byte == '%') {
			int decoded = hex_byte(text + 1);
			if (decoded < 0)
				return false;
			byte = (unsigned char)decoded;
			text += 2;
			/* An encoded slash is data, not a separator. */
			if (byte == '/' && !slash_allowed)
				return false;
		}
		if (byte < 0x20 || byte == 0x7f)
			return false;
		*out++ = (char)byte;
	}
	*out = '\0';
	return true;
}

/* The route of a path, which is decoded in place; *tail is its variable segment. NULL: unknown. */
static const struct route *find(char *path, const char **tail)
{
	for (const struct route *route = table; route < table + ROUTES; route++) {
		const size_t length = strcspn(route->path, "{");
		if (!route->path[length] || strncmp(path, route->path, length))
			continue;
		*tail = path + length;
		return !path[length] || strchr(*tail, '/') || !decode(path + length, true) ? NULL : route;
	}
	const struct route *route = table;
	if (!decode(path, false))
		return NULL;
	while (route < table + ROUTES && strcmp(path, route->path) != 0)
		route++;
	return route < table + ROUTES ? route : NULL;
}

void routes_find(struct request *request, char *target)
{
	/* A proxy's form of the target: http://host/path. */
	const size_t scheme = !strncasecmp(target, "http://", 7) ? 7 : !strncasecmp(target, "https://", 8) ? 8 : 0;
	char *path = scheme ? target + scheme + strcspn(target + scheme, "/?") : target;
	char *query = strchr(path, '?');
	if (query) {
		*query++ = '\0';
		request->query = query;
		request->query_length = strlen(query);
	}
	request->route = find(path, &request->route_tail);
}

/* ---- CORS ---- */

/* Lets browsers of listed origins call the API. Off unless --cors-origins names at least one origin. */
static bool cors_enabled(const struct request *request)
{
	return request->worker->gateway->settings->cors_origins.count > 0;
}

static bool is_listed(const struct request *request)
{
	const char *origin = request->headers.origin;
	return origin && *origin &&
	       settings_list_has(&request->worker->gateway->settings->cors_origins, origin, strlen(origin));
}

/* The answer to a preflight request. */
static void cors_preflight(struct request *request, const char *methods)
{
	request->answer.status = 204;
	request->answer.content_type = NULL;
	request_answer_header(request, "Allow", methods);
	if (!is_listed(request) || !request->headers.preflight_method)
		return;
	request_answer_header(request, "Access-Control-Allow-Methods", methods);
	request_answer_header(
	    request, "Access-Control-Allow-Headers",
	    "Authorization, X-API-KEY, Content-Type, Prefer, X-Request-Id, X-Request-Timeout, traceparent");
	request_answer_header(request, "Access-Control-Max-Age", "600");
}

/* Answers name only the origin of the request. */
static void cors_decorate(struct request *request)
{
	if (!cors_enabled(request))
		return;
	request_answer_header(request, "Vary", "Origin");
	if (!is_listed(request))
		return;
	request_answer_header(request, "Access-Control-Allow-Origin", request->headers.origin);
	if (request->method != REQUEST_OPTIONS)
		request_answer_header(request, "Access-Control-Expose-Headers", "X-Request-Id, X-Unknown-Fields, Retry-After");
}

/* ---- Requests ---- */

static void refuse_method(struct request *request)
{
	const struct route *route = request->route;
	const char *allow = NULL;
	if (route->api && cors_enabled(request))
		allow = arena_printf(request->arena, "%s, OPTIONS", route->methods->names);
	request_answer_error(request, 405, "method not allowed; see the Allow header");
	request_answer_header(request, "Allow", allow ? allow : route->methods->names);
}

void routes_dispatch(struct request *request)
{
	const struct route *route = request->route;
	request->start_us = clock_monotonic_us();
	if (route && route->api)
		cors_decorate(request);
	if (request->refusal.code) {
		request_answer_error(request, request->refusal.code, request->refusal.message);
	} else if (request->worker->closed) {
		request_answer_error(request, 503, "the gateway is shutting down; try again later");
	} else if (!route) {
		request_answer_error(request, 404, "no such path");
	} else if (request->method == REQUEST_OPTIONS && route->api && cors_enabled(request)) {
		cors_preflight(request, route->methods->names);
	} else if (!(route->methods->bits & BIT(request->method))) {
		refuse_method(request);
	} else if (request->body_too_large) {
		request_answer_error(request, 413,
		                     route->body_most ? "body is larger than 1 MiB, or than 4096 bytes without credentials"
		                                      : "body is larger than 4096 bytes");
	} else if (request->headers.encoded && request->body_length) {
		request_answer_error(request, 415,
		                     "Content-Encoding: compressed bodies are not served, send the body as it is");
	} else {
		route->handle(request);
		return;
	}
	http_answer(request);
}
