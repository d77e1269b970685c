/*
 * Deleting: by id and by range, exact to the last index entry (store_verify() and the keys that are left show it),
 * against recordings of the same ids, after a deadline, without memory, and with damage.
 */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support/store_fixture.h"

enum { MANY = 2500, RECORD_SIZE = 96 };

static const int64_t moment = INT64_C(1763800000000);
static const char *const numbers[] = {"0912345678", "101", "0987654321", "102", "0911111111"};

static struct store_fixture fixture;
static struct store_call calls[MANY];
static const char *call_numbers[MANY][3];
static uint8_t records[MANY][RECORD_SIZE];
static char ids[MANY][24];
static const char *id_list[MANY];
static struct store_deletion deletion;

/* Call i starts i seconds after the moment; it has one to three of the numbers, every fifth no external one. */
static struct store_call *make(size_t i, const char *text)
{
	int64_t ms = moment + (int64_t)i * 1000;
	size_t count = 1 + i % 3;
	snprintf(ids[i], sizeof(ids[i]), "id%zu", i);
	id_list[i] = ids[i];
	for (size_t j = 0; j < count; ++j)
		call_numbers[i][j] = i % 5 ? numbers[(i + j) % 5] : numbers[1 + 2 * (j % 2)];
	calls[i] = (struct store_call){
	    .start_ms = ms,
	    .record = {records[i], store_fixture_pack(records[i], ids[i], ms, text)},
	    .numbers = call_numbers[i],
	    .group = i % 3 ? "one group" : NULL,
	    .number_count = i % 5       ? count
	                    : count > 1 ? 2
	                                : 1,
	};
	return &calls[i];
}

static void record(const char *tag, size_t first, size_t count, const char *text)
{
	for (size_t i = first; i < first + count; ++i)
		make(i, text);
	assert_int_equal(store_fixture_record(&fixture, tag, &calls[first], count), 0);
}

static void on_deleted(void *data, int status, const struct store_deletion *out)
{
	(void)data;
	assert_true(!out == (status != 0));
	fixture.status = status;
	fixture.done = true;
}

static int delete_ids_until(const char *tag, const char *const *list, size_t count, int64_t deadline_us)
{
	struct arena *arena = store_fixture_begin(&fixture);
	return store_fixture_wait(
	    &fixture, store_delete_ids(fixture.store, &deletion, tag, list, count, arena, deadline_us, on_deleted, NULL));
}

static void delete_ids(const char *tag, const char *const *list, size_t count, size_t expected)
{
	assert_int_equal(delete_ids_until(tag, list, count, CLOCK_NEVER), 0);
	assert_int_equal(deletion.deleted, expected);
}

static int delete_range(const struct store_range *range, const struct store_position *after, uint32_t limit)
{
	struct arena *arena = store_fixture_begin(&fixture);
	return store_fixture_wait(&fixture, store_delete_range(fixture.store, &deletion, range, after, limit, arena,
	                                                       CLOCK_NEVER, on_deleted, NULL));
}

static int64_t count_of(const char *tag, const char *number)
{
	const struct store_range range = {tag, number, INT64_MIN, INT64_MAX, NULL};
	assert_int_equal(store_fixture_count(&fixture, &range), 0);
	return fixture.count;
}

static size_t get(const char *tag, const char *id)
{
	assert_int_equal(store_fixture_get(&fixture, tag, id), 0);
	return fixture.records;
}

/* ---- What is left ---- */

static void assert_whole(const char *tag)
{
	assert_int_equal(store_fixture_verify(&fixture, tag, tag, false), 0);
	assert_int_equal(fixture.differences, 0);
}

static char text[256];

static void on_reply(void *data, int status, const struct redis_reply *reply)
{
	(void)data;
	assert_int_equal(status, 0);
	assert_int_not_equal(reply->type, REDIS_ERROR);
	text[0] = '\0';
	if (reply->type == REDIS_STRING)
		snprintf(text, sizeof(text), "%.*s", (int)reply->length, reply->data);
	for (size_t i = 0; reply->type == REDIS_ARRAY && i < reply->count; ++i)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s ", reply->elements[i]->data);
	fixture.done = true;
}

/* The reply as text; an array's elements each with a blank behind it. */
static const char *redis_do(int argc, const char *const *argv, const size_t *lengths)
{
	fixture.done = false;
	assert_int_equal(redis_command(fixture.redis, argc, argv, lengths, CLOCK_NEVER, on_reply, NULL), 0);
	assert_true(redis_server_run(fixture.redis, &fixture.done, STORE_FIXTURE_WAIT_MS));
	return text;
}

/* What layout.md states of a tenant whose last call was deleted; beside the stream of its changes. */
static void assert_empty(const char *tag)
{
	char pattern[32], meta[32];
	snprintf(pattern, sizeof(pattern), "{%s}[^c]*", tag);
	snprintf(meta, sizeof(meta), "{%s}m ", tag);
	const char *const keys[] = {"KEYS", pattern};
	assert_string_equal(redis_do(2, keys, NULL), meta);
	meta[strlen(meta) - 1] = '\0';
	const char *const entries[] = {"HGET", meta, "n"};
	assert_string_equal(redis_do(3, entries, NULL), "0");
	assert_whole(tag);
}

/* A server with nothing but the two tenants of the tests. */
static int empty_server(void **state)
{
	const char *const flush[] = {"FLUSHDB"};
	(void)state;
	redis_do(1, flush, NULL);
	for (const char *tag = "ab"; *tag; ++tag) {
		const char key[] = {'{', *tag, '}', 'm', '\0'}, field[] = {'P', '\0', *tag}, value[] = {*tag, '\0'};
		const char *const owner[] = {"HSET", key, "owner", field};
		const char *const entry[] = {"HSET", "callhistory:tenants", field, value};
		redis_do(4, owner, (const size_t[]){4, 4, 5, 3});
		redis_do(4, entry, (const size_t[]){4, 19, 3, 1});
	}
	return 0;
}

/* ---- By id ---- */

static void nothing_is_left_but_the_counters(void **state)
{
	(void)state;
	record("a", 0, MANY, "text");
	record("b", 0, 30, "text");
	int64_t before = count_of("a", "101");
	delete_ids("a", id_list, 1000, 1000);
	assert_int_equal(count_of("a", NULL), MANY - 1000);
	assert_true(count_of("a", "101") < before);
	assert_int_equal(get("a", "id999"), 0);
	assert_int_equal(get("a", "id1000"), 1);
	assert_whole("a");
	/* Again, together with some that are there. */
	delete_ids("a", id_list, 1100, 100);
	delete_ids("a", id_list, MANY, MANY - 1100);
	for (size_t i = 0; i < 5; ++i)
		assert_int_equal(count_of("a", numbers[i]), 0);
	assert_int_equal(count_of("a", NULL), 0);
	assert_empty("a");
	assert_int_equal(count_of("b", NULL), 30);
	assert_whole("b");
	/* What was deleted is new when it comes again. */
	record("a", 0, 200, "text");
	for (size_t i = 0; i < 200; ++i)
		assert_int_equal(fixture.outcomes[i], STORE_RECORDED);
	assert_whole("a");
}

static void ids_that_are_not_there(void **state)
{
	static const char *const absent[] = {"id", "id1", "id12", "i", "id10"};
	const char *const keys[] = {"KEYS", "{none}*"};
	char longest[STORE_ID_MAX + 2];
	const char *const long_ids[] = {longest};
	(void)state;
	record("a", 11, 1, "text");
	delete_ids("a", absent, 5, 0);
	assert_int_equal(count_of("a", NULL), 1);
	delete_ids("none", absent, 5, 0);
	assert_string_equal(redis_do(2, keys, NULL), "{none}m ");
	/* Ids of every length. */
	for (size_t length = 1; length <= STORE_ID_MAX; length += length < 126 ? 25 : length < 130 ? 1 : 63) {
		memset(longest, 'x', length);
		longest[length] = '\0';
		struct store_call *call = make(0, "text");
		uint8_t packed[STORE_ID_MAX + 64];
		call->record = (struct store_record){packed, store_fixture_pack(packed, longest, moment, "text")};
		assert_int_equal(store_fixture_record(&fixture, "a", call, 1), 0);
		delete_ids("a", long_ids, 1, 1);
	}
	memset(longest, 'x', STORE_ID_MAX + 1);
	longest[STORE_ID_MAX + 1] = '\0';
	assert_int_equal(delete_ids_until("a", long_ids, 1, CLOCK_NEVER), -EINVAL);
	longest[0] = '\0';
	assert_int_equal(delete_ids_until("a", long_ids, 1, CLOCK_NEVER), -EINVAL);
	assert_int_equal(count_of("a", NULL), 1);
}

static void same_digest(uint8_t out[STORE_DIGEST_SIZE], const char *id, size_t length)
{
	(void)id;
	(void)length;
	memset(out, 7, STORE_DIGEST_SIZE);
}

/* Another call's id that has the same digest names nothing. */
static void ids_of_one_digest(void **state)
{
	void (*digest)(uint8_t out[STORE_DIGEST_SIZE], const char *id, size_t length) = fixture.store->digest;
	static const char *const other[] = {"other"}, *const mine[] = {"id1"};
	(void)state;
	fixture.store->digest = same_digest;
	record("a", 1, 1, "text");
	delete_ids("a", other, 1, 0);
	assert_int_equal(count_of("a", NULL), 1);
	delete_ids("a", mine, 1, 1);
	fixture.store->digest = digest;
	assert_empty("a");
}

/* ---- By range ---- */

static void by_number(void **state)
{
	(void)state;
	record("a", 0, 1000, "text");
	for (size_t i = 0; i < 5; ++i) {
		const struct store_range range = {"a", numbers[i], INT64_MIN, INT64_MAX, NULL};
		size_t left = (size_t)count_of("a", numbers[i]), steps = 0;
		int64_t others = count_of("a", NULL) - (int64_t)left;
		do {
			assert_int_equal(delete_range(&range, NULL, 70), 0);
			assert_int_equal(deletion.deleted, left < 70 ? left : 70);
			left -= deletion.deleted;
			assert_true(++steps < 20);
		} while (deletion.more);
		assert_int_equal(left, 0);
		assert_int_equal(count_of("a", numbers[i]), 0);
		assert_int_equal(count_of("a", NULL), others);
		assert_whole("a");
	}
	assert_empty("a");
}

static void before_a_time(void **state)
{
	struct store_range range = {"a", NULL, INT64_MIN, moment + 400 * 1000, NULL};
	(void)state;
	record("a", 0, 1000, "text");
	assert_int_equal(delete_range(&range, NULL, 150), 0);
	assert_int_equal(deletion.deleted, 150);
	assert_true(deletion.more);
	/* From the page's end on, as from the beginning. */
	struct store_position last = deletion.last;
	assert_int_equal(delete_range(&range, &last, 150), 0);
	assert_int_equal(deletion.deleted, 150);
	assert_int_equal(delete_range(&range, NULL, 150), 0);
	assert_int_equal(deletion.deleted, 100);
	assert_false(deletion.more);
	assert_int_equal(count_of("a", NULL), 600);
	assert_int_equal(get("a", "id399"), 0);
	assert_int_equal(get("a", "id400"), 1);
	assert_int_equal(delete_range(&range, NULL, 150), 0);
	assert_int_equal(deletion.deleted, 0);
	/* And of one number only. */
	range = (struct store_range){"a", "101", INT64_MIN, moment + 700 * 1000, NULL};
	assert_int_equal(store_fixture_count(&fixture, &range), 0);
	int64_t expected = fixture.count, all = count_of("a", "101");
	assert_int_equal(delete_range(&range, NULL, 1000), 0);
	assert_int_equal(deletion.deleted, expected);
	assert_int_equal(count_of("a", "101"), all - expected);
	assert_whole("a");
}

/* Pages of large calls end early, so that a deletion takes some 4 MiB at most. */
static void large_calls(void **state)
{
	enum { LARGE = 60000, COUNT = 100 };
	const struct store_range range = {"a", NULL, INT64_MIN, INT64_MAX, NULL};
	size_t left = COUNT, steps = 0;
	static char text_of_call[LARGE];
	static uint8_t packed[LARGE + 64];
	(void)state;
	memset(text_of_call, 'x', LARGE - 1);
	for (size_t i = 0; i < COUNT; ++i) {
		struct store_call *call = make(i, "text");
		call->record = (struct store_record){packed, store_fixture_pack(packed, ids[i], call->start_ms, text_of_call)};
		assert_int_equal(store_fixture_record(&fixture, "a", call, 1), 0);
	}
	struct store_position after;
	do {
		assert_int_equal(delete_range(&range, steps ? &after : NULL, 1000), 0);
		assert_true(deletion.deleted < COUNT);
		left -= deletion.deleted;
		after = deletion.last;
		assert_true(++steps < 10);
	} while (deletion.more);
	assert_int_equal(left, 0);
	assert_empty("a");
}

/* ---- Against recordings ---- */

static int pending;

static void on_some(void *data, int status, const enum store_outcome *outcomes, size_t count)
{
	assert_int_equal(status, 0);
	*(enum store_outcome *)data = outcomes[count - 1];
	fixture.done = --pending == 0;
}

static void on_some_deleted(void *data, int status, const struct store_deletion *out)
{
	(void)data;
	assert_int_equal(status, 0);
	assert_non_null(out);
	fixture.done = --pending == 0;
}

/* Redis executes one script after the other: what it gets last counts. */
static void the_last_script_counts(void **state)
{
	enum store_outcome outcome;
	(void)state;
	for (int first = 0; first < 2; ++first) {
		record("a", 3, 1, "before");
		struct arena *arena = store_fixture_begin(&fixture);
		make(3, "newer");
		pending = 2;
		for (int turn = 0; turn < 2; ++turn)
			if (turn == first)
				assert_int_equal(store_record(fixture.store, "a", &calls[3], 1, arena, CLOCK_NEVER, on_some, &outcome),
				                 0);
			else
				assert_int_equal(store_delete_ids(fixture.store, &deletion, "a", &id_list[3], 1, arena, CLOCK_NEVER,
				                                  on_some_deleted, NULL),
				                 0);
		assert_true(redis_server_run(fixture.redis, &fixture.done, STORE_FIXTURE_WAIT_MS));
		assert_int_equal(deletion.deleted, 1);
		assert_int_equal(outcome, first ? STORE_RECORDED : STORE_REPLACED);
		assert_int_equal(get("a", "id3"), first);
		assert_whole("a");
	}
}

/* A call that was replaced after its page was read need not be in the range any more, and stays. */
static void replaced_after_its_page_was_read(void **state)
{
	uint8_t read[RECORD_SIZE];
	(void)state;
	record("a", 4, 1, "as it was read");
	memcpy(read, records[4], sizeof(read));
	struct store_call old = {.record = {read, calls[4].record.length}, .deletion = true};
	record("a", 4, 1, "replaced since");
	assert_int_equal(store_fixture_record(&fixture, "a", &old, 1), 0);
	assert_int_equal(fixture.outcomes[0], STORE_COLLISION);
	assert_int_equal(get("a", "id4"), 1);
	record("a", 4, 1, "as it was read");
	assert_int_equal(store_fixture_record(&fixture, "a", &old, 1), 0);
	assert_int_equal(fixture.outcomes[0], STORE_DELETED);
	assert_int_equal(store_fixture_record(&fixture, "a", &old, 1), 0);
	assert_int_equal(fixture.outcomes[0], STORE_ABSENT);
	assert_empty("a");
}

/* Random recordings, replacements and deletions: the store has what a list of flags has. */
static void random_changes(void **state)
{
	static bool there[400];
	uint32_t random = 7;
	int64_t expected = 0;
	(void)state;
	memset(there, 0, sizeof(there));
	for (int round = 0; round < 300; ++round) {
		random = random * 1664525 + 1013904223;
		size_t first = (random >> 8) % 380, count = 1 + (random >> 20) % 20;
		size_t had = 0;
		for (size_t i = first; i < first + count; ++i)
			had += there[i];
		bool deleting = random >> 31;
		if (deleting)
			delete_ids("a", (make(first, ""), id_list + first), 1, there[first]);
		if (deleting && count > 1) {
			for (size_t i = first + 1; i < first + count; ++i)
				make(i, "");
			delete_ids("a", id_list + first + 1, count - 1, had - there[first]);
		}
		if (!deleting)
			record("a", first, count, round % 2 ? "odd" : "even");
		for (size_t i = first; i < first + count; ++i)
			there[i] = !deleting;
		expected += (deleting ? 0 : (int64_t)count) - (int64_t)had;
		assert_int_equal(count_of("a", NULL), expected);
	}
	assert_whole("a");
	for (size_t i = 0; i < 400; ++i) {
		snprintf(ids[i], sizeof(ids[i]), "id%zu", i);
		id_list[i] = ids[i];
		assert_int_equal(get("a", ids[i]), there[i]);
	}
	delete_ids("a", id_list, 400, (size_t)expected);
	assert_empty("a");
}

/* ---- Trouble ---- */

static void a_deadline_that_has_passed(void **state)
{
	const struct store_call late = {.record = {records[0], 0}, .deletion = true};
	(void)state;
	record("a", 0, 10, "text");
	assert_int_equal(delete_ids_until("a", id_list, 10, 1), -ETIMEDOUT);
	assert_int_equal(count_of("a", NULL), 10);
	/* A record without an id. */
	assert_int_equal(store_fixture_record(&fixture, "a", &late, 1), -EINVAL);
}

/* Deleting is what helps a server that is full. */
static void without_memory(void **state)
{
	const char *const full[] = {"CONFIG", "SET", "maxmemory", "1"}, *const all[] = {"CONFIG", "SET", "maxmemory", "0"};
	const struct store_range range = {"a", NULL, INT64_MIN, INT64_MAX, NULL};
	(void)state;
	record("a", 0, 1000, "text");
	redis_do(4, full, NULL);
	make(1000, "text");
	assert_int_equal(store_fixture_record(&fixture, "a", &calls[1000], 1), -ENOSPC);
	delete_ids("a", id_list, 300, 300);
	assert_int_equal(delete_range(&range, NULL, 500), 0);
	assert_int_equal(deletion.deleted, 500);
	redis_do(4, all, NULL);
	assert_int_equal(count_of("a", NULL), 200);
	assert_whole("a");
}

static void cancelled(void **state)
{
	const struct store_range range = {"a", NULL, INT64_MIN, INT64_MAX, NULL};
	(void)state;
	record("a", 0, 500, "text");
	/* While its page is read. */
	struct arena *arena = store_fixture_begin(&fixture);
	assert_int_equal(
	    store_delete_range(fixture.store, &deletion, &range, NULL, 500, arena, CLOCK_NEVER, on_deleted, NULL), 0);
	assert_false(store_delete_cancel(&deletion));
	assert_int_equal(store_fixture_wait(&fixture, 0), -ECANCELED);
	assert_int_equal(count_of("a", NULL), 500);
	/* While its first scripts are under way: the rest is not sent. */
	arena = store_fixture_begin(&fixture);
	assert_int_equal(
	    store_delete_ids(fixture.store, &deletion, "a", id_list, 500, arena, CLOCK_NEVER, on_deleted, NULL), 0);
	assert_true(store_delete_cancel(&deletion));
	assert_true(count_of("a", NULL) >= 300);
	assert_false(fixture.status);
	assert_whole("a");
}

/* Damage is verify's: an entry that is cut off stays, one without its record goes. */
static void damage(void **state)
{
	char digest[STORE_DIGEST_SIZE];
	const char *const cut[] = {"HSET", "{a}i00000000", digest, "cut off"}, *const del[] = {"DEL", "{a}0912345678"};
	const size_t lengths[] = {4, 12, sizeof(digest), 7};
	(void)state;
	record("a", 11, 1, "text");
	fixture.store->digest((uint8_t *)digest, "id11", 4);
	redis_do(4, cut, lengths);
	delete_ids("a", &id_list[11], 1, 0);
	assert_int_equal(count_of("a", NULL), 1);
	record("a", 11, 1, "text");
	assert_whole("a");
	delete_ids("a", &id_list[11], 1, 1);
	record("a", 10, 1, "text");
	record("a", 15, 1, "text");
	record("a", 5 * 5 + 1, 1, "text");
	redis_do(2, del, NULL);
	static const char *const left[] = {"id10", "id15", "id26"};
	delete_ids("a", left, 3, 3);
	assert_empty("a");
}

static int set_up(void **state)
{
	static const char *const extra[] = {"--appendfsync", "no", NULL};
	(void)state;
	return store_fixture_start(&fixture, extra);
}

static int tear_down(void **state)
{
	(void)state;
	store_fixture_stop(&fixture);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(nothing_is_left_but_the_counters, empty_server),
	    cmocka_unit_test_setup(ids_that_are_not_there, empty_server),
	    cmocka_unit_test_setup(ids_of_one_digest, empty_server),
	    cmocka_unit_test_setup(by_number, empty_server),
	    cmocka_unit_test_setup(before_a_time, empty_server),
	    cmocka_unit_test_setup(large_calls, empty_server),
	    cmocka_unit_test_setup(the_last_script_counts, empty_server),
	    cmocka_unit_test_setup(replaced_after_its_page_was_read, empty_server),
	    cmocka_unit_test_setup(random_changes, empty_server),
	    cmocka_unit_test_setup(a_deadline_that_has_passed, empty_server),
	    cmocka_unit_test_setup(without_memory, empty_server),
	    cmocka_unit_test_setup(cancelled, empty_server),
	    cmocka_unit_test_setup(damage, empty_server),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
