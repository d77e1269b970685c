/*
 * store: calls and tokens as keys and members of Redis. Knows neither gRPC nor number formats: numbers are canonical
 * text here, made by the caller.
 *
 * Where things are (store/layout.md describes the layout): a call is stored once, in the sorted set of its home number,
 * the external party; its other numbers, the tenant's time line and the id index hold references.
 *
 * Order everywhere: start time, newest first; calls of one millisecond by the first 8 bytes of the SHA-256 of their
 * ids, descending. A digest here is the complement of these bytes, which ascends in the order of pages. Two ids of a
 * tenant never share it: the second one is refused.
 *
 * Callbacks fire exactly once, from redis_run() or redis_destroy(), never from inside the function that was called;
 * those of recordings that wait for one which is cancelled may fire from store_record_cancel(), if they cannot be sent.
 * Not thread-safe: one store per worker.
 */
#pragma once

#include "base/arena.h"
#include "redis/redis.h"

struct store;

/* Makes a store over a connection. 0 or -ENOMEM. */
int store_create(struct store **out, struct redis *redis);

/* Takes NULL. To be called after redis_destroy(), which ends what is pending. */
void store_destroy(struct store *store);

/* A tenant's tag names it in keys: random letters and digits, given out once by store_token_add(). */
#define STORE_TAG_MAX 15

/* Latest start of a call: the last millisecond of the year 9999. */
#define STORE_MS_MAX INT64_C(253402300799999)

enum { STORE_CONDITION_LENGTH = 40, STORE_NUMBER_MAX = 512, STORE_ID_MAX = 256, STORE_DIGEST_SIZE = 8 };

/*
 * Statuses of callbacks beside 0:
 *   -ETIMEDOUT    the deadline passed: nothing was written, or it is not known whether it was
 *   -ECANCELED    redis_destroy() was called
 *   -EBUSY        too many commands are pending
 *   -ENOMEM
 *   -E2BIG        a reply was larger than any that the store asks for
 *   -EAGAIN       Redis cannot for now: a cluster that is changing, a server that is loading or has no master
 *   -EREMOTEIO    Redis refuses writes or is busy: a replica, a disk error, too few replicas, a script that runs long
 *   -ENOLINK      a write was executed, but not confirmed as --redis-ack demands; repeating it is safe
 *   -ENOSPC       Redis is out of memory
 *   -EACCES       the Redis user lacks a permission
 *   -ENOSYS       Redis does not know a command, or it is disabled
 *   -EMEDIUMTYPE  a key has a type that the store does not use for it
 *   -EBADMSG      a reply or a record cannot be understood
 *   -EPROTO       a script failed
 */

/* A sentence for a log or an operator, without keys, numbers or secrets: what happened and what to do. Static. */
const char *store_status_text(int status);

/* The sentence for the last reply of Redis that was an error; "" when there was none. Static. */
const char *store_last_refusal(const struct store *store);

/* ---- Reading ---------------------------------------------------------------------------------------------------- */

/* The position of a call in the order: what a page token contains. */
struct store_position {
	int64_t start_ms;
	uint8_t digest[STORE_DIGEST_SIZE];
};

/* Fills in the digest of an id. */
void store_position_init(struct store_position *position, int64_t start_ms, const char *id, size_t id_length);

/* Reads the position of a stored call. 0 or -EBADMSG. */
struct store_record;
int store_record_position(const struct store_record *record, struct store_position *position);

struct store_range {
	const char *tag;        /* tenant */
	const char *number;     /* canonical number; NULL: all calls of the tenant */
	int64_t from_ms, to_ms; /* half-open [from_ms, to_ms); INT64_MIN and INT64_MAX: open */
	const char *group;      /* group id; NULL: any. Then the number is NULL, and the range can be listed only */
};

/* One stored call: a packed callhistory.v1.Call, valid during the callback only. */
struct store_record {
	const uint8_t *data;
	size_t length;
};

struct store_page {
	const struct store_record *records;
	size_t count;
	bool more;                  /* the range has further calls */
	struct store_position last; /* of the page's last call; set where `more` is */
};

/* page is NULL on failure. */
typedef void store_page_callback(void *data, int status, const struct store_page *page);

/*
 * Reads a page of at most `limit` calls (1 or more) of a range: from `offset` on, or, where `after` is not NULL, those
 * strictly after that position (offset must be 0 then). A reference whose record is missing, and a record whose id and
 * start cannot be read, is counted in store_stats and left out: the page has fewer calls then. `arena` has what the
 * read needs until the callback. One round trip; two for an external number that is a further party of some call on the
 * page. The page of a group may have calls of other groups, which the caller leaves out. -EOVERFLOW: the group has too
 * many calls for its index.
 */
int store_list(struct store *store, const struct store_range *range, const struct store_position *after,
               uint64_t offset, uint32_t limit, struct arena *arena, int64_t deadline_us, store_page_callback *callback,
               void *data);

/* Counts the calls of a range, without reading them. */
typedef void store_count_callback(void *data, int status, int64_t count);
int store_count(struct store *store, const struct store_range *range, struct arena *arena, int64_t deadline_us,
                store_count_callback *callback, void *data);

/* Reads one call by id; page->count is 0 or 1. */
int store_get(struct store *store, const char *tag, const char *id, struct arena *arena, int64_t deadline_us,
              store_page_callback *callback, void *data);

/* What is stored under an id; valid during the callback only. */
struct store_found {
	struct store_record record; /* the call; data is NULL where there is none */
	struct store_record parts;  /* parts of it that have no start; the same */
	const char *condition;      /* STORE_CONDITION_LENGTH characters, not NUL-terminated: names both */
	bool collision;             /* another call's id has the same digest, so that this id cannot be used */
};

/* found is NULL on failure. */
typedef void store_find_callback(void *data, int status, const struct store_found *found, size_t count);

/*
 * Finds what is stored under each of these ids, for a conditional store_record(). A reply is limited to about 1 MiB: if
 * `count` of the callback is smaller than it was here (it is 1 at least), repeat for the rest. The ids must stay valid
 * until the callback.
 */
int store_find(struct store *store, const char *tag, const char *const *ids, size_t count, struct arena *arena,
               int64_t deadline_us, store_find_callback *callback, void *data);

/* ---- Writing ---------------------------------------------------------------------------------------------------- */

/* One call to record. All pointers must stay valid until the callback. */
struct store_call {
	int64_t start_ms;           /* 0 to STORE_MS_MAX */
	struct store_record record; /* packed Call whose first field is its id, 1 to STORE_ID_MAX bytes */
	const char *const *numbers; /* canonical numbers under which it is found, each once, the external party first */
	size_t number_count;
	const char *group; /* its group id; NULL or empty: none */
	bool deletion; /* delete the call instead, if its record begins with `record`: the id field alone, or all of it */
	bool parts;    /* `record` has no start: keep it for a week outside all indexes, where store_find() finds it */
	/* Write only if what is stored under the id is what store_find() found with this condition. NULL: in any case. */
	const char *condition;
};

/*
 * COLLISION: another call's id has the same digest, or the record to delete is not the stored one; nothing was changed.
 * ABSENT: there was nothing to delete. CONFLICT: the condition was not met, and nothing was changed.
 */
enum store_outcome {
	STORE_RECORDED = 1,
	STORE_REPLACED = 2,
	STORE_UNCHANGED = 3,
	STORE_COLLISION = 4,
	STORE_ABSENT = 5,
	STORE_DELETED = 6,
	STORE_CONFLICT = 7,
};

/* On 0, outcomes[i] is what became of calls[i]. On failure some may have been recorded: repeat. */
typedef void store_record_callback(void *data, int status, const enum store_outcome *outcomes, size_t count);

/*
 * Records calls, each in one atomic step, repeatable: the same call again is UNCHANGED, the same id with other content
 * replaces the record and its references. Parts without a start that are stored under the id stay until a conditional
 * record takes their place; a deletion of the id removes them.
 * Nothing is written after the deadline, which travels with the commands: the clocks of this machine and of Redis must
 * agree, or a write that has failed here may be executed later by their difference. Sends scripts of about 100 calls;
 * larger requests queue, so that two scripts of theirs are in progress at most.
 */
int store_record(struct store *store, const char *tag, const struct store_call *calls, size_t count,
                 struct arena *arena, int64_t deadline_us, store_record_callback *callback, void *data);

/*
 * Ends the ingest that has this `data`: what was not sent never is, and the callback does not fire. False: there is
 * none.
 */
bool store_record_cancel(struct store *store, const void *data);

/* ---- Changes ----------------------------------------------------------------------------------------------------- */

/*
 * How long the changes of a tenant's calls are kept, in ms. Later recordings and deletions of this store forget older
 * ones; they also forget the oldest of more script calls than a fourth of the tenant's calls, but 65,536 are never too
 * many. 0, the default: this store forgets none.
 */
void store_set_change_retention(struct store *store, int64_t ms);

/* A position among a tenant's changes. */
struct store_change_position {
	uint64_t ms, sequence; /* of the entry that has the last change that was read */
	uint32_t passed;       /* how many changes of the entry were read */
	int64_t seen_ms;       /* Unix time at which there were no further changes; 0: there were */
};

/* A call that was recorded, replaced or deleted. */
struct store_change {
	struct store_record record; /* the call as it is now; data NULL: deleted */
	const char *deleted_id;
};

/* Valid during the callback. */
struct store_changes {
	const struct store_change *changes;
	size_t count;
	struct store_change_position next; /* behind the last one */
	bool more;                         /* there are changes after `next` */
};

/*
 * `changes` is NULL on failure. -ESTALE: changes after the position may have been forgotten, or the last one
 * that was read is lost, as a failover may lose what was not confirmed.
 */
typedef void store_changes_callback(void *data, int status, const struct store_changes *changes);

/*
 * Reads at most `limit` changes after a position in the order in which they were made, and at most `bytes` of calls but
 * at least one. A call that changed several times among them is there once, so the answer may have fewer, even none.
 * `after` NULL: only the position of now. One round trip.
 */
int store_list_changes(struct store *store, const char *tag, const struct store_change_position *after, uint32_t limit,
                       size_t bytes, struct arena *arena, int64_t deadline_us, store_changes_callback *callback,
                       void *data);

/* ---- Deleting --------------------------------------------------------------------------------------------------- */

/* A deletion and its result; memory of the caller's, valid until the callback. */
struct store_deletion {
	size_t deleted;             /* calls */
	bool more;                  /* the range may have further calls, after `last` */
	struct store_position last; /* where `more` is */

	/* The store's own. */
	struct store *store;
	const char *tag;
	struct arena *arena;
	int64_t deadline_us;
	void (*callback)(void *data, int status, const struct store_deletion *deletion);
	void *data;
	bool cancelled;
};

/* deletion is NULL on failure: some calls may have been deleted then; repeat. */
typedef void store_delete_callback(void *data, int status, const struct store_deletion *deletion);

/*
 * Deletes the calls with these ids, each once, with all references, each in one atomic step. Ids that are not there are
 * not an error. Nothing is deleted after the deadline, as store_record() writes nothing then.
 */
int store_delete_ids(struct store *store, struct store_deletion *deletion, const char *tag, const char *const *ids,
                     size_t count, struct arena *arena, int64_t deadline_us, store_delete_callback *callback,
                     void *data);

/*
 * Deletes the newest calls of a range, after a position if `after` is not NULL: at most `limit`, and at most some 4 MiB
 * of them. Reads a page and deletes its calls, except those that were replaced or deleted meanwhile.
 */
int store_delete_range(struct store *store, struct store_deletion *deletion, const struct store_range *range,
                       const struct store_position *after, uint32_t limit, struct arena *arena, int64_t deadline_us,
                       store_delete_callback *callback, void *data);

/*
 * Ends a deletion: what was not sent never is. True: the callback does not fire. False: it will, at the end of what is
 * being read, or has done so.
 */
bool store_delete_cancel(struct store_deletion *deletion);

/* Counters since the start. */
struct store_stats {
	uint64_t token_hits, token_misses; /* answers of the token cache, and lookups in Redis */
	uint64_t missing;                  /* references and index entries whose record was missing */
};
void store_get_stats(const struct store *store, struct store_stats *out);

/* A customer's account. */
struct store_tenant {
	const char *project_code, *vbot_id;
	const char *tag;
};

/* ---- Verifying -------------------------------------------------------------------------------------------------- */

/* What to verify, and who learns of it. The pointers must stay valid until done() is called. */
struct store_verify {
	const char *tag; /* tenant */
	const char *project_code, *vbot_id;
	bool repair; /* else only report */
	/* A difference: a sentence without numbers of parties, valid during the call. */
	void (*difference)(void *data, const char *text);
	/* How many of the tenant's keys have been examined, several times each. */
	void (*progress)(void *data, uint64_t done, uint64_t total);
	/* Called once, at the end. */
	void (*done)(void *data, int status);
	void *data;
};

/*
 * Compares a tenant's keys with each other: each record with its references and the id index, each reference
 * with its record, sizes and counters with what they count. Works in bounded atomic steps, one command at a time, while
 * reads and writes continue; it may be ended at any time and repeated. Each step has 30 s. `arena` takes about 50 bytes
 * per key of the tenant.
 */
int store_verify(struct store *store, const struct store_verify *verify, struct arena *arena);

/* Enters a tenant in the list of tenants with the given tag. done() gets -EEXIST where the list has another one. */
int store_tenant_enter(struct store *store, const struct store_tenant *tenant, struct arena *arena,
                       void (*done)(void *data, int status), void *data);

/* Lists the tenants that the list of tenants or a token names, each once, with their tags, then calls done. */
int store_tenant_list(struct store *store, struct arena *arena, int64_t deadline_us,
                      void (*each)(void *data, const struct store_tenant *tenant, bool listed),
                      void (*done)(void *data, int status), void *data);

/*
 * Gives each tag under which calls are stored, with the names of its tenant as its own key has them, or NULL for both,
 * then calls done. Reads the names of all keys. A tag may be given twice; one may be missed while slots of a cluster
 * move or a master is replaced. Each command has 5 s.
 */
int store_tag_list(struct store *store, struct arena *arena,
                   void (*each)(void *data, const struct store_tenant *tenant), void (*done)(void *data, int status),
                   void *data);

/* ---- Tokens ----------------------------------------------------------------------------------------------------- */

/* A writer may read too; an eraser may delete and nothing else, and nobody else may. */
enum store_role { STORE_ROLE_READER = 1, STORE_ROLE_WRITER = 2, STORE_ROLE_ERASER = 3 };

/* The name of a role: reader, writer, eraser; NULL for any other number. Static. */
const char *store_role_name(unsigned role);

/* What a token opens. */
struct store_token {
	const char *id; /* 12 hex digits of the digest: names the token where it can be seen */
	enum store_role role;
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
 * Looks a token up by digest. Found ones are kept in the store's cache for STORE_TOKEN_CACHE_US, unknown ones too, at
 * most STORE_TOKEN_CACHE_SIZE of each: so a revocation counts within a second, and reads stay at one round trip.
 * Returns 1 when the cache has the answer: *token is the token or NULL when unknown, valid until the next call of the
 * store. Returns 0 when Redis is queried: the callback gets the token (valid during the callback). Negative on failure.
 * Expired and revoked tokens are returned too: the caller judges.
 */
#define STORE_TOKEN_CACHE_US INT64_C(1000000)

/* So much longer while the server of a cluster that has the tokens cannot be reached: the others go on serving. */
#define STORE_TOKEN_STALE_US INT64_C(60000000)
#define STORE_TOKEN_CACHE_SIZE 4096
typedef void store_token_callback(void *data, int status, const struct store_token *token);
int store_token_find(struct store *store, const uint8_t digest[32], int64_t deadline_us,
                     const struct store_token **token, store_token_callback *callback, void *data);

/*
 * Adds a token; tenants' tags are given out here (tag and id of the argument are not read). The names of its tenants
 * must stay valid until the callback, whose token has id and tags. -EEXIST when the digest is there already.
 */
int store_token_add(struct store *store, const uint8_t digest[32], const struct store_token *token, struct arena *arena,
                    int64_t deadline_us, store_token_callback *callback, void *data);

/*
 * Calls `each` once per token, in no order, with its texts in the arena; then `callback` with token NULL and the
 * status.
 */
int store_token_list(struct store *store, struct arena *arena, int64_t deadline_us,
                     void (*each)(void *data, const struct store_token *token), store_token_callback *callback,
                     void *data);

/*
 * Marks a token as revoked, by digest or, where digest is NULL, by id; removes it if Redis's memory is full. -ENOENT
 * when there is none. The callback's token is it.
 */
int store_token_revoke(struct store *store, const uint8_t *digest, const char *id, struct arena *arena,
                       int64_t deadline_us, store_token_callback *callback, void *data);
