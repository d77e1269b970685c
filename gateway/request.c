/* request: the pooled object, its header map and its answer. */
#include "request.h"

#include <stdlib.h>
#include <strings.h>

enum {
	ARENA_FIRST = 16 * 1024,     /* a page of 10 fits */
	ANSWER_KEPT_MAX = 64 * 1024, /* a larger buffer is freed after its answer */
};

const char *const request_method_names[METRICS_METHODS_MAX] = {"GET", "HEAD", "POST", "QUERY", "OPTIONS", "_OTHER"};

struct request *request_create(struct worker *worker)
{
	struct request *request = calloc(1, sizeof(*request));
	if (!request)
		return NULL;
	if (arena_create(&request->arena, ARENA_FIRST)) {
		free(request);
		return NULL;
	}
	request->worker = worker;
	request_reset(request);
	return request;
}

void request_destroy(struct request *request)
{
	if (!request)
		return;
	buffer_free(&request->answer.body);
	arena_destroy(request->arena);
	free(request);
}

void request_reset(struct request *request)
{
	struct buffer body = request->answer.body;
	struct arena *arena = request->arena;
	struct worker *worker = request->worker;
	if (body.capacity > ANSWER_KEPT_MAX)
		buffer_free(&body);
	buffer_clear(&body);
	arena_reset(arena);
	/* The old bytes of the body stay: body_length limits what is read. */
	memset(request, 0, offsetof(struct request, small));
	request->body = request->small;
	request->answer.body = body;
	request->arena = arena;
	request->worker = worker;
	context_init(&request->context, arena);
}

/* The map: where the value of a header is stored, and the counter of its repetitions; 0: none. */
#define AT(member) offsetof(struct request_headers, member)
static const struct {
	const char *name;
	size_t value, count;
} map[] = {
    {"Authorization", AT(authorization), AT(authorization_count)},
    {"X-API-KEY", AT(api_key), AT(api_key_count)},
    {"Accept-Encoding", AT(accept_encoding), 0},
    {"X-Request-Id", AT(request_id), 0},
    {"traceparent", AT(traceparent), 0},
    {"X-Request-Timeout", AT(timeout), 0},
    {"Prefer", AT(prefer), 0},
    {"Origin", AT(origin), 0},
    {"Access-Control-Request-Method", AT(preflight_method), 0},
};
enum { MAPPED = sizeof(map) / sizeof(map[0]) };

void request_header(struct request *request, const char *name, const char *value)
{
	char *headers = (char *)&request->headers;
	size_t i = 0;
	/* Most headers differ in their first letter from most names. */
	while (i < MAPPED && ((name[0] | 0x20) != (map[i].name[0] | 0x20) || strcasecmp(name, map[i].name) != 0))
		i++;
	if (i == MAPPED) {
		if (!strcasecmp(name, "Content-Encoding") && *value && strcasecmp(value, "identity") != 0)
			request->headers.encoded = true;
		return;
	}
	/* The first value of a header is used; the counters show repetitions. */
	const char **where = (const char **)(void *)(headers + map[i].value);
	if (!*where)
		*where = value;
	if (map[i].count)
		++*(unsigned *)(void *)(headers + map[i].count);
}

enum request_method request_method_of(const char *name)
{
	for (enum request_method method = REQUEST_GET; method < REQUEST_OTHER; method++)
		if (!strcmp(name, request_method_names[method]))
			return method;
	return REQUEST_OTHER;
}

void request_answer_header(struct request *request, const char *name, const char *value)
{
	struct answer *answer = &request->answer;
	if (!value || answer->header_count == REQUEST_ANSWER_HEADERS_MAX)
		return;
	answer->headers[answer->header_count].name = name;
	answer->headers[answer->header_count++].value = value;
}

void request_answer_json(struct request *request, int status)
{
	request->answer.status = status;
	request->answer.content_type = "application/json; charset=utf-8";
}

void request_answer_error(struct request *request, int status, const char *message)
{
	request_answer_json(request, status);
	buffer_clear(&request->answer.body);
	contract_write_error(&request->answer.body, status, message);
	if (status == 401)
		request_answer_header(request, "WWW-Authenticate", "Bearer");
}
