/* store's tokens on a real Redis: added, found, cached, listed, revoked; and the cache by itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "store/token_cache.h"
#include "store/token_code.h"
#include "support/store_fixture.h"

static struct store_fixture fixture;

/* What the last callback heard; strings are copies. */
static struct {
	int times, status;
	bool done, unknown, revoked;
	char id[32], tags[4][STORE_TAG_MAX + 1], project[4][65];
	size_t tenants, listed;
	int64_t expire_ms;
	uint32_t rate, burst;
	enum store_role role;
} heard;

static void hear(void *data, int status, const struct store_token *token)
{
	(void)data;
	++heard.times;
	heard.status = status;
	heard.done = true;
	heard.unknown = !token;
	if (!token)
		return;
	snprintf(heard.id, sizeof(heard.id), "%s", token->id);
	heard.tenants = token->tenant_count;
	for (size_t i = 0; i < token->tenant_count && i < 4; ++i) {
		snprintf(heard.tags[i], sizeof(heard.tags[i]), "%s", token->tenants[i].tag);
		snprintf(heard.project[i], sizeof(heard.project[i]), "%s", token->tenants[i].project_code);
	}
	heard.revoked = token->revoked;
	heard.expire_ms = token->expire_ms;
	heard.rate = token->rate;
	heard.burst = token->burst;
	heard.role = token->role;
}

static void hear_each(void *data, const struct store_token *token)
{
	(void)data;
	assert_int_equal(strlen(token->id), 12);
	++heard.listed;
}

static int wait_for(int result)
{
	if (result)
		return result;
	assert_true(redis_server_run(fixture.redis, &heard.done, STORE_FIXTURE_WAIT_MS));
	assert_int_equal(heard.times, 1);
	return heard.status;
}

static struct arena *begin(void)
{
	memset(&heard, 0, sizeof(heard));
	return store_fixture_begin(&fixture);
}

static int add(const char *text, const struct store_tenant *tenants, size_t count, enum store_role role)
{
	uint8_t digest[32];
	const struct store_token token = {
	    .role = role, .tenants = tenants, .tenant_count = count, .create_ms = 1, .expire_ms = 2, .rate = 3, .burst = 4};
	struct arena *arena = begin();
	store_token_digest(digest, text, strlen(text));
	return wait_for(store_token_add(fixture.store, digest, &token, arena, CLOCK_NEVER, hear, NULL));
}

/* The cache's answer. It may have run out on a slow machine, so Redis is asked again then; caching never is only luck. */
static const struct store_token *cached(const uint8_t digest[32])
{
	const struct store_token *token = NULL;
	for (int i = 0; i < 50; ++i) {
		begin();
		int result = store_token_find(fixture.store, digest, CLOCK_NEVER, &token, hear, NULL);
		if (result == 1)
			return token;
		assert_int_equal(wait_for(result), 0);
	}
	fail_msg("the token is never cached");
	return NULL;
}

static void added_and_found(void **state)
{
	static const struct store_tenant tenants[] = {{"p1", "v1", NULL}, {"p2", "v1", NULL}, {"p1", "v2", NULL}};
	uint8_t digest[32];
	const struct store_token *token;
	char tag[STORE_TAG_MAX + 1];
	(void)state;
	store_token_digest(digest, "first", 5);
	begin();
	assert_int_equal(wait_for(store_token_find(fixture.store, digest, CLOCK_NEVER, &token, hear, NULL)), 0);
	assert_true(heard.unknown);
	/* Unknown ones are cached too; adding the token here ends that. */
	assert_null(cached(digest));
	assert_int_equal(add("first", tenants, 2, STORE_ROLE_WRITER), 0);
	assert_int_equal(strlen(heard.id), 12);
	assert_string_equal(heard.project[1], "p2");
	assert_string_not_equal(heard.tags[0], heard.tags[1]);
	snprintf(tag, sizeof(tag), "%s", heard.tags[0]);
	begin();
	assert_int_equal(wait_for(store_token_find(fixture.store, digest, CLOCK_NEVER, &token, hear, NULL)), 0);
	assert_string_equal(heard.tags[0], tag);
	assert_int_equal(heard.role, STORE_ROLE_WRITER);
	assert_int_equal(heard.expire_ms, 2);
	assert_int_equal(heard.rate, 3);
	assert_int_equal(heard.burst, 4);
	assert_string_equal(cached(digest)->tenants[0].vbot_id, "v1");
	assert_int_equal(add("first", tenants, 1, STORE_ROLE_READER), -EEXIST);
	/* The same tenant has the same tag in every token. */
	assert_int_equal(add("second", tenants, 3, STORE_ROLE_READER), 0);
	assert_string_equal(heard.tags[0], tag);
	assert_string_not_equal(heard.tags[2], tag);
	assert_int_equal(add("none", tenants, 0, STORE_ROLE_READER), -EINVAL);
	assert_int_equal(add("role", tenants, 1, (enum store_role)4), -EINVAL);
	assert_int_equal(add("role", tenants, 1, (enum store_role)0), -EINVAL);
}

/* A reply that is older than the cache's lifetime is not cached, however late it is read: the token may be revoked. */
static void a_late_reply_is_not_cached(void **state)
{
	static const struct store_tenant tenant = {"p", "v", NULL};
	const struct store_token *token;
	uint8_t digest[32];
	(void)state;
	assert_int_equal(add("late", &tenant, 1, STORE_ROLE_READER), 0);
	store_token_digest(digest, "late", 4);
	begin();
	assert_int_equal(store_token_find(fixture.store, digest, CLOCK_NEVER, &token, hear, NULL), 0);
	usleep(STORE_TOKEN_CACHE_US);
	assert_int_equal(wait_for(0), 0);
	begin();
	assert_int_equal(wait_for(store_token_find(fixture.store, digest, CLOCK_NEVER, &token, hear, NULL)), 0);
	assert_false(heard.unknown);
}

static void shared_lookup(void **state)
{
	uint8_t digest[32];
	const struct store_token *token;
	struct redis_stats before, after;
	(void)state;
	store_token_digest(digest, "shared", 6);
	begin();
	redis_get_stats(fixture.redis, &before);
	for (int i = 0; i < 5; ++i)
		assert_int_equal(store_token_find(fixture.store, digest, CLOCK_NEVER, &token, hear, NULL), 0);
	redis_get_stats(fixture.redis, &after);
	assert_int_equal(after.commands - before.commands, 1);
	assert_true(redis_server_run(fixture.redis, &heard.done, STORE_FIXTURE_WAIT_MS));
	assert_int_equal(heard.times, 5);
}

static void listed_and_revoked(void **state)
{
	static const struct store_tenant tenant = {"p9", "v9", NULL};
	uint8_t digest[32];
	const struct store_token *token;
	char id[32];
	(void)state;
	assert_int_equal(add("third", &tenant, 1, STORE_ROLE_READER), 0);
	snprintf(id, sizeof(id), "%s", heard.id);
	struct arena *arena = begin();
	assert_int_equal(wait_for(store_token_list(fixture.store, arena, CLOCK_NEVER, hear_each, hear, NULL)), 0);
	assert_int_equal(heard.listed, 3);
	arena = begin();
	assert_int_equal(wait_for(store_token_revoke(fixture.store, NULL, id, arena, CLOCK_NEVER, hear, NULL)), 0);
	assert_true(heard.revoked);
	assert_string_equal(heard.id, id);
	store_token_digest(digest, "third", 5);
	begin();
	assert_int_equal(wait_for(store_token_find(fixture.store, digest, CLOCK_NEVER, &token, hear, NULL)), 0);
	assert_true(heard.revoked);
	arena = begin();
	store_token_digest(digest, "second", 6);
	assert_int_equal(wait_for(store_token_revoke(fixture.store, digest, NULL, arena, CLOCK_NEVER, hear, NULL)), 0);
	assert_true(heard.revoked);
	arena = begin();
	store_token_digest(digest, "missing", 7);
	assert_int_equal(wait_for(store_token_revoke(fixture.store, digest, NULL, arena, CLOCK_NEVER, hear, NULL)),
	                 -ENOENT);
	arena = begin();
	assert_int_equal(wait_for(store_token_revoke(fixture.store, NULL, "000000000000", arena, CLOCK_NEVER, hear, NULL)),
	                 -ENOENT);
	arena = begin();
	assert_int_equal(store_token_revoke(fixture.store, NULL, "short", arena, CLOCK_NEVER, hear, NULL), -ENOENT);
	assert_int_equal(store_token_revoke(fixture.store, NULL, NULL, arena, CLOCK_NEVER, hear, NULL), -EINVAL);
}

static void on_reply(void *data, int status, const struct redis_reply *reply)
{
	*(bool *)data = status == 0 && reply->type != REDIS_ERROR;
}

static void damaged_token(void **state)
{
	uint8_t digest[32];
	const struct store_token *token;
	bool done = false;
	(void)state;
	store_token_digest(digest, "damaged", 7);
	const char *const argv[] = {"HSET", "callhistory:tokens", (const char *)digest, "\xff\xff"};
	const size_t lengths[] = {4, 18, 32, 2};
	assert_int_equal(redis_command(fixture.redis, 4, argv, lengths, CLOCK_NEVER, on_reply, &done), 0);
	assert_true(redis_server_run(fixture.redis, &done, STORE_FIXTURE_WAIT_MS));
	begin();
	assert_int_equal(wait_for(store_token_find(fixture.store, digest, CLOCK_NEVER, &token, hear, NULL)), -EBADMSG);
}

static void cache_by_itself(void **state)
{
	static const struct store_tenant tenant = {"p", "v", "1"};
	const struct store_token given = {
	    .id = "0123456789ab", .role = STORE_ROLE_READER, .tenants = &tenant, .tenant_count = 1};
	const struct store_token *token;
	struct token_cache *cache;
	uint8_t digest[32] = {0};
	(void)state;
	assert_int_equal(store_token_cache_create(&cache), 0);
	assert_false(store_token_cache_find(cache, digest, 10, &token));
	store_token_cache_put(cache, digest, NULL, 10);
	assert_true(store_token_cache_find(cache, digest, 10, &token));
	assert_null(token);
	store_token_cache_put(cache, digest, &given, 20);
	assert_true(store_token_cache_find(cache, digest, 20 + STORE_TOKEN_CACHE_US - 1, &token));
	assert_string_equal(token->tenants[0].project_code, "p");
	assert_false(store_token_cache_find(cache, digest, 20 + STORE_TOKEN_CACHE_US, &token));
	store_token_cache_drop(cache, digest);
	assert_false(store_token_cache_find(cache, digest, 20, &token));
	/* A flood of unknown digests pushes out neither tokens nor memory. */
	store_token_cache_put(cache, digest, &given, 30);
	for (uint32_t i = 1; i < 100000; ++i) {
		uint8_t other[32] = {0};
		store_token_digest(other, (const char *)&i, sizeof(i));
		store_token_cache_put(cache, other, NULL, 30);
		assert_true(store_token_cache_find(cache, other, 30, &token));
	}
	assert_true(store_token_cache_find(cache, digest, 31, &token));
	assert_non_null(token);
	/* More tokens than there is room for: the newest is always there. */
	for (uint32_t i = 0; i < 20000; ++i) {
		uint8_t other[32];
		store_token_digest(other, (const char *)&i, sizeof(i));
		store_token_cache_put(cache, other, &given, 40);
		assert_true(store_token_cache_find(cache, other, 40, &token));
		assert_non_null(token);
	}
	store_token_cache_destroy(cache);
	store_token_cache_destroy(NULL);
}

static void on_done(void *data, int status, const struct redis_reply *reply)
{
	*(bool *)data = status == 0 && reply->type != REDIS_ERROR;
}

static void redis_do(int argc, const char *const *argv)
{
	bool done = false;
	assert_int_equal(redis_command(fixture.redis, argc, argv, NULL, CLOCK_NEVER, on_done, &done), 0);
	assert_true(redis_server_run(fixture.redis, &done, STORE_FIXTURE_WAIT_MS));
}

/* The client sends a command again when the connection broke before its reply: the second time is no other token. */
static void adding_twice_is_adding_once(void **state)
{
	static const struct store_tenant tenants[] = {{"twice", "v", NULL}};
	(void)state;
	assert_int_equal(add("twice", tenants, 1, STORE_ROLE_WRITER), 0);
	assert_int_equal(add("twice", tenants, 1, STORE_ROLE_WRITER), 0);
	assert_int_equal(add("twice", tenants, 1, STORE_ROLE_READER), -EEXIST);
}

static unsigned draws;

/* Draws the same bytes twice before others. */
static int repeating_random(void *out, size_t length)
{
	memset(out, (int)(draws++ / 2), length);
	return 0;
}

/* Tags are never given out twice, not even when the list of tenants is lost. */
static void tags_without_the_list(void **state)
{
	static const struct store_tenant first[] = {{"lost", "1", NULL}}, second[] = {{"lost", "2", NULL}},
	                                 third[] = {{"lost", "3", NULL}};
	static const char *const del_list[] = {"DEL", "callhistory:tenants"},
	                         *const del_both[] = {"DEL", "callhistory:tenants", "callhistory:tokens"},
	                         *const leftover[] = {"ZADD", "{22222222}t", "1", "x"};
	char tag[STORE_TAG_MAX + 1];
	int (*random)(void *, size_t) = fixture.store->random;
	(void)state;
	fixture.store->random = repeating_random;
	assert_int_equal(add("l1", first, 1, STORE_ROLE_WRITER), 0);
	assert_string_equal(heard.tags[0], "00000000");
	snprintf(tag, sizeof(tag), "%s", heard.tags[0]);
	/* The second draw repeats the first: the tag has keys, so that the next one is taken. */
	assert_int_equal(add("l2", second, 1, STORE_ROLE_WRITER), 0);
	assert_string_equal(heard.tags[0], "11111111");
	/* A tenant that has a token keeps its tag. */
	redis_do(2, del_list);
	assert_int_equal(add("l3", first, 1, STORE_ROLE_WRITER), 0);
	assert_string_equal(heard.tags[0], tag);
	/* With the tokens lost as well, the old tags are not given to anybody; nor is one that has only data. */
	redis_do(4, leftover);
	redis_do(3, del_both);
	draws = 0;
	assert_int_equal(add("l4", third, 1, STORE_ROLE_WRITER), 0);
	assert_string_equal(heard.tags[0], "33333333");
	fixture.store->random = random;
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
	    cmocka_unit_test(added_and_found),
	    cmocka_unit_test(shared_lookup),
	    cmocka_unit_test(listed_and_revoked),
	    cmocka_unit_test(damaged_token),
	    cmocka_unit_test(cache_by_itself),
	    cmocka_unit_test(a_late_reply_is_not_cached),
	    cmocka_unit_test(adding_twice_is_adding_once),
	    cmocka_unit_test(tags_without_the_list),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
