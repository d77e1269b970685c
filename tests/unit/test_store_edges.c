/*
 * store at its edges: many calls in one millisecond, ids whose digests
 * collide, big records, calls that arrive while somebody pages, forgotten
 * scripts, keys of a foreign type, and arguments that are refused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support/store_fixture.h"

enum { MANY = 5000, RECORD_SIZE = 384 };

static const int64_t moment = INT64_C(1763800000000);

static struct store_fixture fixture;

/* A call whose parts live in one place. */
struct sample {
	struct store_call call;
	char id[STORE_ID_MAX + 1];
	const char *others[4];
	uint8_t record[RECORD_SIZE];
};

static struct store_call *sample(struct sample *sample, const char *id, int64_t ms, const char *home, const char *other,
                                 const char *text)
{
	snprintf(sample->id, sizeof(sample->id), "%s", id);
	sample->others[0] = other;
	sample->call = (struct store_call){
	    .id = sample->id,
	    .start_ms = ms,
	    .record = sample->record,
	    .record_length = store_fixture_pack(sample->record, id, text),
	    .home = home,
	    .others = sample->others,
	    .other_count = other ? 1 : 0,
	};
	return &sample->call;
}

static int record_one(const char *tag, const char *id, int64_t ms, const char *home, const char *other,
                      const char *text)
{
	struct sample one;
	return store_fixture_record(&fixture, tag, sample(&one, id, ms, home, other, text), 1);
}

static const char *id_of(size_t i)
{
	static char text[STORE_ID_MAX + 1];
	const char *id;
	size_t length;
	assert_int_equal(store_record_id(fixture.page[i].data, fixture.page[i].length, &id, &length), 0);
	memcpy(text, id, length);
	text[length] = '\0';
	return text;
}

/* Pages through a number by position; marks the ids ("<prefix><number>") that it meets, each of which must be new. Returns how many. */
static size_t walk(const char *tag, const char *number, uint32_t size, size_t prefix, bool *met, size_t known)
{
	const struct store_range range = {tag, number, INT64_MIN, INT64_MAX};
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
		if (fixture.records < size)
			return total;
		const char *id = id_of(size - 1);
		uint8_t digest[STORE_DIGEST];
		store_position_init(&position, 0, id, strlen(id));
		fixture.store->digest(digest, id, strlen(id));
		memcpy(position.digest, digest, sizeof(position.digest));
		/* The samples carry their time as their text. */
		position.start_ms = strtoll((const char *)fixture.page[size - 1].data + strlen(id) + 4, NULL, 10);
	}
}

static void record_many(const char *tag, const char *prefix, size_t count, int64_t ms, int64_t step, const char *home,
                        const char *other)
{
	struct sample *samples = calloc(count, sizeof(*samples));
	struct store_call *calls = calloc(count, sizeof(*calls));
	assert_non_null(samples);
	assert_non_null(calls);
	for (size_t i = 0; i < count; ++i) {
		char id[32], text[32];
		snprintf(id, sizeof(id), "%s%zu", prefix, i);
		snprintf(text, sizeof(text), "%lld", (long long)(ms + step * (int64_t)i));
		calls[i] = *sample(&samples[i], id, ms + step * (int64_t)i, home, other, text);
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
	const struct store_range range = {tag, number, INT64_MIN, INT64_MAX};
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
		const struct store_range crowd = {"a", readers[i], moment, moment + 1};
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

/* Digests with few values: ids collide in the first 4 bytes (order), in the other 8 (index), or in all. */
static void weak_order(uint8_t out[STORE_DIGEST], const char *id, size_t length)
{
	uint8_t whole[32];
	store_token_digest(whole, id, length);
	memcpy(out, whole, STORE_DIGEST);
	memset(out, 0, STORE_DIGEST4);
	out[3] = whole[0] % 5;
}

static void weak_index(uint8_t out[STORE_DIGEST], const char *id, size_t length)
{
	uint8_t whole[32];
	store_token_digest(whole, id, length);
	memcpy(out, whole, STORE_DIGEST);
	memset(out + STORE_DIGEST4, 0, STORE_FIELD);
	out[STORE_DIGEST - 1] = whole[0] % 5;
}

static void weak_both(uint8_t out[STORE_DIGEST], const char *id, size_t length)
{
	(void)id;
	memset(out, 0, STORE_DIGEST);
	out[0] = length % 2 ? 1 : 0;
}

static void colliding_ids(void **state)
{
	static void (*const digests[])(uint8_t *, const char *, size_t) = {weak_order, weak_index, weak_both};
	static const char *const tags[] = {"ca", "cb", "cc"};
	static bool met[600];
	void (*digest)(uint8_t *, const char *, size_t) = fixture.store->digest;
	(void)state;
	for (size_t i = 0; i < 3; ++i) {
		fixture.store->digest = digests[i];
		record_many(tags[i], "x", 300, moment, 0, "0912345678", "101");
		record_many(tags[i], "longer", 300, moment + 5, 1, "0912345678", "101");
		for (uint32_t size = 7; size < 200; size += 60) {
			static const char *const readers[] = {"0912345678", "101", NULL};
			for (size_t j = 0; j < 3; ++j) {
				const struct store_range crowd = {tags[i], readers[j], moment, moment + 1};
				size_t total = 0;
				memset(met, 0, sizeof(met));
				assert_int_equal(count_of(tags[i], readers[j]), 600);
				do {
					assert_int_equal(store_fixture_list(&fixture, &crowd, NULL, total, size), 0);
					for (size_t k = 0; k < fixture.records; ++k) {
						size_t at = strtoul(id_of(k) + 1, NULL, 10);
						assert_false(met[at]);
						met[at] = true;
					}
					total += fixture.records;
				} while (fixture.records);
				assert_int_equal(total, 300);
			}
		}
		/* Replacing one of the crowd moves that one only. */
		assert_int_equal(record_one(tags[i], "x123", moment + 77777, "0987654321", "102", "moved"), 0);
		assert_int_equal(fixture.outcomes[0], STORE_REPLACED);
		assert_int_equal(count_of(tags[i], "0912345678"), 599);
		assert_int_equal(count_of(tags[i], "101"), 599);
		assert_int_equal(count_of(tags[i], "102"), 1);
		assert_int_equal(count_of(tags[i], NULL), 600);
		for (size_t j = 0; j < 300; ++j) {
			char id[16];
			snprintf(id, sizeof(id), "x%zu", j);
			assert_int_equal(store_fixture_get(&fixture, tags[i], id), 0);
			assert_int_equal(fixture.records, 1);
			assert_string_equal(id_of(0), id);
		}
	}
	fixture.store->digest = digest;
}

/* The same reference at two times: in one chunk, or in a plain set, the second one must not take the first one's place. */
static void colliding_ids_at_different_times(void **state)
{
	static const char *const readers[] = {"0912345678", "0987654321", "101", NULL};
	void (*digest)(uint8_t *, const char *, size_t) = fixture.store->digest;
	struct sample samples[20];
	struct store_call calls[20];
	(void)state;
	fixture.store->digest = weak_both;
	for (size_t i = 0; i < 20; ++i) {
		char id[16];
		snprintf(id, sizeof(id), "x%02zu", i);
		calls[i] = *sample(&samples[i], id, moment + 1000 * (int64_t)i, "0912345678", "101", "text");
		samples[i].others[1] = "0987654321";
		calls[i].other_count = 2;
	}
	for (size_t i = 0; i < 20; i += 5)
		assert_int_equal(store_fixture_record(&fixture, "ce", &calls[i], 5), 0);
	for (size_t i = 0; i < 4; ++i) {
		const struct store_range range = {"ce", readers[i], INT64_MIN, INT64_MAX};
		assert_int_equal(store_fixture_list(&fixture, &range, NULL, 0, 30), 0);
		assert_int_equal(fixture.records, 20);
		for (size_t j = 0; j < 20; ++j)
			assert_string_equal(id_of(j), samples[19 - j].id);
	}
	/* Replaced, each takes its own references along, first or not. */
	for (size_t i = 0; i < 20; ++i) {
		calls[i].others = NULL;
		calls[i].other_count = 0;
		assert_int_equal(store_fixture_record(&fixture, "ce", &calls[i], 1), 0);
		assert_int_equal(fixture.outcomes[0], STORE_REPLACED);
		assert_int_equal(count_of("ce", "0987654321"), 19 - i);
		assert_int_equal(count_of("ce", "101"), 19 - i);
		const struct store_range range = {"ce", "101", INT64_MIN, INT64_MAX};
		assert_int_equal(store_fixture_list(&fixture, &range, NULL, 0, 30), 0);
		assert_int_equal(fixture.records, 19 - i);
		for (size_t j = 0; j < fixture.records; ++j)
			assert_string_equal(id_of(j), samples[19 - j].id);
	}
	fixture.store->digest = digest;
}

static void paging_through_collisions(void **state)
{
	static bool met[300];
	static const char *const readers[] = {"0912345678", "101", NULL};
	void (*digest)(uint8_t *, const char *, size_t) = fixture.store->digest;
	(void)state;
	fixture.store->digest = weak_order;
	record_many("cd", "x", 300, moment, 0, "0912345678", "101");
	for (size_t i = 0; i < 3; ++i)
		for (uint32_t size = 1; size < 120; size += 29) {
			memset(met, 0, sizeof(met));
			assert_int_equal(walk("cd", readers[i], size, 1, met, 300), 300);
		}
	fixture.store->digest = digest;
}

static void calls_arrive_while_paging(void **state)
{
	static bool met[1000];
	const struct store_range range = {"d", "101", INT64_MIN, INT64_MAX};
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
		if (fixture.records < 30)
			break;
		const char *id = id_of(29);
		store_position_init(&position, moment + 1000 * (int64_t)(1000 - total), id, strlen(id));
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
	sample(&mover->sample, "x20", moment + 20000 + ++mover->moves, "0912345678", NULL, "moved");
	mover->sample.others[0] = "101";
	mover->sample.others[1] = "0987654321";
	mover->sample.call.other_count = 2;
	assert_int_equal(
	    store_record(fixture.store, mover->tag, &mover->sample.call, 1, mover->arena, CLOCK_NEVER, on_moved, mover), 0);
}

/* Commands of one connection are run in their order: so between a read's first and second round trip the call always moves. */
static void list_while_moving(const char *tag, const char *number)
{
	struct mover mover = {.tag = tag};
	const struct store_range range = {tag, number, INT64_MIN, INT64_MAX};
	bool met[40] = {false};
	assert_int_equal(arena_create(&mover.arena, 1024), 0);
	struct arena *arena = store_fixture_begin(&fixture);
	assert_int_equal(
	    store_list(fixture.store, &range, NULL, 0, 40, arena, CLOCK_NEVER, store_fixture_on_page, &fixture), 0);
	move_on(&mover);
	assert_int_equal(store_fixture_wait(&fixture, 0), 0);
	assert_true(mover.moves > 1);
	assert_int_equal(fixture.records, 40);
	for (size_t i = 0; i < 40; ++i)
		met[strtoul(id_of(i) + 1, NULL, 10)] = true;
	for (size_t i = 0; i < 40; ++i)
		assert_true(met[i]);
	mover.stop = true;
	assert_true(redis_server_run(fixture.redis, &mover.stopped, STORE_FIXTURE_WAIT_MS));
	arena_destroy(mover.arena);
}

static void calls_move_while_reading(void **state)
{
	static void (*const digests[])(uint8_t *, const char *, size_t) = {weak_order, weak_both};
	static const char *const tags[] = {"m0", "m1", "m2"};
	static const char *const numbers[] = {NULL, "101", "0987654321"};
	void (*const usual)(uint8_t *, const char *, size_t) = fixture.store->digest;
	struct sample samples[40];
	struct store_call calls[40];
	(void)state;
	for (size_t i = 0; i < 3; ++i) {
		fixture.store->digest = i ? digests[i - 1] : usual;
		for (size_t j = 0; j < 40; ++j) {
			char id[8];
			snprintf(id, sizeof(id), "x%zu", j);
			/* Some share a millisecond with their neighbour. */
			sample(&samples[j], id, moment + (int64_t)(j / 3) * 3000, "0912345678", "101", "still");
			samples[j].others[1] = "0987654321";
			samples[j].call.other_count = 2;
			calls[j] = samples[j].call;
		}
		assert_int_equal(store_fixture_record(&fixture, tags[i], calls, 40), 0);
		for (size_t j = 0; j < 3; ++j)
			list_while_moving(tags[i], numbers[j]);
	}
	fixture.store->digest = usual;
}

static void big_records(void **state)
{
	static char text[100001];
	static uint8_t record[100200];
	struct store_call call = {.id = "big", .start_ms = moment, .record = record, .home = "0912345678"};
	const char *const others[] = {"101"};
	(void)state;
	for (size_t i = 0; i < sizeof(text) - 1; ++i)
		text[i] = (char)('a' + i % 26);
	call.record_length = store_fixture_pack(record, "big", text);
	call.others = others;
	call.other_count = 1;
	assert_int_equal(store_fixture_record(&fixture, "e", &call, 1), 0);
	static const char *const readers[] = {"0912345678", "101", NULL};
	for (size_t i = 0; i < 3; ++i) {
		const struct store_range range = {"e", readers[i], INT64_MIN, INT64_MAX};
		assert_int_equal(store_fixture_list(&fixture, &range, NULL, 0, 10), 0);
		assert_int_equal(fixture.records, 1);
		assert_int_equal(fixture.page[0].length, call.record_length);
		assert_memory_equal(fixture.page[0].data, record, call.record_length);
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
	assert_int_equal(record_one("e", "first", 0, "", "101", "the first moment"), 0);
	const struct store_range range = {"e", "101", 0, INT64_MAX};
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
	const struct store_range range = {"f", "101", INT64_MIN, INT64_MAX};
	assert_int_equal(store_fixture_list(&fixture, &range, NULL, 500, 10), 0);
	assert_int_equal(fixture.records, 10);
	assert_string_equal(id_of(0), "x499");
	redis_do(2, flush);
	assert_int_equal(store_fixture_get(&fixture, "f", "x0"), 0);
	assert_int_equal(fixture.records, 1);
}

/* Whichever key is of a foreign type, a call is not half recorded: with the key gone, it is new and all counts are right. */
static void keys_of_a_foreign_type(void **state)
{
	static const char *const keys[] = {"{g}n0912345678", "{g}n0987654321", "{g}x101", "{g}t", "{g}c", "{g}m"};
	struct sample one;
	(void)state;
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); ++i) {
		const char *const set[] = {"SET", keys[i], "foreign"};
		const char *const del[] = {"DEL", keys[i]};
		struct store_call *call = sample(&one, "id", moment, "0912345678", "101", "text");
		one.others[1] = "0987654321";
		call->other_count = 2;
		redis_do(3, set);
		assert_int_equal(store_fixture_record(&fixture, "g", call, 1), -EBADMSG);
		redis_do(2, del);
		static const char *const readers[] = {"0912345678", "0987654321", "101", NULL};
		for (size_t j = 0; j < 4; ++j)
			assert_int_equal(count_of("g", readers[j]), 0);
		assert_int_equal(store_fixture_record(&fixture, "g", call, 1), 0);
		assert_int_equal(fixture.outcomes[0], STORE_RECORDED);
		for (size_t j = 0; j < 4; ++j)
			assert_int_equal(count_of("g", readers[j]), 1);
		const char *const flush[] = {"FLUSHDB"};
		redis_do(1, flush);
	}
}

/* The id index and the references lead to a record that somebody has deleted: bad data, not a server that is busy. */
static void a_record_that_is_gone(void **state)
{
	const struct store_range range = {"g", "101", INT64_MIN, INT64_MAX};
	const char *const del[] = {"DEL", "{g}n0912345678"}, *const flush[] = {"FLUSHDB"};
	(void)state;
	assert_int_equal(record_one("g", "id", moment, "0912345678", "101", "text"), 0);
	redis_do(2, del);
	assert_int_equal(store_fixture_list(&fixture, &range, NULL, 0, 10), -EBADMSG);
	/* Its entry passes for another id's with the same 8 bytes; when the next one is gone as well, nothing does. */
	assert_int_equal(record_one("g", "id", moment, "0912345678", "101", "other"), 0);
	redis_do(2, del);
	assert_int_equal(record_one("g", "id", moment, "0912345678", "101", "more"), -EBADMSG);
	redis_do(1, flush);
}

static void refused_arguments(void **state)
{
	const struct store_range good = {"h", "101", INT64_MIN, INT64_MAX}, no_tag = {"", "101", 0, 1},
	                         bad_tag = {"}a", "101", 0, 1}, no_number = {"h", "", 0, 1}, control = {"h", "1\n1", 0, 1};
	struct store_position position;
	struct sample one;
	(void)state;
	store_position_init(&position, 0, "id", 2);
	assert_int_equal(store_fixture_list(&fixture, &good, &position, 1, 10), -EINVAL);
	assert_int_equal(store_fixture_list(&fixture, &no_tag, NULL, 0, 10), -EINVAL);
	assert_int_equal(store_fixture_count(&fixture, &bad_tag), -EINVAL);
	assert_int_equal(store_fixture_count(&fixture, &no_number), -EINVAL);
	assert_int_equal(store_fixture_count(&fixture, &control), -EINVAL);
	assert_int_equal(store_fixture_get(&fixture, "h", ""), -EINVAL);
	assert_int_equal(store_fixture_list(&fixture, &good, NULL, UINT64_MAX, UINT32_MAX), 0);
	assert_int_equal(fixture.records, 0);
	assert_int_equal(store_fixture_list(&fixture, &good, NULL, 0, 0), 0);
	assert_int_equal(fixture.records, 0);
	assert_int_equal(record_one("h", "", moment, "", NULL, "text"), -EINVAL);
	assert_int_equal(record_one("h", "id", -1, "", NULL, "text"), -EINVAL);
	assert_int_equal(record_one("h", "id", INT64_C(253402300800000), "", NULL, "text"), -EINVAL);
	assert_int_equal(record_one("h", "id", moment, "1\t1", NULL, "text"), -EINVAL);
	assert_int_equal(record_one("h", "id", moment, "", "", "text"), -EINVAL);
	struct store_call *call = sample(&one, "id", moment, "", NULL, "text");
	call->id = "other";
	assert_int_equal(store_fixture_record(&fixture, "h", call, 1), -EINVAL);
	assert_int_equal(store_fixture_record(&fixture, "h", call, 0), -EINVAL);
	/* A number named twice, or as home too, is one number. */
	call = sample(&one, "id", moment, "0912345678", "101", "text");
	one.others[1] = "0912345678";
	one.others[2] = "101";
	call->other_count = 3;
	assert_int_equal(store_fixture_record(&fixture, "h", call, 1), 0);
	assert_int_equal(count_of("h", "101"), 1);
	assert_int_equal(count_of("h", "0912345678"), 1);
}

static void on_token(void *data, int status, const struct store_token *token)
{
	struct store_fixture *heard = data;
	heard->status = status;
	assert_null(token);
}

/* The store may go first; its operations end with the connection's replies. */
static void store_gone_before_the_replies(void **state)
{
	const struct store_range range = {"a", "101", INT64_MIN, INT64_MAX};
	const uint8_t digest[32] = {1};
	const struct store_token *token;
	struct store *store;
	(void)state;
	assert_int_equal(store_create(&store, fixture.redis), 0);
	struct arena *arena = store_fixture_begin(&fixture);
	assert_int_equal(store_token_find(store, digest, CLOCK_NEVER, &token, on_token, &fixture), 0);
	assert_int_equal(store_list(store, &range, NULL, 0, 5, arena, CLOCK_NEVER, store_fixture_on_page, &fixture), 0);
	store_destroy(store);
	assert_int_equal(store_fixture_wait(&fixture, 0), 0);
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
	    cmocka_unit_test(colliding_ids),
	    cmocka_unit_test(colliding_ids_at_different_times),
	    cmocka_unit_test(paging_through_collisions),
	    cmocka_unit_test(calls_arrive_while_paging),
	    cmocka_unit_test(calls_move_while_reading),
	    cmocka_unit_test(big_records),
	    cmocka_unit_test(forgotten_scripts),
	    cmocka_unit_test(keys_of_a_foreign_type),
	    cmocka_unit_test(a_record_that_is_gone),
	    cmocka_unit_test(refused_arguments),
	    cmocka_unit_test(store_gone_before_the_replies),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
