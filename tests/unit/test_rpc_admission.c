/* rpc: who calls is decided before the message is looked at, at once or later. */
#include "support/raw_call.h"

#define LIST "/callhistory.v1.CallHistoryService/ListCalls"

/* A request may take this long to arrive; on a busy machine it does. */
enum { ARRIVAL_MS = 2000 };

/* What admission does is said by the authorization: "deny", "wait" (test_finish() goes on), else the call is admitted. */
struct gate {
	struct context *context;
	void (*done)(void *done_data);
	void *done_data;
	int n_asked, n_cancelled;
};

static void gate_on_cancel(struct context *context, void *data)
{
	assert_true(context->cancelled);
	((struct gate *)data)->n_cancelled++;
}

static void gate_admit(void *data, struct context *context, void (*done)(void *done_data), void *done_data)
{
	struct gate *gate = data;
	gate->n_asked++;
	if (context->authorization && strcmp(context->authorization, "wait") == 0) {
		*gate = (struct gate){context, done, done_data, gate->n_asked, gate->n_cancelled};
		context->on_cancel = gate_on_cancel;
		context->on_cancel_data = gate;
		return;
	}
	if (context->authorization && strcmp(context->authorization, "deny") == 0)
		context_fail(context, STATUS_UNAUTHENTICATED, "TOKEN_INVALID", "a valid access token is needed");
	done(done_data);
}

static struct fixture *gate_serve(struct gate *gate)
{
	struct rpc_server_options options;
	rpc_server_options_init(&options);
	options.admit = gate_admit;
	options.admit_data = gate;
	return fixture_create(&options);
}

static void call_as(struct raw_call *raw, struct fixture *fixture, const char *authorization, const char *bytes,
                    size_t length, int64_t timeout_ms)
{
	grpc_metadata entry = {.key = grpc_slice_from_static_string("authorization"),
	                       .value = grpc_slice_from_static_string(authorization)};
	raw_open(raw, fixture, NULL);
	raw_begin(raw, LIST, &entry, 1, timeout_ms);
	raw_send(raw, bytes, length);
}

static void expect(struct fixture *fixture, const char *authorization, const char *bytes, size_t length,
                   grpc_status_code status)
{
	struct raw_call raw;
	call_as(&raw, fixture, authorization, bytes, length, 10000);
	raw_finish(&raw);
	assert_int_equal(raw.status, status);
	raw_free(&raw);
}

static void the_token_comes_before_the_message(void **state)
{
	(void)state;
	struct gate gate = {.n_asked = 0};
	struct fixture *fixture = gate_serve(&gate);
	expect(fixture, "deny", "\x0a\xff\xff", 3, GRPC_STATUS_UNAUTHENTICATED);
	expect(fixture, "deny", "", 0, GRPC_STATUS_UNAUTHENTICATED);
	assert_int_equal(fixture->n_handled, 0);
	expect(fixture, "good", "\x0a\xff\xff", 3, GRPC_STATUS_INVALID_ARGUMENT);
	expect(fixture, "good", "", 0, GRPC_STATUS_OK);
	assert_int_equal(fixture->n_handled, 1);
	assert_int_equal(gate.n_asked, 4);
	assert_int_equal(rpc_server_in_flight(fixture->server), 0);
	fixture_destroy(fixture);
}

static void admission_may_come_later(void **state)
{
	(void)state;
	struct gate gate = {.n_asked = 0};
	struct fixture *fixture = gate_serve(&gate);
	for (int denied = 0; denied < 2; denied++) {
		struct raw_call raw;
		call_as(&raw, fixture, "wait", "", 0, 10000);
		FIXTURE_RUN_UNTIL(fixture->queue, gate.n_asked == denied + 1);
		assert_int_equal(fixture->n_handled, denied == 0 ? 0 : 1);
		assert_int_equal(rpc_server_in_flight(fixture->server), 1);
		if (denied)
			context_fail(gate.context, STATUS_UNAUTHENTICATED, NULL, "a valid access token is needed");
		gate.done(gate.done_data);
		raw_finish(&raw);
		assert_int_equal(raw.status, denied ? GRPC_STATUS_UNAUTHENTICATED : GRPC_STATUS_OK);
		raw_free(&raw);
	}
	assert_int_equal(fixture->n_handled, 1);
	assert_int_equal(gate.n_cancelled, 0);
	fixture_destroy(fixture);
}

/* The deadline passes, or the client cancels, while Redis is asked for the token. */
static void a_client_may_leave_meanwhile(void **state)
{
	(void)state;
	struct gate gate = {.n_asked = 0};
	struct fixture *fixture = gate_serve(&gate);
	for (int cancels = 0; cancels < 2; cancels++) {
		struct raw_call raw;
		call_as(&raw, fixture, "wait", "", 0, cancels ? 10000 : ARRIVAL_MS);
		FIXTURE_RUN_UNTIL(fixture->queue, gate.n_asked == cancels + 1);
		if (cancels)
			grpc_call_cancel(raw.call, NULL);
		FIXTURE_RUN_UNTIL(fixture->queue, gate.n_cancelled == cancels + 1);
		gate.done(gate.done_data);
		assert_int_equal(rpc_server_in_flight(fixture->server), 0);
		raw_finish(&raw);
		assert_int_equal(raw.status, cancels ? GRPC_STATUS_CANCELLED : GRPC_STATUS_DEADLINE_EXCEEDED);
		raw_free(&raw);
	}
	assert_int_equal(fixture->n_handled, 0);
	fixture_destroy(fixture);
}

/* Health is open to all, so its messages are small. */
static void open_methods_take_small_messages_only(void **state)
{
	(void)state;
	struct gate gate = {.n_asked = 0};
	struct fixture *fixture = gate_serve(&gate);
	char *large = calloc(1, 100000);
	assert_non_null(large);
	static const char *const methods[] = {"/grpc.health.v1.Health/Check", "/grpc.health.v1.Health/Watch"};
	for (size_t i = 0; i < 2; i++) {
		struct raw_call raw;
		raw_open(&raw, fixture, methods[i]);
		raw_send(&raw, large, 100000);
		raw_finish(&raw);
		assert_int_equal(raw.status, GRPC_STATUS_RESOURCE_EXHAUSTED);
		raw_free(&raw);
	}
	free(large);
	assert_int_equal(gate.n_asked, 0);
	fixture_destroy(fixture);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_token_comes_before_the_message),
	    cmocka_unit_test(admission_may_come_later),
	    cmocka_unit_test(a_client_may_leave_meanwhile),
	    cmocka_unit_test(open_methods_take_small_messages_only),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
