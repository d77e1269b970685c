/*
 * store_fixture: a store over a real Redis, whose operations wait for their
 * end, for tests that care about what is stored rather than when. Records are
 * small packed Calls: id, start and a text that a test chooses.
 */
#ifndef CALLHISTORY_TESTS_STORE_FIXTURE_H
#define CALLHISTORY_TESTS_STORE_FIXTURE_H

#include "redis_server.h"
#include "store/internal.h"
#include "store/store.h"

enum { STORE_FIXTURE_WAIT_MS = 60000 };

struct store_fixture {
	struct redis_server server;
	struct redis *redis;
	struct store *store;
	struct arena *arena; /* of the operation under way */
	bool done;
	int status;
	int64_t count;
	size_t records; /* of the last page */
	struct store_record *page;
	bool more; /* of the last page */
	struct store_position last;
	struct arena *page_arena; /* of the last page */
	enum store_outcome outcomes[20000];
	struct store_token token;
	size_t differences; /* that store_fixture_verify() found */
};

/* Connects a redis and a store. 0 or a negative errno. */
static inline int store_fixture_open(struct store_fixture *fixture)
{
	struct redis_options options;
	char error[128];
	redis_options_init(&options);
	options.url = fixture->server.url;
	int result = redis_create(&fixture->redis, &options, error, sizeof(error));
	if (!result)
		result = store_create(&fixture->store, fixture->redis);
	if (!result)
		result = arena_create(&fixture->arena, 1 << 16);
	if (!result)
		result = arena_create(&fixture->page_arena, 1 << 16);
	return result;
}

/* Starts a server with the further arguments in `extra` (up to a NULL) and opens a store on it. */
static inline int store_fixture_start(struct store_fixture *fixture, const char *const *extra)
{
	memset(fixture, 0, sizeof(*fixture));
	for (size_t i = 0; extra && extra[i] && i < REDIS_SERVER_ARGUMENTS - 1; ++i)
		fixture->server.extra[i] = extra[i];
	int result = redis_server_start(&fixture->server);
	return result ? result : store_fixture_open(fixture);
}

/* Undoes store_fixture_open(). */
static inline void store_fixture_close(struct store_fixture *fixture)
{
	redis_destroy(fixture->redis);
	store_destroy(fixture->store);
	arena_destroy(fixture->arena);
	arena_destroy(fixture->page_arena);
}

static inline void store_fixture_stop(struct store_fixture *fixture)
{
	store_fixture_close(fixture);
	redis_server_stop(&fixture->server);
}

static inline uint8_t *store_fixture_varint(uint8_t *out, uint64_t value)
{
	for (; value > 0x7f; value >>= 7)
		*out++ = (uint8_t)(value | 0x80);
	*out++ = (uint8_t)value;
	return out;
}

/* Writes a packed Call with this id, start and text to `out`, which must be long enough. Returns its length. */
static inline size_t store_fixture_pack(uint8_t *out, const char *id, int64_t ms, const char *text)
{
	uint8_t start[32], *end = start, *at = out;
	*end++ = 0x08;
	end = store_fixture_varint(end, (uint64_t)ms / 1000);
	if (ms % 1000) {
		*end++ = 0x10;
		end = store_fixture_varint(end, (uint64_t)ms % 1000 * 1000000);
	}
	*at++ = 0x0a;
	at = store_fixture_varint(at, strlen(id));
	at = mempcpy(at, id, strlen(id));
	*at++ = 0x12;
	at = store_fixture_varint(at, (uint64_t)(end - start));
	at = mempcpy(at, start, (size_t)(end - start));
	*at++ = 0x2a;
	at = store_fixture_varint(at, strlen(text));
	at = mempcpy(at, text, strlen(text));
	return (size_t)(at - out);
}

/* Waits for the operation that was started with `result`; returns its status. */
static inline int store_fixture_wait(struct store_fixture *fixture, int result)
{
	if (result)
		return result;
	if (!redis_server_run(fixture->redis, &fixture->done, STORE_FIXTURE_WAIT_MS))
		return -ETIME;
	return fixture->status;
}

static inline struct arena *store_fixture_begin(struct store_fixture *fixture)
{
	arena_reset(fixture->arena);
	fixture->done = false;
	return fixture->arena;
}

static inline void store_fixture_on_page(void *data, int status, const struct store_page *page)
{
	struct store_fixture *fixture = data;
	fixture->done = true;
	fixture->status = status;
	fixture->records = 0;
	arena_reset(fixture->page_arena);
	if (status)
		return;
	fixture->page = arena_alloc(fixture->page_arena, page->count * sizeof(*fixture->page));
	for (size_t i = 0; i < page->count; ++i)
		fixture->page[i] = (struct store_record){
		    (uint8_t *)arena_copy(fixture->page_arena, page->records[i].data, page->records[i].length),
		    page->records[i].length};
	fixture->records = page->count;
	fixture->more = page->more;
	fixture->last = page->last;
}

static inline void store_fixture_on_count(void *data, int status, int64_t count)
{
	struct store_fixture *fixture = data;
	fixture->done = true;
	fixture->status = status;
	fixture->count = count;
}

static inline void store_fixture_on_record(void *data, int status, const enum store_outcome *outcomes, size_t count)
{
	struct store_fixture *fixture = data;
	fixture->done = true;
	fixture->status = status;
	for (size_t i = 0; i < count && i < sizeof(fixture->outcomes) / sizeof(fixture->outcomes[0]); ++i)
		fixture->outcomes[i] = outcomes[i];
}

static inline int store_fixture_list(struct store_fixture *fixture, const struct store_range *range,
                                     const struct store_position *after, uint64_t offset, uint32_t limit)
{
	struct arena *arena = store_fixture_begin(fixture);
	return store_fixture_wait(fixture, store_list(fixture->store, range, after, offset, limit, arena, CLOCK_NEVER,
	                                              store_fixture_on_page, fixture));
}

static inline int store_fixture_count(struct store_fixture *fixture, const struct store_range *range)
{
	struct arena *arena = store_fixture_begin(fixture);
	return store_fixture_wait(fixture,
	                          store_count(fixture->store, range, arena, CLOCK_NEVER, store_fixture_on_count, fixture));
}

static inline void store_fixture_on_difference(void *data, const char *text)
{
	struct store_fixture *fixture = data;
	++fixture->differences;
	fprintf(stderr, "%s\n", text);
}

static inline void store_fixture_on_progress(void *data, uint64_t done, uint64_t total)
{
	(void)data;
	(void)done;
	(void)total;
}

static inline void store_fixture_on_verified(void *data, int status)
{
	struct store_fixture *fixture = data;
	fixture->status = status;
	fixture->done = true;
}

/* Compares, and with `repair` mends, what is stored of a tenant with this tag. */
static inline int store_fixture_verify(struct store_fixture *fixture, const char *tag, const char *vbot_id, bool repair)
{
	const struct store_verify verify = {
	    .tag = tag,
	    .project_code = "P",
	    .vbot_id = vbot_id,
	    .repair = repair,
	    .difference = store_fixture_on_difference,
	    .progress = store_fixture_on_progress,
	    .done = store_fixture_on_verified,
	    .data = fixture,
	};
	struct arena *arena = store_fixture_begin(fixture);
	fixture->differences = 0;
	return store_fixture_wait(fixture, store_verify(fixture->store, &verify, arena));
}

static inline int store_fixture_get(struct store_fixture *fixture, const char *tag, const char *id)
{
	struct arena *arena = store_fixture_begin(fixture);
	return store_fixture_wait(fixture,
	                          store_get(fixture->store, tag, id, arena, CLOCK_NEVER, store_fixture_on_page, fixture));
}

static inline int store_fixture_record(struct store_fixture *fixture, const char *tag, const struct store_call *calls,
                                       size_t count)
{
	struct arena *arena = store_fixture_begin(fixture);
	return store_fixture_wait(
	    fixture, store_record(fixture->store, tag, calls, count, arena, CLOCK_NEVER, store_fixture_on_record, fixture));
}

#endif
