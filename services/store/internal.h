/* store/internal: what the store's files share. Private to the module and its tests. */
#pragma once

#include <sys/queue.h>

#include "base/decimal.h"
#include "base/wire.h"
#include "store/store.h"

/*
 * The byte after the digest in a member of a set that is a record: the tag of a packed Call's first field. A reference
 * is the digest alone.
 */
enum { STORE_RECORD_MARK = 0x0a };

struct token_cache;
TAILQ_HEAD(ingest_list, ingest);

struct store {
	struct redis *redis;
	struct redis_script record, get, find, read, changes, verify, repair;
	int64_t change_retention_ms; /* 0: without end */
	struct arena *scratch;       /* of one script call's arguments, while they are built */
	struct token_cache *cache;
	LIST_HEAD(, token_lookup) lookups; /* in progress: token_find.c */

	struct ingest_list ingests, queued; /* in progress that fit into one script call, and the queued ones: record.c */
	unsigned outstanding;               /* script calls in progress of queued ingests */
	struct store_stats stats;
	int last_refusal; /* status of the last reply that was an error; 0: none */

	/* Complement of the first 8 bytes of the id's SHA-256; tests put a weaker one here to make ids collide. */
	void (*digest)(uint8_t out[STORE_DIGEST_SIZE], const char *id, size_t length);

	/* Fills in random bytes; 0 or a negative errno. Tests put one here that repeats itself. */
	int (*random)(void *out, size_t length);
};

/*
 * Runs a script with the keys that each declares, and `count` arguments; `lengths` NULL: they are strings. Otherwise as
 * redis_eval(). Empties the scratch arena, which may have the arguments. -ENOMEM.
 */
int store_eval(struct store *store, const struct redis_script *script, const char *tag, size_t count,
               const char *const *arguments, const size_t *lengths, int64_t deadline_us, redis_callback *callback,
               void *data);

/* The status for a callback: 0 when `reply` is a reply of the type, else the failure. */
int store_reply_status(struct store *store, int status, const struct redis_reply *reply, enum redis_type type);

/* ---- Stored calls (packed.c): 0 or -EBADMSG ---- */

/* Finds the id: 1 to STORE_ID_MAX bytes. */
int store_record_id(const struct store_record *record, struct wire *id);

/* Finds when the call began, as a Unix time. */
int store_record_start(const struct store_record *record, int64_t *start_ms);

/* Finds the record in a member of a set. */
int store_member_record(struct store_record *out, const struct redis_reply *member);

/* ---- Ranges (list.c) ---- */

/* A range as scores, both included. */
struct store_span {
	bool open; /* no bounds at all */
	int64_t low_score;
	char low[DECIMAL_TEXT], high[DECIMAL_TEXT];
};

/* 0 or -EINVAL. */
int store_span_init(struct store_span *span, const struct store_range *range);

/* ---- Recording (record_arguments.c) ---- */

/* What one call may have. */
enum { STORE_RECORD_MAX = 1 << 20, STORE_NUMBERS_MAX = 2048 };

/* Runs lua/record.lua. As store_eval(). */
int store_record_eval(struct store *store, const char *tag, const struct store_call *calls, size_t count,
                      int64_t deadline_us, redis_callback *callback, void *data);
