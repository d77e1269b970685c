/* rpc: unary calls from stub to handler and back, over a real connection. */
#include <errno.h>

#include "support/rpc_fixture.h"

static void answers(void **state)
{
	(void)state;
	struct fixture *fixture = fixture_create(NULL);
	struct client_call call;
	for (int i = 0; i < 300; i++) { /* more than are posted at a time */
		char id[16];
		snprintf(id, sizeof(id), "id-%d", i);
		client_call_init(&call);
		client_list_now(fixture, &call, "", id);
		assert_true(call.answered);
		assert_string_equal(call.id, id);
		assert_int_equal(call.context.status, STATUS_OK);
		client_call_free(&call);
	}
	assert_string_equal(fixture->last_method, "callhistory.v1.CallHistoryService/ListCalls");
	assert_int_equal(fixture->n_reports, 300);
	assert_int_equal(fixture->last_report.status, STATUS_OK);
	assert_true(fixture->last_report.response_bytes > 0);
	assert_int_equal(rpc_server_in_flight(fixture->server), 0);
	assert_int_equal(rpc_channel_in_flight(fixture->channel), 0);
	fixture_destroy(fixture);
}

static void many_at_once(void **state)
{
	(void)state;
	enum { MANY = 1000 };
	struct fixture *fixture = fixture_create(NULL);
	struct client_call *calls = calloc(MANY, sizeof(*calls));
	int fired = 0;
	for (int i = 0; i < MANY; i++) {
		client_call_init(&calls[i]);
		client_list(fixture, &calls[i], "", "many");
	}
	assert_int_equal(rpc_channel_in_flight(fixture->channel), MANY);
	FIXTURE_RUN_UNTIL(fixture->queue, rpc_channel_in_flight(fixture->channel) == 0);
	for (int i = 0; i < MANY; i++) {
		fired += calls[i].fired;
		assert_true(calls[i].answered);
		client_call_free(&calls[i]);
	}
	assert_int_equal(fired, MANY);
	free(calls);
	fixture_destroy(fixture);
}

static void carries_metadata(void **state)
{
	(void)state;
	struct fixture *fixture = fixture_create(NULL);
	struct client_call call;
	client_call_init(&call);
	call.context.authorization = "Bearer abc";
	call.context.traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
	call.context.request_id = "req-1";
	call.context.deadline_us = clock_monotonic_us() + 5000000;
	client_list_now(fixture, &call, "echo", "");
	assert_string_equal(call.token, "Bearer abc|00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01|req-1|bounded");
	client_call_free(&call);
	client_call_init(&call);
	call.context.deadline_us = CLOCK_NEVER;
	client_list_now(fixture, &call, "echo", "");
	assert_string_equal(call.token, "-|-|-|never");
	client_call_free(&call);
	fixture_destroy(fixture);
}

static void refuses_bad_authorization(void **state)
{
	(void)state;
	struct fixture *fixture = fixture_create(NULL);
	struct client_call call;
	client_call_init(&call);
	call.context.authorization = "Bearer a\nb";
	client_list_now(fixture, &call, "", "x");
	assert_false(call.answered);
	assert_int_equal(call.context.status, STATUS_UNAUTHENTICATED);
	client_call_free(&call);
	fixture_destroy(fixture);
}

static void carries_details(void **state)
{
	(void)state;
	struct fixture *fixture = fixture_create(NULL);
	struct client_call call;
	client_call_init(&call);
	client_list_now(fixture, &call, "fail", "");
	assert_false(call.answered);
	assert_int_equal(call.context.status, STATUS_INVALID_ARGUMENT);
	assert_string_equal(call.context.message, "size: must be at most 1000, dấu");
	assert_string_equal(call.context.reason, "INVALID_FIELD");
	assert_string_equal(call.context.violation.field, "size");
	assert_string_equal(call.context.violation.description, "must be at most 1000, dấu");
	assert_int_equal(call.context.retry_after_ms, 1500);
	assert_int_equal(fixture->last_report.status, STATUS_INVALID_ARGUMENT);
	client_call_free(&call);
	fixture_destroy(fixture);
}

static void failure_without_a_status_is_internal(void **state)
{
	(void)state;
	struct fixture *fixture = fixture_create(NULL);
	struct client_call call;
	client_call_init(&call);
	client_list_now(fixture, &call, "null", "");
	assert_int_equal(call.context.status, STATUS_INTERNAL);
	assert_string_equal(call.context.message, "internal error");
	client_call_free(&call);
	fixture_destroy(fixture);
}

static void got(const Callhistory__V1__GetCallResponse *response, void *data)
{
	struct client_call *call = data;
	call->fired++;
	call->answered = response != NULL;
}

static void get(ProtobufCService *remote, struct rpc_queue *queue, struct client_call *call)
{
	Callhistory__V1__GetCallRequest request = CALLHISTORY__V1__GET_CALL_REQUEST__INIT;
	callhistory__v1__call_history_service__get_call(remote, &request, got, call);
	FIXTURE_RUN_UNTIL(queue, call->fired > 0);
}

static void empty_slot_is_unimplemented(void **state)
{
	(void)state;
	struct fixture *fixture = fixture_create(NULL);
	struct client_call call;
	client_call_init(&call);
	get(fixture->remote, fixture->queue, &call);
	assert_int_equal(call.context.status, STATUS_UNIMPLEMENTED);
	assert_string_equal(call.context.reason, "UNIMPLEMENTED");
	client_call_free(&call);
	fixture_destroy(fixture);
}

static void unknown_method_is_unimplemented(void **state)
{
	(void)state;
	struct fixture *fixture = fixture_create(NULL);
	ProtobufCService *other;
	struct client_call call;
	assert_int_equal(rpc_channel_service(fixture->channel, &callhistory__v1__call_history_service__descriptor,
	                                     "callhistory.v9.Nothing", &other),
	                 0);
	for (int i = 0; i < 20; i++) {
		client_call_init(&call);
		call.fired = 0;
		get(other, fixture->queue, &call);
		assert_int_equal(call.context.status, STATUS_UNIMPLEMENTED);
		client_call_free(&call);
	}
	assert_string_equal(fixture->last_method, "other");
	assert_non_null(fixture->last_report.context);
	fixture_destroy(fixture);
}

static void served_under_another_name(void **state)
{
	(void)state;
	struct fixture *fixture = fixture_serve(NULL);
	struct client_call call;
	assert_int_equal(rpc_server_add(fixture->server, &fixture->service.base, "other.Name"), 0);
	assert_int_equal(rpc_server_add(fixture->server, &fixture->service.base, "other.Name"), -EINVAL);
	assert_int_equal(rpc_server_start(fixture->server), 0);
	fixture_connect(fixture, NULL);
	assert_int_equal(rpc_channel_service(fixture->channel, &callhistory__v1__call_history_service__descriptor,
	                                     "other.Name", &fixture->remote),
	                 0);
	client_call_init(&call);
	client_list_now(fixture, &call, "", "named");
	assert_string_equal(call.id, "named");
	client_call_free(&call);
	fixture_destroy(fixture);
}

static void closure_may_be_called_later(void **state)
{
	(void)state;
	struct fixture *fixture = fixture_create(NULL);
	struct client_call calls[3];
	for (int i = 0; i < 3; i++) {
		client_call_init(&calls[i]);
		client_list(fixture, &calls[i], "keep", "");
	}
	FIXTURE_RUN_UNTIL(fixture->queue, fixture->n_kept == 3);
	assert_int_equal(rpc_server_in_flight(fixture->server), 3);
	fixture_answer_kept(fixture);
	assert_int_equal(rpc_server_in_flight(fixture->server), 0);
	FIXTURE_RUN_UNTIL(fixture->queue, rpc_channel_in_flight(fixture->channel) == 0);
	for (int i = 0; i < 3; i++) {
		assert_string_equal(calls[i].id, "kept");
		client_call_free(&calls[i]);
	}
	assert_int_equal(fixture->n_cancelled, 0);
	fixture_destroy(fixture);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(answers),
	    cmocka_unit_test(many_at_once),
	    cmocka_unit_test(carries_metadata),
	    cmocka_unit_test(refuses_bad_authorization),
	    cmocka_unit_test(carries_details),
	    cmocka_unit_test(failure_without_a_status_is_internal),
	    cmocka_unit_test(empty_slot_is_unimplemented),
	    cmocka_unit_test(unknown_method_is_unimplemented),
	    cmocka_unit_test(served_under_another_name),
	    cmocka_unit_test(closure_may_be_called_later),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
