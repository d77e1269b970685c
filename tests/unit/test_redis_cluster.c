/*
 * redis in a cluster of made-up servers: one test for each reply and event that a client has to understand.
 *
 * Keys: "bar" is in slot 5061, which server 0 owns; "foo" in slot 12182, which server 1 owns.
 */
#include "support/fake_redis.h"

struct heard {
	int times, status;
	char text[128];
};

static void hear(void *data, int status, const struct redis_reply *reply)
{
	struct heard *heard = data;
	++heard->times;
	heard->status = status;
	if (reply && reply->data)
		snprintf(heard->text, sizeof(heard->text), "%s", reply->data);
}

static void post(struct fake *fake, struct heard *heard, const char *name, const char *key)
{
	const char *const argv[] = {name, key};
	*heard = (struct heard){0};
	assert_int_equal(redis_command(fake->redis, 2, argv, NULL, CLOCK_NEVER, hear, heard), 0);
}

static void post_script(struct fake *fake, struct heard *heard, const struct redis_script *script, const char *key)
{
	*heard = (struct heard){0};
	assert_int_equal(redis_eval(fake->redis, script, 1, 1, &key, NULL, CLOCK_NEVER, hear, heard), 0);
}

static void answered(struct fake *fake, const struct heard *heard, const char *text)
{
	FAKE_UNTIL(fake, heard->times);
	assert_int_equal(heard->times, 1);
	assert_int_equal(heard->status, 0);
	assert_string_equal(heard->text, text);
}

static int set_up_with(void **state, int64_t reply_age_us)
{
	struct redis_options options;
	redis_options_init(&options);
	options.reply_age_us = reply_age_us;
	struct fake *fake = *state = fake_create("redis+cluster://127.0.0.1:%d,127.0.0.1:%d", &options);
	FAKE_UNTIL(fake, redis_connected(fake->redis));
	return 0;
}

/* Long enough for a busy machine. */
static int set_up(void **state)
{
	return set_up_with(state, 20000000);
}

/* For the tests of the bound itself. */
static int set_up_quick(void **state)
{
	return set_up_with(state, 300000);
}

static int tear_down(void **state)
{
	fake_destroy(*state);
	return 0;
}

static struct redis_stats stats_of(const struct fake *fake)
{
	struct redis_stats stats;
	redis_get_stats(fake->redis, &stats);
	return stats;
}

/* Servers that own slots. */
static int owners(const struct fake *fake)
{
	int count = 0;
	for (int slot = 0; slot >= 0; slot = redis_next_server(fake->redis, slot))
		++count;
	return count;
}

static void to_the_owner(void **state)
{
	struct fake *fake = *state;
	struct heard bar, foo, tagged;
	post(fake, &bar, "GET", "bar");
	post(fake, &foo, "GET", "foo");
	post(fake, &tagged, "GET", "{foo}x");
	fake_expect(fake, 0, "GET bar|");
	fake_expect(fake, 1, "GET foo|GET {foo}x|");
	fake_reply(fake, 0, "+b\r\n");
	fake_reply(fake, 1, "+f\r\n");
	fake_reply(fake, 1, "+t\r\n");
	answered(fake, &bar, "b");
	answered(fake, &foo, "f");
	answered(fake, &tagged, "t");
	assert_int_equal(stats_of(fake).unassigned, 0);
	assert_int_equal(owners(fake), 2);
}

/* Reads never wait behind writes. */
static void writes_apart(void **state)
{
	struct fake *fake = *state;
	struct heard write, read;
	post(fake, &write, "INCR", "bar");
	post(fake, &read, "GET", "bar");
	FAKE_UNTIL(fake, fake->servers[0].waiting_count == 2);
	assert_int_not_equal(fake->servers[0].waiting[0], fake->servers[0].waiting[1]);
	bool read_first = !strcmp(fake->servers[0].log, "GET bar|INCR bar|");
	fake_send(fake->servers[0].waiting[read_first ? 0 : 1], "+r\r\n");
	answered(fake, &read, "r");
	assert_int_equal(write.times, 0);
	redis_cancel(fake->redis, &write);
}

/* The second server has the three commands in their order, and answers them. */
static void answer_at_new_owner(struct fake *fake, const struct heard heard[static 3])
{
	fake_expect(fake, 1, "GET bar|GET {bar}1|GET {bar}2|");
	for (int i = 0; i < 3; ++i)
		fake_reply(fake, 1, "+x\r\n");
	for (int i = 0; i < 3; ++i)
		answered(fake, &heard[i], "x");
}

/* The slot is repointed at once and the map is queried in the background, once; later commands keep their order. */
static void moved(void **state)
{
	struct fake *fake = *state;
	struct heard heard[3];
	char text[64];
	int asked = fake->servers[0].slots_asked + fake->servers[1].slots_asked;
	snprintf(text, sizeof(text), "-MOVED 5061 127.0.0.1:%d\r\n", fake->servers[1].port);
	for (int i = 0; i < 3; ++i)
		post(fake, &heard[i], "GET", i == 2 ? "{bar}2" : i ? "{bar}1" : "bar");
	fake_expect(fake, 0, "GET bar|GET {bar}1|GET {bar}2|");
	fake_map(fake, 5000);
	for (int i = 0; i < 3; ++i)
		fake_reply(fake, 0, text);
	answer_at_new_owner(fake, heard);
	FAKE_UNTIL(fake, fake->servers[0].slots_asked + fake->servers[1].slots_asked > asked);
	for (int i = 0; i < 200; ++i)
		fake_step(fake);
	/* One refresh, or a second one when the replies came apart; never one for each. */
	assert_in_range(fake->servers[0].slots_asked + fake->servers[1].slots_asked, asked + 1, asked + 2);
	post(fake, &heard[0], "GET", "bar");
	fake_expect(fake, 1, "GET bar|");
	redis_cancel(fake->redis, &heard[0]);
	assert_int_equal(stats_of(fake).moved, 3);
}

/* A host of "" is the one that was asked; "?" is no host: the caller gets the error. */
static void moved_without_host(void **state)
{
	struct fake *fake = *state;
	struct heard heard;
	char text[64];
	post(fake, &heard, "GET", "bar");
	fake_expect(fake, 0, "GET bar|");
	snprintf(text, sizeof(text), "-MOVED 5061 :%d\r\n", fake->servers[1].port);
	fake_reply(fake, 0, text);
	fake_expect(fake, 1, "GET bar|");
	fake_reply(fake, 1, "-MOVED 5061 ?:1234\r\n");
	answered(fake, &heard, "MOVED 5061 ?:1234");
}

/* The same address under a new role: the command goes there over a new connection. */
static void moved_to_itself(void **state)
{
	struct fake *fake = *state;
	struct heard heard;
	char text[64];
	post(fake, &heard, "GET", "bar");
	fake_expect(fake, 0, "GET bar|");
	int accepted = fake->servers[0].accepted;
	snprintf(text, sizeof(text), "-MOVED 5061 127.0.0.1:%d\r\n", fake->servers[0].port);
	fake_reply(fake, 0, text);
	fake_expect(fake, 0, "GET bar|");
	assert_int_equal(fake->servers[0].accepted, accepted + 1);
	fake_reply(fake, 0, "+x\r\n");
	answered(fake, &heard, "x");
}

/* A command that is under way at the old owner is not overtaken by those that have come back, nor by new ones. */
static void moved_in_order(void **state)
{
	struct fake *fake = *state;
	struct heard heard[3];
	char text[64];
	snprintf(text, sizeof(text), "-MOVED 5061 127.0.0.1:%d\r\n", fake->servers[1].port);
	post(fake, &heard[0], "GET", "bar");
	post(fake, &heard[1], "GET", "{bar}1");
	fake_expect(fake, 0, "GET bar|GET {bar}1|");
	fake_map(fake, 5000);
	fake_reply(fake, 0, text);
	FAKE_UNTIL(fake, stats_of(fake).moved);
	post(fake, &heard[2], "GET", "{bar}2");
	for (int i = 0; i < 50; ++i)
		fake_step(fake);
	assert_int_equal(fake->servers[1].log_length, 0);
	fake_reply(fake, 0, text);
	answer_at_new_owner(fake, heard);
}

/* ASK: once, with ASKING in front; the map stays. A script waits at the owner instead. */
static void ask(void **state)
{
	struct fake *fake = *state;
	struct redis_script script;
	struct heard heard, scripted;
	char text[64];
	snprintf(text, sizeof(text), "-ASK 5061 127.0.0.1:%d\r\n", fake->servers[2].port);
	post(fake, &heard, "GET", "bar");
	fake_expect(fake, 0, "GET bar|");
	fake_reply(fake, 0, text);
	fake_expect(fake, 2, "ASKING|GET bar|");
	fake_reply(fake, 2, "+OK\r\n");
	fake_reply(fake, 2, "+x\r\n");
	answered(fake, &heard, "x");
	redis_script_init(&script, "return 1", true);
	post_script(fake, &scripted, &script, "bar");
	FAKE_UNTIL(fake, fake->servers[0].waiting_count);
	fake_forget(fake, 0);
	fake_reply(fake, 0, text);
	FAKE_UNTIL(fake, fake->servers[0].waiting_count);
	fake_reply(fake, 0, "+s\r\n");
	answered(fake, &scripted, "s");
	assert_int_equal(fake->servers[2].log_length, 0);
	assert_int_equal(stats_of(fake).asked, 1);
	assert_int_equal(stats_of(fake).delayed, 1);
}

/* What is sent again later, to the same server; later commands of the slot wait behind it, others do not. */
static void later(void **state)
{
	static const char *const errors[] = {
	    "-TRYAGAIN Multiple keys request during rehashing of slot\r\n",
	    "-CLUSTERDOWN The cluster is down\r\n",
	    "-NOREPLICAS Not enough good replicas to write.\r\n",
	    "-ERR Script attempted to access a non local key in a cluster node script: 1, on @user_script:1.\r\n",
	    "-ERR undeclared keys were accessed during rehashing of the slot\r\n",
	};
	struct fake *fake = *state;
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); ++i) {
		struct heard first, second, other;
		post(fake, &first, "GET", "bar");
		fake_expect(fake, 0, "GET bar|");
		fake_reply(fake, 0, errors[i]);
		FAKE_UNTIL(fake, stats_of(fake).parked);
		post(fake, &second, "GET", "{bar}2");
		post(fake, &other, "GET", "{other}");
		assert_int_equal(stats_of(fake).parked, 2);
		FAKE_UNTIL(fake, fake->servers[0].waiting_count + fake->servers[1].waiting_count == 3);
		assert_non_null(strstr(fake->servers[0].log, "GET bar|GET {bar}2|"));
		for (int s = 0; s < 2; ++s) {
			while (fake->servers[s].waiting_count)
				fake_reply(fake, s, "+x\r\n");
			fake_forget(fake, s);
		}
		answered(fake, &first, "x");
		answered(fake, &second, "x");
		answered(fake, &other, "x");
		assert_int_equal(stats_of(fake).parked, 0);
	}
}

/* Parked commands end at their deadline, and when they are withdrawn. */
static void parked_until_deadline(void **state)
{
	struct fake *fake = *state;
	struct heard heard = {0}, cancelled;
	const char *const argv[] = {"GET", "bar"};
	int64_t deadline_us = clock_monotonic_us() + 50000;
	assert_int_equal(redis_command(fake->redis, 2, argv, NULL, deadline_us, hear, &heard), 0);
	post(fake, &cancelled, "GET", "{bar}c");
	for (int i = 0; i < FAKE_STEPS && !heard.times; ++i) {
		fake_step(fake);
		while (fake->servers[0].waiting_count)
			fake_reply(fake, 0, "-TRYAGAIN\r\n");
	}
	assert_int_equal(heard.status, -ETIMEDOUT);
	assert_true(clock_monotonic_us() >= deadline_us);
	redis_cancel(fake->redis, &cancelled);
	assert_int_equal(redis_pending(fake->redis), 0);
	FAKE_UNTIL(fake, !stats_of(fake).parked);
	assert_int_equal(cancelled.times, 0);
}

/* A slot that nobody owns: its commands wait, and the map is asked for until somebody does. */
static void slot_without_owner(void **state)
{
	struct fake *fake = *state;
	struct heard heard;
	char text[64], all[4096];
	strcpy(all, fake->slots);
	/* Only the upper half has an owner now. */
	snprintf(fake->slots, sizeof(fake->slots),
	         "*1\r\n*3\r\n:8192\r\n:16383\r\n*3\r\n$9\r\n127.0.0.1\r\n:%d\r\n$2\r\nn1\r\n", fake->servers[1].port);
	post(fake, &heard, "GET", "foo");
	fake_expect(fake, 1, "GET foo|");
	snprintf(text, sizeof(text), "-MOVED 12182 127.0.0.1:%d\r\n", fake->servers[1].port);
	fake_reply(fake, 1, text);
	fake_expect(fake, 1, "GET foo|");
	fake_reply(fake, 1, "+f\r\n");
	answered(fake, &heard, "f");
	FAKE_UNTIL(fake, stats_of(fake).unassigned == 8192);
	post(fake, &heard, "GET", "bar");
	for (int i = 0; i < 50; ++i)
		fake_step(fake);
	assert_int_equal(stats_of(fake).parked, 1);
	strcpy(fake->slots, all);
	fake_expect(fake, 0, "GET bar|");
	fake_reply(fake, 0, "+x\r\n");
	answered(fake, &heard, "x");
}

/* READONLY, LOADING and MASTERDOWN: a new connection, a new map, and the command goes to whom that names. */
static void replaced(void **state)
{
	static const char *const errors[] = {"-READONLY You can't write against a read only replica.\r\n",
	                                     "-LOADING Redis is loading the dataset in memory\r\n",
	                                     "-MASTERDOWN Link with MASTER is down\r\n"};
	struct fake *fake = *state;
	for (int i = 0; i < 3; ++i) {
		struct heard heard;
		int from = i % 2, to = 1 - from;
		const char *expected = "INCR bar|";
		post(fake, &heard, "INCR", "bar");
		fake_expect(fake, from, expected);
		fake_map(fake, from ? 8192 : 1000);
		fake_reply(fake, from, errors[i]);
		fake_expect(fake, to, expected);
		fake_reply(fake, to, "+x\r\n");
		answered(fake, &heard, "x");
	}
}

/* A killed server: what it has not answered waits until another one owns the slot. */
static void killed(void **state)
{
	struct fake *fake = *state;
	struct heard read, write, later;
	post(fake, &read, "GET", "bar");
	post(fake, &write, "INCR", "bar");
	FAKE_UNTIL(fake, fake->servers[0].waiting_count == 2);
	assert_true(redis_reaches(fake->redis, "bar", 3));
	fake_kill(&fake->servers[0]);
	FAKE_UNTIL(fake, !redis_reaches(fake->redis, "bar", 3));
	assert_true(redis_reaches(fake->redis, "foo", 3));
	post(fake, &later, "GET", "{bar}2");
	for (int i = 0; i < 100; ++i)
		fake_step(fake);
	assert_int_equal(read.times + write.times + later.times, 0);
	assert_int_equal(fake->servers[1].log_length, 0);
	fake_map(fake, 0);
	FAKE_UNTIL(fake, fake->servers[1].waiting_count == 3);
	assert_non_null(strstr(fake->servers[1].log, "GET bar|"));
	while (fake->servers[1].waiting_count)
		fake_reply(fake, 1, "+x\r\n");
	answered(fake, &read, "x");
	answered(fake, &write, "x");
	answered(fake, &later, "x");
	assert_int_equal(owners(fake), 1);
	assert_true(redis_reaches(fake->redis, "bar", 3));
}

/*
 * A server that stands still: the connection is given up, and it gets nothing until another server, not it, confirms
 * it.
 */
static void silent(void **state)
{
	struct fake *fake = *state;
	struct heard heard;
	fake->servers[0].mute = true;
	post(fake, &heard, "GET", "bar");
	int asked[2] = {fake->servers[0].slots_asked, fake->servers[1].slots_asked};
	int64_t begin_us = clock_monotonic_us();
	fake_map(fake, 0);
	fake_expect(fake, 1, "GET bar|");
	assert_true(clock_monotonic_us() - begin_us >= 300000);
	assert_int_equal(fake->servers[0].slots_asked, asked[0]);
	assert_true(fake->servers[1].slots_asked > asked[1]);
	fake_reply(fake, 1, "+x\r\n");
	answered(fake, &heard, "x");
}

/* A connection that nobody uses is probed, so that the first command does not pay for the discovery. */
static void silent_while_idle(void **state)
{
	struct fake *fake = *state;
	struct heard heard;
	post(fake, &heard, "GET", "bar");
	fake_expect(fake, 0, "GET bar|");
	fake_reply(fake, 0, "+x\r\n");
	answered(fake, &heard, "x");
	fake->servers[0].mute = true;
	fake_map(fake, 0);
	FAKE_UNTIL(fake, owners(fake) == 1);
}

/* A reply that is older than the bound is no answer, though bytes came in between. */
static void old_reply(void **state)
{
	struct fake *fake = *state;
	struct heard first, second;
	post(fake, &first, "GET", "bar");
	fake_expect(fake, 0, "GET bar|");
	/* Bytes of a reply that does not end keep the connection from being silent. */
	int fd = fake->servers[0].waiting[0];
	fake_send(fd, "$400\r\n");
	for (int i = 0; i < 400; ++i) {
		fake_send(fd, "a");
		fake_step(fake);
	}
	post(fake, &second, "GET", "{bar}2");
	fake_send(fd, "\r\n");
	fake_map(fake, 0);
	fake_expect(fake, 1, "GET bar|GET {bar}2|");
	fake_reply(fake, 1, "+x\r\n");
	fake_reply(fake, 1, "+y\r\n");
	answered(fake, &first, "x");
	answered(fake, &second, "y");
}

/* Errors that no repetition mends are the caller's. */
static void reported(void **state)
{
	static const char *const errors[] = {"OOM command not allowed", "MISCONF Redis is configured",
	                                     "NOPERM no permissions", "CROSSSLOT Keys in request",
	                                     "WRONGTYPE Operation against a key"};
	struct fake *fake = *state;
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); ++i) {
		struct heard heard;
		char text[64];
		post(fake, &heard, "GET", "bar");
		fake_expect(fake, 0, "GET bar|");
		snprintf(text, sizeof(text), "-%s\r\n", errors[i]);
		fake_reply(fake, 0, text);
		answered(fake, &heard, errors[i]);
		/* Only the code: texts may contain keys. */
		assert_int_equal(strcspn(errors[i], " "), strlen(redis_last_refusal(fake->redis)));
		assert_memory_equal(redis_last_refusal(fake->redis), errors[i], strcspn(errors[i], " "));
	}
}

/* NOSCRIPT for many commands in flight: the text goes out once. When the server forgets the script later, once more. */
static void script_text_once(void **state)
{
	struct fake *fake = *state;
	struct redis_script script;
	struct heard heard[20];
	redis_script_init(&script, "return 'a text'", true);
	for (int round = 0; round < 2; ++round) {
		size_t texts = 0;
		for (int i = 0; i < 20; ++i)
			post_script(fake, &heard[i], &script, "bar");
		FAKE_UNTIL(fake, fake->servers[0].waiting_count == 20);
		fake_forget(fake, 0);
		for (int i = 0; i < 20; ++i)
			fake_reply(fake, 0, "-NOSCRIPT No matching script.\r\n");
		FAKE_UNTIL(fake, fake->servers[0].waiting_count == 20);
		for (const char *at = fake->servers[0].log; (at = strstr(at, "return 'a text'")); ++at)
			++texts;
		assert_int_equal(texts, 1);
		for (int i = 0; i < 20; ++i)
			fake_reply(fake, 0, "+x\r\n");
		for (int i = 0; i < 20; ++i)
			answered(fake, &heard[i], "x");
		fake_forget(fake, 0);
	}
}

/* A map of another cluster is not taken, nor one that has lost more than half. */
static void foreign_map(void **state)
{
	struct fake *fake = *state;
	struct heard heard;
	char text[64];
	snprintf(fake->slots, sizeof(fake->slots),
	         "*1\r\n*3\r\n:0\r\n:16383\r\n*3\r\n$9\r\n127.0.0.1\r\n:%d\r\n$2\r\nzz\r\n", fake->servers[3].port);
	snprintf(text, sizeof(text), "-MOVED 5061 127.0.0.1:%d\r\n", fake->servers[1].port);
	int asked = fake->servers[1].slots_asked;
	post(fake, &heard, "GET", "bar");
	fake_expect(fake, 0, "GET bar|");
	fake_reply(fake, 0, text);
	fake_expect(fake, 1, "GET bar|");
	fake_reply(fake, 1, "+x\r\n");
	answered(fake, &heard, "x");
	FAKE_UNTIL(fake, fake->servers[1].slots_asked > asked);
	for (int i = 0; i < 50; ++i)
		fake_step(fake);
	post(fake, &heard, "GET", "bar");
	fake_expect(fake, 1, "GET bar|");
	assert_int_equal(fake->servers[3].accepted, 0);
	redis_cancel(fake->redis, &heard);
}

/* What is written counts once WAIT, or WAITAOF, says so; reads wait for neither. Errors count at once. */
static void acknowledgements(void **state)
{
	static const struct {
		const char *ack, *wait, *enough, *too_few;
	} table[] = {
	    {"replicas=2", "INCR bar|INCR foo|WAIT 2 500|", ":2\r\n", ":1\r\n"},
	    {"disk", "INCR bar|INCR foo|WAITAOF 1 0 500|", "*2\r\n:1\r\n:0\r\n", "*2\r\n:0\r\n:3\r\n"},
	    {"disk", "INCR bar|INCR foo|WAITAOF 1 0 500|", "*2\r\n:1\r\n:0\r\n", "-ERR WAITAOF cannot be used\r\n"},
	};
	for (size_t i = 0; i < 2 * sizeof(table) / sizeof(table[0]); ++i) {
		bool enough = i % 2;
		struct redis_options options;
		struct heard first, second, read;
		redis_options_init(&options);
		assert_int_equal(redis_options_set_ack(&options, table[i / 2].ack), 0);
		struct fake *fake = fake_create("redis://127.0.0.1:%d", &options);
		post(fake, &first, "INCR", "bar");
		post(fake, &second, "INCR", "foo");
		fake_expect(fake, 0, table[i / 2].wait);
		fake_reply(fake, 0, "+x\r\n");
		fake_reply(fake, 0, "-OOM command not allowed\r\n");
		answered(fake, &second, "OOM command not allowed");
		post(fake, &read, "GET", "bar");
		fake_expect(fake, 0, "GET bar|");
		fake_send(fake->servers[0].waiting[1], "+r\r\n");
		answered(fake, &read, "r");
		assert_int_equal(first.times, 0);
		fake_reply(fake, 0, enough ? table[i / 2].enough : table[i / 2].too_few);
		FAKE_UNTIL(fake, first.times);
		assert_int_equal(strncmp(first.text, enough ? "x" : "NOTREPLICATED", enough ? 1 : 13), 0);
		fake_destroy(fake);
	}
	(void)state;
}

static void destroyed_with_parked(void **state)
{
	struct fake *fake = *state;
	struct heard heard;
	post(fake, &heard, "GET", "bar");
	fake_expect(fake, 0, "GET bar|");
	fake_reply(fake, 0, "-TRYAGAIN\r\n");
	FAKE_UNTIL(fake, stats_of(fake).parked);
	redis_destroy(fake->redis);
	fake->redis = NULL;
	assert_int_equal(heard.times, 1);
	assert_int_equal(heard.status, -ECANCELED);
	struct redis_options options;
	char error[64];
	redis_options_init(&options);
	options.url = "redis+cluster://127.0.0.1:1";
	assert_int_equal(redis_create(&fake->redis, &options, error, sizeof(error)), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(to_the_owner, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(writes_apart, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(moved, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(moved_in_order, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(moved_without_host, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(moved_to_itself, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(ask, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(later, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(parked_until_deadline, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(slot_without_owner, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(replaced, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(killed, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(silent, set_up_quick, tear_down),
	    cmocka_unit_test_setup_teardown(silent_while_idle, set_up_quick, tear_down),
	    cmocka_unit_test_setup_teardown(old_reply, set_up_quick, tear_down),
	    cmocka_unit_test_setup_teardown(reported, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(script_text_once, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(foreign_map, set_up, tear_down),
	    cmocka_unit_test(acknowledgements),
	    cmocka_unit_test_setup_teardown(destroyed_with_parked, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
