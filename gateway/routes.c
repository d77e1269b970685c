/* route: one table. Case and a trailing slash matter. */
#include "route.h"

#include <strings.h>

#include "base/clock.h"
#include "base/hex.h"
#include "cors.h"
#include "history.h"
#include "http.h"
#include "operation.h"
#include "recording.h"
#include "webhook.h"
#include "worker_resources.h"

#define BIT(method) (1u << (method))

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
    {"/", false, &read_methods, operation_index, 0, 0},
    {"/docs", false, &read_methods, operation_docs, 0, 0},
    {"/docs.js", false, &read_methods, operation_docs_script, 0, 0},
    {"/healthz", false, &read_methods, operation_healthz, 0, 0},
    {"/readyz", false, &read_methods, operation_readyz, 0, 0},
    {"/metrics", false, &read_methods, operation_metrics, 0, 0},
    {"/openapi.json", false, &read_methods, operation_openapi, 0, 0},
};
enum { ROUTES = sizeof(table) / sizeof(table[0]) };

const struct route *routes_all(size_t *count)
{
	*count = ROUTES;
	return table;
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
	for (const struct route *route = table; route < table + ROUTES; route++) {
		size_t length = strcspn(route->path, "{");
		if (!route->path[length] || strncmp(path, route->path, length))
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
		allow = arena_printf(request->arena, "%s, OPTIONS", route->methods->names);
	request_answer_error(request, 405, "method not allowed; see the Allow header");
	request_answer_header(request, "Allow", allow ? allow : route->methods->names);
}

void routes_dispatch(struct request *request)
{
	const struct route *route = request->route;
	request->start_us = clock_monotonic_us();
	if (request->worker->closed) {
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
	} else if (request->headers.encoded && (request->body_length || request->large.length)) {
		request_answer_error(request, 415,
		                     "Content-Encoding: compressed bodies are not served, send the body as it is");
	} else {
		route->handle(request);
		return;
	}
	http_answer(request);
}
