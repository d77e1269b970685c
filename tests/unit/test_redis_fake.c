/*
 * redis against a made-up server, which the test plays itself between the
 * connection's steps: answers that a real one gives seldom or never.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support/redis_server.h"

struct fake {
	char folder[64], path[96], url[128];
	int listener, client; /* -1: none; the client is the newest one */
	int older[16];        /* clients before it, which stay silent */
	int accepted;
	char got[65536]; /* what the connection has sent since the last fake_take() */
	size_t got_length;
	struct redis *redis;
};

struct heard {
	int times, status;
	bool done;
	char text[64];
};

static void hear(void *data, int status, const struct redis_reply *reply)
{
	struct heard *heard = data;
	++heard->times;
	heard->status = status;
	heard->done = true;
	if (reply && reply->data)
		snprintf(heard->text, sizeof(heard->text), "%s", reply->data);
}

static void fake_step(struct fake *fake)
{
	redis_run(fake->redis);
	int client = accept4(fake->listener, NULL, NULL, SOCK_NONBLOCK);
	if (client >= 0) {
		if (fake->client >= 0)
			fake->older[fake->accepted % 16] = fake->client;
		fake->client = client;
		fake->got_length = 0;
		++fake->accepted;
	}
	if (fake->client >= 0) {
		ssize_t length = recv(fake->client, fake->got + fake->got_length, sizeof(fake->got) - fake->got_length - 1, 0);
		if (length > 0)
			fake->got_length += (size_t)length;
	}
	fake->got[fake->got_length] = '\0';
	poll(NULL, 0, 1);
}

/* Steps until the connection has sent `text`; takes it. */
static void fake_take(struct fake *fake, const char *text)
{
	for (int i = 0; i < 10000 && !strstr(fake->got, text); ++i)
		fake_step(fake);
	assert_non_null(strstr(fake->got, text));
	fake->got_length = 0;
	fake->got[0] = '\0';
}

static void fake_say(struct fake *fake, const char *text)
{
	assert_int_equal(write(fake->client, text, strlen(text)), strlen(text));
}

static void fake_greet(struct fake *fake)
{
	fake_take(fake, "PING");
	fake_say(fake, "-NOPERM no permission to run INFO\r\n-NOPERM nor COMMAND\r\n+PONG\r\n");
	for (int i = 0; i < 10000 && !redis_connected(fake->redis); ++i)
		fake_step(fake);
	assert_true(redis_connected(fake->redis));
}

static void fake_until(struct fake *fake, const bool *done)
{
	for (int i = 0; i < 10000 && !*done; ++i)
		fake_step(fake);
	assert_true(*done);
}

static void post(struct fake *fake, struct heard *heard, const char *a, const char *b)
{
	const char *const argv[] = {a, b};
	*heard = (struct heard){0};
	assert_int_equal(redis_command(fake->redis, b ? 2 : 1, argv, NULL, CLOCK_NEVER, hear, heard), 0);
}

static int set_up(void **state)
{
	struct fake *fake = calloc(1, sizeof(*fake));
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct redis_options options;
	char error[128];
	*state = fake;
	if (!fake)
		return -1;
	fake->client = -1;
	snprintf(fake->folder, sizeof(fake->folder), "/tmp/callhistory-XXXXXX");
	if (!mkdtemp(fake->folder))
		return -1;
	snprintf(fake->path, sizeof(fake->path), "%s/fake.sock", fake->folder);
	snprintf(fake->url, sizeof(fake->url), "unix://%s", fake->path);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", fake->path);
	fake->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
	if (bind(fake->listener, (const struct sockaddr *)&address, sizeof(address)) || listen(fake->listener, 8))
		return -1;
	redis_options_init(&options);
	options.url = fake->url;
	options.backoff_min_us = options.backoff_max_us = 1000;
	options.max_reply_bytes = 1 << 16;
	return redis_create(&fake->redis, &options, error, sizeof(error));
}

static int tear_down(void **state)
{
	struct fake *fake = *state;
	redis_destroy(fake->redis);
	for (int i = 1; i < fake->accepted && i < 16; ++i)
		if (fake->older[i])
			close(fake->older[i]);
	if (fake->client >= 0)
		close(fake->client);
	close(fake->listener);
	unlink(fake->path);
	rmdir(fake->folder);
	free(fake);
	return 0;
}

/* A server that loads, or waits for its master, is not there yet: the command goes out again on the next connection. */
static void loading(void **state)
{
	static const char *const errors[] = {"-LOADING Redis is loading\r\n", "-MASTERDOWN Link with MASTER is down\r\n"};
	struct fake *fake = *state;
	struct heard heard;
	post(fake, &heard, "GET", "a");
	fake_take(fake, "PING");
	fake_say(fake, "-NOPERM\r\n-NOPERM\r\n");
	fake_say(fake, errors[0]);
	fake_greet(fake);
	for (size_t i = 0; i < 2; ++i) {
		fake_take(fake, "GET");
		fake_say(fake, errors[i]);
		fake_greet(fake);
	}
	fake_take(fake, "GET");
	fake_say(fake, "$1\r\nx\r\n");
	fake_until(fake, &heard.done);
	assert_string_equal(heard.text, "x");
	assert_int_equal(heard.times, 1);
	assert_int_equal(fake->accepted, 4);
}

/*
 * A replica refuses that command only; the connection for writes is made anew, once, in case a name points to the
 * master by then. The connection for reads stays.
 */
static void read_only_replica(void **state)
{
	struct fake *fake = *state;
	struct heard first, second, read;
	fake_greet(fake);
	int reader = fake->client;
	post(fake, &first, "INCR", "a");
	for (int connection = 0; connection < 2; ++connection) {
		fake_greet(fake);
		if (connection)
			post(fake, &second, "INCR", "b");
		fake_take(fake, "INCR");
		fake_say(fake, "-READONLY You can't write against a read only replica.\r\n");
		fake_until(fake, connection ? &second.done : &first.done);
		assert_int_equal((connection ? &second : &first)->status, 0);
		assert_non_null(strstr((connection ? &second : &first)->text, "READONLY"));
		assert_true(redis_connected(fake->redis));
	}
	post(fake, &second, "INCR", "c");
	fake_take(fake, "INCR");
	fake_say(fake, "-READONLY\r\n");
	fake_until(fake, &second.done);
	assert_int_equal(fake->accepted, 3);
	post(fake, &read, "GET", "a");
	fake_step(fake);
	assert_int_equal(write(reader, "$1\r\nr\r\n", 7), 7);
	fake_until(fake, &read.done);
	assert_string_equal(read.text, "r");
}

/* The first write needs a connection of its own. While that one greets, the server is not silent. */
static void second_connection(void **state)
{
	struct fake *fake = *state;
	struct heard heard;
	fake_greet(fake);
	post(fake, &heard, "INCR", "a");
	fake_take(fake, "PING");
	assert_int_equal(fake->accepted, 2);
	assert_true(redis_answers(fake->redis, 10000000));
	fake_say(fake, "-NOPERM\r\n-NOPERM\r\n+PONG\r\n");
	fake_take(fake, "INCR");
	fake_say(fake, ":1\r\n");
	fake_until(fake, &heard.done);
	assert_int_equal(heard.status, 0);
}

/* Bytes that are no reply fail the oldest command only; the others go out again. */
static void broken_protocol(void **state)
{
	static const char *const texts[] = {"hello\r\n", "$-2\r\n", "*9999999999\r\n", ":x\r\n",
	                                    "*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n"};
	struct fake *fake = *state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); ++i) {
		struct heard first, second;
		post(fake, &first, "GET", "first");
		post(fake, &second, "GET", "second");
		if (!redis_connected(fake->redis))
			fake_greet(fake);
		fake_take(fake, "second");
		fake_say(fake, texts[i]);
		fake_until(fake, &first.done);
		assert_int_equal(first.status, -EPROTO);
		fake_greet(fake);
		fake_take(fake, "second");
		fake_say(fake, "$2\r\nok\r\n");
		fake_until(fake, &second.done);
		assert_string_equal(second.text, "ok");
		assert_int_equal(first.times, 1);
	}
}

static void lying_lengths(void **state)
{
	static const char *const texts[] = {"*2147483647\r\n", "*100000\r\n"};
	struct fake *fake = *state;
	for (size_t i = 0; i < 2; ++i) {
		struct heard heard;
		post(fake, &heard, "GET", "a");
		fake_greet(fake);
		fake_take(fake, "GET");
		fake_say(fake, texts[i]);
		fake_until(fake, &heard.done);
		assert_int_equal(heard.status, -E2BIG);
	}
	/* A string that never ends is cut off too. */
	struct heard heard;
	char block[4097];
	memset(block, 'x', sizeof(block) - 1);
	block[sizeof(block) - 1] = '\0';
	post(fake, &heard, "GET", "a");
	fake_greet(fake);
	fake_take(fake, "GET");
	fake_say(fake, "$4611686018427387904\r\n");
	for (int i = 0; i < 1000 && !heard.done; ++i) {
		if (send(fake->client, block, sizeof(block) - 1, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 && errno != EAGAIN)
			break;
		fake_step(fake);
	}
	assert_true(heard.done);
	assert_int_equal(heard.status, -E2BIG);
}

static void unasked_reply(void **state)
{
	struct fake *fake = *state;
	struct heard heard;
	fake_greet(fake);
	fake_say(fake, "+surprise\r\n");
	for (int i = 0; i < 10000 && fake->accepted < 2; ++i)
		fake_step(fake);
	assert_int_equal(fake->accepted, 2);
	fake_greet(fake);
	post(fake, &heard, "GET", "a");
	fake_take(fake, "GET");
	fake_say(fake, "$-1\r\n");
	fake_until(fake, &heard.done);
	assert_int_equal(heard.status, 0);
}

/* A reply in single bytes, and one that ends with the connection. */
static void pieces(void **state)
{
	static const char text[] = "*3\r\n$5\r\nhello\r\n:42\r\n*1\r\n$-1\r\n";
	struct fake *fake = *state;
	struct heard heard;
	post(fake, &heard, "GET", "a");
	fake_greet(fake);
	fake_take(fake, "GET");
	for (size_t i = 0; i < sizeof(text) - 1; ++i) {
		assert_false(heard.done);
		assert_int_equal(write(fake->client, text + i, 1), 1);
		fake_step(fake);
	}
	fake_until(fake, &heard.done);
	post(fake, &heard, "GET", "b");
	fake_take(fake, "GET");
	fake_say(fake, "$5\r\nhel");
	fake_step(fake);
	close(fake->client);
	fake->client = -1;
	fake_greet(fake);
	fake_take(fake, "GET");
	fake_say(fake, "$1\r\ny\r\n");
	fake_until(fake, &heard.done);
	assert_string_equal(heard.text, "y");
}

/* A server without AUTH repeats its arguments: what is told of the failure must not. */
static void password_is_not_repeated(void **state)
{
	struct fake *fake = *state;
	struct redis_options options;
	char error[128], url[160];
	redis_destroy(fake->redis);
	redis_options_init(&options);
	snprintf(url, sizeof(url), "unix://alice:s3cret@%s", fake->path);
	options.url = url;
	assert_int_equal(redis_create(&fake->redis, &options, error, sizeof(error)), 0);
	fake_take(fake, "PING");
	fake_say(fake, "-ERR unknown command 'AUTH', with args beginning with: 'alice' 's3cret' \r\n");
	for (int i = 0; i < 10000 && !*redis_last_error(fake->redis); ++i)
		fake_step(fake);
	assert_string_equal(redis_last_error(fake->redis), "ERR");
}

/* What the server says of itself: too old, without a command that is needed, or with settings that lose data. */
static void unfit_servers(void **state)
{
	static const struct {
		const char *info, *commands, *error;
		bool disk;
	} table[] = {
	    {"redis_version:6.2.14\r\n", "*0\r\n", "older than Redis 7", false},
	    {"redis_version:7.0.15\r\n", "*1\r\n*-1\r\n", "EVALSHA_RO", false},
	    {"redis_version:7.0.15\r\n", "*2\r\n*0\r\n*-1\r\n", "WAITAOF", true},
	    {"redis_version:7.2.4\r\n", "*2\r\n*0\r\n*0\r\n", NULL, true},
	};
	struct fake *fake = *state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); ++i) {
		struct redis_options options;
		struct redis_stats stats;
		char error[128], text[256];
		redis_destroy(fake->redis);
		redis_options_init(&options);
		options.url = fake->url;
		options.ack_disk = table[i].disk;
		assert_int_equal(redis_create(&fake->redis, &options, error, sizeof(error)), 0);
		fake_take(fake, table[i].disk ? "WAITAOF" : "EVALSHA_RO");
		snprintf(text, sizeof(text), "# Server\r\n%saof_enabled:0\r\nmaxmemory:0\r\nmaxmemory_policy:allkeys-lru\r\n",
		         table[i].info);
		dprintf(fake->client, "$%zu\r\n%s\r\n%s+PONG\r\n", strlen(text), text, table[i].commands);
		for (int n = 0; n < 10000 && !*redis_last_error(fake->redis) && !redis_connected(fake->redis); ++n)
			fake_step(fake);
		if (table[i].error)
			assert_non_null(strstr(redis_last_error(fake->redis), table[i].error));
		else
			assert_true(redis_connected(fake->redis));
		redis_get_stats(fake->redis, &stats);
		assert_int_equal(stats.risks,
		                 REDIS_RISK_EVICTION | REDIS_RISK_NO_APPEND_ONLY_FILE | REDIS_RISK_NO_MEMORY_LIMIT);
	}
}

/* A withdrawn command: not sent when it is not yet; its reply is dropped when it is; nobody else's is. */
static void cancelled(void **state)
{
	struct fake *fake = *state;
	struct heard early, kept, sent, other;
	post(fake, &early, "GET", "early");
	post(fake, &kept, "GET", "kept");
	redis_cancel(fake->redis, &early);
	assert_int_equal(redis_pending(fake->redis), 1);
	fake_greet(fake);
	post(fake, &sent, "GET", "sent");
	for (int i = 0; i < 10000 && !strstr(fake->got, "sent"); ++i)
		fake_step(fake);
	assert_null(strstr(fake->got, "early"));
	fake_take(fake, "sent");
	redis_cancel(fake->redis, &sent);
	redis_cancel(fake->redis, &fake);
	post(fake, &other, "GET", "other");
	fake_take(fake, "other");
	fake_say(fake, "$1\r\nk\r\n$1\r\ns\r\n$1\r\no\r\n");
	fake_until(fake, &other.done);
	assert_string_equal(kept.text, "k");
	assert_string_equal(other.text, "o");
	assert_int_equal(early.times + sent.times, 0);
	/* Written, cancelled and unanswered when the connection ends: it is not sent again. */
	post(fake, &sent, "GET", "sent");
	post(fake, &other, "GET", "other");
	fake_take(fake, "other");
	redis_cancel(fake->redis, &sent);
	close(fake->client);
	fake->client = -1;
	fake_greet(fake);
	for (int i = 0; i < 10000 && !strstr(fake->got, "other"); ++i)
		fake_step(fake);
	assert_null(strstr(fake->got, "sent"));
	fake_say(fake, "$1\r\np\r\n");
	fake_until(fake, &other.done);
	assert_string_equal(other.text, "p");
	assert_int_equal(sent.times, 0);
}

struct canceller {
	struct fake *fake;
	void *victim;
	bool done;
};

static void cancel_another(void *data, int status, const struct redis_reply *reply)
{
	struct canceller *canceller = data;
	(void)status;
	(void)reply;
	redis_cancel(canceller->fake->redis, canceller->victim);
	canceller->done = true;
}

/* From a callback, be it a reply's or a passed deadline's. */
static void cancelled_from_callback(void **state)
{
	struct fake *fake = *state;
	const char *const argv[] = {"GET", "a"};
	for (int round = 0; round < 2; ++round) {
		struct heard victim, last;
		struct canceller canceller = {.fake = fake, .victim = &victim};
		int64_t deadline_us = round ? clock_monotonic_us() - 1 : CLOCK_NEVER;
		assert_int_equal(redis_command(fake->redis, 2, argv, NULL, deadline_us, cancel_another, &canceller), 0);
		post(fake, &victim, "GET", "victim");
		post(fake, &last, "GET", "last");
		if (!round)
			fake_greet(fake);
		fake_take(fake, "last");
		fake_say(fake, round ? "$1\r\nl\r\n" : "$1\r\na\r\n$1\r\nv\r\n$1\r\nl\r\n");
		fake_until(fake, &last.done);
		assert_string_equal(last.text, "l");
		assert_int_equal(victim.times, 0);
	}
}

/* A command whose deadline has passed before it could be written is never written. */
static void expired_is_not_sent(void **state)
{
	struct fake *fake = *state;
	struct heard expired = {0}, kept;
	const char *const argv[] = {"GET", "expired"};
	fake_greet(fake);
	assert_int_equal(redis_command(fake->redis, 2, argv, NULL, clock_monotonic_us() - 1, hear, &expired), 0);
	post(fake, &kept, "GET", "kept");
	for (int i = 0; i < 10000 && !strstr(fake->got, "kept"); ++i)
		fake_step(fake);
	assert_null(strstr(fake->got, "expired"));
	assert_int_equal(expired.status, -ETIMEDOUT);
	fake_say(fake, "$1\r\nk\r\n");
	fake_until(fake, &kept.done);
	assert_string_equal(kept.text, "k");
}

/* A command does not expire because nothing ran, this program neither: one that was sent, and one that was not. */
static void paused(void **state)
{
	struct fake *fake = *state;
	const char *const argv[] = {"GET", "a"};
	struct heard heard;
	fake_greet(fake);
	for (int sent = 0; sent < 2; ++sent) {
		heard = (struct heard){0};
		int64_t deadline_us = clock_monotonic_us() + (sent ? 2000000 : 100000);
		assert_int_equal(redis_command(fake->redis, 2, argv, NULL, deadline_us, hear, &heard), 0);
		if (sent)
			fake_take(fake, "GET");
		poll(NULL, 0, sent ? 2100 : 500);
		redis_run(fake->redis);
		assert_false(heard.done);
		assert_true(!sent || redis_answers(fake->redis, 1));
		fake_say(fake, "$1\r\nx\r\n");
		redis_run(fake->redis);
		assert_int_equal(heard.status, 0);
		assert_string_equal(heard.text, "x");
	}
	/* Without a reply it expires. */
	assert_int_equal(redis_command(fake->redis, 2, argv, NULL, clock_monotonic_us() + 1000, hear, &heard), 0);
	heard.done = false;
	fake_until(fake, &heard.done);
	assert_int_equal(heard.status, -ETIMEDOUT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(loading, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(read_only_replica, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(second_connection, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(broken_protocol, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(lying_lengths, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(unasked_reply, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(pieces, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(password_is_not_repeated, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(unfit_servers, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(cancelled, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(cancelled_from_callback, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(expired_is_not_sent, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(paused, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
