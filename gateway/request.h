/*
 * request: one HTTP request and its answer, from the request line to the last byte sent. It knows nothing of sockets or
 * gRPC.
 *
 * Requests are pooled per worker, with their arena, body and answer buffer. The first member is the context of the RPC
 * that the request makes, so a request is the closure_data of its own call.
 *
 * A route's handler gets a complete request and owes one answer: it fills in request->answer and calls http_answer(),
 * at once, or later from a closure if it called http_suspend() before.
 */
#pragma once

#include <sys/queue.h>

#include "base/buffer.h"
#include "contract/contract.h"
#include "metrics.h"

struct connection;
struct route;
struct worker;

enum request_method {
	REQUEST_GET,
	REQUEST_HEAD,
	REQUEST_POST,
	REQUEST_QUERY,
	REQUEST_OPTIONS,
	REQUEST_OTHER,
	REQUEST_METHODS,
};

/* Label of each method in metrics and logs. */
extern const char *const request_method_names[METRICS_METHODS_MAX];

enum {
	REQUEST_BODY_MAX = CONTRACT_BODY_MAX,
	REQUEST_ANSWER_HEADERS_MAX = 12,
};

/* The headers that the gateway reads; NULL: absent. Values are in the request's arena. */
struct request_headers {
	const char *authorization, *api_key;
	const char *accept_encoding;
	const char *request_id, *traceparent;
	const char *timeout, *prefer;
	const char *origin, *preflight_method;
	unsigned authorization_count, api_key_count;
	bool encoded; /* a Content-Encoding other than identity */
};

struct answer {
	int status;
	const char *content_type; /* NULL: no body */
	struct buffer body;
	struct {
		const char *name, *value; /* static or in the request's arena */
	} headers[REQUEST_ANSWER_HEADERS_MAX];
	size_t header_count;
};

struct request {
	struct context context;
	struct worker *worker;
	struct connection *connection;
	struct arena *arena;
	TAILQ_ENTRY(request) entry; /* among the suspended ones, or the free ones */

	/* As received. */
	enum request_method method;
	const char *query; /* after '?', still percent-encoded; NULL: none */
	size_t query_length;
	const struct route *route; /* NULL: unknown path */
	const char *route_tail;    /* the decoded rest of a path with a variable end */
	struct request_headers headers;
	const char *body; /* in `small` or `large` */
	size_t body_length;
	bool body_too_large;
	struct buffer large; /* a body larger than `small`, where the route allows it; charged to the memory budget */

	/* While it is handled. */
	int64_t start_us; /* complete: its handling began */
	bool suspended;
	bool counted;              /* in flight */
	size_t charged;            /* bytes of the memory budget, until the answer is sent */
	struct arena_mark called;  /* what follows in the arena are responses of the service */
	bool answered;             /* an answer was queued */
	bool abandoned;            /* the client has disconnected */
	bool close;                /* the connection ends after the answer */
	bool broken;               /* no answer can be sent */
	const char *authorization; /* "Bearer ..." for the service */
	const char *request_id, *traceparent;
	bool traceparent_sent; /* by the client */
	struct contract_request contract;
	uint32_t listed; /* calls of the page written so far */
	/* Answers it instead of a handler (code 0: none); a handler keeps its own error here while the token is checked. */
	struct contract_error refusal;

	struct answer answer;
	char small[REQUEST_BODY_MAX];
};

/* Makes and frees one. NULL when out of memory. */
struct request *request_create(struct worker *worker);
void request_destroy(struct request *request);

/* Empties a request for its next use. Keeps its memory, except that of a large answer. */
void request_reset(struct request *request);

/* Keeps a header if the gateway reads it. `value` lives as long as the request. */
void request_header(struct request *request, const char *name, const char *value);

/* Method by its name. */
enum request_method request_method_of(const char *name);

/* Adds a header to the answer; `value` static or in the arena, NULL is left out. */
void request_answer_header(struct request *request, const char *name, const char *value);

/* Sets the status of an answer whose body is JSON. */
void request_answer_json(struct request *request, int status);

/* Sets the answer to an error envelope. `message` is one sentence. */
void request_answer_error(struct request *request, int status, const char *message);
