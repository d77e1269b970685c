/*
 * callhistoryctl's outbox, against a service that is a few functions here:
 * batches, order of repeated ids, tries, and what is told to the caller.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>

#include "base/clock.h"
#include "callhistory/v1/call_ingest_service.pb-c.h"
#include "callhistoryctl/outbox.h"

enum { PENDING_MAX = 16, LOG_MAX = 64 };

#define REFUSED CALLHISTORY__V1__RECORD_CALL_RESULT__OUTCOME__OUTCOME_REFUSED
#define RECORDED CALLHISTORY__V1__RECORD_CALL_RESULT__OUTCOME__OUTCOME_RECORDED

/* A request that the service has and has not answered. */
struct pending {
	char tenant[80];
	char first_id[32], last_id[32];
	size_t count;
	Callhistory__V1__RecordCallsResponse_Closure closure;
	void *data;
};

struct world {
	ProtobufCService *service;
	struct outbox *outbox;
	struct pending pending[PENDING_MAX];
	size_t pending_count, request_count;
	char log[LOG_MAX][128]; /* what the outbox told */
	size_t log_count;
};

/* The generated service has no place for data, so it is wrapped. */
struct fake_service {
	Callhistory__V1__CallIngestService_Service base;
	struct world *world;
};

static void record_calls(Callhistory__V1__CallIngestService_Service *service,
                         const Callhistory__V1__RecordCallsRequest *request,
                         Callhistory__V1__RecordCallsResponse_Closure closure, void *data)
{
	struct world *world = ((struct fake_service *)(void *)service)->world;
	assert_in_range(request->n_calls, 1, OUTBOX_BATCH_CALLS);
	assert_true(world->pending_count < OUTBOX_IN_FLIGHT);
	struct pending *pending = &world->pending[world->pending_count++];
	++world->request_count;
	snprintf(pending->tenant, sizeof(pending->tenant), "%s/%s", request->project_code, request->vbot_id);
	snprintf(pending->first_id, sizeof(pending->first_id), "%s", request->calls[0]->id);
	snprintf(pending->last_id, sizeof(pending->last_id), "%s", request->calls[request->n_calls - 1]->id);
	pending->count = request->n_calls;
	pending->closure = closure;
	pending->data = data;
}

static struct pending take_pending(struct world *world, size_t index)
{
	assert_true(index < world->pending_count);
	struct pending taken = world->pending[index];
	--world->pending_count;
	memmove(&world->pending[index], &world->pending[index + 1],
	        (world->pending_count - index) * sizeof(world->pending[0]));
	return taken;
}

/* Answers a request: one outcome for all calls. */
static void answer(struct world *world, size_t index, Callhistory__V1__RecordCallResult__Outcome outcome, size_t count)
{
	struct pending pending = take_pending(world, index);
	Callhistory__V1__RecordCallResult result = CALLHISTORY__V1__RECORD_CALL_RESULT__INIT;
	Callhistory__V1__RecordCallsResponse response = CALLHISTORY__V1__RECORD_CALLS_RESPONSE__INIT;
	Callhistory__V1__RecordCallResult *results[OUTBOX_BATCH_CALLS];
	result.outcome = outcome;
	result.field = (char *)"hotline";
	result.message = (char *)"too long";
	response.n_results = count ? count : pending.count;
	response.results = results;
	for (size_t i = 0; i < response.n_results; ++i)
		results[i] = &result;
	pending.closure(&response, pending.data);
}

static void fail_call(struct world *world, size_t index, enum status status, int64_t retry_after_ms)
{
	struct pending pending = take_pending(world, index);
	struct context *context = pending.data;
	assert_int_equal(context->magic, CONTEXT_MAGIC);
	context_fail(context, status, NULL, "no");
	context->retry_after_ms = retry_after_ms;
	pending.closure(NULL, pending.data);
}

static void on_refused(void *data, struct outbox_origin origin, const char *field, const char *message)
{
	struct world *world = data;
	assert_true(world->log_count < LOG_MAX);
	snprintf(world->log[world->log_count++], sizeof(world->log[0]), "%s:%llu %s %s", origin.file,
	         (unsigned long long)origin.line, field, message);
}

static void on_failed(void *data, const struct outbox_failure *failure)
{
	struct world *world = data;
	assert_true(world->log_count < LOG_MAX);
	snprintf(world->log[world->log_count++], sizeof(world->log[0]), "%s/%s %llu-%llu %zu %s", failure->project_code,
	         failure->vbot_id, (unsigned long long)failure->first.line, (unsigned long long)failure->last.line,
	         failure->count, status_name(failure->context->status));
}

static int set_up(void **state)
{
	struct world *world = calloc(1, sizeof(*world));
	struct fake_service *service = calloc(1, sizeof(*service));
	assert_non_null(world);
	assert_non_null(service);
	callhistory__v1__call_ingest_service__init(&service->base, NULL);
	service->base.record_calls = record_calls;
	service->world = world;
	world->service = &service->base.base;
	struct outbox_options options = {
	    .ingest = world->service,
	    .authorization = "Bearer x",
	    .timeout_us = INT64_C(3600000000),
	    .refused = on_refused,
	    .failed = on_failed,
	    .data = world,
	};
	assert_int_equal(outbox_create(&world->outbox, &options), 0);
	*state = world;
	return 0;
}

static int tear_down(void **state)
{
	struct world *world = *state;
	while (world->pending_count)
		fail_call(world, 0, STATUS_CANCELLED, 0);
	outbox_destroy(world->outbox);
	free(world->service);
	free(world);
	return 0;
}

static int add(struct world *world, const char *vbot_id, const char *id, uint64_t line)
{
	Callhistory__V1__Call call = CALLHISTORY__V1__CALL__INIT;
	struct contract_import record = {.project_code = "P", .vbot_id = vbot_id, .call = &call};
	call.id = (char *)id;
	return outbox_add(world->outbox, &record, false, (struct outbox_origin){"f", line, 0});
}

/* Adds calls with ids "<first>", "<first + 1>" and so on. */
static void add_many(struct world *world, const char *vbot_id, uint64_t first, uint64_t count)
{
	for (uint64_t i = first; i < first + count; ++i) {
		char id[32];
		snprintf(id, sizeof(id), "%llu", (unsigned long long)i);
		assert_int_equal(add(world, vbot_id, id, i), 0);
	}
}

static void run(struct world *world)
{
	outbox_run(world->outbox, clock_monotonic_us());
}

static void test_batches(void **state)
{
	struct world *world = *state;
	assert_true(outbox_idle(world->outbox));
	add_many(world, "V", 1, 2500);
	assert_true(outbox_busy(world->outbox));
	run(world);
	assert_int_equal(world->pending_count, 2);
	outbox_flush(world->outbox);
	run(world);
	assert_int_equal(world->pending_count, 3);
	assert_string_equal(world->pending[0].first_id, "1");
	assert_string_equal(world->pending[1].last_id, "2000");
	assert_int_equal(world->pending[2].count, 500);
	assert_string_equal(world->pending[2].tenant, "P/V");
	/* Answers may come in any order. */
	answer(world, 2, RECORDED, 0);
	answer(world, 0, CALLHISTORY__V1__RECORD_CALL_RESULT__OUTCOME__OUTCOME_UNCHANGED, 0);
	answer(world, 0, CALLHISTORY__V1__RECORD_CALL_RESULT__OUTCOME__OUTCOME_REPLACED, 0);
	assert_true(outbox_idle(world->outbox));
	const struct outbox_totals *totals = outbox_totals(world->outbox);
	assert_int_equal(totals->recorded, 500);
	assert_int_equal(totals->unchanged, 1000);
	assert_int_equal(totals->replaced, 1000);
	assert_int_equal(world->log_count, 0);
}

static void test_bounds(void **state)
{
	struct world *world = *state;
	/* Nothing is answered: it takes what its batches hold, and no more. */
	add_many(world, "V", 1, OUTBOX_BATCHES * OUTBOX_BATCH_CALLS);
	assert_int_equal(add(world, "V", "more", 9999), -EAGAIN);
	run(world);
	assert_int_equal(world->pending_count, OUTBOX_IN_FLIGHT);
	assert_int_equal(add(world, "V", "more", 9999), -EAGAIN);
	answer(world, 0, RECORDED, 0);
	assert_int_equal(add(world, "V", "more", 9999), 0);
	/* A batch is limited in bytes, too. */
	Callhistory__V1__Call call = CALLHISTORY__V1__CALL__INIT;
	struct contract_import record = {.project_code = "P", .vbot_id = "V", .call = &call};
	static char big[OUTBOX_BATCH_BYTES];
	memset(big, 'x', sizeof(big) - 1);
	call.id = big;
	assert_int_equal(outbox_add(world->outbox, &record, false, (struct outbox_origin){"f", 1, 0}), -EAGAIN);
}

static void test_many_tenants(void **state)
{
	struct world *world = *state;
	int sent = 0;
	for (int i = 0; i < 100; ++i) {
		char vbot[32];
		snprintf(vbot, sizeof(vbot), "V%d", i % 20);
		int result;
		while ((result = add(world, vbot, "same id", (uint64_t)i)) == -EAGAIN) {
			run(world);
			assert_true(world->pending_count > 0);
			answer(world, 0, RECORDED, 0);
			assert_true(++sent <= 100);
		}
		assert_int_equal(result, 0);
	}
	outbox_flush(world->outbox);
	for (int i = 0; i < 100 && !outbox_idle(world->outbox); ++i) {
		run(world);
		answer(world, 0, RECORDED, 0);
	}
	assert_true(outbox_idle(world->outbox));
	assert_int_equal(outbox_totals(world->outbox)->recorded, 100);
}

static void test_repeated_id_waits(void **state)
{
	struct world *world = *state;
	add_many(world, "V", 1, 1000);
	add_many(world, "V", 2001, 999);
	assert_int_equal(add(world, "V", "500", 1), 0); /* also in the first batch */
	add_many(world, "V", 3001, 999);
	assert_int_equal(add(world, "V", "2001", 2), 0); /* also in the second */
	add_many(world, "V", 4001, 1000);
	add_many(world, "W", 1, 1000); /* another tenant: no relation */
	run(world);
	assert_int_equal(world->pending_count, 3);
	assert_string_equal(world->pending[0].first_id, "1");
	assert_string_equal(world->pending[1].first_id, "4001");
	assert_string_equal(world->pending[2].tenant, "P/W");
	/* A batch that is to be tried again still blocks the later ones. */
	fail_call(world, 0, STATUS_UNAVAILABLE, 0);
	run(world);
	assert_int_equal(world->pending_count, 2);
	outbox_run(world->outbox, clock_monotonic_us() + 3000000);
	assert_int_equal(world->pending_count, 3);
	assert_string_equal(world->pending[2].first_id, "1");
	answer(world, 2, RECORDED, 0);
	run(world);
	assert_int_equal(world->pending_count, 3);
	assert_string_equal(world->pending[2].first_id, "2001");
	answer(world, 2, RECORDED, 0);
	run(world);
	assert_string_equal(world->pending[2].first_id, "3001");
}

static void test_refused_calls(void **state)
{
	struct world *world = *state;
	add_many(world, "V", 7, 2);
	outbox_flush(world->outbox);
	run(world);
	answer(world, 0, REFUSED, 0);
	assert_int_equal(world->log_count, 2);
	assert_string_equal(world->log[0], "f:7 hotline too long");
	assert_string_equal(world->log[1], "f:8 hotline too long");
	assert_int_equal(outbox_totals(world->outbox)->refused, 2);
}

static void test_tries(void **state)
{
	struct world *world = *state;
	int64_t now_us = clock_monotonic_us();
	add_many(world, "V", 1, 3);
	outbox_flush(world->outbox);
	run(world);
	fail_call(world, 0, STATUS_RESOURCE_EXHAUSTED, 5000);
	/* It waits as long as the service asked. */
	int64_t next_us = outbox_run(world->outbox, now_us);
	assert_true(next_us >= now_us + 5000000 && next_us < CLOCK_NEVER);
	assert_int_equal(world->pending_count, 0);
	outbox_run(world->outbox, next_us);
	assert_int_equal(world->pending_count, 1);
	answer(world, 0, RECORDED, 0);
	assert_int_equal(world->request_count, 2);
	assert_true(outbox_idle(world->outbox));
	assert_int_equal(outbox_totals(world->outbox)->recorded, 3);
	assert_int_equal(world->log_count, 0);
}

/* Of each file the first call that has no answer yet, whatever batches are answered first. */
static void test_oldest(void **state)
{
	static const char one[] = "f", other[] = "f";
	struct world *world = *state;
	Callhistory__V1__Call call = CALLHISTORY__V1__CALL__INIT;
	struct contract_import record = {.project_code = "P", .vbot_id = "V", .call = &call};
	assert_null(outbox_oldest(world->outbox, one));
	for (uint64_t i = 0; i < 1500; ++i) {
		char id[32];
		snprintf(id, sizeof(id), "%llu", (unsigned long long)i);
		call.id = id;
		struct outbox_origin origin = {i % 3 ? one : other, i + 1, i * 10};
		assert_int_equal(outbox_add(world->outbox, &record, false, origin), 0);
	}
	assert_int_equal(outbox_oldest(world->outbox, one)->position, 10);
	assert_int_equal(outbox_oldest(world->outbox, other)->line, 1);
	outbox_flush(world->outbox);
	run(world);
	answer(world, 1, RECORDED, 0);
	assert_int_equal(outbox_oldest(world->outbox, one)->position, 10);
	fail_call(world, 0, STATUS_UNAVAILABLE, 0);
	assert_int_equal(outbox_oldest(world->outbox, other)->position, 0);
	add_many(world, "W", 1, 1);
	outbox_run(world->outbox, clock_monotonic_us() + 3000000);
	answer(world, 0, RECORDED, 0);
	assert_null(outbox_oldest(world->outbox, one));
	assert_null(outbox_oldest(world->outbox, other));
}

/* What follows a file does not give up while the service is away or has a fault, but if it is refused. */
static void test_persistent(void **state)
{
	static const enum status passing[] = {STATUS_UNAVAILABLE, STATUS_DEADLINE_EXCEEDED, STATUS_INTERNAL,
	                                      STATUS_UNKNOWN};
	struct world *world = *state;
	const struct outbox_options options = {
	    .ingest = world->service,
	    .authorization = "Bearer x",
	    .timeout_us = 1,
	    .persistent = true,
	    .refused = on_refused,
	    .failed = on_failed,
	    .data = world,
	};
	outbox_destroy(world->outbox);
	assert_int_equal(outbox_create(&world->outbox, &options), 0);
	add_many(world, "V", 1, 3);
	outbox_flush(world->outbox);
	for (size_t i = 0; i < 40; ++i) {
		outbox_run(world->outbox, clock_monotonic_us() + 3000000);
		fail_call(world, 0, passing[i % 4], 0);
	}
	assert_int_equal(world->log_count, 0);
	outbox_run(world->outbox, clock_monotonic_us() + 3000000);
	fail_call(world, 0, STATUS_UNAUTHENTICATED, 0);
	assert_string_equal(world->log[0], "P/V 1-3 3 UNAUTHENTICATED");
	assert_true(outbox_idle(world->outbox));
}

static void test_failures(void **state)
{
	struct world *world = *state;
	add_many(world, "V", 10, 3);
	outbox_flush(world->outbox);
	run(world);
	fail_call(world, 0, STATUS_PERMISSION_DENIED, 0);
	assert_string_equal(world->log[0], "P/V 10-12 3 PERMISSION_DENIED");
	/* An answer of another length tells nothing about any call. */
	add_many(world, "V", 20, 2);
	outbox_flush(world->outbox);
	run(world);
	answer(world, 0, RECORDED, 1);
	assert_string_equal(world->log[1], "P/V 20-21 2 INTERNAL");
	assert_int_equal(outbox_totals(world->outbox)->failed, 5);
	assert_int_equal(outbox_totals(world->outbox)->recorded, 0);
	assert_true(outbox_idle(world->outbox));
}

static void test_drop(void **state)
{
	struct world *world = *state;
	add_many(world, "V", 1, 1000);
	run(world);
	add_many(world, "V", 1, 1500); /* a batch that waits for the first, and one that fills */
	outbox_drop(world->outbox);
	assert_int_equal(outbox_totals(world->outbox)->dropped, 1500);
	assert_false(outbox_idle(world->outbox));
	answer(world, 0, RECORDED, 0);
	assert_true(outbox_idle(world->outbox));
	outbox_destroy(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_batches, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_bounds, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_many_tenants, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_repeated_id_waits, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_refused_calls, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_tries, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_oldest, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_persistent, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_failures, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_drop, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
