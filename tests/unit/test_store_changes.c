/*
 * Changes: all in order, each once, also across pages within one entry of the stream; with the id of what was deleted; a
 * position behind which changes may have been forgotten is refused, and one that has seen everything stays valid.
 */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support/store_fixture.h"

enum { MANY = 250, RECORD_SIZE = 512, ALL = 1000, BYTES = 4 << 20, LEAST = 65536 };

static const int64_t moment = INT64_C(1763800000000);

static struct store_fixture fixture;
static struct store_call calls[MANY];
static uint8_t records[MANY][RECORD_SIZE];
static struct store_deletion deletion;
static struct store_change_position position;

/* The last answer: the calls' ids, "-" in front of deleted ones, each with a blank behind. */
static char answer[MANY * 8];
static bool more;

static void on_changes(void *data, int status, const struct store_changes *changes)
{
	(void)data;
	char *at = answer;
	*at = '\0';
	fixture.status = status;
	fixture.done = true;
	for (size_t i = 0; changes && i < changes->count; ++i) {
		const struct store_change *change = &changes->changes[i];
		struct wire id = {0};
		if (!change->deleted_id)
			assert_int_equal(store_record_id(&change->record, &id), 0);
		const char *text = change->deleted_id ? change->deleted_id : (const char *)id.at;
		size_t length = change->deleted_id ? strlen(change->deleted_id) : wire_length(id);
		assert_true(at + length + 3 < answer + sizeof(answer));
		at += sprintf(at, "%s%.*s ", change->deleted_id ? "-" : "", (int)length, text);
	}
	if (changes) {
		position = changes->next;
		more = changes->more;
	}
}

static int list(const struct store_change_position *after, uint32_t limit, size_t bytes)
{
	struct arena *arena = store_fixture_begin(&fixture);
	return store_fixture_wait(
	    &fixture, store_list_changes(fixture.store, "g", after, limit, bytes, arena, CLOCK_NEVER, on_changes, NULL));
}

/* Reads on from the last position. */
static void expect(const char *ids)
{
	assert_int_equal(list(&position, ALL, BYTES), 0);
	assert_string_equal(answer, ids);
	assert_false(more);
}

static int64_t redis_do(const char *line);

static int begin(void **state)
{
	(void)state;
	redis_do("FLUSHALL");
	store_set_change_retention(fixture.store, INT64_C(86400000));
	assert_int_equal(list(NULL, ALL, BYTES), 0);
	assert_string_equal(answer, "");
	return 0;
}

static void set_call(size_t i, const char *id, const char *text)
{
	static const char *const numbers[] = {"0912345678", "101"};
	int64_t ms = moment - (int64_t)i * 1000;
	calls[i] = (struct store_call){
	    .start_ms = ms,
	    .record = {records[i], store_fixture_pack(records[i], id, ms, text)},
	    .numbers = numbers,
	    .number_count = 2,
	};
}

static int try_record(const char *const *ids, const char *text)
{
	size_t count = 0;
	for (; ids[count]; ++count)
		set_call(count, ids[count], text);
	return store_fixture_record(&fixture, "g", calls, count);
}

#define record(text, ...) assert_int_equal(try_record((const char *const[]){__VA_ARGS__, NULL}, text), 0)

static void on_deleted(void *data, int status, const struct store_deletion *out)
{
	(void)data;
	(void)out;
	fixture.status = status;
	fixture.done = true;
}

static void delete_id(const char *id)
{
	struct arena *arena = store_fixture_begin(&fixture);
	assert_int_equal(store_fixture_wait(&fixture, store_delete_ids(fixture.store, &deletion, "g", &id, 1, arena,
	                                                               CLOCK_NEVER, on_deleted, NULL)),
	                 0);
}

static int64_t number;

static void on_reply(void *data, int status, const struct redis_reply *reply)
{
	(void)data;
	assert_int_equal(status, 0);
	assert_int_not_equal(reply->type, REDIS_ERROR);
	number = reply->type == REDIS_STRING ? strtoll(reply->data, NULL, 10) : reply->integer;
	fixture.done = true;
}

/* A command of words. */
static int64_t redis_do(const char *line)
{
	char copy[512], *rest = copy;
	const char *argv[16];
	int count = 0;
	snprintf(copy, sizeof(copy), "%s", line);
	for (char *word; (word = strsep(&rest, " "));)
		argv[count++] = word;
	fixture.done = false;
	assert_int_equal(redis_command(fixture.redis, count, argv, NULL, CLOCK_NEVER, on_reply, NULL), 0);
	assert_true(redis_server_run(fixture.redis, &fixture.done, STORE_FIXTURE_WAIT_MS));
	return number;
}

static void test_every_kind_of_change(void **state)
{
	(void)state;
	expect("");
	record("v1", "a", "b", "c");
	expect("a b c ");
	expect("");
	record("v1", "a", "b", "c"); /* unchanged */
	expect("");
	record("v2", "b");
	expect("b ");
	delete_id("a");
	delete_id("a"); /* absent */
	expect("-a ");
	record("v1", "d"); /* older than all others: a late call is a change like any other */
	record("v3", "b");
	delete_id("c");
	expect("d b -c ");
}

static void test_state_of_now(void **state)
{
	(void)state;
	struct store_change_position before = position;
	record("v1", "a", "b");
	record("v2", "b");
	delete_id("a");
	expect("b -a "); /* b once; nothing of a but that it is deleted */
	record("v3", "a");
	position = before;
	expect("a b ");
}

static void test_long_ids(void **state)
{
	(void)state;
	char id[STORE_ID_MAX + 1], expected[STORE_ID_MAX + 3];
	for (size_t length = 126; length <= STORE_ID_MAX; length += length == 129 ? STORE_ID_MAX - 129 : 1) {
		memset(id, 'x', length);
		id[length] = '\0';
		record("v1", id);
		delete_id(id);
		snprintf(expected, sizeof(expected), "-%s ", id);
		expect(expected);
	}
}

static void test_pages(void **state)
{
	(void)state;
	struct store_change_position from = position;
	char ids[MANY][8];
	for (size_t i = 0; i < MANY; ++i) {
		snprintf(ids[i], sizeof(ids[i]), "i%zu", i);
		set_call(i, ids[i], "v1");
	}
	assert_int_equal(store_fixture_record(&fixture, "g", calls, MANY), 0);
	for (uint32_t size = 1; size <= MANY + 1; size += size < 3 ? 1 : 41) {
		char all[sizeof(answer)] = "", expected[sizeof(answer)] = "";
		position = from;
		do {
			assert_int_equal(list(&position, size, BYTES), 0);
			strcat(all, answer);
		} while (more);
		for (size_t i = 0; i < MANY; ++i)
			strcat(strcat(expected, ids[i]), " ");
		assert_string_equal(all, expected);
	}
	/* By bytes: at least one call. */
	assert_int_equal(list(&from, ALL, 1), 0);
	assert_string_equal(answer, "i0 ");
	assert_true(more);
	assert_int_equal(list(&position, ALL, 3 * calls[1].record.length + 24), 0);
	assert_string_equal(answer, "i1 i2 i3 ");
	assert_true(more);
}

static void test_forgotten(void **state)
{
	(void)state;
	char line[128];
	record("v1", "a");
	expect("a ");
	/* What was seen at the time of the answer counts, not the time of the last change. */
	struct store_change_position seen = position;
	snprintf(line, sizeof(line), "HSET {g}m c %" PRId64, seen.seen_ms);
	redis_do(line);
	expect("");
	snprintf(line, sizeof(line), "HSET {g}m c %" PRId64, seen.seen_ms + 1);
	redis_do(line);
	assert_int_equal(list(&seen, ALL, BYTES), -ESTALE);
	seen.seen_ms = 0;
	assert_int_equal(list(&seen, ALL, BYTES), -ESTALE);
}

static void test_age(void **state)
{
	(void)state;
	struct store_change_position first = position;
	int64_t scripts = 0;
	store_set_change_retention(fixture.store, 1);
	do {
		record(scripts % 2 ? "v1" : "v2", "a");
		++scripts;
	} while (redis_do("XLEN {g}c") == scripts && scripts < 200000);
	assert_true(redis_do("XLEN {g}c") < scripts);
	assert_int_equal(list(&first, ALL, BYTES), -ESTALE);
	first.seen_ms = 0;
	assert_int_equal(list(&first, ALL, BYTES), -ESTALE);
	assert_int_equal(list(NULL, ALL, BYTES), 0);
	record("v3", "b");
	expect("b ");
}

static void test_length(void **state)
{
	(void)state;
	struct store_change_position first = position;
	static const char fill[] = "for i=1,70000 do redis.call('XADD',KEYS[1],'*','c','01234567\\0\\0') end";
	const char *const argv[] = {"EVAL", fill, "1", "{g}c"};
	first.seen_ms = 0;
	fixture.done = false;
	assert_int_equal(redis_command(fixture.redis, 4, argv, NULL, CLOCK_NEVER, on_reply, NULL), 0);
	assert_true(redis_server_run(fixture.redis, &fixture.done, STORE_FIXTURE_WAIT_MS));
	record("v1", "a");
	assert_true(redis_do("XLEN {g}c") < LEAST);
	assert_int_equal(list(&first, ALL, BYTES), -ESTALE);
	assert_int_equal(list(NULL, ALL, BYTES), 0);
	record("v2", "a");
	expect("a ");
}

static size_t repair(void)
{
	assert_int_equal(store_fixture_verify(&fixture, "g", "V", true), 0);
	return fixture.differences;
}

static void test_foreign_key(void **state)
{
	(void)state;
	record("v1", "a");
	expect("a ");
	repair(); /* the owner, which this tenant does not have */
	assert_int_equal(repair(), 0);
	redis_do("SET {g}c x");
	assert_int_equal(try_record((const char *const[]){"b", NULL}, "v1"), -EMEDIUMTYPE);
	assert_int_equal(store_fixture_get(&fixture, "g", "b"), 0);
	assert_int_equal(fixture.records, 0);
	assert_int_equal(list(&position, ALL, BYTES), -EMEDIUMTYPE);
	assert_int_equal(repair(), 1);
	/* The entry of the last change is lost. */
	assert_int_equal(list(&position, ALL, BYTES), -ESTALE);
	assert_int_equal(list(NULL, ALL, BYTES), 0);
	record("v1", "b");
	expect("b ");
}

static void test_without_memory(void **state)
{
	(void)state;
	record("v1", "a", "b");
	expect("a b ");
	redis_do("CONFIG SET maxmemory 1");
	assert_int_equal(try_record((const char *const[]){"c", NULL}, "v1"), -ENOSPC);
	delete_id("a");
	redis_do("CONFIG SET maxmemory 0");
	expect("-a ");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(test_every_kind_of_change, begin),
	    cmocka_unit_test_setup(test_state_of_now, begin),
	    cmocka_unit_test_setup(test_long_ids, begin),
	    cmocka_unit_test_setup(test_pages, begin),
	    cmocka_unit_test_setup(test_forgotten, begin),
	    cmocka_unit_test_setup(test_age, begin),
	    cmocka_unit_test_setup(test_length, begin),
	    cmocka_unit_test_setup(test_foreign_key, begin),
	    cmocka_unit_test_setup(test_without_memory, begin),
	};
	if (store_fixture_start(&fixture, NULL))
		return 1;
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	store_fixture_stop(&fixture);
	return failed;
}
