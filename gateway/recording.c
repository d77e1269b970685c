/* recording: GetCall, then a redirect to the first recording on an allowed host. */
#include "recording.h"

#include <strings.h>

#include "base/hex.h"
#include "contract/view.h"
#include "history.h"
#include "http.h"
#include "upstream.h"
#include "worker.h"

enum { URL_MAX = 4096 };

/* Whether `host` (with or without a port) is listed, or is once the scheme's default port is left out or added. */
static bool is_listed(const struct option_list *hosts, const char *host, size_t length, const char *default_port)
{
	const size_t port = strlen(default_port);
	char with_port[256];
	if (settings_list_has(hosts, host, length))
		return true;
	if (length > port && !memcmp(host + length - port, default_port, port))
		return settings_list_has(hosts, host, length - port);
	if (length + port > sizeof(with_port))
		return false;
	memcpy(with_port, host, length);
	memcpy(with_port + length, default_port, port);
	return settings_list_has(hosts, with_port, length + port);
}

/*
 * Writes a URL with everything percent-encoded that a header or a URL must not contain. Escapes already there are kept.
 */
static void encode(char *out, const char *url)
{
	for (; *url; url++) {
		unsigned char byte = (unsigned char)*url;
		bool escape = byte != '%' || hex_byte(url + 1) >= 0;
		if (escape && byte > ' ' && byte < 0x7f && !strchr("\"<>\\^`{|}", byte))
			*out++ = (char)byte;
		else
			out = hex_escape(out, byte);
	}
	*out = '\0';
}

const char *recording_location(struct arena *arena, const struct option_list *hosts, const char *url)
{
	const bool secure = !strncasecmp(url, "https://", 8);
	const size_t scheme = secure ? 8 : !strncasecmp(url, "http://", 7) ? 7 : 0;
	const size_t length = strnlen(url, URL_MAX + 1);
	if (!scheme || length > URL_MAX)
		return NULL;
	/*
	 * Compares the host verbatim up to the first character that ends it for every URL parser, so that no parser can see
	 * another host.
	 */
	const char *host = url + scheme;
	if (!is_listed(hosts, host, strcspn(host, "/?#"), secure ? ":443" : ":80"))
		return NULL;
	char *location = arena_alloc(arena, 3 * length + 1);
	if (location)
		encode(location, url);
	/* A longer header, of a URL with thousands of non-ASCII bytes, has no place in libmicrohttpd's memory. */
	return location && strlen(location) <= URL_MAX ? location : NULL;
}

/* The URL of the first recording on an allowed host, in the request's arena; NULL if there is none. */
static const char *find_recording(struct request *request, struct view_list recordings)
{
	const struct option_list *hosts = &request->worker->gateway->settings->recording_hosts;
	struct wire element;
	while (contract_view_next(&recordings, &element)) {
		const size_t length = wire_length(element);
		const char *url = arena_copy(request->arena, element.at, length);
		const char *location = url && strlen(url) == length ? recording_location(request->arena, hosts, url) : NULL;
		if (location)
			return location;
	}
	return NULL;
}

static void answer_recording(struct request *request, const char *location)
{
	if (!location) {
		request_answer_error(request, 404, "trans_id: this call has no recording on an allowed host");
		return;
	}
	request->answer.status = 302;
	request->answer.content_type = NULL;
	request_answer_header(request, "Location", location);
}

static void on_call(const Callhistory__Spliced__GetCallResponse *response, void *data)
{
	struct request *request = data;
	struct view_call call;
	if (!response && request->context.status == STATUS_NOT_FOUND)
		request_answer_error(request, 404, "trans_id: no such call");
	else if (!response)
		upstream_failed(request);
	else if (contract_view_call(&call, response->call.data, response->call.len))
		upstream_unreadable(request);
	else
		answer_recording(request, find_recording(request, call.recordings));
	http_answer(request);
}

void recording_handle(struct request *request)
{
	if (!history_begin(request))
		return;
	Callhistory__V1__GetCallRequest message = CALLHISTORY__V1__GET_CALL_REQUEST__INIT;
	if (request->contract.project_code)
		message.project_code = (char *)request->contract.project_code;
	if (request->contract.vbot_id)
		message.vbot_id = (char *)request->contract.vbot_id;
	message.id = (char *)request->route_tail;
	callhistory__spliced__call_history_service__get_call(request->worker->link.history, &message, on_call, request);
}
