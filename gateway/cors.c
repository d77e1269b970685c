/* cors: an allow-list; an answer names only the origin of the request. */
#include "cors.h"

#include "worker_resources.h"

bool cors_enabled(const struct request *request)
{
	return request->worker->gateway->settings->cors_origins.count > 0;
}

static bool is_listed(const struct request *request)
{
	const char *origin = request->headers.origin;
	return origin && *origin &&
	       settings_list_has(&request->worker->gateway->settings->cors_origins, origin, strlen(origin));
}

void cors_preflight(struct request *request, const char *methods)
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

void cors_decorate(struct request *request)
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
