/* rpc: deadlines, cancellation, drain and destruction: every closure fires exactly once. */
#include <errno.h>

#include "support/rpc_fixture.h"

static void deadline_ends_both_sides(void **state)
{
	(void)state;
	struct fixture *fixture = fixture_create(NULL);
	struct client_call call;
	int64_t timeout_us = 100000;
	for (;;) { /* on a busy machine the deadline may pass before the call has arrived: then a longer one */
		client_call_init(&call);
		call.context.deadline_us = clock_monotonic_us() + timeout_us;
		client_list_now(fixture, &call, "keep", "");
		if (fixture->n_handled > 0)
			break;
		client_call_free(&call);
		timeout_us *= 2;
		assert_true(timeout_us < FIXTURE_WAIT_US);
	}
	assert_int_equal(call.context.status, STATUS_DEADLINE_EXCEEDED);
	assert_string_equal(call.context.message, "the deadline has passed");
	FIXTURE_RUN_UNTIL(fixture->queue, fixture->n_cancelled == 1);
	assert_int_equal(rpc_server_in_flight(fixture->server), 1);
	fixture_answer_kept(fixture);
	assert_int_equal(rpc_server_in_flight(fixture->server), 0);
	assert_int_equal(fixture->last_report.status, STATUS_DEADLINE_EXCEEDED);
	client_call_free(&call);
	fixture_destroy(fixture);
}

static void passed_deadline_fails_without_a_call(void **state)
{
	(void)state;
	struct fixture *fixture = fixture_create(NULL);
	struct client_call call;
	client_call_init(&call);
	call.context.deadline_us = clock_monotonic_us() - 1;
	client_list_now(fixture, &call, "", "x");
	assert_int_equal(call.context.status, STATUS_DEADLINE_EXCEEDED);
	assert_int_equal(fixture->n_handled, 0);
	client_call_free(&call);
	fixture_destroy(fixture);
}

static void client_cancel_reaches_the_handler(void **state)
{
	(void)state;
	struct fixture *fixture = fixture_create(NULL);
	struct client_call call;
	client_call_init(&call);
	client_list(fixture, &call, "keep", "");
	FIXTURE_RUN_UNTIL(fixture->queue, fixture->n_kept == 1);
	call.context.cancel(&call.context);
	call.context.cancel(&call.context);
	assert_int_equal(call.fired, 0);
	FIXTURE_RUN_UNTIL(fixture->queue, call.fired > 0 && fixture->n_cancelled > 0);
	assert_int_equal(call.context.status, STATUS_CANCELLED);
	assert_null(call.context.cancel);
	fixture_answer_kept(fixture);
	assert_int_equal(fixture->last_report.status, STATUS_CANCELLED);
	assert_int_equal(call.fired, 1);
	assert_int_equal(fixture->n_cancelled, 1);
	client_call_free(&call);
	fixture_destroy(fixture);
}

static void cancel_before_the_call_has_left(void **state)
{
	(void)state;
	struct fixture *fixture = fixture_create(NULL);
	struct client_call call;
	client_call_init(&call);
	client_list(fixture, &call, "", "x");
	call.context.cancel(&call.context);
	FIXTURE_RUN_UNTIL(fixture->queue, call.fired > 0);
	assert_int_equal(call.context.status, STATUS_CANCELLED);
	client_call_free(&call);
	fixture_destroy(fixture);
}

static void handler_may_answer_inside_on_cancel(void **state)
{
	(void)state;
	struct fixture *fixture = fixture_create(NULL);
	struct client_call call;
	fixture->answer_on_cancel = true;
	client_call_init(&call);
	client_list(fixture, &call, "keep", "");
	FIXTURE_RUN_UNTIL(fixture->queue, fixture->n_kept == 1);
	call.context.cancel(&call.context);
	FIXTURE_RUN_UNTIL(fixture->queue, call.fired > 0 && fixture->n_cancelled == 1);
	assert_int_equal(fixture->n_kept, 0);
	assert_int_equal(rpc_server_in_flight(fixture->server), 0);
	client_call_free(&call);
	fixture_destroy(fixture);
}

static void drain_lets_calls_finish(void **state)
{
	(void)state;
	struct fixture *fixture = fixture_create(NULL);
	struct client_call call;
	client_call_init(&call);
	client_list(fixture, &call, "keep", "");
	FIXTURE_RUN_UNTIL(fixture->queue, fixture->n_kept == 1);
	rpc_server_drain(fixture->server, clock_monotonic_us() + 60000000);
	for (int i = 0; i < 5; i++)
		rpc_queue_run(fixture->queue, clock_monotonic_us() + 5000);
	assert_false(rpc_server_drained(fixture->server));
	assert_int_equal(fixture->n_cancelled, 0);
	fixture_answer_kept(fixture);
	FIXTURE_RUN_UNTIL(fixture->queue, call.fired > 0 && rpc_server_drained(fixture->server));
	assert_true(call.answered);
	client_call_free(&call);
	fixture_destroy(fixture);
}

static void drain_cancels_when_grace_ends(void **state)
{
	(void)state;
	struct fixture *fixture = fixture_create(NULL);
	struct rpc_channel_options options;
	struct client_call call;
	rpc_channel_options_init(&options);
	options.attempts = 1;
	rpc_channel_destroy(fixture->channel);
	fixture_connect(fixture, &options);
	client_call_init(&call);
	client_list(fixture, &call, "keep", "");
	FIXTURE_RUN_UNTIL(fixture->queue, fixture->n_kept == 1);
	rpc_server_drain(fixture->server, clock_monotonic_us() + 60000000);
	rpc_server_drain(fixture->server, clock_monotonic_us() + 50000); /* only moves the end */
	FIXTURE_RUN_UNTIL(fixture->queue, fixture->n_cancelled == 1 && call.fired > 0);
	assert_int_equal(call.context.status, STATUS_UNAVAILABLE);
	assert_false(rpc_server_drained(fixture->server)); /* the closure is owed */
	fixture_answer_kept(fixture);
	FIXTURE_RUN_UNTIL(fixture->queue, rpc_server_drained(fixture->server));
	client_call_free(&call);
	fixture_destroy(fixture);
}

static void idle_server_drains(void **state)
{
	(void)state;
	struct fixture *fixture = fixture_create(NULL);
	struct client_call call;
	client_call_init(&call);
	client_list_now(fixture, &call, "", "x");
	client_call_free(&call);
	rpc_server_drain(fixture->server, clock_monotonic_us() + 60000000);
	FIXTURE_RUN_UNTIL(fixture->queue, rpc_server_drained(fixture->server));
	fixture_destroy(fixture);
}

static void channel_destroyed_with_calls_under_way(void **state)
{
	(void)state;
	struct fixture *fixture = fixture_create(NULL);
	struct client_call calls[10];
	for (int i = 0; i < 10; i++) {
		client_call_init(&calls[i]);
		client_list(fixture, &calls[i], "keep", "");
	}
	FIXTURE_RUN_UNTIL(fixture->queue, fixture->n_kept == 10);
	rpc_channel_destroy(fixture->channel);
	fixture->channel = NULL;
	for (int i = 0; i < 10; i++) {
		assert_int_equal(calls[i].fired, 1);
		assert_int_equal(calls[i].context.status, STATUS_CANCELLED);
		client_call_free(&calls[i]);
	}
	FIXTURE_RUN_UNTIL(fixture->queue, fixture->n_cancelled == 10);
	fixture_answer_kept(fixture);
	fixture_destroy(fixture);
}

static void server_destroyed_with_closures_owed(void **state)
{
	(void)state;
	struct fixture *fixture = fixture_create(NULL);
	struct client_call call;
	client_call_init(&call);
	client_list(fixture, &call, "keep", "");
	FIXTURE_RUN_UNTIL(fixture->queue, fixture->n_kept == 1);
	rpc_server_destroy(fixture->server);
	fixture->server = NULL;
	assert_int_equal(fixture->n_cancelled, 1);
	fixture_answer_kept(fixture);
	assert_int_equal(fixture->n_reports, 0);
	call.context.cancel ? call.context.cancel(&call.context) : (void)0;
	FIXTURE_RUN_UNTIL(fixture->queue, call.fired > 0);
	client_call_free(&call);
	fixture_destroy(fixture);
}

static void unstarted_server_is_destroyed(void **state)
{
	(void)state;
	struct rpc_queue *queue;
	struct rpc_server *server;
	struct rpc_server_options options;
	rpc_server_options_init(&options);
	assert_int_equal(rpc_queue_create(&queue), 0);
	assert_int_equal(rpc_server_create(&server, queue, &options), 0);
	rpc_server_destroy(server);
	rpc_server_destroy(NULL);
	rpc_channel_destroy(NULL);
	rpc_queue_destroy(queue);
	rpc_queue_destroy(NULL);
}

static void calls_without_a_service_end(void **state)
{
	(void)state;
	struct fixture *fixture = fixture_create(NULL);
	struct client_call call;
	rpc_server_destroy(fixture->server);
	fixture->server = NULL;
	client_call_init(&call);
	call.context.deadline_us = clock_monotonic_us() + 500000;
	client_list_now(fixture, &call, "", "x");
	assert_int_equal(call.context.status, STATUS_UNAVAILABLE);
	assert_int_equal(call.context.retry_after_ms, 1000);
	static const char ours[] = "the service is not available: "; /* and then gRPC's own words */
	assert_memory_equal(call.context.message, ours, sizeof(ours) - 1);
	assert_true(strlen(call.context.message) > sizeof(ours) - 1);
	assert_null(call.context.reason); /* the gateway shows no message without one */
	client_call_free(&call);
	client_call_init(&call);
	call.context.deadline_us = CLOCK_NEVER;
	client_list_now(fixture, &call, "", "x");
	assert_int_equal(call.context.status, STATUS_UNAVAILABLE);
	client_call_free(&call);
	fixture_destroy(fixture);
}

static void cancel_during_backoff(void **state)
{
	(void)state;
	struct fixture *fixture = fixture_create(NULL);
	struct client_call call;
	client_call_init(&call);
	call.context.deadline_us = CLOCK_NEVER;
	client_list(fixture, &call, "away", "");
	FIXTURE_RUN_UNTIL(fixture->queue, fixture->n_handled >= 2);
	call.context.cancel(&call.context);
	FIXTURE_RUN_UNTIL(fixture->queue, call.fired > 0);
	assert_int_equal(call.context.status, STATUS_CANCELLED);
	client_call_free(&call);
	fixture_destroy(fixture);
}

static void unavailable_is_tried_again(void **state)
{
	(void)state;
	struct fixture *fixture = fixture_create(NULL);
	struct client_call call;
	client_call_init(&call);
	client_list_now(fixture, &call, "away", "");
	assert_int_equal(fixture->n_handled, 5);
	assert_int_equal(call.context.status, STATUS_UNAVAILABLE);
	assert_string_equal(call.context.reason, "STORE_AWAY");
	assert_string_equal(call.context.message, "the store is away");
	client_call_free(&call);
	fixture_destroy(fixture);
}

static void asked_delay_is_kept(void **state)
{
	(void)state;
	struct fixture *fixture = fixture_create(NULL);
	struct client_call call;
	client_call_init(&call);
	call.context.deadline_us = CLOCK_NEVER;
	int64_t start_us = clock_monotonic_us();
	client_list(fixture, &call, "busy", "200");
	FIXTURE_RUN_UNTIL(fixture->queue, fixture->n_handled == 2);
	assert_true(clock_monotonic_us() - start_us >= 200000);
	call.context.cancel(&call.context);
	FIXTURE_RUN_UNTIL(fixture->queue, call.fired > 0);
	client_call_free(&call);
	client_call_init(&call); /* no time for another attempt: the failure comes at once, with what was asked */
	client_list_now(fixture, &call, "busy", "60000");
	assert_int_equal(call.context.status, STATUS_UNAVAILABLE);
	assert_int_equal(call.context.retry_after_ms, 60000);
	client_call_free(&call);
	fixture_destroy(fixture);
}

/* Two services behind one channel take turns; when one goes, no call is lost. `format` makes the list of their ports. */
static void two_services(const char *format)
{
	struct fixture *first = fixture_create(NULL), *second = fixture_serve(NULL);
	struct client_call call;
	assert_int_equal(rpc_server_start(second->server), 0);
	rpc_channel_destroy(first->channel);
	char own[64];
	snprintf(own, sizeof(own), "%s", strchr(first->address, ':') + 1);
	snprintf(first->address, sizeof(first->address), format, own, strchr(second->address, ':') + 1);
	fixture_connect(first, NULL);
	int64_t end_us = clock_monotonic_us() + FIXTURE_WAIT_US;
	for (int i = 0; i < 40 || second->n_handled == 0 || first->n_handled == 0; i++) {
		assert_true(clock_monotonic_us() < end_us);
		client_call_init(&call);
		client_list(first, &call, "", "x");
		while (call.fired == 0) {
			rpc_queue_run(first->queue, clock_monotonic_us() + 1000);
			rpc_queue_run(second->queue, 0);
		}
		assert_true(call.answered);
		client_call_free(&call);
	}
	rpc_server_destroy(second->server);
	second->server = NULL;
	for (int i = 0; i < 40; i++) {
		client_call_init(&call);
		client_list_now(first, &call, "", "x");
		assert_true(call.answered);
		client_call_free(&call);
	}
	fixture_destroy(second);
	fixture_destroy(first);
}

static void two_addresses(void **state)
{
	(void)state;
	two_services("127.0.0.1:%s,127.0.0.1:%s");
}

static void a_name_and_an_address(void **state)
{
	(void)state;
	two_services("localhost:%s,127.0.0.1:%s");
}

static void fail_as_unavailable(Callhistory__V1__CallHistoryService_Service *service, const list_request *request,
                                Callhistory__V1__ListCallsResponse_Closure closure, void *data)
{
	(void)request;
	((struct fixture *)service)->n_handled++;
	context_fail(data, STATUS_UNAVAILABLE, NULL, "the server is shutting down");
	closure(NULL, data);
}

/* The second attempt of a call goes to the other target, however many calls are made meanwhile. */
static void another_attempt_goes_elsewhere(void **state)
{
	enum { CALLS = 20 };
	(void)state;
	struct fixture *first = fixture_create(NULL), *second = fixture_serve(NULL);
	struct client_call calls[CALLS];
	struct rpc_channel_options options;
	int fired = 0;
	second->service.list_calls = fail_as_unavailable;
	assert_int_equal(rpc_server_start(second->server), 0);
	rpc_channel_destroy(first->channel);
	char own[64];
	snprintf(own, sizeof(own), "%s", first->address);
	int length = snprintf(first->address, sizeof(first->address), "%s,%s", own, second->address);
	assert_true(length > 0 && (size_t)length < sizeof(first->address));
	rpc_channel_options_init(&options);
	options.attempts = 2;
	fixture_connect(first, &options);
	for (int i = 0; i < CALLS; i++) {
		client_call_init(&calls[i]);
		client_list(first, &calls[i], "", "x");
		rpc_queue_run(first->queue, 0); /* so that the next call goes to the next target */
	}
	int64_t end_us = clock_monotonic_us() + FIXTURE_WAIT_US;
	while (fired < CALLS) {
		assert_true(clock_monotonic_us() < end_us);
		rpc_queue_run(first->queue, clock_monotonic_us() + 1000);
		rpc_queue_run(second->queue, 0);
		fired = 0;
		for (int i = 0; i < CALLS; i++)
			fired += calls[i].fired;
	}
	assert_int_equal(second->n_handled, CALLS / 2);
	for (int i = 0; i < CALLS; i++) {
		assert_true(calls[i].answered);
		client_call_free(&calls[i]);
	}
	fixture_destroy(second);
	fixture_destroy(first);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(deadline_ends_both_sides),
	    cmocka_unit_test(passed_deadline_fails_without_a_call),
	    cmocka_unit_test(client_cancel_reaches_the_handler),
	    cmocka_unit_test(cancel_before_the_call_has_left),
	    cmocka_unit_test(handler_may_answer_inside_on_cancel),
	    cmocka_unit_test(drain_lets_calls_finish),
	    cmocka_unit_test(drain_cancels_when_grace_ends),
	    cmocka_unit_test(idle_server_drains),
	    cmocka_unit_test(channel_destroyed_with_calls_under_way),
	    cmocka_unit_test(server_destroyed_with_closures_owed),
	    cmocka_unit_test(unstarted_server_is_destroyed),
	    cmocka_unit_test(calls_without_a_service_end),
	    cmocka_unit_test(cancel_during_backoff),
	    cmocka_unit_test(unavailable_is_tried_again),
	    cmocka_unit_test(asked_delay_is_kept),
	    cmocka_unit_test(two_addresses),
	    cmocka_unit_test(a_name_and_an_address),
	    cmocka_unit_test(another_attempt_goes_elsewhere),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
