/*
 * Recording where a command of its script fails, each that can: the first one on
 * a key. (A script that has begun to write is not refused memory, and a
 * permission that was there stays so.) Afterwards every call is recorded wholly or
 * not at all, as store_verify() sees it, and repeating the request makes all of it
 * true. What takes a former version away passes over foreign types:
 * test_store_edges has that.
 */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support/store_fixture.h"

enum { MOST = 256, STEPS_MAX = 400 };

static const int64_t moment = INT64_C(1763800000000);

static struct store_fixture fixture;

/* Calls of one request. */
struct request {
	size_t count;
	struct store_call calls[MOST];
	const char *numbers[MOST][3];
	char ids[MOST][24];
	uint8_t records[MOST][96];
};

static void add(struct request *request, const char *id, int64_t ms, const char *first, const char *second,
                const char *third)
{
	size_t i = request->count++;
	const char *const numbers[] = {first, second, third};
	struct store_call *call = &request->calls[i];
	assert_true(i < MOST);
	snprintf(request->ids[i], sizeof(request->ids[i]), "%s", id);
	*call = (struct store_call){
	    .start_ms = ms,
	    .record = {request->records[i], store_fixture_pack(request->records[i], id, ms, first)},
	    .numbers = request->numbers[i],
	    .group = i % 2 ? "group" : NULL,
	};
	for (size_t j = 0; j < 3; ++j)
		if (numbers[j])
			request->numbers[i][call->number_count++] = numbers[j];
}

/* Calls "b0", "b1", … a second apart. */
static void add_before(struct request *request, size_t count)
{
	char id[24];
	for (size_t i = 0; i < count; ++i) {
		snprintf(id, sizeof(id), "b%zu", i);
		add(request, id, moment + (int64_t)i * 1000, i % 3 ? "0912345678" : "0987654321", "101", NULL);
	}
}

static void first_calls(struct request *before, struct request *now)
{
	(void)before;
	add(now, "a", moment, "0912345678", "101", NULL);
	add(now, "b", moment + 1, "0912345678", "0987654321", "102");
	add(now, "c", moment + 2, "101", "102", NULL);
}

static void full_heads(struct request *before, struct request *now)
{
	add_before(before, 119);
	for (int i = 0; i < 6; ++i)
		add(now, (const char[]){'n', (char)('0' + i), '\0'}, moment + 200000 + i, "0912345678", "101", NULL);
}

static void full_older_chunk(struct request *before, struct request *now)
{
	add_before(before, 200);
	for (int i = 0; i < 12; ++i)
		add(now, (const char[]){'n', (char)('a' + i), '\0'}, moment + 5000 + i, "0987654321", "101", NULL);
}

static void moved_calls(struct request *before, struct request *now)
{
	add_before(before, 110);
	add(before, "only", moment, "0911111111", "199", NULL);
	add(now, "b3", moment - 5000, "0987654321", "101", NULL);
	add(now, "b50", moment + 900000, "0912345678", "102", "0911111111");
	add(now, "b109", moment + 109000, "101", NULL, NULL);
	add(now, "only", moment, "0911111111", "101", NULL); /* extension 199 becomes empty */
}

static void emptied_head(struct request *before, struct request *now)
{
	char id[24];
	add_before(before, 122);
	for (int i = 113; i < 122; ++i) {
		snprintf(id, sizeof(id), "b%d", i);
		add(now, id, moment - i, "0912345678", "101", NULL);
	}
}

static void growing_id_index(struct request *before, struct request *now)
{
	add_before(before, 14);
	for (int i = 0; i < 5; ++i)
		add(now, (const char[]){'n', (char)('0' + i), '\0'}, moment + i, "0912345678", NULL, NULL);
	add(now, "b3", moment + 3000, "0987654321", "101", NULL); /* unchanged; the others are written before it */
}

/* Two that stay where they are, and a new one. */
static void changed_records(struct request *before, struct request *now)
{
	add_before(before, 5);
	add(now, "b0", moment, "0987654321", "101", NULL);
	add(now, "b1", moment + 1000, "0912345678", "101", NULL);
	for (size_t i = 0; i < 2; ++i)
		now->calls[i].record.length =
		    store_fixture_pack(now->records[i], now->ids[i], now->calls[i].start_ms, "changed");
	add(now, "n", moment, "0912345678", "101", NULL);
}

static void repeats_in_one_request(struct request *before, struct request *now)
{
	add_before(before, 5);
	add(now, "a", moment, "0912345678", "101", NULL);
	add(now, "b1", moment + 1000, "0912345678", "101", NULL); /* unchanged */
	add(now, "a", moment + 7, "0987654321", "102", NULL);
	add(now, "b2", moment + 2000, "0912345678", "103", NULL);
	add(now, "c", moment, "0912345678", "101", NULL);
}

/* The script with an error in the place of the first command on one of its keys. */
static char *failing_script(int64_t step)
{
	static const char wrapper[] = "local step, seen, real = 0, {}, redis.call "
	                              "local function failing(...) "
	                              "  local command = {...} "
	                              "  for i = 2, command[1] == 'EXISTS' and #command or 2 do " /* all of its keys */
	                              "    if command[i] and not seen[command[i]] then "
	                              "      seen[command[i]] = true "
	                              "      step = step + 1 "
	                              "      real('SET', 'steps', step) "
	                              "      if step == %" PRId64 " then error({err = 'NOPERM step ' .. step}) end "
	                              "    end "
	                              "  end "
	                              "  return real(...) "
	                              "end "
	                              "%.*sfailing%s";
	const char *source = fixture.store->record.source, *at = strstr(source, "redis.call");
	char *script = NULL;
	assert_non_null(at);
	assert_true(asprintf(&script, wrapper, step, (int)(at - source), source, at + strlen("redis.call")) > 0);
	return script;
}

static void assert_whole(void)
{
	assert_int_equal(store_fixture_verify(&fixture, "g", "V", false), 0);
	assert_int_equal(fixture.differences, 0);
}

static int64_t count_all(void)
{
	const struct store_range range = {"g", NULL, INT64_MIN, INT64_MAX, NULL};
	assert_int_equal(store_fixture_count(&fixture, &range), 0);
	return fixture.count;
}

static void on_reply(void *data, int status, const struct redis_reply *reply)
{
	assert_int_equal(status, 0);
	assert_int_not_equal(reply->type, REDIS_ERROR);
	*(int64_t *)data = reply->type == REDIS_STRING ? strtoll(reply->data, NULL, 10) : 0;
	fixture.done = true;
}

static int64_t redis_do(int argc, const char *const *argv, const size_t *lengths)
{
	int64_t number = 0;
	fixture.done = false;
	assert_int_equal(redis_command(fixture.redis, argc, argv, lengths, CLOCK_NEVER, on_reply, &number), 0);
	assert_true(redis_server_run(fixture.redis, &fixture.done, STORE_FIXTURE_WAIT_MS));
	return number;
}

/* Fails one key after the other, until none is left. */
static void fail_everywhere(void (*scenario)(struct request *before, struct request *now))
{
	static struct request before, now;
	const char *const flush[] = {"FLUSHDB"}, *const owner[] = {"HSET", "{g}m", "owner", "P\0V"},
	                  *const get[] = {"GET", "steps"};
	const size_t owner_lengths[] = {4, 4, 5, 3};
	const struct redis_script real = fixture.store->record;
	int64_t step = 0, steps = 0;
	before.count = now.count = 0;
	scenario(&before, &now);
	do {
		assert_true(++step < STEPS_MAX);
		redis_do(1, flush, NULL);
		redis_do(4, owner, owner_lengths);
		if (before.count)
			assert_int_equal(store_fixture_record(&fixture, "g", before.calls, before.count), 0);
		int64_t count = count_all();
		char *script = failing_script(step);
		redis_script_init(&fixture.store->record, script, false);
		int result = store_fixture_record(&fixture, "g", now.calls, now.count);
		fixture.store->record = real;
		free(script);
		assert_whole();
		if (result)
			assert_in_range(count_all(), count, count + (int64_t)now.count);
		assert_int_equal(store_fixture_record(&fixture, "g", now.calls, now.count), 0);
		assert_whole();
		steps = redis_do(2, get, NULL);
	} while (step <= steps);
	print_message("%d keys\n", (int)steps);
	assert_true(steps > 5);
}

static void any_key_may_fail(void **state)
{
	(void)state;
	fail_everywhere(first_calls);
	fail_everywhere(full_heads);
	fail_everywhere(full_older_chunk);
	fail_everywhere(moved_calls);
	fail_everywhere(emptied_head);
	fail_everywhere(growing_id_index);
	fail_everywhere(changed_records);
	fail_everywhere(repeats_in_one_request);
}

static int setup(void **state)
{
	(void)state;
	return store_fixture_start(&fixture, (const char *const[]){"--appendonly", "no", NULL});
}

static int teardown(void **state)
{
	(void)state;
	store_fixture_stop(&fixture);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(any_key_may_fail)};
	return cmocka_run_group_tests(tests, setup, teardown);
}
