/*
 * store/internal: what the store's files share. Private to the room and its
 * tests.
 *
 * Operations under way hold the store: store_destroy() lets go of it, and the
 * last operation's end frees it. So the store may be destroyed before the
 * connection, which then ends what is pending.
 */
#ifndef CALLHISTORY_STORE_INTERNAL_H
#define CALLHISTORY_STORE_INTERNAL_H

#include "store/store.h"

/* Latest start of a call: the last millisecond of the year 9999. */
#define STORE_MS_MAX INT64_C(253402300799999)

enum { STORE_DIGEST4 = 4, STORE_FIELD = 8, STORE_DIGEST = STORE_DIGEST4 + STORE_FIELD };

/* Byte 4 of a member tells what it is; anything else there begins a reference's home number. */
enum {
	STORE_MARK_RECORD = 0x0a,      /* a packed Call: its first field's tag */
	STORE_MARK_LONG_RECORD = 0x01, /* one whose references name the whole id; the packed Call follows */
	STORE_MARK_LONG_REFERENCE = 0x02,
};

struct token_cache;
struct token_lookup;
struct recording;

struct store {
	struct redis *redis;
	unsigned holds; /* operations under way, and one for the owner */
	struct redis_script record, get, list, whole, count, tenants;
	struct arena *scratch; /* of one script call's arguments, while they are built */
	struct token_cache *cache;
	struct token_lookup *lookups; /* token lookups under way */

	/* Recordings that wait for their turn, and how many script calls of such ones are under way. */
	struct recording *queue, **queue_end;
	unsigned queue_outstanding;
	struct store_token_stats token_stats;

	/* First 12 bytes of the id's SHA-256; tests put a weaker one here to make ids collide. */
	void (*digest)(uint8_t out[STORE_DIGEST], const char *id, size_t length);
};

void store_hold(struct store *store);
void store_release(struct store *store);

/* What a callback is told: 0 when `reply` is a reply of the type, else the failure. */
int store_reply_status(int status, const struct redis_reply *reply, enum redis_type type);

/* Reads a decimal number that fills the text. 0 or -EBADMSG. */
int store_parse_number(const char *text, size_t length, int64_t *out);

/* Writes the packed id field, as a packed Call begins, to `out`; returns its length. */
size_t store_pack_id(uint8_t out[STORE_ID_MAX + 3], const char *id, size_t length);

/* Finds the id in a packed Call. 0 or -EBADMSG. */
int store_record_id(const uint8_t *record, size_t length, const char **id, size_t *id_length);

#endif
