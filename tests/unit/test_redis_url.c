/* redis/url: what is taken, what is refused with a sentence, and that no sentence quotes the password. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "redis/url.h"

struct taken {
	const char *text, *path, *host, *port, *user, *password;
	unsigned db;
};

static void check_text(const char *text, const char *expected)
{
	if (expected)
		assert_string_equal(text, expected);
	else
		assert_null(text);
}

static void taken_urls(void **state)
{
	static const struct taken table[] = {
	    {"redis://h", NULL, "h", "6379", NULL, NULL, 0},
	    {"redis://h:1", NULL, "h", "1", NULL, NULL, 0},
	    {"redis://h:65535/15", NULL, "h", "65535", NULL, NULL, 15},
	    {"redis://h/", NULL, "h", "6379", NULL, NULL, 0},
	    {"redis://:secret@h", NULL, "h", "6379", NULL, "secret", 0},
	    {"redis://u:p%40%2f%3A@h:7/2", NULL, "h", "7", "u", "p@/:", 2},
	    {"redis://u:p@q@h", NULL, "h", "6379", "u", "p@q", 0},
	    {"redis://u:@h", NULL, "h", "6379", "u", "", 0},
	    {"redis://[::1]:7/3", NULL, "::1", "7", NULL, NULL, 3},
	    {"redis://[fe80::1]", NULL, "fe80::1", "6379", NULL, NULL, 0},
	    {"redis://u%40@h", NULL, "h", "6379", "u@", NULL, 0},
	    {"rediss://u:p@h:7/2", NULL, "h", "7", "u", "p", 2},
	    {"unix:///run/redis.sock", "/run/redis.sock", NULL, NULL, NULL, NULL, 0},
	    {"unix:///run/redis.sock?db=65535", "/run/redis.sock", NULL, NULL, NULL, NULL, 65535},
	    {"unix://u:p@/run/redis.sock?db=1", "/run/redis.sock", NULL, NULL, "u", "p", 1},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); ++i) {
		struct redis_url url;
		char error[128];
		assert_int_equal(redis_url_parse(&url, table[i].text, error, sizeof(error)), 0);
		check_text(url.path, table[i].path);
		check_text(url.endpoint_count ? url.endpoints[0].host : NULL, table[i].host);
		check_text(url.endpoint_count ? url.endpoints[0].port : NULL, table[i].port);
		assert_int_equal(url.mode, REDIS_SINGLE);
		assert_int_equal(url.tls, !strncmp(table[i].text, "rediss", 6));
		check_text(url.user, table[i].user);
		check_text(url.password, table[i].password);
		assert_int_equal(url.db, table[i].db);
		redis_url_free(&url);
		assert_null(url.block);
	}
}

static void clusters_and_sentinels(void **state)
{
	struct redis_url url;
	char error[128];
	(void)state;
	assert_int_equal(redis_url_parse(&url, "rediss+cluster://u:p@a:1,b,[::1]:3/", error, sizeof(error)), 0);
	assert_int_equal(url.mode, REDIS_CLUSTER);
	assert_true(url.tls);
	assert_int_equal(url.endpoint_count, 3);
	assert_string_equal(url.endpoints[1].host, "b");
	assert_string_equal(url.endpoints[1].port, "6379");
	assert_string_equal(url.endpoints[2].host, "::1");
	assert_string_equal(url.endpoints[2].port, "3");
	assert_string_equal(url.user, "u");
	redis_url_free(&url);
	const char *text = "redis+sentinel://u:p@a,b:2/the-master/4?sentinel_user=s%40&sentinel_password=/?";
	assert_int_equal(redis_url_parse(&url, text, error, sizeof(error)), 0);
	assert_int_equal(url.mode, REDIS_SENTINEL);
	assert_false(url.tls);
	assert_int_equal(url.endpoint_count, 2);
	assert_string_equal(url.endpoints[0].port, "26379");
	assert_string_equal(url.master, "the-master");
	assert_int_equal(url.db, 4);
	assert_string_equal(url.sentinel_user, "s@");
	assert_string_equal(url.sentinel_password, "/?");
	assert_string_equal(url.password, "p");
	redis_url_free(&url);
	char many[200] = "redis+cluster://a";
	for (int i = 0; i < REDIS_ENDPOINTS_MAX; ++i)
		strcat(many, ",b");
	assert_int_equal(redis_url_parse(&url, many, error, sizeof(error)), -EINVAL);
}

static void refused_urls(void **state)
{
	static const char *const table[] = {
	    "",
	    "redis:",
	    "redis://",
	    "redis:///0",
	    "redis://:6379",
	    "redis://h:",
	    "redis://h:0",
	    "redis://h:65536",
	    "redis://h:6379x",
	    "redis://h/65536",
	    "redis://h/-1",
	    "redis://h/0/1",
	    "redis://@h",
	    "redis://u:secret%@h",
	    "redis://u:secret%0@h",
	    "redis://u:secret%00@h",
	    "redis://u:secret@",
	    "redis://[::1",
	    "redis://[::1]x",
	    "redis://h h",
	    "redis://h\n",
	    "redis+cluster://",
	    "redis+cluster://h,",
	    "redis+cluster://h,:1",
	    "redis+cluster://h/1",
	    "rediss+sentinel://h:1",
	    "redis+sentinel://h/",
	    "redis+sentinel://h/name?user=x",
	    "redis+sentinel://h/name?sentinel_user=x",
	    "redis+sentinel://h/name?sentinel_user=x&sentinel_password=secret%",
	    "redis+sentinel://h/name/x",
	    "redis+other://h",
	    "redis://h,i",
	    "rediss:/h",
	    "http://h",
	    "unix://",
	    "unix:///",
	    "unix://relative",
	    "unix://host/path",
	    "unix://u:secret@host/path",
	    "unix:///path?",
	    "unix:///path?db=",
	    "unix:///path?db=x",
	    "unix:///path?x=1",
	    "unix:///"
	    "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678",
	};
	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); ++i) {
		struct redis_url url = {.db = 77};
		char error[128] = "";
		assert_int_equal(redis_url_parse(&url, table[i], error, sizeof(error)), -EINVAL);
		assert_int_equal(url.db, 77);
		assert_true(strlen(error) > 10);
		assert_null(strstr(error, "secret"));
	}
	char long_url[5000];
	memset(long_url, 'h', sizeof(long_url));
	memcpy(long_url, "redis://", 8);
	long_url[sizeof(long_url) - 1] = '\0';
	struct redis_url url;
	char error[8];
	assert_int_equal(redis_url_parse(&url, long_url, error, sizeof(error)), -EINVAL);
	assert_string_equal(error, "Redis U");
}

static void shown_urls(void **state)
{
	(void)state;
	static const char *const table[][2] = {
	    {"redis://h:1/2", "redis://h:1/2"},
	    {"rediss://u:p%40@h:1", "rediss://h:1"},
	    {"redis+sentinel://u:p@a,b/m/1?sentinel_user=s&sentinel_password=q", "redis+sentinel://a,b/m/1"},
	    {"unix://u:p@/run/redis.sock?db=1", "unix:///run/redis.sock"},
	};
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); ++i) {
		char shown[64];
		redis_redact_url(shown, sizeof(shown), table[i][0]);
		assert_string_equal(shown, table[i][1]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(shown_urls), cmocka_unit_test(taken_urls),
	                                   cmocka_unit_test(clusters_and_sentinels), cmocka_unit_test(refused_urls)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
