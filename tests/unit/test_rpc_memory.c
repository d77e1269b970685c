/* rpc: a server that ran out of memory for a while serves again afterwards. */
#include <errno.h>

#include "support/rpc_fixture.h"

#include "rpc/server_internal.h"
#include "support/failing_memory.h"

static void posts_come_back(void **state)
{
	(void)state;
	enum { MANY = 60 };
	struct fixture *fixture = fixture_create(NULL);
	struct client_call *calls = calloc(MANY, sizeof(*calls));
	int answered = 0;
	assert_non_null(calls);
	/* Call objects of the server alone: each call that arrives is the last on its post. */
	failing_memory.size = sizeof(struct server_call);
	failing_memory.nth = 1;
	failing_memory.onward = true;
	failing_memory.armed = true;
	for (int i = 0; i < MANY; i++) {
		client_call_init(&calls[i]);
		client_list(fixture, &calls[i], "keep", "");
	}
	FIXTURE_RUN_UNTIL(fixture->queue, fixture->n_kept >= RPC_SERVER_POSTS);
	FIXTURE_RUN_UNTIL(fixture->queue, failing_memory.failed >= RPC_SERVER_POSTS);
	failing_memory.armed = false;
	while (answered < MANY) {
		FIXTURE_RUN_UNTIL(fixture->queue, fixture->n_kept > 0);
		fixture_answer_kept(fixture);
		answered = fixture->n_handled;
	}
	FIXTURE_RUN_UNTIL(fixture->queue, rpc_channel_in_flight(fixture->channel) == 0);
	for (int i = 0; i < MANY; i++) {
		assert_int_equal(calls[i].fired, 1);
		assert_true(calls[i].answered);
		client_call_free(&calls[i]);
	}
	free(calls);
	fixture_destroy(fixture);
}

static void a_server_without_memory_does_not_start(void **state)
{
	(void)state;
	struct fixture *fixture = fixture_serve(NULL);
	failing_memory.size = sizeof(struct server_call);
	failing_memory.nth = 5;
	failing_memory.onward = false;
	failing_memory.seen = 0;
	failing_memory.armed = true;
	assert_int_equal(rpc_server_start(fixture->server), -ENOMEM);
	failing_memory.armed = false;
	fixture_destroy(fixture);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(posts_come_back),
	    cmocka_unit_test(a_server_without_memory_does_not_start),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
