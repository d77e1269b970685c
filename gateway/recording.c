/* recording: GetCall, then the first of its recordings that may be shown. */
#include "recording.h"

#include <spliced.pb-c.h>
#include <string.h>
#include <strings.h>

#include "contract/view.h"
#include "history.h"
#include "http.h"
#include "settings.h"
#include "upstream.h"
#include "worker.h"

enum { URL_MAX = 2048 };

bool recording_is_allowed(const struct option_list *hosts, const char *url)
{
	size_t scheme = !strncasecmp(url, "https://", 8) ? 8 : !strncasecmp(url, "http://", 7) ? 7 : 0;
	size_t length = strlen(url);
	if (!scheme || length > URL_MAX)
		return false;
	/* What one reader of the URL takes for the host, another must too: nothing that parsers read differently. */
	for (size_t i = 0; i < length; i++)
		if (url[i] <= ' ' || url[i] > '~' || strchr("\\\"<>^`{|}", url[i]))
			return false;
	const char *host = url + scheme;
	size_t host_length = strcspn(host, "/?#");
	if (!host_length || memchr(host, '@', host_length))
		return false;
	return settings_list_has(hosts, host, host_length);
}

/* The first recording that may be shown, in the request's arena; NULL: none. */
static const char *find_recording(struct request *request, struct view_list recordings)
{
	const struct option_list *hosts = &worker_settings(request->worker)->recording_hosts;
	struct wire element;
	while (view_next(&recordings, &element)) {
		const size_t length = wire_length(element);
		const char *url = arena_copy(request->arena, element.at, length);
		if (url && strlen(url) == length && recording_is_allowed(hosts, url))
			return url;
	}
	return NULL;
}

static void answer_recording(struct request *request, const char *url)
{
	if (!url) {
		answer_error(request, 404, "trans_id names a call without a recording that can be shown");
		return;
	}
	request->answer.status = 302;
	request->answer.content_type = NULL;
	answer_header(request, "Location", url);
}

static void on_call(const Callhistory__Spliced__GetCallResponse *response, void *data)
{
	struct request *request = data;
	struct view_call call;
	if (!response && request->context.status == STATUS_NOT_FOUND)
		answer_error(request, 404, "trans_id names no call");
	else if (!response)
		upstream_failed(request);
	else if (view_call(&call, response->call.data, response->call.len))
		upstream_unreadable(request);
	else
		answer_recording(request, find_recording(request, call.recordings));
	http_answer(request);
}

void recording_handle(struct request *request)
{
	if (!history_read(request))
		return;
	if (!upstream_begin(request)) {
		http_answer(request);
		return;
	}
	Callhistory__V1__GetCallRequest message = CALLHISTORY__V1__GET_CALL_REQUEST__INIT;
	if (request->contract.project_code)
		message.project_code = (char *)request->contract.project_code;
	if (request->contract.vbot_id)
		message.vbot_id = (char *)request->contract.vbot_id;
	message.id = (char *)request->route_tail;
	callhistory__spliced__call_history_service__get_call(worker_history(request->worker), &message, on_call, request);
}
