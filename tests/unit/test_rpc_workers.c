/* rpc: workers share nothing: two threads, each with its queue, its server on the shared port and its channel. */
#include <pthread.h>

#include "support/rpc_fixture.h"

enum { WORKERS = 2, CALLS = 300 };

struct worker {
	pthread_t thread;
	const char *address;
	int answered;
};

/* cmocka's assertions belong to the main thread: a worker only counts. */
struct counted {
	struct context context; /* first: closure_data is this */
	int fired;
	bool answered;
};

static void counted_done(const list_response *response, void *data)
{
	struct counted *call = data;
	call->fired++;
	call->answered = response != NULL;
}

static void run_calls(struct worker *worker, struct fixture *fixture)
{
	list_request request = CALLHISTORY__V1__LIST_CALLS_REQUEST__INIT;
	struct arena *arena;
	if (arena_create(&arena, 1024))
		return;
	for (int i = 0; i < CALLS; i++) {
		struct counted call = {.fired = 0};
		arena_reset(arena);
		context_init(&call.context, arena);
		call.context.deadline_us = clock_monotonic_us() + 10000000;
		callhistory__v1__call_history_service__list_calls(fixture->remote, &request, counted_done, &call);
		while (call.fired == 0)
			rpc_queue_run(fixture->queue, clock_monotonic_us() + 20000);
		worker->answered += call.answered && call.fired == 1;
	}
	arena_destroy(arena);
}

static void *work(void *data)
{
	struct worker *worker = data;
	struct fixture *fixture = calloc(1, sizeof(*fixture));
	struct rpc_server_options options;
	struct rpc_channel_options channel_options;
	int port;
	rpc_server_options_init(&options);
	rpc_channel_options_init(&channel_options);
	if (!fixture)
		return NULL;
	fixture_service_init(fixture);
	if (rpc_queue_create(&fixture->queue) || rpc_server_create(&fixture->server, fixture->queue, &options) ||
	    rpc_server_add(fixture->server, &fixture->service.base, NULL) ||
	    rpc_server_listen(fixture->server, worker->address, &port) || rpc_server_start(fixture->server) ||
	    rpc_channel_create(&fixture->channel, fixture->queue, worker->address, &channel_options) ||
	    rpc_channel_service(fixture->channel, &callhistory__v1__call_history_service__descriptor, NULL,
	                        &fixture->remote))
		return NULL;
	run_calls(worker, fixture);
	/* Others' connections may end here: their callers try again elsewhere. */
	rpc_channel_destroy(fixture->channel);
	rpc_server_drain(fixture->server, clock_monotonic_us() + 2000000);
	while (!rpc_server_drained(fixture->server))
		rpc_queue_run(fixture->queue, clock_monotonic_us() + 20000);
	rpc_server_destroy(fixture->server);
	rpc_queue_destroy(fixture->queue);
	free(fixture);
	return NULL;
}

static void workers_share_a_port(void **state)
{
	(void)state;
	struct fixture *first = fixture_create(NULL); /* holds the port */
	struct worker workers[WORKERS] = {0};
	for (int i = 0; i < WORKERS; i++) {
		workers[i].address = first->address;
		assert_int_equal(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
	}
	int64_t end_us = clock_monotonic_us() + FIXTURE_WAIT_US;
	for (int joined = 0; joined < WORKERS;) {
		rpc_queue_run(first->queue, clock_monotonic_us() + 5000);
		assert_true(clock_monotonic_us() < end_us);
		joined += pthread_tryjoin_np(workers[joined].thread, NULL) == 0;
	}
	for (int i = 0; i < WORKERS; i++)
		assert_int_equal(workers[i].answered, CALLS);
	fixture_destroy(first);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(workers_share_a_port),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
