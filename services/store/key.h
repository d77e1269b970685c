/*
 * store/key: names of keys and positions in sets (store/layout.md). Pure;
 * thread-safe; private to the module and its tests.
 *
 * A place is a key without the tenant's tag. An external number is its own
 * place; the others begin with a letter for their kind.
 */
#pragma once

#include "store/store.h"

enum {
	STORE_KIND_HOUR = 'h',      /* set of the records without an external number, by the hour of their start */
	STORE_KIND_EXTENSION = 'x', /* directory of an extension's index in chunks */
	STORE_KIND_GROUP = 'g',     /* calls with a group id; the scripts know the keys: lua/common.lua */
	STORE_KIND_PHANTOM = '!',   /* never exists; see lua/common.lua */
};

/* The keys that belong to no tenant. */
#define STORE_TOKENS_KEY "callhistory:tokens"   /* hash: digest -> packed Token */
#define STORE_TENANTS_KEY "callhistory:tenants" /* hash: project code, NUL, vbot id -> tag */

/* Bytes of a place and its NUL byte. */
enum { STORE_PLACE_SIZE = STORE_NUMBER_MAX + 2 };

/* Whether the canonical number is external: seven characters or more, digits, with or without a plus in front. */
bool store_number_is_external(const char *number);

/* Whether the text can be a number in a key: 1 to STORE_NUMBER_MAX bytes without control characters. */
bool store_number_valid(const char *number);

/* Whether the text can be a tag: 1 to STORE_TAG_MAX lower-case letters and digits. */
bool store_tag_valid(const char *tag);

/* Writes the place where calls of a number are found (NULL: of the tenant); returns its length. */
size_t store_place_of(char out[static STORE_PLACE_SIZE], const char *number);

/* Writes the place of a call without an external number; returns its length. */
size_t store_place_of_hour(char out[static STORE_PLACE_SIZE], int64_t start_ms);

/* Writes the place of the calls with a group id, which has this digest; returns its length. */
size_t store_place_of_group(char out[static STORE_PLACE_SIZE], const uint8_t digest[STORE_DIGEST_SIZE]);

/* Whether the place is the set of an external number, whose members are records and references; else a directory. */
bool store_place_is_set(const char *place);

/* "{tag}" and a place, in the arena. NULL when out of memory. */
char *store_key(struct arena *arena, const char *tag, const char *place);

/* The names of a tenant as one text: project code, NUL, vbot id. In the arena; NULL when out of memory. */
char *store_tenant_text(struct arena *arena, const char *project_code, const char *vbot_id, size_t *length);

/*
 * The score of a call: ascending scores are the order of pages, newest first and, within a millisecond, by digest. The
 * first bits of the digest are part of it, so that calls of one millisecond have up to 2048 different scores (32 from
 * 2039-09-07 on, one bit before the product no longer fits the 53 bits of a double).
 */
int64_t store_score(int64_t start_ms, const uint8_t digest[STORE_DIGEST_SIZE]);

/* The greatest score of calls that start in this millisecond; the least is that of an all-zero digest. */
int64_t store_score_last(int64_t start_ms);

/* The millisecond that a score belongs to. */
int64_t store_score_ms(int64_t score);
