/*
 * store against a plain model: calls are recorded, replaced and replayed in
 * random order of time, over external numbers, extensions, internal calls and
 * calls without any number; then every list and count must be what a sorted
 * array says. The seed is fixed, so a failure can be repeated.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support/store_fixture.h"

enum { IDS = 3000, ROUNDS = 6000, NUMBERS = 16, PARTIES = 5, RECORD_SIZE = 256, GROUPS = 40 };

static const char *const numbers[NUMBERS] = {
    "0912000001", "0912000002", "0912000003", "+8490000004", "0912000005", "1900123", /* outside */
    "101",        "102",        "103",        "104",         "12345",      "sip:bob", "a:b", "+12345", "0912 00", "q"};

struct model_call {
	bool used;
	char id[16];
	int64_t ms;
	uint8_t digest[STORE_DIGEST_SIZE];
	size_t numbers[PARTIES];
	size_t count;
	uint64_t group; /* 0: none */
	int version;
};

struct model {
	struct store_fixture fixture;
	struct model_call calls[IDS];
	uint64_t random;
};

static uint64_t draw(struct model *model, uint64_t below)
{
	model->random = model->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (model->random >> 33) % below;
}

static size_t pack(const struct model_call *call, uint8_t out[RECORD_SIZE])
{
	char text[32];
	snprintf(text, sizeof(text), "version %d", call->version);
	return store_fixture_pack(out, call->id, call->ms, text);
}

static bool has_number(const struct model_call *call, size_t number)
{
	if (number == NUMBERS)
		return true;
	for (size_t i = 0; i < call->count; ++i)
		if (call->numbers[i] == number)
			return true;
	return false;
}

/* Makes up a new state of a call: times crowd, so that milliseconds are shared and chunks are split in the middle. */
static void shuffle(struct model *model, struct model_call *call, size_t i)
{
	snprintf(call->id, sizeof(call->id), "call-%zu", i);
	struct store_position position;
	call->used = true;
	call->ms = 1700000000000 + (int64_t)draw(model, 3) * 3600000 +
	           (int64_t)(draw(model, 4) ? draw(model, 2000) : draw(model, 4));
	store_position_init(&position, call->ms, call->id, strlen(call->id));
	memcpy(call->digest, position.digest, sizeof(call->digest));
	call->version = (int)draw(model, 1000);
	call->group = draw(model, 2) ? 0 : draw(model, GROUPS);
	call->count = 0;
	for (size_t wanted = draw(model, PARTIES + 1); call->count < wanted;) {
		size_t number = draw(model, NUMBERS);
		if (!has_number(call, number))
			call->numbers[call->count++] = number;
	}
}

struct batch {
	struct store_call calls[300];
	const char *numbers[300][PARTIES];
	uint8_t records[300][RECORD_SIZE];
	char groups[300][32];
	size_t count;
};

/* The text of a group id; longer than a number may be where it is the first. */
static const char *group_text(char out[32], uint64_t group)
{
	snprintf(out, 32, group ? "group %u\t" : "", (unsigned)group);
	return out;
}

static void add_to_batch(struct batch *batch, const struct model_call *call)
{
	size_t at = batch->count++;
	for (size_t i = 0; i < call->count; ++i)
		batch->numbers[at][i] = numbers[call->numbers[i]];
	batch->calls[at] = (struct store_call){
	    .start_ms = call->ms,
	    .record = {batch->records[at], pack(call, batch->records[at])},
	    .numbers = batch->numbers[at],
	    .number_count = call->count,
	    .group = group_text(batch->groups[at], call->group),
	};
}

/* Records a few calls in one go; some are new, some replaced, some the same again. */
static size_t record_some(struct model *model)
{
	static struct batch batch;
	enum store_outcome expected[300];
	size_t count = 1 + draw(model, 250);
	bool taken[IDS] = {false};
	batch.count = 0;
	for (size_t i = 0; i < count; ++i) {
		size_t id = draw(model, IDS);
		struct model_call *call = &model->calls[id];
		if (taken[id])
			continue;
		taken[id] = true;
		struct model_call before = *call;
		if (!before.used || draw(model, 3))
			shuffle(model, call, id);
		if (before.used && !draw(model, 3)) {
			*call = before;
			call->version += (int)draw(model, 2);
		}
		expected[batch.count] = !before.used                            ? STORE_RECORDED
		                        : !memcmp(&before, call, sizeof(*call)) ? STORE_UNCHANGED
		                                                                : STORE_REPLACED;
		add_to_batch(&batch, call);
	}
	assert_int_equal(store_fixture_record(&model->fixture, "1f", batch.calls, batch.count), 0);
	for (size_t i = 0; i < batch.count; ++i)
		assert_int_equal(model->fixture.outcomes[i], expected[i]);
	return batch.count;
}

static int compare(const void *a, const void *b)
{
	const struct model_call *left = *(const struct model_call *const *)a, *right = *(const struct model_call *const *)b;
	if (left->ms != right->ms)
		return left->ms < right->ms ? 1 : -1;
	return memcmp(left->digest, right->digest, sizeof(left->digest));
}

static size_t expect(const struct model *model, size_t number, int64_t from, int64_t to, const struct model_call **out)
{
	size_t count = 0;
	for (size_t i = 0; i < IDS; ++i) {
		const struct model_call *call = &model->calls[i];
		if (call->used && has_number(call, number) && call->ms >= from && call->ms < to)
			out[count++] = call;
	}
	qsort(out, count, sizeof(*out), compare);
	return count;
}

static void check_records(const struct model *model, const struct model_call *const *expected, size_t count)
{
	assert_int_equal(model->fixture.records, count);
	for (size_t i = 0; i < count; ++i) {
		uint8_t record[RECORD_SIZE];
		size_t length = pack(expected[i], record);
		assert_int_equal(model->fixture.page[i].length, length);
		assert_memory_equal(model->fixture.page[i].data, record, length);
	}
}

static void page_by_offset(struct model *model, const struct store_range *range,
                           const struct model_call *const *expected, size_t total, uint32_t size)
{
	for (size_t at = 0; at <= total + size; at += size) {
		size_t left = at < total ? total - at : 0;
		assert_int_equal(store_fixture_list(&model->fixture, range, NULL, at, size), 0);
		check_records(model, expected + at, left < size ? left : size);
	}
}

static void page_by_position(struct model *model, const struct store_range *range,
                             const struct model_call *const *expected, size_t total, uint32_t size)
{
	struct store_position position;
	for (size_t at = 0; at < total; at += size) {
		size_t left = total - at;
		assert_int_equal(store_fixture_list(&model->fixture, range, at ? &position : NULL, 0, size), 0);
		check_records(model, expected + at, left < size ? left : size);
		assert_int_equal(model->fixture.more, left > size);
		position = model->fixture.last;
	}
}

static void check_number(struct model *model, size_t number)
{
	static const struct model_call *expected[IDS + 1000];
	const uint32_t sizes[] = {7, 50, 1000};
	struct store_range range = {"1f", number == NUMBERS ? NULL : numbers[number], INT64_MIN, INT64_MAX, NULL};
	size_t total = expect(model, number, INT64_MIN, INT64_MAX, expected);
	assert_int_equal(store_fixture_count(&model->fixture, &range), 0);
	assert_int_equal(model->fixture.count, total);
	for (size_t i = 0; i < 3; ++i) {
		page_by_offset(model, &range, expected, total, sizes[i]);
		page_by_position(model, &range, expected, total, sizes[i]);
	}
	for (int i = 0; i < 12; ++i) {
		int64_t start = 1700000000000 + (int64_t)draw(model, 3) * 3600000;
		range.from_ms = i % 4 ? start + (int64_t)draw(model, 1000) : INT64_MIN;
		range.to_ms = i % 3 ? start + (int64_t)draw(model, 3600000) : INT64_MAX;
		total = expect(model, number, range.from_ms, range.to_ms, expected);
		assert_int_equal(store_fixture_count(&model->fixture, &range), 0);
		assert_int_equal(model->fixture.count, total);
		page_by_offset(model, &range, expected, total, 200);
		page_by_position(model, &range, expected, total, 200);
	}
}

static int list_group(struct model *model, const struct store_range *range, uint64_t group,
                      const struct store_position *after, uint32_t size)
{
	char text[32];
	struct store_range of_group = *range;
	struct store_fixture *fixture = &model->fixture;
	struct arena *arena = store_fixture_begin(fixture);
	of_group.group = group_text(text, group);
	return store_fixture_wait(fixture, store_list(fixture->store, &of_group, after, 0, size, arena, CLOCK_NEVER,
	                                              store_fixture_on_page, fixture));
}

/* Calls of a group by position, of all times and of some. */
static void check_group(struct model *model, uint64_t group)
{
	static const struct model_call *expected[IDS + 1000];
	struct store_position position;
	for (int bounded = 0; bounded < 2; ++bounded) {
		struct store_range range = {"1f", NULL, INT64_MIN, INT64_MAX, NULL};
		if (bounded) {
			range.from_ms = 1700000000000 + (int64_t)draw(model, 3600000);
			range.to_ms = range.from_ms + (int64_t)draw(model, 3600000);
		}
		size_t all = expect(model, NUMBERS, range.from_ms, range.to_ms, expected), total = 0;
		for (size_t i = 0; i < all; ++i)
			if (expected[i]->group == group)
				expected[total++] = expected[i];
		for (size_t at = 0; at <= total; at += 7) {
			size_t left = total - at;
			assert_int_equal(list_group(model, &range, group, at ? &position : NULL, 7), 0);
			check_records(model, expected + at, left < 7 ? left : 7);
			assert_int_equal(model->fixture.more, left > 7);
			position = model->fixture.last;
			if (left <= 7)
				break;
		}
	}
}

static void check_ids(struct model *model)
{
	for (size_t i = 0; i < IDS; i += 7) {
		const struct model_call *call = &model->calls[i];
		char id[16];
		snprintf(id, sizeof(id), "call-%zu", i);
		assert_int_equal(store_fixture_get(&model->fixture, "1f", id), 0);
		check_records(model, &call, call->used ? 1 : 0);
	}
}

static void on_checked(void *data, int status, const struct redis_reply *reply)
{
	struct store_fixture *fixture = data;
	fixture->done = true;
	fixture->status = status ? status : reply->type == REDIS_INTEGER ? 0 : -EBADMSG;
	fixture->count = status ? 0 : reply->integer;
	if (!status && reply->type != REDIS_INTEGER)
		print_error("%s\n", reply->data);
}

/* What states and directories report of the chunks is true: lists and counts rely on it. Returns the number of chunks. */
static int64_t check_indexes(struct model *model)
{
	static const char script[] =
	    "local n, call = 0, redis.call "
	    "local function check(place, size, bound, low) "
	    "  local key, last = '{1f}k' .. place .. ':' .. string.format('%d', bound), bound "
	    "  local content = call('GET', key) or '' "
	    "  if #content ~= 27 * size then error(key .. ': size') end "
	    "  for at = 1, #content, 27 do "
	    "    local score = struct.unpack('>l', content, at) "
	    "    if score >= bound or score > last or score < low then error(key .. ': bounds') end "
	    "    last = score "
	    "  end "
	    "  n = n + (size > 0 and 1 or 0) "
	    "end "
	    "local states = call('HGETALL', '{1f}m') "
	    "for i = 1, #states, 2 do "
	    "  local place = states[i] "
	    "  if place == 't' or place:sub(1, 1) == 'x' then "
	    "    local total, size, bound, newest = struct.unpack('>I6I4ll', states[i + 1]) "
	    "    check(place, size, bound, newest) "
	    "    for _, name in ipairs(call('ZRANGE', '{1f}' .. place, 0, -1)) do "
	    "      local held, older = struct.unpack('>I4l', name) "
	    "      check(place, held, older, bound) "
	    "      if held == 0 then return place .. ': empty' end "
	    "      size, bound = size + held, older "
	    "    end "
	    "    if size ~= total or total == 0 then return place .. ': total' end "
	    "  end "
	    "end "
	    "if #call('KEYS', '{1f}k*') ~= n then return 'chunks without a directory' end "
	    "return n";
	static const char *const argv[] = {"EVAL", script, "0"};
	struct store_fixture *fixture = &model->fixture;
	store_fixture_begin(fixture);
	assert_int_equal(
	    store_fixture_wait(fixture, redis_command(fixture->redis, 3, argv, NULL, CLOCK_NEVER, on_checked, fixture)), 0);
	return fixture->count;
}

/* Records calls one second apart, with an external number and the extension 101. */
static void record_in_order(struct model *model, size_t first, size_t count, int64_t step_ms)
{
	static struct batch batch;
	batch.count = 0;
	for (size_t i = first; i < first + count; ++i) {
		struct model_call *call = &model->calls[i];
		*call = (struct model_call){.used = true, .numbers = {0, 6}, .count = 2};
		snprintf(call->id, sizeof(call->id), "call-%u", (unsigned)i);
		call->ms = 1700000000000 + (int64_t)i * step_ms;
		struct store_position position;
		store_position_init(&position, call->ms, call->id, strlen(call->id));
		memcpy(call->digest, position.digest, sizeof(call->digest));
		add_to_batch(&batch, call);
	}
	assert_int_equal(store_fixture_record(&model->fixture, "1f", batch.calls, batch.count), 0);
}

/* Moves calls one by one; each is taken from its chunk and added to another. */
static void move(struct model *model, size_t first, size_t count, int64_t by_ms)
{
	static struct batch batch;
	for (size_t i = first; i < first + count; ++i) {
		model->calls[i].ms += by_ms;
		batch.count = 0;
		add_to_batch(&batch, &model->calls[i]);
		assert_int_equal(store_fixture_record(&model->fixture, "1f", batch.calls, batch.count), 0);
		assert_int_equal(model->fixture.outcomes[0], STORE_REPLACED);
	}
	check_indexes(model);
	check_number(model, 6);
	check_number(model, NUMBERS);
}

static void chunks_fill_split_and_empty(void **state)
{
	struct model *model = *state;
	model->random = 1;
	record_in_order(model, 0, 200, 1000);
	/* In order of time, 113 entries stay in a chunk that was the head: 113 and 87, in two indexes. */
	assert_int_equal(check_indexes(model), 4);
	move(model, 0, 1, 100500);    /* into the middle */
	move(model, 150, 30, -90500); /* into the oldest chunk, which is cut in two */
	move(model, 1, 56, 500000);   /* most of the oldest chunk, to the newest */
	move(model, 0, 200, 5000000);
	move(model, 0, 200, -5000000); /* the newest goes first */
	move(model, 199, 1, -400000);
}

static void against_the_model(void **state)
{
	struct model *model = *state;
	model->random = 20261122;
	for (size_t recorded = 0, checks = 1; recorded < ROUNDS;) {
		recorded += record_some(model);
		if (recorded < checks * ROUNDS / 3)
			continue;
		++checks;
		for (size_t number = 0; number <= NUMBERS; ++number)
			check_number(model, number);
		for (uint64_t group = 1; group < GROUPS; ++group)
			check_group(model, group);
		check_ids(model);
		check_indexes(model);
	}
	/* Recording all of it once more changes nothing. */
	static struct batch batch;
	for (size_t i = 0; i < IDS;) {
		for (batch.count = 0; i < IDS && batch.count < 300; ++i)
			if (model->calls[i].used)
				add_to_batch(&batch, &model->calls[i]);
		assert_int_equal(store_fixture_record(&model->fixture, "1f", batch.calls, batch.count), 0);
		for (size_t j = 0; j < batch.count; ++j)
			assert_int_equal(model->fixture.outcomes[j], STORE_UNCHANGED);
	}
	for (size_t number = 0; number <= NUMBERS; ++number)
		check_number(model, number);
}

/* A group beyond the bound of its index is refused, however it grew. */
static void large_groups_have_no_index(void **state)
{
	struct model *model = *state;
	const struct store_range range = {"1f", NULL, INT64_MIN, INT64_MAX, NULL};
	static struct batch batch;
	for (size_t i = 0; i < 1001;) {
		for (batch.count = 0; i < 1001 && batch.count < 300; ++i) {
			struct model_call *call = &model->calls[i];
			*call = (struct model_call){.used = true, .numbers = {0}, .count = 1, .group = 1};
			snprintf(call->id, sizeof(call->id), "call-%u", (unsigned)i);
			call->ms = 1700000000000 + (int64_t)i;
			add_to_batch(&batch, call);
		}
		assert_int_equal(list_group(model, &range, 1, NULL, 1000), 0);
		assert_int_equal(store_fixture_record(&model->fixture, "1f", batch.calls, batch.count), 0);
	}
	assert_int_equal(list_group(model, &range, 1, NULL, 10), -EOVERFLOW);
	batch.count = 0;
	model->calls[5].group = 0;
	add_to_batch(&batch, &model->calls[5]);
	assert_int_equal(store_fixture_record(&model->fixture, "1f", batch.calls, 1), 0);
	assert_int_equal(list_group(model, &range, 1, NULL, 1000), 0);
	assert_int_equal(model->fixture.records, 1000);
	assert_false(model->fixture.more);
}

static int set_up(void **state)
{
	static const char *const extra[] = {"--appendfsync", "no", NULL};
	struct model *model = calloc(1, sizeof(*model));
	*state = model;
	return model ? store_fixture_start(&model->fixture, extra) : -1;
}

static int tear_down(void **state)
{
	struct model *model = *state;
	store_fixture_stop(&model->fixture);
	free(model);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(against_the_model, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(chunks_fill_split_and_empty, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(large_groups_have_no_index, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
