/* routes: one table. Case and a trailing slash matter. */
#include "routes.h"

#include <string.h>

#include "base/clock.h"
#include "base/hex.h"
#include "cors.h"
#include "history.h"
#include "http.h"
#include "metrics.h"
#include "operation.h"
#include "recording.h"
#include "worker_resources.h"

#define BIT(method) (1u << (method))

enum {
	READ = BIT(REQUEST_GET) | BIT(REQUEST_HEAD),
	ASK = READ | BIT(REQUEST_POST) | BIT(REQUEST_QUERY),
};

static const struct route table[] = {
    {"/api/crm/historycall/getAll", "/api/crm/historycall/getAll", ASK, "GET, HEAD, POST, QUERY", true,
     CONTRACT_GET_ALL, history_handle},
    {"/api/crm/historycall/countAll", "/api/crm/historycall/countAll", ASK, "GET, HEAD, POST, QUERY", true,
     CONTRACT_COUNT_ALL, history_handle},
    {"/api/crm/historycall/record/", "/api/crm/historycall/record/{trans_id}", ASK, "GET, HEAD, POST, QUERY", true,
     CONTRACT_RECORD, recording_handle},
    {"/", "/", READ, "GET, HEAD", false, 0, operation_index},
    {"/docs", "/docs", READ, "GET, HEAD", false, 0, operation_docs},
    {"/docs.js", "/docs.js", READ, "GET, HEAD", false, 0, operation_docs_script},
    {"/healthz", "/healthz", READ, "GET, HEAD", false, 0, operation_healthz},
    {"/readyz", "/readyz", READ, "GET, HEAD", false, 0, operation_readyz},
    {"/metrics", "/metrics", READ, "GET, HEAD", false, 0, operation_metrics},
    {"/openapi.json", "/openapi.json", READ, "GET, HEAD", false, 0, operation_openapi},
};
enum { ROUTES = sizeof(table) / sizeof(table[0]) };

const char *const routes_labels[METRICS_ROUTES_MAX] = {
    "/api/crm/historycall/getAll",
    "/api/crm/historycall/countAll",
    "/api/crm/historycall/record/{trans_id}",
    "/",
    "/docs",
    "/docs.js",
    "/healthz",
    "/readyz",
    "/metrics",
    "/openapi.json",
    "_OTHER",
};

const struct route *routes_all(size_t *count)
{
	*count = ROUTES;
	return table;
}

unsigned routes_index(const struct route *route)
{
	return route ? (unsigned)(route - table) : ROUTES;
}

/* Decodes %XX in place. False for a broken escape or a control character. */
static bool decode(char *text, bool slash_allowed)
{
	char *out = text;
	for (; *text; text++) {
		unsigned char byte = (unsigned char)*text;
		if (byte == '%') {
			int high = hex_digit(text[1]), low = high < 0 ? -1 : hex_digit(text[2]);
			if (low < 0)
				return false;
			byte = (unsigned char)(high << 4 | low);
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

void routes_find(struct request *request)
{
	char *path = (char *)request_path(request);
	if (!path)
		return;
	for (const struct route *route = table; route < table + ROUTES; route++) {
		size_t length = strlen(route->path);
		if (length == 1 || route->path[length - 1] != '/' || strncmp(path, route->path, length))
			continue;
		char *tail = path + length;
		if (!*tail || strchr(tail, '/') || !decode(tail, true))
			return;
		request->route = route;
		request->route_tail = tail;
		return;
	}
	if (!decode(path, false))
		return;
	for (const struct route *route = table; route < table + ROUTES; route++)
		if (!strcmp(path, route->path)) {
			request->route = route;
			return;
		}
}

static void refuse_method(struct request *request)
{
	const struct route *route = request->route;
	const char *allow = NULL;
	if (route->api && cors_enabled(request))
		allow = arena_printf(request->arena, "%s, OPTIONS", route->allow);
	request_answer_error(request, 405, "method not allowed; see the Allow header");
	request_answer_header(request, "Allow", allow ? allow : route->allow);
}

void routes_dispatch(struct request *request)
{
	const struct route *route = request->route;
	request->start_us = clock_monotonic_us();
	if (!request->target) {
		request_answer_error(request, 503, "the gateway is out of memory");
	} else if (worker_is_closed(request->worker)) {
		request_answer_error(request, 503, "the gateway is shutting down; try again later");
	} else if (!route) {
		request_answer_error(request, 404, "no such path");
	} else if (request->method == REQUEST_OPTIONS && route->api && cors_enabled(request)) {
		cors_preflight(request, route->allow);
	} else if (!(route->methods & BIT(request->method))) {
		refuse_method(request);
	} else if (request->body_too_large) {
		request_answer_error(request, 413, "body is larger than 4096 bytes");
	} else if (request->headers.encoded && request->body_length) {
		request_answer_error(request, 415,
		                     "Content-Encoding: compressed bodies are not served, send the body as it is");
	} else {
		route->handle(request);
		return;
	}
	http_answer(request);
}
