/*
 * response: the body stays in the request's buffer until libmicrohttpd reports
 * that the request is completed; it is never copied.
 */
#include "response.h"

#include <errno.h>
#include <microhttpd.h>

#include "cors.h"
#include "route.h"
#include "worker_resources.h"

static const char out_of_memory[] = "{\"status\":0,\"error\":503,\"message\":\"the gateway is out of memory\"}";

/* Compresses the body if the client accepts it. */
static void compress(struct request *request)
{
	struct answer *answer = &request->answer;
	if (answer->body.length <= COMPRESS_MINIMUM)
		return;
	request_answer_header(request, "Vary", "Accept-Encoding");
	if (compress_accepted(request->headers.accept_encoding) &&
	    !compress_gzip(request->worker->compressor, &answer->body))
		request_answer_header(request, "Content-Encoding", "gzip");
}

static void decorate(struct request *request)
{
	request_answer_header(request, "Cache-Control", "no-store");
	request_answer_header(request, "X-Request-Id", request->request_id);
	if (request->traceparent_sent)
		request_answer_header(request, "traceparent", request->traceparent);
	if (request->route && request->route->api)
		cors_decorate(request);
	compress(request);
}

int response_queue(struct request *request, struct MHD_Connection *connection)
{
	struct answer *answer = &request->answer;
	const void *body = answer->body.data ? answer->body.data : "";
	int result = -ENOMEM;
	if (answer->body.failed) {
		buffer_clear(&answer->body);
		answer->status = 503;
	} else {
		decorate(request);
	}
	size_t length = answer->content_type ? answer->body.length : 0;
	if (answer->content_type && !length) {
		body = out_of_memory;
		length = sizeof(out_of_memory) - 1;
	}
	struct MHD_Response *response =
	    MHD_create_response_from_buffer(length, (void *)(uintptr_t)body, MHD_RESPMEM_PERSISTENT);
	if (!response)
		return result;
	if (answer->content_type && !MHD_add_response_header(response, "Content-Type", answer->content_type))
		goto done;
	for (size_t i = 0; i < answer->header_count; i++)
		if (!MHD_add_response_header(response, answer->headers[i].name, answer->headers[i].value))
			goto done;
	if (request->close && !MHD_add_response_header(response, "Connection", "close"))
		goto done;
	if (MHD_queue_response(connection, (unsigned)answer->status, response) == MHD_YES)
		result = 0;
done:
	MHD_destroy_response(response);
	return result;
}
