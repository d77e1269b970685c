/*
 * Writes that come late: a recording whose deadline passed on its way is never
 * written over the version that came after it, whether the server stood still,
 * the connection held the command back, or the server was killed and started
 * again. CALLHISTORY_LATE_ROUNDS: how often (12), the three in turn.
 */
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support/store_fixture.h"

enum { ROUNDS = 12, DEADLINE_US = 30000, PAIRS = 8, RECORD_SIZE = 128 };

static const int64_t moment = INT64_C(1763800000000);

static struct store_fixture fixture;

/* ---- A relay that can hold back what clients send ---- */

static struct relay {
	char path[108];
	int listener, count;
	struct pollfd ends[2 * PAIRS]; /* client and server in turn; fd -1: closed */
	pthread_t thread;
	atomic_bool held, stop;
	atomic_uint turns; /* rounds of its loop in which nothing was to do */
} relay;

static void relay_accept(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int client = accept(relay.listener, NULL, NULL), server = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", fixture.server.socket);
	if (client < 0 || server < 0 || relay.count == PAIRS ||
	    connect(server, (const struct sockaddr *)&address, sizeof(address)))
		abort();
	relay.ends[2 * relay.count] = (struct pollfd){.fd = client};
	relay.ends[2 * relay.count++ + 1] = (struct pollfd){.fd = server};
}

/* Passes on what one end has sent; false where it had nothing. */
static bool relay_pass(int end)
{
	char bytes[4096];
	struct pollfd *from = &relay.ends[end], *to = &relay.ends[end ^ 1];
	if (from->fd < 0 || (end % 2 == 0 && atomic_load(&relay.held)))
		return false;
	ssize_t got = recv(from->fd, bytes, sizeof(bytes), MSG_DONTWAIT);
	if (got > 0)
		return send(to->fd, bytes, (size_t)got, MSG_NOSIGNAL) == got;
	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	close(from->fd);
	close(to->fd);
	from->fd = to->fd = -1;
	return true;
}

static void *relay_run(void *data)
{
	(void)data;
	while (!atomic_load(&relay.stop)) {
		struct pollfd listener = {.fd = relay.listener, .events = POLLIN};
		bool busy = poll(&listener, 1, 1) > 0;
		if (busy)
			relay_accept();
		for (int end = 0; end < 2 * relay.count; ++end)
			busy = relay_pass(end) || busy;
		if (!busy)
			atomic_fetch_add(&relay.turns, 1);
	}
	return NULL;
}

static int relay_start(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	snprintf(relay.path, sizeof(relay.path), "%s/relay", fixture.server.folder);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", relay.path);
	relay.listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (relay.listener < 0 || bind(relay.listener, (const struct sockaddr *)&address, sizeof(address)) ||
	    listen(relay.listener, PAIRS))
		return -errno;
	return -pthread_create(&relay.thread, NULL, relay_run, NULL);
}

static void relay_end(void)
{
	atomic_store(&relay.stop, true);
	pthread_join(relay.thread, NULL);
	for (int end = 0; end < 2 * relay.count; ++end)
		if (relay.ends[end].fd >= 0)
			close(relay.ends[end].fd);
	close(relay.listener);
	unlink(relay.path);
	memset(&relay, 0, sizeof(relay));
}

/* Lets through what was held back, and waits until all of it has arrived. */
static void relay_release(void)
{
	unsigned begin = atomic_load(&relay.turns);
	atomic_store(&relay.held, false);
	for (int i = 0; i < 5000 && atomic_load(&relay.turns) < begin + 20; ++i)
		poll(NULL, 0, 1);
	assert_true(atomic_load(&relay.turns) >= begin + 20);
}

/* ---- Recording ---- */

static struct {
	bool done;
	int status, times;
} late;

static void on_late(void *data, int status, const enum store_outcome *outcomes, size_t count)
{
	(void)data;
	(void)outcomes;
	(void)count;
	late.done = true;
	late.status = status;
	++late.times;
}

/* The one call of all this, in a version with this text and, where `extension` is not NULL, with that number too. */
static const struct store_call *version(const char *text, const char *extension)
{
	static uint8_t record[RECORD_SIZE];
	static const char *numbers[] = {"0912345678", NULL};
	static struct store_call call;
	numbers[1] = extension;
	call = (struct store_call){.start_ms = moment,
	                           .record = {record, store_fixture_pack(record, "id", moment, text)},
	                           .numbers = numbers,
	                           .number_count = 1};
	call.number_count += extension != NULL;
	return &call;
}

static void open_client(struct store_fixture *client, const char *socket)
{
	memset(client, 0, sizeof(*client));
	snprintf(client->server.url, sizeof(client->server.url), "unix://%s", socket);
	assert_int_equal(store_fixture_open(client), 0);
}

/* Records a version that does not arrive before its deadline. */
static void record_late(struct store_fixture *client, const char *tag)
{
	memset(&late, 0, sizeof(late));
	struct arena *arena = store_fixture_begin(client);
	assert_int_equal(store_record(client->store, tag, version("old", "101"), 1, arena,
	                              clock_monotonic_us() + DEADLINE_US, on_late, NULL),
	                 0);
	assert_true(redis_server_run(client->redis, &late.done, STORE_FIXTURE_WAIT_MS));
	assert_int_equal(late.status, -ETIMEDOUT);
	assert_int_equal(late.times, 1);
}

static void assert_newest(struct store_fixture *client, const char *tag, const char *text)
{
	const struct store_range range = {tag, "101", INT64_MIN, INT64_MAX, NULL};
	assert_int_equal(store_fixture_get(client, tag, "id"), 0);
	assert_int_equal(client->records, 1);
	assert_memory_equal(client->page[0].data + client->page[0].length - strlen(text), text, strlen(text));
	assert_int_equal(store_fixture_count(client, &range), 0);
	assert_int_equal(client->count, 0);
}

static void a_server_that_stands_still(struct store_fixture *newer, const char *tag, const char *text)
{
	kill(fixture.server.pid, SIGSTOP);
	record_late(&fixture, tag);
	kill(fixture.server.pid, SIGCONT);
	assert_int_equal(store_fixture_record(newer, tag, version(text, NULL), 1), 0);
}

static void a_connection_that_holds_it_back(struct store_fixture *newer, const char *tag, const char *text)
{
	static struct store_fixture client;
	assert_int_equal(relay_start(), 0);
	open_client(&client, relay.path);
	assert_int_equal(store_fixture_record(&client, tag, version("first", NULL), 1), 0);
	atomic_store(&relay.held, true);
	record_late(&client, tag);
	assert_int_equal(store_fixture_record(newer, tag, version(text, NULL), 1), 0);
	relay_release();
	store_fixture_close(&client);
	relay_end();
}

static void a_server_that_is_started_again(struct store_fixture *newer, const char *tag, const char *text)
{
	kill(fixture.server.pid, SIGSTOP);
	record_late(&fixture, tag);
	redis_server_kill(&fixture.server);
	assert_int_equal(redis_server_start(&fixture.server), 0);
	assert_int_equal(store_fixture_record(newer, tag, version(text, NULL), 1), 0);
}

static void a_late_write_is_refused(void **state)
{
	static void (*const ways[])(struct store_fixture * newer, const char *tag, const char *text) = {
	    a_server_that_stands_still, a_connection_that_holds_it_back, a_server_that_is_started_again};
	static struct store_fixture newer;
	const char *wanted = getenv("CALLHISTORY_LATE_ROUNDS");
	(void)state;
	for (int round = 0; round < (wanted ? atoi(wanted) : ROUNDS); ++round) {
		char tag[STORE_TAG_MAX + 1], text[16];
		snprintf(tag, sizeof(tag), "late%d", round % 1000);
		snprintf(text, sizeof(text), "new %d", round % 1000);
		assert_int_equal(store_fixture_record(&fixture, tag, version("first", NULL), 1), 0);
		open_client(&newer, fixture.server.socket);
		ways[round % 3](&newer, tag, text);
		assert_newest(&newer, tag, text);
		store_fixture_close(&newer);
		assert_newest(&fixture, tag, text);
	}
}

/* A recording that nobody waits for is not sent, and its callback does not fire. */
static void a_cancelled_recording(void **state)
{
	int other;
	const struct store_range range = {"ca", "101", INT64_MIN, INT64_MAX, NULL};
	(void)state;
	memset(&late, 0, sizeof(late));
	struct arena *arena = store_fixture_begin(&fixture);
	assert_int_equal(store_record(fixture.store, "ca", version("text", "101"), 1, arena, CLOCK_NEVER, on_late, &late),
	                 0);
	assert_false(store_record_cancel(fixture.store, &other));
	assert_true(store_record_cancel(fixture.store, &late));
	assert_false(store_record_cancel(fixture.store, &late));
	assert_int_equal(store_fixture_count(&fixture, &range), 0);
	assert_int_equal(fixture.count, 0);
	assert_int_equal(late.times, 0);
}

static int set_up(void **state)
{
	(void)state;
	return store_fixture_start(&fixture, NULL);
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
	    cmocka_unit_test(a_late_write_is_refused),
	    cmocka_unit_test(a_cancelled_recording),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
