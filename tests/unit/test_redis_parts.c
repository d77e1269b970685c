/*
 * redis' pure parts: slots against a real server's CLUSTER KEYSLOT for 100,000 binary keys; the errors MOVED and ASK;
 * the reply to CLUSTER SLOTS; and hosts that are addresses.
 */
#include <netdb.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "redis/reply.h"
#include "redis/resolve.h"
#include "redis/topology.h"
#include "support/redis_server.h"

enum { KEYS = 100000, KEY_MAX = 40, AT_ONCE = 10000, WAIT_MS = 60000 };

struct expected {
	uint16_t slot;
	int *left;
	bool *done;
};

static void compare(void *data, int status, const struct redis_reply *reply)
{
	struct expected *expected = data;
	assert_int_equal(status, 0);
	assert_int_equal(reply->type, REDIS_INTEGER);
	assert_int_equal(reply->integer, expected->slot);
	if (!--*expected->left)
		*expected->done = true;
}

/* Bytes of a small alphabet, so that braces are frequent, or of all. */
static size_t random_key(char key[KEY_MAX], unsigned *seed)
{
	static const char few[] = "{}{}ab\0\xff";
	size_t length = (size_t)rand_r(seed) % KEY_MAX;
	bool all = rand_r(seed) % 2;
	for (size_t i = 0; i < length; ++i)
		key[i] = all ? (char)rand_r(seed) : few[rand_r(seed) % 8];
	return length;
}

static void slots(void **state)
{
	struct redis_server server = {.extra = {"--cluster-enabled", "yes"}};
	struct redis_options options;
	struct redis *redis;
	char error[128], key[KEY_MAX];
	unsigned seed = 20261128;
	(void)state;
	struct expected *expected = calloc(AT_ONCE, sizeof(*expected));
	assert_int_equal(redis_server_start(&server), 0);
	redis_options_init(&options);
	options.url = server.url;
	assert_int_equal(redis_create(&redis, &options, error, sizeof(error)), 0);
	for (int round = 0; round < KEYS / AT_ONCE; ++round) {
		int left = AT_ONCE;
		bool done = false;
		for (int i = 0; i < AT_ONCE; ++i) {
			size_t length = random_key(key, &seed);
			const char *const argv[] = {"CLUSTER", "KEYSLOT", key};
			const size_t lengths[] = {7, 7, length};
			expected[i] = (struct expected){redis_slot_of(key, length), &left, &done};
			assert_int_equal(redis_command(redis, 3, argv, lengths, CLOCK_NEVER, compare, &expected[i]), 0);
		}
		assert_true(redis_server_run(redis, &done, WAIT_MS));
	}
	redis_destroy(redis);
	redis_server_stop(&server);
	free(expected);
}

static void redirections(void **state)
{
	static const struct {
		const char *text, *host, *port;
		uint16_t slot;
		bool ask;
	} taken[] = {
	    {"MOVED 3999 127.0.0.1:6381", "127.0.0.1", "6381", 3999, false},
	    {"ASK 16383 host.example:1", "host.example", "1", 16383, true},
	    {"MOVED 0 ::1:65535", "::1", "65535", 0, false},
	    {"MOVED 1 :6381", "", "6381", 1, false},
	};
	static const char *const refused[] = {
	    "",
	    "MOVED",
	    "MOVED ",
	    "ASK ",
	    "MOVED 16384 h:1",
	    "MOVED -1 h:1",
	    "MOVED x h:1",
	    "MOVED 1 h",
	    "MOVED 1 h:",
	    "MOVED 1 h:0",
	    "MOVED 1 h:65536",
	    "MOVED 1 h:1x",
	    "MOVED 1 ?:1",
	    "MOVED 1",
	    "MOVED 1 a b:1",
	    "moved 1 h:1",
	    "ERR",
	};
	struct redirect redirect;
	char text[400] = "MOVED 1 ";
	(void)state;
	for (size_t i = 0; i < sizeof(taken) / sizeof(taken[0]); ++i) {
		assert_int_equal(redis_redirect_parse(&redirect, taken[i].text, strlen(taken[i].text)), 0);
		assert_string_equal(redirect.to.host, taken[i].host);
		assert_string_equal(redirect.to.port, taken[i].port);
		assert_int_equal(redirect.slot, taken[i].slot);
		assert_int_equal(redirect.ask, taken[i].ask);
	}
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); ++i)
		assert_int_equal(redis_redirect_parse(&redirect, refused[i], strlen(refused[i])), -EINVAL);
	memset(text + 8, 'h', 256);
	strcpy(text + 264, ":1");
	assert_int_equal(redis_redirect_parse(&redirect, text, strlen(text)), -EINVAL);
}

/* Reads a map from the bytes of a reply. */
static int read_map(struct topology *map, const char *bytes)
{
	struct reply_reader *reader;
	const struct redis_reply *reply;
	assert_int_equal(redis_reply_reader_create(&reader, 1 << 20), 0);
	assert_int_equal(redis_reply_reader_feed(reader, bytes, strlen(bytes)), 0);
	assert_int_equal(redis_reply_reader_next(reader, false, &reply), 1);
	int result = redis_topology_read(map, reply, "asked");
	redis_reply_reader_destroy(reader);
	return result;
}

#define NODE(host, port, id) "*3\r\n" host ":" port "\r\n$2\r\n" id "\r\n"
#define HOST "$1\r\nh\r\n"

static void maps(void **state)
{
	struct topology *map = malloc(sizeof(*map));
	(void)state;
	assert_non_null(map);
	/* Two masters, a replica; a node without host is the one that was asked; metadata behind the id is passed over. */
	assert_int_equal(
	    read_map(map, "*3\r\n*4\r\n:0\r\n:99\r\n" NODE(HOST, "1", "aa")
	                      NODE(HOST, "2", "bb") "*3\r\n:100\r\n"
	                                            ":16383\r\n*4\r\n$-1\r\n:3\r\n$2\r\ncc\r\n*2\r\n$1\r\na\r\n$1\r\nb\r\n"
	                                            "*3\r\n:50\r\n:50\r\n" NODE("$0\r\n\r\n", "3", "cc")),
	    0);
	assert_int_equal(map->count, 3);
	assert_int_equal(map->covered, 16384);
	assert_int_equal(map->owner[0], 0);
	assert_int_equal(map->owner[50], 2);
	assert_int_equal(map->owner[99], 0);
	assert_int_equal(map->owner[16383], 2);
	assert_true(map->nodes[0].master && !map->nodes[1].master && map->nodes[2].master);
	assert_string_equal(map->nodes[1].address.host, "h");
	assert_string_equal(map->nodes[1].address.port, "2");
	assert_string_equal(map->nodes[2].address.host, "asked");
	assert_string_equal(map->nodes[2].id, "cc");
	/* An unknown host owns nothing; what nobody owns has no owner; none at all is a map too. */
	assert_int_equal(read_map(map, "*2\r\n*3\r\n:0\r\n:9\r\n" NODE("$1\r\n?\r\n", "1",
	                                                               "aa") "*3\r\n:10\r\n:19\r\n" NODE(HOST, "1", "bb")),
	                 0);
	assert_int_equal(map->covered, 10);
	assert_int_equal(map->owner[9], TOPOLOGY_NONE);
	assert_int_equal(map->owner[10], 0);
	assert_int_equal(map->owner[20], TOPOLOGY_NONE);
	assert_int_equal(read_map(map, "*0\r\n"), 0);
	assert_int_equal(map->covered, 0);
	static const char *const refused[] = {
	    "+OK\r\n",
	    "*1\r\n:1\r\n",
	    "*1\r\n*2\r\n:0\r\n:1\r\n",
	    "*1\r\n*3\r\n:0\r\n:16384\r\n" NODE(HOST, "1", "aa"),
	    "*1\r\n*3\r\n:-1\r\n:1\r\n" NODE(HOST, "1", "aa"),
	    "*1\r\n*3\r\n:2\r\n:1\r\n" NODE(HOST, "1", "aa"),
	    "*1\r\n*3\r\n:0\r\n+1\r\n" NODE(HOST, "1", "aa"),
	    "*1\r\n*3\r\n:0\r\n:1\r\n:1\r\n",
	    "*1\r\n*3\r\n:0\r\n:1\r\n*1\r\n$1\r\nh\r\n",
	    "*1\r\n*3\r\n:0\r\n:1\r\n*2\r\n:1\r\n:1\r\n",
	    "*1\r\n*3\r\n:0\r\n:1\r\n*2\r\n$1\r\nh\r\n$1\r\n1\r\n",
	};
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); ++i)
		assert_int_equal(read_map(map, refused[i]), -EPROTO);
	free(map);
}

/* Known at once: no name server is asked. */
static void literals(void **state)
{
	static const char *const hosts[] = {"127.0.0.1", "10.1.2.3", "::1", "2001:db8::7"};
	(void)state;
	for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); ++i) {
		struct sockaddr_storage address;
		struct resolver *resolver;
		socklen_t length;
		char host[64];
		assert_int_equal(redis_resolver_create(&resolver, hosts[i], "6379"), 0);
		assert_int_equal(redis_resolver_step(resolver, 0, &address, &length), 1);
		assert_int_equal(getnameinfo((struct sockaddr *)&address, length, host, sizeof(host), NULL, 0, NI_NUMERICHOST),
		                 0);
		assert_string_equal(host, hosts[i]);
		redis_resolver_destroy(resolver);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(slots), cmocka_unit_test(redirections), cmocka_unit_test(maps),
	                                   cmocka_unit_test(literals)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
