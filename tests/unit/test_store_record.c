/*
 * store_record() with several recordings at once: long ones take turns, short
 * ones pass them, and each ends exactly once: recorded, out of time, or with
 * the connection.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support/store_fixture.h"

enum { RECORDINGS = 5, CALLS = 450, RECORD_SIZE = 64 };

static const int64_t moment = INT64_C(1763800000000);

static struct store_fixture fixture;

struct recording {
	struct arena *arena;
	struct store_call calls[CALLS];
	char ids[CALLS][16];
	uint8_t records[CALLS][RECORD_SIZE];
	int ended; /* how often; the place among the ended ones is in `order` */
	int order;
	int status;
	size_t recorded;
};

static struct recording recordings[RECORDINGS];
static int ended;
static bool all_ended;

static void on_recorded(void *data, int status, const enum store_outcome *outcomes, size_t count)
{
	struct recording *recording = data;
	++recording->ended;
	recording->order = ended++;
	recording->status = status;
	for (size_t i = 0; i < count; ++i)
		recording->recorded += outcomes[i] == STORE_RECORDED;
	all_ended = ended == RECORDINGS;
}

static void make(const char *prefix)
{
	static const char *const numbers[] = {"0912345678", "101"};
	ended = 0;
	all_ended = false;
	for (size_t i = 0; i < RECORDINGS; ++i) {
		struct recording *recording = &recordings[i];
		recording->ended = 0;
		recording->recorded = 0;
		arena_reset(recording->arena);
		for (size_t j = 0; j < CALLS; ++j) {
			snprintf(recording->ids[j], sizeof(recording->ids[j]), "%s%zu.%zu", prefix, i, j);
			recording->calls[j] = (struct store_call){
			    .start_ms = moment + (int64_t)(i * CALLS + j),
			    .record = {recording->records[j], store_fixture_pack(recording->records[j], recording->ids[j],
			                                                         moment + (int64_t)(i * CALLS + j), "text")},
			    .numbers = numbers,
			    .number_count = 2,
			};
		}
	}
}

static void start(size_t i, const char *tag, size_t count, int64_t deadline_us)
{
	struct recording *recording = &recordings[i];
	assert_int_equal(store_record(fixture.store, tag, recording->calls, count, recording->arena, deadline_us,
	                              on_recorded, recording),
	                 0);
}

static void assert_count(const char *tag, int64_t expected)
{
	static const char *const numbers[] = {"0912345678", "101", NULL};
	for (size_t i = 0; i < 3; ++i) {
		const struct store_range range = {tag, numbers[i], INT64_MIN, INT64_MAX, NULL};
		assert_int_equal(store_fixture_count(&fixture, &range), 0);
		assert_int_equal(fixture.count, expected);
	}
}

static void long_ones_take_turns(void **state)
{
	(void)state;
	make("a");
	for (size_t i = 0; i < RECORDINGS; ++i)
		start(i, "a", i == RECORDINGS - 1 ? 1 : CALLS, CLOCK_NEVER);
	assert_true(redis_server_run(fixture.redis, &all_ended, STORE_FIXTURE_WAIT_MS));
	for (size_t i = 0; i < RECORDINGS; ++i) {
		bool is_short = i == RECORDINGS - 1;
		assert_int_equal(recordings[i].ended, 1);
		assert_int_equal(recordings[i].status, 0);
		assert_int_equal(recordings[i].recorded, is_short ? 1 : CALLS);
		/* The short one came last and has not waited. */
		assert_int_equal(recordings[i].order, is_short ? 0 : i + 1);
	}
	assert_count("a", (RECORDINGS - 1) * CALLS + 1);
}

static void a_deadline_passes_while_waiting(void **state)
{
	(void)state;
	make("b");
	for (size_t i = 0; i < RECORDINGS; ++i)
		start(i, "b", CALLS, i == 2 ? 1 : CLOCK_NEVER);
	assert_true(redis_server_run(fixture.redis, &all_ended, STORE_FIXTURE_WAIT_MS));
	for (size_t i = 0; i < RECORDINGS; ++i) {
		assert_int_equal(recordings[i].ended, 1);
		assert_int_equal(recordings[i].status, i == 2 ? -ETIMEDOUT : 0);
	}
	assert_count("b", (RECORDINGS - 1) * CALLS);
}

static void the_connection_goes_while_some_wait(void **state)
{
	(void)state;
	make("c");
	for (size_t i = 0; i < RECORDINGS; ++i)
		start(i, "c", CALLS, CLOCK_NEVER);
	redis_destroy(fixture.redis);
	store_destroy(fixture.store);
	arena_destroy(fixture.arena);
	arena_destroy(fixture.page_arena);
	for (size_t i = 0; i < RECORDINGS; ++i) {
		assert_int_equal(recordings[i].ended, 1);
		assert_int_equal(recordings[i].status, -ECANCELED);
	}
	assert_int_equal(store_fixture_open(&fixture), 0);
}

static int set_up(void **state)
{
	static const char *const extra[] = {"--appendfsync", "no", NULL};
	(void)state;
	for (size_t i = 0; i < RECORDINGS; ++i)
		if (arena_create(&recordings[i].arena, 1 << 14))
			return -1;
	return store_fixture_start(&fixture, extra);
}

static int tear_down(void **state)
{
	(void)state;
	for (size_t i = 0; i < RECORDINGS; ++i)
		arena_destroy(recordings[i].arena);
	store_fixture_stop(&fixture);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(long_ones_take_turns),
	    cmocka_unit_test(a_deadline_passes_while_waiting),
	    cmocka_unit_test(the_connection_goes_while_some_wait),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
