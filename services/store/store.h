/*
 * store: calls and tokens as keys and members of Redis. Knows no gRPC and no
 * number formats: numbers are canonical text here, made by the caller.
 *
 * What is where (the layout is told in full in store/layout.md):
 *   a call lives once, as member of the sorted set of its home number, the
 *   outside party (score: start time in ms); its other numbers, the tenant's
 *   time line and the id index hold references of a few bytes.
 *
 * Order everywhere: start time, newest first; calls of one millisecond by a
 * 4-byte digest of their id, descending. Two that share even that stand in an
 * order that each index keeps.
 *
 * Callbacks fire exactly once, from redis_run() or redis_destroy(), never from inside the
 * function that was called. Not thread-safe: one store per worker.
 */
#ifndef CALLHISTORY_STORE_STORE_H
#define CALLHISTORY_STORE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "redis/redis.h"

struct store;

/* Makes a store over a connection, which must outlive it. 0 or -ENOMEM. */
int store_create(struct store **out, struct redis *redis);
void store_destroy(struct store *store);

/* Short tag that names a tenant in keys; given out once per tenant by store_token_add(). */
#define STORE_TAG_MAX 15

/* ---- Reading ---------------------------------------------------------------------------------------------------- */

enum { STORE_NUMBER_MAX = 512, STORE_ID_MAX = 256 };

/* The place of a call in the order: what a page token holds. */
struct store_position {
	int64_t start_ms;
	uint8_t digest[4]; /* first bytes of SHA-256 of the id */
	size_t id_length;
	char id[STORE_ID_MAX];
};

/* Fills in digest and id. */
void store_position_init(struct store_position *position, int64_t start_ms, const char *id, size_t id_length);

struct store_range {
	const char *tag;        /* tenant */
	const char *number;     /* canonical number; NULL: all calls of the tenant */
	int64_t from_ms, to_ms; /* half-open [from_ms, to_ms); INT64_MIN and INT64_MAX: open */
};

/* One stored call: a packed callhistory.v1.Call, valid during the callback only. */
struct store_record {
	const uint8_t *data;
	size_t length;
};

struct store_page {
	const struct store_record *records;
	size_t count;
};

/*
 * status: 0; -ETIMEDOUT, -EBUSY, -ECANCELED, -ENOMEM; -EREMOTEIO: Redis refuses (redis_last_refusal() says why); -E2BIG: more
 * than one reply may hold; -EBADMSG: what is stored can't be understood. page is NULL on failure.
 */
typedef void store_page_callback(void *data, int status, const struct store_page *page);

/*
 * Reads `limit` calls of a range: from `offset` on, or, where `after` is not NULL, those strictly after that place (offset must
 * be 0 then). `arena` holds what the read needs until the callback. One round trip for a home number; two where references are followed.
 */
int store_list(struct store *store, const struct store_range *range, const struct store_position *after,
               uint64_t offset, uint32_t limit, struct arena *arena, int64_t deadline_us, store_page_callback *callback,
               void *data);

typedef void store_count_callback(void *data, int status, int64_t count);
int store_count(struct store *store, const struct store_range *range, struct arena *arena, int64_t deadline_us,
                store_count_callback *callback, void *data);

/* Reads one call by id; page->count is 0 or 1. */
int store_get(struct store *store, const char *tag, const char *id, struct arena *arena, int64_t deadline_us,
              store_page_callback *callback, void *data);

/* ---- Writing ---------------------------------------------------------------------------------------------------- */

/* One call to record. All pointers must stay valid until the callback. */
struct store_call {
	const char *id;        /* 1 to STORE_ID_MAX bytes */
	int64_t start_ms;      /* 0 to 253402300799999 */
	const uint8_t *record; /* packed Call whose first field is this id */
	size_t record_length;
	const char *home;          /* canonical home number: the outside party; "" where there is none */
	const char *const *others; /* further canonical numbers, no duplicates, home not among them */
	size_t other_count;
};

enum store_outcome { STORE_RECORDED = 1, STORE_REPLACED = 2, STORE_UNCHANGED = 3 };

/* status as in store_page_callback; on 0 outcomes[i] tells what became of calls[i]. On failure some may have been recorded: repeat. */
typedef void store_record_callback(void *data, int status, const enum store_outcome *outcomes, size_t count);

/*
 * Records calls, each in one atomic step, repeatable: the same call again is UNCHANGED, the same id with other content replaces
 * the record and its index entries. Sends scripts of about 100 calls; recordings of more take turns, so that two scripts of
 * theirs are under way at most. One that waits may learn that its deadline passed only when those before it end.
 */
int store_record(struct store *store, const char *tag, const struct store_call *calls, size_t count,
                 struct arena *arena, int64_t deadline_us, store_record_callback *callback, void *data);

/* ---- Tokens ----------------------------------------------------------------------------------------------------- */

enum store_role { STORE_ROLE_READER = 1, STORE_ROLE_WRITER = 2 };

struct store_tenant {
	const char *project_code, *vbot_id;
	const char *tag;
};

/* What a token opens. */
struct store_token {
	const char *id;       /* 12 hex digits of the digest: names the token where it can be seen */
	enum store_role role; /* a writer may read too */
	const struct store_tenant *tenants;
	size_t tenant_count;
	int64_t create_ms; /* Unix time */
	int64_t expire_ms; /* Unix time; 0: never */
	uint32_t rate;     /* requests a second; 0: unlimited */
	uint32_t burst;    /* requests that may come at once; 0: a second's worth of the rate */
	bool revoked;
};

/* SHA-256 of the token's text. */
void store_token_digest(uint8_t out[32], const char *token, size_t length);

/*
 * Looks a token up by digest. Found ones are kept in the store's cache for STORE_TOKEN_CACHE_US, unknown ones too, at most
 * STORE_TOKEN_CACHE_SIZE of each: so a revocation counts within a second, and reads stay at one round trip.
 * Returns 1 when the cache has the answer: *token is the token or NULL when unknown, valid until the next call of the store.
 * Returns 0 when Redis is asked: the callback gives it (valid during the callback). Negative on failure.
 * Expired and revoked tokens are returned too: the caller judges.
 */
#define STORE_TOKEN_CACHE_US INT64_C(1000000)
#define STORE_TOKEN_CACHE_SIZE 4096
typedef void store_token_callback(void *data, int status, const struct store_token *token);
int store_token_find(struct store *store, const uint8_t digest[32], int64_t deadline_us,
                     const struct store_token **token, store_token_callback *callback, void *data);

/* Answers that the token cache gave, and those that Redis was asked for. */
struct store_token_stats {
	uint64_t hits, misses;
};
void store_get_token_stats(const struct store *store, struct store_token_stats *out);

/*
 * Adds a token; tenants' tags are given out here (tag and id of the argument are not read). The callback's token has id and tags.
 * -EEXIST when the digest is there already.
 */
int store_token_add(struct store *store, const uint8_t digest[32], const struct store_token *token, struct arena *arena,
                    int64_t deadline_us, store_token_callback *callback, void *data);

/* Calls `each` once per token, in no order, then `callback` with token NULL and the status. */
int store_token_list(struct store *store, struct arena *arena, int64_t deadline_us,
                     void (*each)(void *data, const struct store_token *token), store_token_callback *callback,
                     void *data);

/* Marks a token as revoked, by digest or, where digest is NULL, by id. -ENOENT when there is none. The callback's token is it. */
int store_token_revoke(struct store *store, const uint8_t *digest, const char *id, struct arena *arena,
                       int64_t deadline_us, store_token_callback *callback, void *data);

#endif
