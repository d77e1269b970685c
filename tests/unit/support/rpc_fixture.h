/*
 * rpc_fixture: a CallHistoryService with fake handlers, served over loopback,
 * and a channel to it, both on one queue. What ListCalls does is told by the
 * request's phone:
 *
 *   ""       answers one call whose id is the request's project_code
 *   "fail"   fails with a violation of `size` and a delay to try again
 *   "keep"   keeps the closure; the test calls fixture_answer_kept() later
 *   "echo"   answers with what the context brought as next_page_token
 *   "null"   fails without saying why
 *   "away"   fails as UNAVAILABLE
 *   "busy"   fails as UNAVAILABLE and asks for a delay of project_code milliseconds
 *
 * CountCalls answers 42. GetCall is an empty slot.
 */
#ifndef CALLHISTORY_TESTS_RPC_FIXTURE_H
#define CALLHISTORY_TESTS_RPC_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "callhistory/v1/call_history_service.pb-c.h"
#include "rpc/channel.h"
#include "rpc/server.h"

enum { FIXTURE_KEPT = 64, FIXTURE_WAIT_US = 60000000 };

typedef Callhistory__V1__ListCallsRequest list_request;
typedef Callhistory__V1__ListCallsResponse list_response;

struct kept {
	Callhistory__V1__ListCallsResponse_Closure closure;
	void *data;
};

struct fixture {
	Callhistory__V1__CallHistoryService_Service service; /* first: handlers are given it */
	struct rpc_queue *queue;
	struct rpc_server *server;
	struct rpc_channel *channel;
	ProtobufCService *remote;
	char address[64];
	struct kept kept[FIXTURE_KEPT];
	int n_kept, n_handled, n_cancelled, n_reports;
	bool answer_on_cancel;
	struct rpc_call_report last_report;
	char last_method[128];
};

/* One call of the client, and what came of it. */
struct client_call {
	struct context context; /* first: closure_data is this */
	int fired;
	bool answered;
	char id[64], token[512];
	int64_t count;
};

static inline void fixture_answer(struct kept *kept, const char *id, const char *token)
{
	list_response response = CALLHISTORY__V1__LIST_CALLS_RESPONSE__INIT;
	Callhistory__V1__Call call = CALLHISTORY__V1__CALL__INIT;
	Callhistory__V1__Call *calls[] = {&call};
	call.id = (char *)id;
	response.n_calls = 1;
	response.calls = calls;
	response.next_page_token = (char *)token;
	kept->closure(&response, kept->data);
}

static inline void fixture_answer_kept(struct fixture *fixture)
{
	while (fixture->n_kept > 0)
		fixture_answer(&fixture->kept[--fixture->n_kept], "kept", "");
}

static inline void fixture_on_cancel(struct context *context, void *data)
{
	struct fixture *fixture = data;
	assert_true(context->cancelled);
	fixture->n_cancelled++;
	if (fixture->answer_on_cancel)
		fixture_answer_kept(fixture);
}

static inline void fixture_list(Callhistory__V1__CallHistoryService_Service *service, const list_request *request,
                                Callhistory__V1__ListCallsResponse_Closure closure, void *data)
{
	struct fixture *fixture = (struct fixture *)service;
	struct context *context = data;
	struct kept now = {closure, data};
	assert_int_equal(context->magic, CONTEXT_MAGIC);
	fixture->n_handled++;
	if (strcmp(request->phone, "fail") == 0) {
		context->retry_after_ms = 1500;
		context_fail_field(context, "size", "must be at most %d, dấu", 1000);
		closure(NULL, data);
	} else if (strcmp(request->phone, "null") == 0) {
		closure(NULL, data);
	} else if (strcmp(request->phone, "away") == 0) {
		context_fail(context, STATUS_UNAVAILABLE, "STORE_AWAY", "the store is away");
		closure(NULL, data);
	} else if (strcmp(request->phone, "busy") == 0) {
		context->retry_after_ms = atoi(request->project_code);
		context_fail(context, STATUS_UNAVAILABLE, "STORE_BUSY", "the store is busy");
		closure(NULL, data);
	} else if (strcmp(request->phone, "keep") == 0) {
		assert_true(fixture->n_kept < FIXTURE_KEPT);
		context->on_cancel = fixture_on_cancel;
		context->on_cancel_data = fixture;
		fixture->kept[fixture->n_kept++] = now;
	} else if (strcmp(request->phone, "echo") == 0) {
		int64_t left_ms =
		    context->deadline_us == CLOCK_NEVER ? -1 : (context->deadline_us - clock_monotonic_us()) / 1000;
		char *echo = arena_printf(context->arena, "%s|%s|%s|%s", context->authorization ? context->authorization : "-",
		                          context->traceparent ? context->traceparent : "-",
		                          context->request_id ? context->request_id : "-",
		                          left_ms < 0       ? "never"
		                          : left_ms <= 6000 ? "bounded"
		                                            : "later");
		fixture_answer(&now, "echo", echo);
	} else {
		fixture_answer(&now, request->project_code, "");
	}
}

static inline void fixture_count(Callhistory__V1__CallHistoryService_Service *service,
                                 const Callhistory__V1__CountCallsRequest *request,
                                 Callhistory__V1__CountCallsResponse_Closure closure, void *data)
{
	(void)service;
	(void)request;
	Callhistory__V1__CountCallsResponse response = CALLHISTORY__V1__COUNT_CALLS_RESPONSE__INIT;
	response.count = 42;
	closure(&response, data);
}

static inline void fixture_report(void *data, const struct rpc_call_report *report)
{
	struct fixture *fixture = data;
	fixture->n_reports++;
	fixture->last_report = *report;
	snprintf(fixture->last_method, sizeof(fixture->last_method), "%s", report->method);
}

static inline void fixture_service_init(struct fixture *fixture)
{
	callhistory__v1__call_history_service__init(&fixture->service, NULL);
	fixture->service.list_calls = fixture_list;
	fixture->service.count_calls = fixture_count;
}

/* Makes queue and server; `options` NULL: the defaults. */
static inline struct fixture *fixture_serve(struct rpc_server_options *options)
{
	struct rpc_server_options defaults;
	struct fixture *fixture = calloc(1, sizeof(*fixture));
	int port = 0;
	assert_non_null(fixture);
	fixture_service_init(fixture);
	rpc_server_options_init(&defaults);
	if (!options)
		options = &defaults;
	options->report = fixture_report;
	options->report_data = fixture;
	assert_int_equal(rpc_queue_create(&fixture->queue), 0);
	assert_int_equal(rpc_server_create(&fixture->server, fixture->queue, options), 0);
	assert_int_equal(rpc_server_add(fixture->server, &fixture->service.base, NULL), 0);
	assert_int_equal(rpc_server_add_health(fixture->server), 0);
	assert_int_equal(rpc_server_listen(fixture->server, "127.0.0.1:0", &port), 0);
	assert_true(port > 0);
	snprintf(fixture->address, sizeof(fixture->address), "127.0.0.1:%d", port);
	return fixture;
}

static inline void fixture_connect(struct fixture *fixture, struct rpc_channel_options *options)
{
	struct rpc_channel_options defaults;
	rpc_channel_options_init(&defaults);
	assert_int_equal(
	    rpc_channel_create(&fixture->channel, fixture->queue, fixture->address, options ? options : &defaults), 0);
	assert_int_equal(rpc_channel_service(fixture->channel, &callhistory__v1__call_history_service__descriptor, NULL,
	                                     &fixture->remote),
	                 0);
}

static inline struct fixture *fixture_create(struct rpc_server_options *options)
{
	struct fixture *fixture = fixture_serve(options);
	assert_int_equal(rpc_server_start(fixture->server), 0);
	fixture_connect(fixture, NULL);
	return fixture;
}

static inline void fixture_destroy(struct fixture *fixture)
{
	rpc_channel_destroy(fixture->channel);
	rpc_server_destroy(fixture->server);
	rpc_queue_destroy(fixture->queue);
	free(fixture);
}

/* Runs the queue until `condition` holds; a test that waits for long fails here. */
#define FIXTURE_RUN_UNTIL(queue, condition)                                                                            \
	do {                                                                                                               \
		int64_t fixture_end_us = clock_monotonic_us() + FIXTURE_WAIT_US;                                               \
		while (!(condition)) {                                                                                         \
			assert_true(clock_monotonic_us() < fixture_end_us);                                                        \
			rpc_queue_run(queue, clock_monotonic_us() + 20000);                                                        \
		}                                                                                                              \
	} while (0)

static inline void client_call_init(struct client_call *call)
{
	struct arena *arena;
	memset(call, 0, sizeof(*call));
	assert_int_equal(arena_create(&arena, 1024), 0);
	context_init(&call->context, arena);
	call->context.deadline_us = clock_monotonic_us() + 60000000;
}

static inline void client_call_free(struct client_call *call)
{
	arena_destroy(call->context.arena);
	call->context.arena = NULL;
}

static inline void client_listed(const list_response *response, void *data)
{
	struct client_call *call = data;
	call->fired++;
	call->answered = response != NULL;
	if (!response)
		return;
	snprintf(call->token, sizeof(call->token), "%s", response->next_page_token);
	if (response->n_calls > 0)
		snprintf(call->id, sizeof(call->id), "%s", response->calls[0]->id);
}

static inline void client_list(struct fixture *fixture, struct client_call *call, const char *phone, const char *id)
{
	list_request request = CALLHISTORY__V1__LIST_CALLS_REQUEST__INIT;
	request.phone = (char *)phone;
	request.project_code = (char *)id;
	callhistory__v1__call_history_service__list_calls(fixture->remote, &request, client_listed, call);
}

/* Calls and waits for the closure. */
static inline void client_list_now(struct fixture *fixture, struct client_call *call, const char *phone, const char *id)
{
	client_list(fixture, call, phone, id);
	assert_int_equal(call->fired, 0);
	FIXTURE_RUN_UNTIL(fixture->queue, call->fired > 0);
	assert_int_equal(call->fired, 1);
}

#endif
