/*
 * Fuzzes whole HTTP requests down to the contract: head, headers, route, credentials, query and body. A request that
 * comes through is served with bounds that hold; what is refused has a status and a sentence.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "credentials.h"
#include "http_head.h"
#include "prefer.h"
#include "request.h"
#include "route.h"
#include "structure.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
	if (!holds)
		abort();
}

static void on_field(void *data, const char *name, const char *value)
{
	request_header(data, name, value);
}

/* What the contract makes of target and body. */
static void read_contract(struct request *request, const char *body, size_t length)
{
	const char *authorization;
	struct contract_request out;
	struct contract_error error;
	if (credentials_read(&request->headers, request->arena, &authorization))
		return;
	check(!strncmp(authorization, "Bearer ", 7));
	const struct contract_input input = {
	    .route = request->route ? request->route->contract : CONTRACT_GET_ALL,
	    .query = request->query,
	    .query_length = request->query_length,
	    .body = body,
	    .body_length = length,
	    .api_key = request->headers.api_key != NULL,
	};
	if (contract_read_request(request->arena, &input, &out, &error)) {
		check(error.message && (error.code == 400 || error.code == 413));
		return;
	}
	check(!out.is_list || (out.size >= 1 && out.size <= CONTRACT_SIZE_MAX));
	check(!out.is_list || input.route == CONTRACT_CHANGES || out.page >= 1); /* changes have no pages */
	check(input.api_key || input.route > CONTRACT_RECORD ||
	      (out.vbot_id && *out.vbot_id && out.project_code && *out.project_code));
	check(out.unknown_count <= 32);
	request->contract = out;
	prefer_apply(request);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t line = 0, end = 0;
	struct http_head head;
	if (http_head_find((const char *)data, size < HTTP_HEAD_MAX ? size : HTTP_HEAD_MAX, &line, &end))
		return 0;
	struct request *request = request_create(NULL);
	if (!request)
		return 0;
	char *text = arena_copy(request->arena, data, end);
	if (text && !http_head_parse(text, end, &head, on_field, request)) {
		size_t length = (uint64_t)head.length < size - end ? (size_t)head.length : size - end;
		routes_find(request, head.target);
		read_contract(request, (const char *)data + end, length);
	} else if (text) {
		check(head.status >= 400 && head.message);
	}
	request_destroy(request);
	return 0;
}

/* Lines; those of a head have their values as content. */
static struct structure_element read_line(const uint8_t *data, size_t size)
{
	const uint8_t *end = memchr(data, '\n', size), *colon;
	size_t length = end ? (size_t)(end - data) + 1 : size;
	colon = memchr(data, ':', length);
	size_t content = colon ? (size_t)(colon - data) + 1 : 0;
	return (struct structure_element){length, content, end && length > content + 2 ? length - content - 2 : 0};
}

static size_t write_line(uint8_t *out, size_t room, const uint8_t *old, size_t length, const uint8_t *content, size_t n)
{
	size_t at = read_line(old, length).content;
	if (at + n + 2 > room)
		return 0;
	memcpy(out, old, at);
	memcpy(out + at, content, n);
	memcpy(out + at + n, "\r\n", 2);
	return at + n + 2;
}

static const char *const words[] = {
    "GET /api/crm/historycall/getAll HTTP/1.1\r\n",
    "POST /api/crm/historycall/countAll?vbot_id=V&project_code=P&phone=%2B84912345678 HTTP/1.1\r\n",
    "QUERY /api/crm/historycall/record/a%2Fb?vbot_id=V&project_code=P HTTP/1.0\r\n",
    "GET /m-cdr/api/call/get-all?type_call=3&min_postage=-1&key_search=09&has_hotline=1&page=0 HTTP/1.1\r\n",
    "Host: x\r\n",
    "Authorization: Bearer abc\r\n",
    "X-API-KEY: abc\r\n",
    "Content-Length: 85\r\n",
    "Transfer-Encoding: chunked\r\n",
    "Content-Encoding: identity\r\n",
    "Expect: 100-continue\r\n",
    "Connection: close\r\n",
    "Accept-Encoding: gzip;q=0.5, *;q=0\r\n",
    "Prefer: handling=strict\r\n",
    "X-Request-ID: abc\r\n",
    "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n",
    "\r\n",
    "{\"vbot_id\":\"V\",\"project_code\":\"P\",\"phone\":\"0912345678\",\"page\":1,\"size\":10}",
    NULL,
};

static const struct structure lines = {read_line, write_line, words, false};

STRUCTURE_MUTATOR(lines, 0);
