/*
 * redis against a real server: order under a deep pipeline, a server that is
 * not there yet, dies, hangs or forgets its scripts, passwords, databases,
 * deadlines, caps, and what destroying leaves to callbacks.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support/redis_server.h"

enum { DEEP = 10000, LIMIT_MS = 20000 };

/* What one command's callback heard. */
struct heard {
	int times;
	int status;
	enum redis_type type;
	int64_t integer;
	char text[128];
	bool done;
	bool *all; /* set when the last one has fired */
	int *left;
};

static void hear(void *data, int status, const struct redis_reply *reply)
{
	struct heard *heard = data;
	++heard->times;
	heard->status = status;
	heard->done = true;
	if (reply) {
		heard->type = reply->type;
		heard->integer = reply->integer;
		if (reply->data)
			snprintf(heard->text, sizeof(heard->text), "%s", reply->data);
	}
	if (heard->left && !--*heard->left)
		*heard->all = true;
}

static struct redis *open_url(const char *url)
{
	struct redis_options options;
	struct redis *redis = NULL;
	char error[128];
	redis_options_init(&options);
	options.url = url;
	options.backoff_max_us = 100000;
	assert_int_equal(redis_create(&redis, &options, error, sizeof(error)), 0);
	return redis;
}

static int post(struct redis *redis, struct heard *heard, int64_t deadline_us, const char *a, const char *b,
                const char *c)
{
	const char *const argv[] = {a, b, c};
	*heard = (struct heard){.left = heard->left, .all = heard->all};
	return redis_command(redis, c ? 3 : b ? 2 : 1, argv, NULL, deadline_us, hear, heard);
}

/* Sends a command and waits for its end. Returns its status. */
static int ask(struct redis *redis, struct heard *heard, const char *a, const char *b, const char *c)
{
	heard->left = NULL;
	assert_int_equal(post(redis, heard, CLOCK_NEVER, a, b, c), 0);
	assert_true(redis_server_run(redis, &heard->done, LIMIT_MS));
	assert_int_equal(heard->times, 1);
	return heard->status;
}

static int64_t in_ms(int64_t ms)
{
	return clock_monotonic_us() + ms * 1000;
}

static void every_type(void **state)
{
	struct redis_server *server = *state;
	struct redis *redis = open_url(server->url);
	struct heard heard = {0};
	assert_int_equal(ask(redis, &heard, "PING", NULL, NULL), 0);
	assert_int_equal(heard.type, REDIS_STATUS);
	assert_string_equal(heard.text, "PONG");
	assert_int_equal(ask(redis, &heard, "GET", "missing", NULL), 0);
	assert_int_equal(heard.type, REDIS_NIL);
	assert_int_equal(ask(redis, &heard, "INCRBY", "number", "-5"), 0);
	assert_int_equal(heard.type, REDIS_INTEGER);
	assert_int_equal(heard.integer, -5);
	assert_int_equal(ask(redis, &heard, "GET", "number", NULL), 0);
	assert_int_equal(heard.type, REDIS_STRING);
	assert_string_equal(heard.text, "-5");
	assert_int_equal(ask(redis, &heard, "LPUSH", "number", "1"), 0);
	assert_int_equal(heard.type, REDIS_ERROR);
	assert_int_equal(ask(redis, &heard, "TIME", NULL, NULL), 0);
	assert_int_equal(heard.type, REDIS_ARRAY);
	assert_true(redis_connected(redis));
	assert_string_equal(redis_last_error(redis), "");
	redis_destroy(redis);
}

static void deep_pipeline(void **state)
{
	struct redis_server *server = *state;
	struct redis *redis = open_url(server->url);
	struct heard *heard = calloc(DEEP, sizeof(*heard));
	bool all = false;
	int left = DEEP;
	struct heard first = {0};
	assert_int_equal(ask(redis, &first, "SET", "deep", "0"), 0);
	for (int i = 0; i < DEEP; ++i) {
		heard[i].left = &left;
		heard[i].all = &all;
		assert_int_equal(post(redis, &heard[i], CLOCK_NEVER, "INCR", "deep", NULL), 0);
		assert_int_equal(heard[i].times, 0);
	}
	assert_int_equal(redis_pending(redis), DEEP);
	assert_true(redis_server_run(redis, &all, LIMIT_MS));
	for (int i = 0; i < DEEP; ++i) {
		assert_int_equal(heard[i].times, 1);
		assert_int_equal(heard[i].integer, i + 1);
	}
	struct redis_stats stats;
	redis_get_stats(redis, &stats);
	assert_int_equal(stats.replies, DEEP + 1);
	assert_int_equal(redis_pending(redis), 0);
	/* Nothing is due any more; a connection that was idle meanwhile may have to be probed first. */
	int64_t now_us = clock_monotonic_us();
	redis_run(redis);
	assert_true(redis_next_timer_us(redis) > now_us);
	redis_destroy(redis);
	free(heard);
}

static void killed_and_started_again(void **state)
{
	struct redis_server *server = *state;
	struct redis *redis = open_url(server->url);
	struct heard heard = {0}, waiting = {0}, late = {0};
	assert_int_equal(ask(redis, &heard, "SET", "kept", "yes"), 0);
	redis_server_kill(server);
	assert_int_equal(post(redis, &late, in_ms(300), "GET", "kept", NULL), 0);
	assert_int_equal(post(redis, &waiting, CLOCK_NEVER, "GET", "kept", NULL), 0);
	assert_true(redis_server_run(redis, &late.done, LIMIT_MS));
	assert_int_equal(late.status, -ETIMEDOUT);
	assert_false(redis_connected(redis));
	assert_int_not_equal(strlen(redis_last_error(redis)), 0);
	assert_int_equal(redis_server_start(server), 0);
	assert_true(redis_server_run(redis, &waiting.done, LIMIT_MS));
	assert_int_equal(waiting.status, 0);
	assert_string_equal(waiting.text, "yes");
	assert_int_equal(late.times, 1);
	struct redis_stats stats;
	redis_get_stats(redis, &stats);
	assert_in_range(stats.reconnects, 1, 2); /* of the connections for reads and for writes */
	assert_int_equal(stats.timeouts, 1);
	redis_destroy(redis);
}

static void silent_server(void **state)
{
	struct redis_server *server = *state;
	struct redis *redis = open_url(server->url);
	struct heard heard = {0}, expiring = {0}, patient = {0};
	assert_int_equal(ask(redis, &heard, "SET", "silent", "7"), 0);
	kill(server->pid, SIGSTOP);
	assert_int_equal(post(redis, &expiring, in_ms(50), "INCR", "silent", NULL), 0);
	assert_int_equal(post(redis, &patient, CLOCK_NEVER, "GET", "kept", NULL), 0);
	assert_true(redis_server_run(redis, &expiring.done, LIMIT_MS));
	assert_int_equal(expiring.status, -ETIMEDOUT);
	assert_int_equal(patient.times, 0);
	/* The late reply is passed over: the next one goes to whom it belongs. */
	kill(server->pid, SIGCONT);
	assert_true(redis_server_run(redis, &patient.done, LIMIT_MS));
	assert_string_equal(patient.text, "yes");
	assert_int_equal(expiring.times, 1);
	/* Silent for long: the connection is given up, and made anew once there is somebody to greet. */
	kill(server->pid, SIGSTOP);
	assert_int_equal(post(redis, &expiring, in_ms(20), "GET", "kept", NULL), 0);
	assert_int_equal(post(redis, &patient, CLOCK_NEVER, "GET", "kept", NULL), 0);
	bool never = false;
	for (int i = 0; i < 200 && redis_connected(redis); ++i)
		redis_server_run(redis, &never, 50);
	assert_false(redis_connected(redis));
	kill(server->pid, SIGCONT);
	assert_true(redis_server_run(redis, &patient.done, LIMIT_MS));
	assert_string_equal(patient.text, "yes");
	redis_destroy(redis);
}

static void scripts(void **state)
{
	struct redis_server *server = *state;
	struct redis *redis = open_url(server->url);
	struct redis_script write, read;
	struct heard heard = {0}, replies[3] = {{0}};
	redis_script_init(&write, "return redis.call('INCRBY', KEYS[1], ARGV[1])", false);
	redis_script_init(&read, "return {KEYS[1], ARGV[1]}", true);
	for (int round = 0; round < 3; ++round) {
		const char *const argv[] = {"counter", "10"};
		bool all = false;
		int left = 3;
		assert_int_equal(ask(redis, &heard, "SCRIPT", round ? "FLUSH" : "HELP", NULL), 0);
		for (int i = 0; i < 3; ++i) {
			replies[i] = (struct heard){.left = &left, .all = &all};
			assert_int_equal(
			    redis_eval(redis, i == 1 ? &read : &write, 1, 2, argv, NULL, CLOCK_NEVER, hear, &replies[i]), 0);
		}
		assert_true(redis_server_run(redis, &all, LIMIT_MS));
		assert_int_equal(replies[0].integer, round * 20 + 10);
		assert_int_equal(replies[1].type, REDIS_ARRAY);
		assert_int_equal(replies[2].integer, round * 20 + 20);
	}
	/* A script that fails for another reason is not sent again. */
	redis_script_init(&write, "return redis.error_reply('NOSCRIPT of its own')", false);
	const char *const argv[] = {"counter"};
	assert_int_equal(redis_eval(redis, &write, 1, 1, argv, NULL, CLOCK_NEVER, hear, &heard), 0);
	heard = (struct heard){0};
	assert_true(redis_server_run(redis, &heard.done, LIMIT_MS));
	assert_int_equal(heard.type, REDIS_ERROR);
	assert_int_equal(redis_eval(redis, &write, 2, 1, argv, NULL, CLOCK_NEVER, hear, &heard), -EINVAL);
	redis_destroy(redis);
}

static void databases_and_passwords(void **state)
{
	struct redis_server *server = *state;
	struct heard heard = {0};
	char url[256];
	struct redis *redis = open_url(server->url);
	snprintf(url, sizeof(url), "%s?db=3", server->url);
	struct redis *third = open_url(url);
	assert_int_equal(ask(redis, &heard, "SET", "where", "zero"), 0);
	assert_int_equal(ask(third, &heard, "SET", "where", "three"), 0);
	assert_int_equal(ask(redis, &heard, "GET", "where", NULL), 0);
	assert_string_equal(heard.text, "zero");
	redis_destroy(third);
	const char *const acl[] = {"ACL", "SETUSER", "alice", "on", ">a b@c", "~*", "+@all"};
	heard = (struct heard){0};
	assert_int_equal(redis_command(redis, 7, acl, NULL, CLOCK_NEVER, hear, &heard), 0);
	assert_true(redis_server_run(redis, &heard.done, LIMIT_MS));
	snprintf(url, sizeof(url), "unix://alice:a%%20b%%40c@%s?db=3", server->socket);
	struct redis *alice = open_url(url);
	assert_int_equal(ask(alice, &heard, "GET", "where", NULL), 0);
	assert_string_equal(heard.text, "three");
	redis_destroy(alice);
	snprintf(url, sizeof(url), "unix://alice:wrong@%s", server->socket);
	alice = open_url(url);
	heard = (struct heard){0};
	assert_int_equal(post(alice, &heard, in_ms(200), "GET", "where", NULL), 0);
	assert_true(redis_server_run(alice, &heard.done, LIMIT_MS));
	assert_int_equal(heard.status, -ETIMEDOUT);
	assert_false(redis_connected(alice));
	assert_non_null(strstr(redis_last_error(alice), "WRONGPASS"));
	assert_null(strstr(redis_last_error(alice), "wrong@"));
	redis_destroy(alice);
	redis_destroy(redis);
}

static void caps(void **state)
{
	struct redis_server *server = *state;
	struct redis_options options;
	struct redis *redis = NULL;
	struct heard heard = {0}, big = {0}, third = {0};
	char error[128];
	redis_options_init(&options);
	options.url = server->url;
	options.max_pending = 2;
	options.max_reply_bytes = 16384;
	assert_int_equal(redis_create(&redis, &options, error, sizeof(error)), 0);
	assert_int_equal(ask(redis, &heard, "SETRANGE", "big", "100000"), 0);
	const char *const fill[] = {"SETRANGE", "big", "100000", "x"};
	heard = (struct heard){0};
	assert_int_equal(redis_command(redis, 4, fill, NULL, CLOCK_NEVER, hear, &heard), 0);
	assert_true(redis_server_run(redis, &heard.done, LIMIT_MS));
	assert_int_equal(post(redis, &big, CLOCK_NEVER, "GET", "big", NULL), 0);
	assert_int_equal(post(redis, &heard, CLOCK_NEVER, "EXISTS", "big", NULL), 0);
	assert_int_equal(post(redis, &third, CLOCK_NEVER, "PING", NULL, NULL), -EBUSY);
	assert_true(redis_server_run(redis, &heard.done, LIMIT_MS));
	assert_int_equal(big.status, -E2BIG);
	assert_int_equal(heard.status, 0);
	assert_int_equal(heard.integer, 1);
	assert_int_equal(third.times, 0);
	redis_destroy(redis);
}

static void destroyed_with_pending(void **state)
{
	struct redis_server *server = *state;
	struct heard heard[3] = {{0}};
	struct redis *redis = open_url(server->url);
	assert_int_equal(ask(redis, &heard[0], "PING", NULL, NULL), 0);
	for (int i = 0; i < 3; ++i)
		assert_int_equal(post(redis, &heard[i], CLOCK_NEVER, "PING", NULL, NULL), 0);
	redis_destroy(redis);
	for (int i = 0; i < 3; ++i) {
		assert_int_equal(heard[i].times, 1);
		assert_int_equal(heard[i].status, -ECANCELED);
	}
	redis = open_url("redis://127.0.0.1:1");
	assert_int_equal(post(redis, &heard[0], CLOCK_NEVER, "PING", NULL, NULL), 0);
	redis_run(redis);
	redis_destroy(redis);
	assert_int_equal(heard[0].status, -ECANCELED);
	redis_destroy(NULL);
}

static void expired_while_away(void **state)
{
	(void)state;
	struct redis *redis = open_url("unix:///nonexistent/redis.sock");
	struct heard heard[200] = {{0}};
	bool all = false;
	int left = 200;
	for (int i = 0; i < 200; ++i) {
		heard[i].left = &left;
		heard[i].all = &all;
		assert_int_equal(post(redis, &heard[i], in_ms(1 + i / 10), "PING", NULL, NULL), 0);
	}
	assert_true(redis_server_run(redis, &all, LIMIT_MS));
	for (int i = 0; i < 200; ++i)
		assert_int_equal(heard[i].status, -ETIMEDOUT);
	assert_int_equal(redis_pending(redis), 0);
	redis_destroy(redis);
}

static int set_up(void **state)
{
	static struct redis_server server = {.extra = {"--appendfsync", "no", "--databases", "16"}};
	*state = &server;
	return redis_server_start(&server);
}

static int tear_down(void **state)
{
	redis_server_stop(*state);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_type),
	    cmocka_unit_test(deep_pipeline),
	    cmocka_unit_test(killed_and_started_again),
	    cmocka_unit_test(silent_server),
	    cmocka_unit_test(scripts),
	    cmocka_unit_test(databases_and_passwords),
	    cmocka_unit_test(caps),
	    cmocka_unit_test(destroyed_with_pending),
	    cmocka_unit_test(expired_while_away),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
