/*
 * response: the body stays in the request's buffer until it is sent; it is
 * never copied.
 */
#include "response.h"

#include <time.h>

#include "base/decimal.h"
#include "compress.h"
#include "cors.h"
#include "route.h"
#include "worker_resources.h"

static const char out_of_memory[] = "{\"status\":0,\"error\":503,\"message\":\"the gateway is out of memory\"}";

static const char *reason(int status)
{
	static const struct {
		int status;
		const char *reason;
	} reasons[] = {
	    {200, "OK"},
	    {204, "No Content"},
	    {302, "Found"},
	    {400, "Bad Request"},
	    {401, "Unauthorized"},
	    {403, "Forbidden"},
	    {404, "Not Found"},
	    {405, "Method Not Allowed"},
	    {408, "Request Timeout"},
	    {409, "Conflict"},
	    {413, "Content Too Large"},
	    {414, "URI Too Long"},
	    {415, "Unsupported Media Type"},
	    {429, "Too Many Requests"},
	    {431, "Request Header Fields Too Large"},
	    {500, "Internal Server Error"},
	    {503, "Service Unavailable"},
	    {504, "Gateway Timeout"},
	    {505, "HTTP Version Not Supported"},
	};
	for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
		if (reasons[i].status == status)
			return reasons[i].reason;
	return "Unknown";
}

/* A shorter body where the client takes it. */
static void compress(struct request *request)
{
	struct answer *answer = &request->answer;
	if (answer->body.length <= COMPRESS_MINIMUM)
		return;
	answer_header(request, "Vary", "Accept-Encoding");
	if (compress_accepted(request->headers.accept_encoding) &&
	    !compress_gzip(worker_compressor(request->worker), &answer->body))
		answer_header(request, "Content-Encoding", "gzip");
}

static void decorate(struct request *request)
{
	answer_header(request, "Cache-Control", "no-store");
	answer_header(request, "X-Request-Id", request->request_id);
	if (request->traceparent_sent)
		answer_header(request, "traceparent", request->traceparent);
	if (request->route && request->route->api)
		cors_decorate(request);
	compress(request);
}

static void write_header(struct buffer *head, const char *name, const char *value)
{
	buffer_append_string(head, name);
	buffer_append(head, ": ", 2);
	buffer_append_string(head, value);
	buffer_append(head, "\r\n", 2);
}

static void write_head(struct request *request, size_t length, const char *date)
{
	struct answer *answer = &request->answer;
	struct buffer *head = &answer->head;
	char number[DECIMAL_TEXT];
	buffer_append_string(head, "HTTP/1.1 ");
	buffer_append_string(head, decimal_text(number, answer->status));
	buffer_append_byte(head, ' ');
	buffer_append_string(head, reason(answer->status));
	buffer_append(head, "\r\n", 2);
	write_header(head, "Date", date);
	if (request->close)
		write_header(head, "Connection", "close");
	else if (request->http_1_0)
		write_header(head, "Connection", "Keep-Alive");
	if (answer->content_type)
		write_header(head, "Content-Type", answer->content_type);
	if (answer->status != 204)
		write_header(head, "Content-Length", decimal_text(number, (int64_t)length));
	for (size_t i = 0; i < answer->header_count; i++)
		write_header(head, answer->headers[i].name, answer->headers[i].value);
	buffer_append(head, "\r\n", 2);
}

void response_write(struct request *request, const char *date)
{
	struct answer *answer = &request->answer;
	if (answer->body.failed) {
		buffer_clear(&answer->body);
		answer->status = 503;
	} else {
		decorate(request);
	}
	size_t length = answer->content_type ? answer->body.length : 0;
	answer->sent_bytes = answer->body.data ? answer->body.data : "";
	if (answer->content_type && !length) {
		answer->sent_bytes = out_of_memory;
		length = sizeof(out_of_memory) - 1;
	}
	answer->sent_length = request->method == REQUEST_HEAD ? 0 : length;
	write_head(request, length, date);
}

int64_t response_date(char date[32])
{
	time_t now = time(NULL);
	struct tm parts;
	/* The program never sets a locale, so these are the English names. */
	strftime(date, 32, "%a, %d %b %Y %H:%M:%S GMT", gmtime_r(&now, &parts));
	return now;
}
