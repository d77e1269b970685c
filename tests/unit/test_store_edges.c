/*
 * store at its edges: many calls in one millisecond, ids that share scores or
 * digests, big records, calls that arrive while somebody pages, forgotten
 * scripts, keys of a foreign type, and arguments that are refused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "store/key.h"
#include "support/store_fixture.h"

enum { MANY = 5000, RECORD_SIZE = 512 };

static const int64_t moment = INT64_C(1763800000000);

static struct store_fixture fixture;

/* A call whose parts live in one place. */
struct sample {
	struct store_call call;
	const char *numbers[4];
	uint8_t record[RECORD_SIZE];
};

/* Numbers that are NULL are left out. */
static struct store_call *sample(struct sample *sample, const char *id, int64_t ms, const char *first,
                                 const char *second, const char *text)
{
	sample->call = (struct store_call){
	    .start_ms = ms,
	    .record = {sample->record, store_fixture_pack(sample->record, id, ms, text)},
	    .numbers = sample->numbers,
	};
	if (first)
		sample->numbers[sample->call.number_count++] = first;
	if (second)
		sample->numbers[sample->call.number_count++] = second;
	return &sample->call;
}

static int record_one(const char *tag, const char *id, int64_t ms, const char *first, const char *second,
                      const char *text)
{
	struct sample one;
	return store_fixture_record(&fixture, tag, sample(&one, id, ms, first, second, text), 1);
}

static const char *id_of(size_t i)
{
	static char text[STORE_ID_MAX + 1];
	struct wire id;
	assert_int_equal(store_record_id(&fixture.page[i], &id), 0);
	memcpy(text, id.at, wire_length(id));
	text[wire_length(id)] = '\0';
	return text;
}

/*
 * Pages through a number by position; marks the ids ("<prefix><number>") that it meets, each of which must be new.
 * Returns how many.
 */
static size_t walk(const char *tag, const char *number, uint32_t size, size_t prefix, bool *met, size_t known)
{
	const struct store_range range = {tag, number, INT64_MIN, INT64_MAX, NULL};
	struct store_position position;
	size_t total = 0;
	for (bool first = true;; first = false) {
		assert_int_equal(store_fixture_list(&fixture, &range, first ? NULL : &position, 0, size), 0);
		assert_true(fixture.records <= size);
		for (size_t i = 0; i < fixture.records; ++i) {
			size_t at = strtoul(id_of(i) + prefix, NULL, 10);
			assert_true(at < known && !met[at]);
			met[at] = true;
			++total;
		}
		if (!fixture.more)
			return total;
		position = fixture.last;
	}
}

static void record_many(const char *tag, const char *prefix, size_t count, int64_t ms, int64_t step, const char *first,
                        const char *second)
{
	struct sample *samples = calloc(count, sizeof(*samples));
	struct store_call *calls = calloc(count, sizeof(*calls));
	assert_non_null(samples);
	assert_non_null(calls);
	for (size_t i = 0; i < count; ++i) {
		char id[32];
		snprintf(id, sizeof(id), "%s%zu", prefix, i);
		calls[i] = *sample(&samples[i], id, ms + step * (int64_t)i, first, second, "text");
	}
	assert_int_equal(store_fixture_record(&fixture, tag, calls, count), 0);
	for (size_t i = 0; i < count; ++i)
		assert_int_equal(fixture.outcomes[i], STORE_RECORDED);
	assert_int_equal(store_fixture_record(&fixture, tag, calls, count), 0);
	for (size_t i = 0; i < count; ++i)
		assert_int_equal(fixture.outcomes[i], STORE_UNCHANGED);
	free(samples);
	free(calls);
}

static int64_t count_of(const char *tag, const char *number)
{
	const struct store_range range = {tag, number, INT64_MIN, INT64_MAX, NULL};
	assert_int_equal(store_fixture_count(&fixture, &range), 0);
	return fixture.count;
}

static void many_in_one_millisecond(void **state)
{
	static const char *const readers[] = {"0912345678", "101", NULL};
	static bool met[MANY + 400];
	(void)state;
	/* Calls on both sides first, so that the crowd falls into chunks that exist. */
	record_many("a", "m", 200, moment - 200, 1, "0912345678", "101");
	record_many("a", "n", 200, moment + 1, 1, "0912345678", "101");
	record_many("a", "c", MANY, moment, 0, "0912345678", "101");
	for (size_t i = 0; i < 3; ++i) {
		const struct store_range crowd = {"a", readers[i], moment, moment + 1, NULL};
		assert_int_equal(count_of("a", readers[i]), MANY + 400);
		assert_int_equal(store_fixture_count(&fixture, &crowd), 0);
		assert_int_equal(fixture.count, MANY);
		assert_int_equal(store_fixture_list(&fixture, &crowd, NULL, MANY - 10, 50), 0);
		assert_int_equal(fixture.records, 10);
	}
	record_many("b", "c", MANY, moment, 0, "101", "102");
	for (size_t i = 1; i < 3; ++i) {
		memset(met, 0, sizeof(met));
		assert_int_equal(walk("b", readers[i], 700, 1, met, MANY), MANY);
	}
}

/* Digests of which several ids share the leading bits, so that they share their scores too. */
static void weak_order(uint8_t out[STORE_DIGEST_SIZE], const char *id, size_t length)
{
	uint8_t whole[32];
	store_token_digest(whole, id, length);
	memcpy(out, whole, STORE_DIGEST_SIZE);
	out[0] = 0;
	out[1] = whole[0] % 5;
}

static void weak_digest(uint8_t out[STORE_DIGEST_SIZE], const char *id, size_t length)
{
	(void)id;
	memset(out, 0, STORE_DIGEST_SIZE);
	out[7] = (uint8_t)length;
}

static void paging_through_shared_scores(void **state)
{
	static bool met[300];
	static const char *const readers[] = {"0912345678", "101", NULL, "0987654321"};
	void (*digest)(uint8_t *, const char *, size_t) = fixture.store->digest;
	(void)state;
	fixture.store->digest = weak_order;
	record_many("cd", "x", 300, moment, 0, "0912345678", "101");
	record_many("ce", "x", 300, moment, 0, "0912345678", "0987654321");
	for (size_t i = 0; i < 4; ++i)
		for (uint32_t size = 1; size < 120; size += 29) {
			memset(met, 0, sizeof(met));
			assert_int_equal(walk(i < 3 ? "cd" : "ce", readers[i], size, 1, met, 300), 300);
		}
	fixture.store->digest = digest;
}

/* The second of two ids with one digest is refused, and nothing of the first one changes. */
static void ids_with_one_digest(void **state)
{
	void (*digest)(uint8_t *, const char *, size_t) = fixture.store->digest;
	(void)state;
	fixture.store->digest = weak_digest;
	assert_int_equal(record_one("cf", "a", moment, "0912345678", "101", "first"), 0);
	assert_int_equal(fixture.outcomes[0], STORE_RECORDED);
	assert_int_equal(record_one("cf", "b", moment + 5, "0912345678", "102", "second"), 0);
	assert_int_equal(fixture.outcomes[0], STORE_COLLISION);
	assert_int_equal(count_of("cf", NULL), 1);
	assert_int_equal(count_of("cf", "102"), 0);
	assert_int_equal(store_fixture_get(&fixture, "cf", "b"), 0);
	assert_int_equal(fixture.records, 0);
	assert_int_equal(store_fixture_get(&fixture, "cf", "a"), 0);
	assert_int_equal(fixture.records, 1);
	fixture.store->digest = digest;
}

static void calls_arrive_while_paging(void **state)
{
	static bool met[1000];
	const struct store_range range = {"d", "101", INT64_MIN, INT64_MAX, NULL};
	struct store_position position;
	size_t total = 0;
	(void)state;
	record_many("d", "x", 1000, moment, 1000, "0912345678", "101");
	for (int page = 0;; ++page) {
		assert_int_equal(store_fixture_list(&fixture, &range, page ? &position : NULL, 0, 30), 0);
		for (size_t i = 0; i < fixture.records; ++i) {
			size_t at = strtoul(id_of(i) + 1, NULL, 10);
			assert_int_equal(at, 999 - total);
			assert_false(met[at]);
			met[at] = true;
			++total;
		}
		if (!fixture.more)
			break;
		position = fixture.last;
		char arriving[16];
		snprintf(arriving, sizeof(arriving), "new%d", page);
		assert_int_equal(record_one("d", arriving, moment + 2000000 + page, "0912345678", "101", "new"), 0);
	}
	assert_int_equal(total, 1000);
}

/* Moves one call to and fro without a pause, until it is told to stop. */
struct mover {
	struct sample sample;
	struct arena *arena;
	const char *tag;
	int moves;
	bool stop, stopped;
};

static void move_on(struct mover *mover);

static void on_moved(void *data, int status, const enum store_outcome *outcomes, size_t count)
{
	struct mover *mover = data;
	assert_int_equal(status, 0);
	assert_int_equal(count, 1);
	assert_int_equal(outcomes[0], STORE_REPLACED);
	if (mover->stop)
		mover->stopped = true;
	else
		move_on(mover);
}

static void move_on(struct mover *mover)
{
	arena_reset(mover->arena);
	sample(&mover->sample, "x20", moment + 20000 + ++mover->moves, "0912345678", "101", "moved");
	mover->sample.numbers[mover->sample.call.number_count++] = "0987654321";
	assert_int_equal(
	    store_record(fixture.store, mover->tag, &mover->sample.call, 1, mover->arena, CLOCK_NEVER, on_moved, mover), 0);
}

/* A page has every call once, however the calls move while it is read. */
static void list_while_moving(const char *tag, const char *number)
{
	struct mover mover = {.tag = tag};
	const struct store_range range = {tag, number, INT64_MIN, INT64_MAX, NULL};
	assert_int_equal(arena_create(&mover.arena, 1024), 0);
	move_on(&mover);
	for (int page = 0; page < 1000 && (page < 20 || mover.moves < 20); ++page) {
		bool met[40] = {false};
		assert_int_equal(store_fixture_list(&fixture, &range, NULL, 0, 40), 0);
		assert_int_equal(fixture.records, 40);
		for (size_t i = 0; i < 40; ++i)
			met[strtoul(id_of(i) + 1, NULL, 10)] = true;
		for (size_t i = 0; i < 40; ++i)
			assert_true(met[i]);
	}
	assert_true(mover.moves > 1);
	mover.stop = true;
	assert_true(redis_server_run(fixture.redis, &mover.stopped, STORE_FIXTURE_WAIT_MS));
	arena_destroy(mover.arena);
}

static void calls_move_while_reading(void **state)
{
	static const char *const numbers[] = {NULL, "101", "0987654321"};
	struct sample samples[40];
	struct store_call calls[40];
	(void)state;
	for (size_t j = 0; j < 40; ++j) {
		char id[8];
		snprintf(id, sizeof(id), "x%zu", j);
		/* Some share a millisecond with their neighbour. */
		sample(&samples[j], id, moment + (int64_t)(j / 3) * 3000, "0912345678", "101", "still");
		samples[j].numbers[samples[j].call.number_count++] = "0987654321";
		calls[j] = samples[j].call;
	}
	assert_int_equal(store_fixture_record(&fixture, "m0", calls, 40), 0);
	for (size_t j = 0; j < 3; ++j)
		list_while_moving("m0", numbers[j]);
}

static void big_records(void **state)
{
	static char text[100001];
	static uint8_t record[100200];
	const char *const numbers[] = {"0912345678", "101"};
	struct store_call call = {.start_ms = moment, .numbers = numbers, .number_count = 2};
	(void)state;
	for (size_t i = 0; i < sizeof(text) - 1; ++i)
		text[i] = (char)('a' + i % 26);
	call.record = (struct store_record){record, store_fixture_pack(record, "big", moment, text)};
	assert_int_equal(store_fixture_record(&fixture, "e", &call, 1), 0);
	static const char *const readers[] = {"0912345678", "101", NULL};
	for (size_t i = 0; i < 3; ++i) {
		const struct store_range range = {"e", readers[i], INT64_MIN, INT64_MAX, NULL};
		assert_int_equal(store_fixture_list(&fixture, &range, NULL, 0, 10), 0);
		assert_int_equal(fixture.records, 1);
		assert_int_equal(fixture.page[0].length, call.record.length);
		assert_memory_equal(fixture.page[0].data, record, call.record.length);
	}
	char longest[STORE_ID_MAX + 1];
	memset(longest, 'i', sizeof(longest) - 1);
	longest[STORE_ID_MAX] = '\0';
	struct sample one;
	struct store_call *last = sample(&one, longest, INT64_C(253402300799999), "0912345678", "101", "the last moment");
	assert_int_equal(store_fixture_record(&fixture, "e", last, 1), 0);
	assert_int_equal(store_fixture_record(&fixture, "e", last, 1), 0);
	assert_int_equal(fixture.outcomes[0], STORE_UNCHANGED);
	assert_int_equal(store_fixture_get(&fixture, "e", longest), 0);
	assert_int_equal(fixture.records, 1);
	assert_int_equal(record_one("e", "first", 0, "101", NULL, "the first moment"), 0);
	const struct store_range range = {"e", "101", 0, INT64_MAX, NULL};
	assert_int_equal(store_fixture_list(&fixture, &range, NULL, 0, 10), 0);
	assert_int_equal(fixture.records, 3);
	assert_string_equal(id_of(0), longest);
	assert_string_equal(id_of(2), "first");
}

static void on_reply(void *data, int status, const struct redis_reply *reply)
{
	*(bool *)data = status == 0 && reply->type != REDIS_ERROR;
}

static void redis_do(int argc, const char *const *argv)
{
	bool done = false;
	assert_int_equal(redis_command(fixture.redis, argc, argv, NULL, CLOCK_NEVER, on_reply, &done), 0);
	assert_true(redis_server_run(fixture.redis, &done, STORE_FIXTURE_WAIT_MS));
}

static void forgotten_scripts(void **state)
{
	const char *const flush[] = {"SCRIPT", "FLUSH"};
	(void)state;
	redis_do(2, flush);
	record_many("f", "x", 1000, moment, 1, "0912345678", "101");
	redis_do(2, flush);
	assert_int_equal(count_of("f", "101"), 1000);
	const struct store_range range = {"f", "101", INT64_MIN, INT64_MAX, NULL};
	assert_int_equal(store_fixture_list(&fixture, &range, NULL, 500, 10), 0);
	assert_int_equal(fixture.records, 10);
	assert_string_equal(id_of(0), "x499");
	redis_do(2, flush);
	assert_int_equal(store_fixture_get(&fixture, "f", "x0"), 0);
	assert_int_equal(fixture.records, 1);
}

static const char *const full_readers[] = {"0912345678", "0987654321", "101", NULL};

static struct store_call *full_sample(struct sample *one, const char *id, int64_t ms, const char *text)
{
	struct store_call *call = sample(one, id, ms, "0912345678", "101", text);
	one->numbers[call->number_count++] = "0987654321";
	return call;
}

static void assert_counts(const char *tag, int64_t count)
{
	for (size_t j = 0; j < 4; ++j) {
		const struct store_range range = {tag, full_readers[j], INT64_MIN, INT64_MAX, NULL};
		assert_int_equal(count_of(tag, full_readers[j]), count);
		assert_int_equal(store_fixture_list(&fixture, &range, NULL, 0, 1000), 0);
		assert_int_equal(fixture.records, count);
	}
}

/*
 * Whichever key that recording writes is of a foreign type, the call is not half recorded: no count or list has it, and with the
 * key deleted it is new. With `before` calls, chunks are full and one of them is split.
 */
static void refuse_foreign_key(const char *key, size_t before, bool is_expected)
{
	const char *const set[] = {"LPUSH", key, "foreign"}, *const del[] = {"DEL", key}, *const flush[] = {"FLUSHDB"};
	struct sample one;
	for (size_t i = 0; i < before; ++i) {
		char id[32];
		snprintf(id, sizeof(id), "b%zu", i);
		assert_int_equal(
		    store_fixture_record(&fixture, "g", full_sample(&one, id, moment - 1000 + (int64_t)i, "text"), 1), 0);
	}
	redis_do(3, set);
	assert_int_equal(store_fixture_record(&fixture, "g", full_sample(&one, "id", moment, "text"), 1),
	                 is_expected ? -EMEDIUMTYPE : 0);
	redis_do(2, del);
	if (is_expected) {
		assert_counts("g", (int64_t)before);
		assert_int_equal(store_fixture_record(&fixture, "g", full_sample(&one, "id", moment, "text"), 1), 0);
		assert_int_equal(fixture.outcomes[0], STORE_RECORDED);
		assert_counts("g", (int64_t)before + 1);
	}
	redis_do(1, flush);
}

static void keys_of_a_foreign_type(void **state)
{
	static const char *const keys[] = {"{g}0912345678", "{g}0987654321", "{g}m",
	                                   "{g}kt:2048",    "{g}kx101:2048", "{g}i00000000"};
	(void)state;
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); ++i)
		refuse_foreign_key(keys[i], 0, true);
	/* The directory is not touched by a call that fits into the head. */
	refuse_foreign_key("{g}x101", 5, false);
	/* The 122nd call finds a full head in both indexes, of which 113 entries stay in the chunk. */
	refuse_foreign_key("{g}t", 121, true);
	refuse_foreign_key("{g}x101", 121, true);
}

/* The same for a call that is replaced: it stays as it was, and replacing it works once the key is deleted. */
static void keys_of_a_foreign_type_while_replacing(void **state)
{
	static const char *const keys[] = {"{g}0911111111", "{g}kx777:2048"};
	const char *const flush[] = {"FLUSHDB"};
	struct sample one;
	(void)state;
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); ++i) {
		const char *const set[] = {"LPUSH", keys[i], "foreign"}, *const del[] = {"DEL", keys[i]};
		assert_int_equal(store_fixture_record(&fixture, "g", full_sample(&one, "id", moment, "before"), 1), 0);
		redis_do(3, set);
		assert_int_equal(record_one("g", "id", moment + 1, "0911111111", "777", "after"), -EMEDIUMTYPE);
		redis_do(2, del);
		assert_counts("g", 1);
		assert_int_equal(record_one("g", "id", moment + 1, "0911111111", "777", "after"), 0);
		assert_int_equal(fixture.outcomes[0], STORE_REPLACED);
		assert_int_equal(count_of("g", "101"), 0);
		assert_int_equal(count_of("g", "777"), 1);
		assert_int_equal(count_of("g", NULL), 1);
		redis_do(1, flush);
	}
}

/* An entry of the id index that is cut off says nothing of the call, which is recorded anew, its record included. */
static void an_entry_that_is_cut_off(void **state)
{
	char digest[STORE_DIGEST_SIZE];
	const char *const cut[] = {"HSET", "{g}i00000000", digest, "cut off"}, *const flush[] = {"FLUSHDB"};
	const size_t lengths[] = {4, 12, sizeof(digest), 7};
	const struct store_range range = {"g", "0912345678", INT64_MIN, INT64_MAX, NULL};
	bool done = false;
	(void)state;
	fixture.store->digest((uint8_t *)digest, "id", 2);
	assert_int_equal(record_one("g", "id", moment, "0912345678", "101", "text"), 0);
	assert_int_equal(redis_command(fixture.redis, 4, cut, lengths, CLOCK_NEVER, on_reply, &done), 0);
	assert_true(redis_server_run(fixture.redis, &done, STORE_FIXTURE_WAIT_MS));
	assert_int_equal(record_one("g", "id", moment, "0912345678", "101", "newer"), 0);
	assert_int_equal(fixture.outcomes[0], STORE_REPLACED);
	assert_int_equal(store_fixture_list(&fixture, &range, NULL, 0, 10), 0);
	assert_int_equal(fixture.records, 1);
	assert_memory_equal(fixture.page[0].data + fixture.page[0].length - 5, "newer", 5);
	assert_int_equal(count_of("g", "101"), 1);
	redis_do(1, flush);
}

/* A tenant's hash that is lost makes no stored call a new one: the number of buckets is found again. */
static void a_lost_hash_makes_no_call_new(void **state)
{
	const char *const del[] = {"DEL", "{g}m"}, *const flush[] = {"FLUSHDB"};
	(void)state;
	record_many("g", "x", 300, moment, 1, "0912345678", "101");
	redis_do(2, del);
	for (int i = 0; i < 300; i += 7) {
		char id[16];
		snprintf(id, sizeof(id), "x%d", i);
		assert_int_equal(store_fixture_get(&fixture, "g", id), 0);
		assert_int_equal(fixture.records, 1);
		assert_int_equal(record_one("g", id, moment, "0912345678", "101", "newer"), 0);
		assert_int_equal(fixture.outcomes[0], STORE_REPLACED);
		redis_do(2, del);
	}
	assert_int_equal(count_of("g", "0912345678"), 300);
	redis_do(1, flush);
}

/* A full head that somebody has deleted costs its entries; later calls are recorded as ever. */
static void a_full_head_that_is_missing(void **state)
{
	const char *const del[] = {"DEL", "{g}kx101:2048"}, *const flush[] = {"FLUSHDB"};
	(void)state;
	record_many("g", "x", 121, moment, 1, "0912345678", "101");
	assert_int_equal(count_of("g", "101"), 121);
	redis_do(2, del);
	assert_int_equal(record_one("g", "newest", moment + 1000000, "0912345678", "101", "text"), 0);
	assert_int_equal(fixture.outcomes[0], STORE_RECORDED);
	assert_int_equal(count_of("g", "101"), 1);
	redis_do(1, flush);
}

/* A record that somebody has deleted costs itself, not the page, and is counted; recording it again mends everything. */
static void a_record_that_is_missing(void **state)
{
	const char *const del[] = {"DEL", "{g}0912345678"}, *const flush[] = {"FLUSHDB"};
	struct store_stats before, after;
	(void)state;
	assert_int_equal(record_one("g", "id", moment, "0912345678", "101", "text"), 0);
	assert_int_equal(record_one("g", "older", moment - 5, "0911111111", "101", "text"), 0);
	assert_int_equal(record_one("g", "newer", moment + 5, "0911111111", "101", "text"), 0);
	redis_do(2, del);
	store_get_stats(fixture.store, &before);
	const struct store_range range = {"g", "101", INT64_MIN, INT64_MAX, NULL};
	assert_int_equal(store_fixture_list(&fixture, &range, NULL, 0, 10), 0);
	assert_int_equal(fixture.records, 2);
	assert_false(fixture.more);
	/* A page that ends at the missing one has a position to continue from. */
	assert_int_equal(store_fixture_list(&fixture, &range, NULL, 1, 1), 0);
	assert_int_equal(fixture.records, 0);
	assert_true(fixture.more);
	struct store_position position = fixture.last;
	assert_int_equal(store_fixture_list(&fixture, &range, &position, 0, 1), 0);
	assert_int_equal(fixture.records, 1);
	assert_string_equal(id_of(0), "older");
	assert_int_equal(store_fixture_get(&fixture, "g", "id"), 0);
	assert_int_equal(fixture.records, 0);
	store_get_stats(fixture.store, &after);
	assert_int_equal(after.missing - before.missing, 3);
	assert_int_equal(record_one("g", "id", moment, "0912345678", "101", "text"), 0);
	assert_int_equal(fixture.outcomes[0], STORE_REPLACED);
	assert_int_equal(store_fixture_list(&fixture, &range, NULL, 0, 10), 0);
	assert_int_equal(fixture.records, 3);
	assert_int_equal(count_of("g", "101"), 3);
	redis_do(1, flush);
}

/* Every command in the scripts that takes a variable number of arguments, at its greatest number. */
static void many_numbers(void **state)
{
	enum { CALLS = 100, NUMBERS = 127, MOST = 2000 };
	static char texts[MOST][8], records[CALLS][64], ids[CALLS][8];
	static const char *numbers[MOST];
	struct store_call calls[CALLS], most;
	(void)state;
	for (size_t i = 0; i < MOST; ++i) {
		snprintf(texts[i], sizeof(texts[i]), "%zu", i);
		numbers[i] = texts[i];
	}
	for (size_t i = 0; i < CALLS; ++i) {
		snprintf(ids[i], sizeof(ids[i]), "i%zu", i);
		calls[i] = (struct store_call){
		    .start_ms = moment + (int64_t)i,
		    .record = {(uint8_t *)records[i],
		               store_fixture_pack((uint8_t *)records[i], ids[i], moment + (int64_t)i, "text")},
		    .numbers = numbers,
		    .number_count = NUMBERS,
		};
	}
	assert_int_equal(store_fixture_record(&fixture, "n", calls, CALLS), 0);
	assert_int_equal(count_of("n", "126"), CALLS);
	for (size_t i = 0; i < CALLS; ++i)
		calls[i].number_count = 0;
	assert_int_equal(store_fixture_record(&fixture, "n", calls, CALLS), 0);
	/* A Redis that is silent for 5 s, because the machine is busy, gets it a second time. */
	for (size_t i = 0; i < CALLS; ++i)
		assert_true(fixture.outcomes[i] == STORE_REPLACED || fixture.outcomes[i] == STORE_UNCHANGED);
	assert_int_equal(count_of("n", "126"), 0);
	assert_int_equal(record_one("n", "new", moment, "0912345678", "126", "text"), 0);
	assert_int_equal(count_of("n", "126"), 1);
	/* One call with more numbers than one command takes. */
	most = calls[0];
	most.number_count = MOST;
	assert_int_equal(store_fixture_record(&fixture, "n", &most, 1), 0);
	assert_int_equal(count_of("n", "1999"), 1);
	assert_int_equal(count_of("n", "126"), 2);
	most.number_count = 1;
	assert_int_equal(store_fixture_record(&fixture, "n", &most, 1), 0);
	assert_int_equal(count_of("n", "1999"), 0);
	assert_int_equal(count_of("n", "0"), 1);
}

static void refused_arguments(void **state)
{
	const struct store_range good = {"h", "101", INT64_MIN, INT64_MAX, NULL}, no_tag = {"", "101", 0, 1, NULL},
	                         bad_tag = {"}a", "101", 0, 1, NULL}, no_number = {"h", "", 0, 1, NULL},
	                         control = {"h", "1\n1", 0, 1, NULL}, group = {"h", NULL, 0, 1, "g"},
	                         number_of_group = {"h", "101", 0, 1, "g"};
	struct store_position position;
	struct sample one;
	(void)state;
	store_position_init(&position, 0, "id", 2);
	assert_int_equal(store_fixture_list(&fixture, &good, &position, 1, 10), -EINVAL);
	assert_int_equal(store_fixture_list(&fixture, &no_tag, NULL, 0, 10), -EINVAL);
	assert_int_equal(store_fixture_count(&fixture, &bad_tag), -EINVAL);
	assert_int_equal(store_fixture_count(&fixture, &no_number), -EINVAL);
	assert_int_equal(store_fixture_count(&fixture, &control), -EINVAL);
	assert_int_equal(store_fixture_count(&fixture, &group), -EINVAL);
	assert_int_equal(store_fixture_list(&fixture, &number_of_group, NULL, 0, 10), -EINVAL);
	assert_int_equal(store_fixture_get(&fixture, "h", ""), -EINVAL);
	assert_int_equal(store_fixture_list(&fixture, &good, NULL, UINT64_MAX, UINT32_MAX), 0);
	assert_int_equal(fixture.records, 0);
	assert_int_equal(store_fixture_list(&fixture, &good, NULL, 0, 0), -EINVAL);
	assert_int_equal(record_one("h", "", moment, NULL, NULL, "text"), -EINVAL);
	assert_int_equal(record_one("h", "id", -1, NULL, NULL, "text"), -EINVAL);
	assert_int_equal(record_one("h", "id", INT64_C(253402300800000), NULL, NULL, "text"), -EINVAL);
	assert_int_equal(record_one("h", "id", moment, "1\t1", NULL, "text"), -EINVAL);
	assert_int_equal(record_one("h", "id", moment, NULL, "", "text"), -EINVAL);
	assert_int_equal(store_fixture_record(&fixture, "h", sample(&one, "id", moment, NULL, NULL, "text"), 0), -EINVAL);
}

static void on_token(void *data, int status, const struct store_token *token)
{
	struct store_fixture *heard = data;
	heard->status = status;
	assert_null(token);
}

/* The connection goes first: it ends what is pending. */
static void connection_gone_before_the_replies(void **state)
{
	const struct store_range range = {"a", "101", INT64_MIN, INT64_MAX, NULL};
	const uint8_t digest[32] = {1};
	const struct store_token *token;
	struct store_fixture own = {.server = fixture.server};
	struct store_fixture token_end = {.status = 0};
	(void)state;
	assert_int_equal(store_fixture_open(&own), 0);
	struct arena *arena = store_fixture_begin(&own);
	assert_int_equal(store_token_find(own.store, digest, CLOCK_NEVER, &token, on_token, &token_end), 0);
	assert_int_equal(store_list(own.store, &range, NULL, 0, 5, arena, CLOCK_NEVER, store_fixture_on_page, &own), 0);
	store_fixture_close(&own);
	assert_int_equal(token_end.status, -ECANCELED);
	assert_true(own.done);
	assert_int_equal(own.status, -ECANCELED);
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
	    cmocka_unit_test(many_in_one_millisecond),
	    cmocka_unit_test(paging_through_shared_scores),
	    cmocka_unit_test(ids_with_one_digest),
	    cmocka_unit_test(calls_arrive_while_paging),
	    cmocka_unit_test(calls_move_while_reading),
	    cmocka_unit_test(big_records),
	    cmocka_unit_test(forgotten_scripts),
	    cmocka_unit_test(keys_of_a_foreign_type),
	    cmocka_unit_test(keys_of_a_foreign_type_while_replacing),
	    cmocka_unit_test(an_entry_that_is_cut_off),
	    cmocka_unit_test(a_lost_hash_makes_no_call_new),
	    cmocka_unit_test(a_full_head_that_is_missing),
	    cmocka_unit_test(a_record_that_is_missing),
	    cmocka_unit_test(many_numbers),
	    cmocka_unit_test(refused_arguments),
	    cmocka_unit_test(connection_gone_before_the_replies),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
