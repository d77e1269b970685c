/* The pure parts of calls: page tokens, base64url, token buckets, text, the place of a packed record. */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <callhistory/v1/call.pb-c.h>

#include "base/base64url.h"
#include "base/utf8.h"
#include "handlers/bucket.h"
#include "handlers/token.h"

static void test_base64url(void **state)
{
	(void)state;
	static const struct {
		const char *bytes, *text;
	} pairs[] = {{"", ""}, {"f", "Zg"}, {"fo", "Zm8"}, {"foo", "Zm9v"}, {"\xfb\xff", "-_8"}};
	char text[16];
	uint8_t bytes[16];
	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); ++i) {
		size_t length = strlen(pairs[i].bytes);
		assert_int_equal(base64url_encode(text, (const uint8_t *)pairs[i].bytes, length), strlen(pairs[i].text));
		assert_string_equal(text, pairs[i].text);
		assert_int_equal(strlen(text), BASE64URL_LENGTH(length));
		assert_int_equal(base64url_decode(bytes, sizeof(bytes), text, strlen(text)), length);
		assert_memory_equal(bytes, pairs[i].bytes, length);
	}
	static const char *const wrong[] = {"Z", "Zh", "Zm9", "Zg==", "Z g", "+/8", "Zm9vZ", "\xc3\xa9"};
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); ++i)
		assert_int_equal(base64url_decode(bytes, sizeof(bytes), wrong[i], strlen(wrong[i])), -EINVAL);
	assert_int_equal(base64url_decode(bytes, 2, "Zm9v", 4), -EINVAL);
}

static struct sha256_ctx scope_of(const char *text)
{
	struct sha256_ctx scope;
	sha256_init(&scope);
	sha256_update(&scope, strlen(text), (const uint8_t *)text);
	return scope;
}

static void test_page_token(void **state)
{
	const struct sha256_ctx scope = scope_of("scope"), other = scope_of("scopf"), empty = scope_of("");
	(void)state;
	struct store_position position, read;
	char token[PAGE_TOKEN_SIZE], id[STORE_ID_MAX];
	memset(id, 'x', sizeof(id));
	for (size_t length = 1; length <= sizeof(id); ++length) {
		store_position_init(&position, 253402300799999, id, length);
		size_t written = handlers_page_token_write(token, &position, &scope);
		assert_in_range(written, 1, PAGE_TOKEN_SIZE - 1);
		assert_int_equal(handlers_page_token_read(&read, token, written, &scope), 0);
		assert_int_equal(read.start_ms, position.start_ms);
		assert_memory_equal(read.digest, position.digest, sizeof(position.digest));
		assert_int_equal(handlers_page_token_read(&read, token, written, &other), -EINVAL);
		assert_int_equal(handlers_page_token_read(&read, token, written - 1, &scope), -EINVAL);
	}
	assert_int_equal(handlers_page_token_read(&read, "", 0, &scope), -EINVAL);
	store_position_init(&position, 253402300800000, "a", 1);
	size_t written = handlers_page_token_write(token, &position, &empty);
	assert_int_equal(handlers_page_token_read(&read, token, written, &empty), -EINVAL);
}

enum { SECOND = 1000000 };

static void test_bucket(void **state)
{
	(void)state;
	struct bucket_table *table = NULL;
	assert_int_equal(handlers_bucket_table_create(&table, 16), 0);
	int64_t now = 5;
	for (int i = 0; i < 1000; ++i)
		assert_int_equal(handlers_bucket_take(table, 1, 0, 0, now), 0);
	/* A second's worth at once, then one per tenth of a second. */
	for (int i = 0; i < 10; ++i)
		assert_int_equal(handlers_bucket_take(table, 1, 10, 0, now), 0);
	assert_int_equal(handlers_bucket_take(table, 1, 10, 0, now), 100);
	assert_int_equal(handlers_bucket_take(table, 1, 10, 0, now + 99999), 1);
	assert_int_equal(handlers_bucket_take(table, 1, 10, 0, now + 100000), 0);
	assert_true(handlers_bucket_take(table, 1, 10, 0, now + 100000) > 0);
	/* Another key has its own. */
	assert_int_equal(handlers_bucket_take(table, 2, 10, 0, now), 0);
	/* Never more than a second's worth, however long it rested; nor does a clock that goes back give any. */
	now += 3600 * (int64_t)SECOND;
	for (int i = 0; i < 10; ++i)
		assert_int_equal(handlers_bucket_take(table, 1, 10, 0, now), 0);
	assert_true(handlers_bucket_take(table, 1, 10, 0, now - SECOND) > 0);
	/* Asked again and again, time still earns. */
	for (int i = 1; i < 1000; ++i)
		if (!handlers_bucket_take(table, 1, 10, 0, now + i * 100))
			fail_msg("too early: %d", i);
	assert_int_equal(handlers_bucket_take(table, 1, 10, 0, now + 100000), 0);
	/* The highest rate there is, and the last moment there is. */
	assert_int_equal(handlers_bucket_take(table, 3, UINT32_MAX, 0, now), 0);
	assert_int_equal(handlers_bucket_take(table, 3, UINT32_MAX, 0, INT64_MAX), 0);
	handlers_bucket_table_destroy(table);
	handlers_bucket_table_destroy(NULL);
}

static void test_bucket_burst(void **state)
{
	(void)state;
	struct bucket_table *table = NULL;
	assert_int_equal(handlers_bucket_table_create(&table, 16), 0);
	/* One a second, but thirty at once; then one a second again. */
	for (int i = 0; i < 30; i++)
		assert_int_equal(handlers_bucket_take(table, 1, 1, 30, 5 * SECOND), 0);
	assert_int_equal(handlers_bucket_take(table, 1, 1, 30, 5 * SECOND), 1000);
	assert_int_equal(handlers_bucket_take(table, 1, 1, 30, 6 * SECOND), 0);
	assert_true(handlers_bucket_take(table, 1, 1, 30, 6 * SECOND) > 0);
	/* A burst below the rate spreads the rate's requests out. */
	assert_int_equal(handlers_bucket_take(table, 2, 10, 1, 5 * SECOND), 0);
	assert_int_equal(handlers_bucket_take(table, 2, 10, 1, 5 * SECOND), 100);
	/* The largest numbers there are. */
	assert_int_equal(handlers_bucket_take(table, 3, 1, UINT32_MAX, INT64_MAX), 0);
	assert_int_equal(handlers_bucket_take(table, 4, UINT32_MAX, UINT32_MAX, 0), 0);
	handlers_bucket_table_destroy(table);
}

static void test_bucket_crowds(void **state)
{
	(void)state;
	struct bucket_table *table = NULL;
	assert_int_equal(handlers_bucket_table_create(&table, 12), -EINVAL);
	assert_int_equal(handlers_bucket_table_create(&table, 4), -EINVAL);
	assert_null(table);
	assert_int_equal(handlers_bucket_table_create(&table, 8), 0);
	/* Many keys: the fullest gives way, the newest stays. */
	for (uint64_t key = 100; key < 200; ++key)
		assert_int_equal(handlers_bucket_take(table, key, 1, 0, 6 * SECOND + (int64_t)key), 0);
	assert_true(handlers_bucket_take(table, 199, 1, 0, 6 * SECOND + 300) > 0);
	handlers_bucket_table_destroy(table);
}

struct bucket_thread {
	pthread_t thread;
	struct bucket_table *table;
	int admitted;
};

static void *take_many(void *data)
{
	struct bucket_thread *self = data;
	for (int i = 0; i < 1000; ++i)
		self->admitted += !handlers_bucket_take(self->table, 7, 100, 0, SECOND);
	return NULL;
}

/* However many workers ask, together they get the rate and no more. */
static void test_bucket_is_shared(void **state)
{
	(void)state;
	struct bucket_thread threads[4] = {0};
	struct bucket_table *table = NULL;
	int admitted = 0;
	assert_int_equal(handlers_bucket_table_create(&table, 16), 0);
	for (size_t i = 0; i < 4; ++i) {
		threads[i].table = table;
		assert_int_equal(pthread_create(&threads[i].thread, NULL, take_many, &threads[i]), 0);
	}
	for (size_t i = 0; i < 4; ++i) {
		pthread_join(threads[i].thread, NULL);
		admitted += threads[i].admitted;
	}
	assert_int_equal(admitted, 100);
	handlers_bucket_table_destroy(table);
}

static void test_text(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		size_t bytes, characters;
		bool control;
	} good[] = {
	    {"", 0, 0, false},         {"abc", 3, 3, false},
	    {"Nguyễn", 8, 6, false},   {"\xf0\x9f\x98\x80", 4, 1, false},
	    {"a\tb", 3, 3, true},      {"\x7f", 1, 1, true},
	    {"\xc2\x80", 2, 1, true},  {"\xc2\x9f", 2, 1, true},
	    {"\xc2\xa0", 2, 1, false}, {"\xf4\x8f\xbf\xbf", 4, 1, false},
	};
	struct utf8_measure text;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); ++i) {
		assert_int_equal(utf8_measure(&text, good[i].text), 0);
		assert_int_equal(text.bytes, good[i].bytes);
		assert_int_equal(text.characters, good[i].characters);
		assert_int_equal(text.control, good[i].control);
	}
	static const char *const bad[] = {"\x80",
	                                  "\xff",
	                                  "\xc0\x80",
	                                  "\xc1\xbf",
	                                  "\xe0\x80\x80",
	                                  "\xed\xa0\x80",
	                                  "\xf0\x80\x80\x80",
	                                  "\xf4\x90\x80\x80",
	                                  "\xf5\x80\x80\x80",
	                                  "a\xc3",
	                                  "\xe1\xbb",
	                                  "\xf0\x9f\x98"};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); ++i)
		assert_int_equal(utf8_measure(&text, bad[i]), -EILSEQ);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_base64url),     cmocka_unit_test(test_page_token),
	    cmocka_unit_test(test_bucket),        cmocka_unit_test(test_bucket_burst),
	    cmocka_unit_test(test_bucket_crowds), cmocka_unit_test(test_bucket_is_shared),
	    cmocka_unit_test(test_text),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
