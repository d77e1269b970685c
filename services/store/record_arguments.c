/*
 * store/record_arguments: calls as lua/record.lua takes them: their members, and all else in one string. An argument of
 * a script costs more than a part of one, unless it is long: Lua hashes every byte of a string, of the whole and of the
 * part.
 */
#include <errno.h>

#include "base/clock.h"
#include "store/internal.h"
#include "store/key.h"

/* Bytes of the numbers, as CALL and PLACE in lua/record.lua have them. */
enum {
	COUNT_BYTES = 2,
	HASH_BYTES = 4,
	SCORE_BYTES = 8,
	HINT_BYTES = 11,
	TEXT_BYTES = 1,
	LENGTH_BYTES = 3,
	PLACE_BYTES = 2,
	KEY_BYTES = 2 + STORE_TAG_MAX, /* of a key before its place: the tag in braces */
	CONDITION_BYTES = 1
};

static char *put_number(char *at, uint64_t number, int bytes)
{
	while (bytes--)
		*at++ = (char)(number >> 8 * bytes);
	return at;
}

/* The places of a call, the home first, then the other sets, then the extensions' indexes, then the group. */
struct places {
	size_t count, sets;
	const char **numbers; /* NULL: the hour */
	bool has_group;       /* the last one is the group, and not a number */
	uint8_t group[STORE_DIGEST_SIZE];
};

static int sort_places(struct places *out, struct store *store, const struct store_call *call)
{
	out->numbers = arena_alloc(store->scratch, (call->number_count + 2) * sizeof(*out->numbers));
	if (!out->numbers)
		return -ENOMEM;
	out->count = 0;
	for (size_t i = 0; i < call->number_count; ++i)
		if (store_number_is_external(call->numbers[i]))
			out->numbers[out->count++] = call->numbers[i];
	if (!out->count)
		out->numbers[out->count++] = NULL;
	out->sets = out->count;
	for (size_t i = 0; i < call->number_count; ++i)
		if (!store_number_is_external(call->numbers[i]))
			out->numbers[out->count++] = call->numbers[i];
	out->has_group = call->group && *call->group;
	if (out->has_group) {
		store->digest(out->group, call->group, strlen(call->group));
		out->numbers[out->count++] = call->group;
	}
	return 0;
}

static char *put_place(char *at, const struct store_call *call, const struct places *places, size_t i)
{
	const char *number = places->numbers[i];
	if (places->has_group && i == places->count - 1)
		return at + store_place_of_group(at, places->group);
	return at + (number ? store_place_of(at, number) : store_place_of_hour(at, call->start_ms));
}

/*
 * What the id index keeps of a call: its score and its places. A value too short to have any means a deletion, or,
 * without the beginning of one, parts without a start.
 */
static char *put_value(char *at, const struct store_call *call, const struct places *places, int64_t score)
{
	at = put_number(at, (uint64_t)score, SCORE_BYTES);
	if (call->parts)
		return at;
	if (call->deletion) {
		*at++ = STORE_KIND_HOUR;
		return at;
	}
	for (size_t i = 0; i < places->count; ++i) {
		if (i)
			*at++ = '\0';
		at = put_place(at, call, places, i);
	}
	return at;
}

/* Writes the length of what has been written behind it. */
static char *end_part(char *begin, char *end, int bytes)
{
	put_number(begin, (uint64_t)(end - begin - bytes), bytes);
	return end;
}

/* The places as the script writes to them: of sets the key as a whole, as every string that it makes has a price. */
static char *put_places(char *at, const char *tag, const struct store_call *call, const struct places *places)
{
	for (size_t i = 0; i < places->count; ++i) {
		char *end = at + PLACE_BYTES;
		if (i < places->sets) {
			*end++ = '{';
			end = stpcpy(end, tag);
			*end++ = '}';
		}
		at = end_part(at, put_place(end, call, places, i), PLACE_BYTES);
	}
	return at;
}

static char *put_call(char *at, const uint8_t digest[STORE_DIGEST_SIZE], const char *tag, const struct store_call *call,
                      const struct places *places)
{
	int64_t score = store_score(call->start_ms, digest);
	at = put_number(at, places->count, COUNT_BYTES);
	at = mempcpy(at, digest, STORE_DIGEST_SIZE);
	at = mempcpy(at, digest, HASH_BYTES);
	at = put_number(at, (uint64_t)score, SCORE_BYTES);
	/*
	 * The text of the score, the entry of a chunk and the member of the home: it costs the script less to be given them
	 * than to make them.
	 */
	decimal_text(at + TEXT_BYTES, score);
	at = end_part(at, strchr(at + TEXT_BYTES, '\0'), TEXT_BYTES);
	at = mempcpy(put_number(at, (uint64_t)score, SCORE_BYTES), digest, STORE_DIGEST_SIZE);
	/* The hint: the home, if it fits. */
	char home[STORE_PLACE_SIZE];
	size_t length = (size_t)(put_place(home, call, places, 0) - home);
	memset(at, 0, HINT_BYTES);
	if (length <= HINT_BYTES)
		memcpy(at, home, length);
	at += HINT_BYTES;
	at = end_part(at, put_value(at + LENGTH_BYTES, call, places, score), LENGTH_BYTES);
	length = call->condition ? STORE_CONDITION_LENGTH : 0;
	at = put_number(at, length, CONDITION_BYTES);
	at = mempcpy(at, call->condition ? call->condition : "", length);
	at = put_number(at, places->sets, COUNT_BYTES);
	at = put_number(at, places->count - places->sets - places->has_group, COUNT_BYTES);
	return put_places(at, tag, call, places);
}

/* The member of the call's home: digest and record. NULL when out of memory. */
static const char *make_member(struct store *store, const struct store_call *call, size_t *length)
{
	struct wire id;
	*length = STORE_DIGEST_SIZE + call->record.length;
	uint8_t *member = arena_alloc(store->scratch, *length);
	if (!member)
		return NULL;
	store_record_id(&call->record, &id);
	store->digest(member, (const char *)id.at, wire_length(id));
	memcpy(member + STORE_DIGEST_SIZE, call->record.data, call->record.length);
	return (const char *)member;
}

/* At most how many bytes the calls take, without their members. */
static size_t measure(const struct store_call *calls, size_t count)
{
	enum {
		FIXED = 2 * STORE_DIGEST_SIZE + 3 * COUNT_BYTES + HASH_BYTES + 3 * SCORE_BYTES + HINT_BYTES + TEXT_BYTES +
		        DECIMAL_TEXT + LENGTH_BYTES + CONDITION_BYTES + STORE_CONDITION_LENGTH,
	};
	size_t bytes = COUNT_BYTES;
	for (size_t i = 0; i < count; ++i) {
		/* The hour and the group. */
		bytes += FIXED + 4 * (STORE_PLACE_SIZE + PLACE_BYTES + KEY_BYTES);
		for (size_t j = 0; j < calls[i].number_count; ++j)
			bytes += 2 * (strlen(calls[i].numbers[j]) + PLACE_BYTES + 2) + KEY_BYTES;
	}
	return bytes;
}

/* The deadline on the clock of the server, which is taken to agree with this machine's. */
static const char *deadline_text(char out[DECIMAL_TEXT], int64_t deadline_us)
{
	if (deadline_us == CLOCK_NEVER)
		return decimal_text(out, deadline_us);
	return decimal_text(out, clock_unix_ms() * 1000 + deadline_us - clock_monotonic_us());
}

int store_record_eval(struct store *store, const char *tag, const struct store_call *calls, size_t count,
                      int64_t deadline_us, redis_callback *callback, void *data)
{
	enum { DEADLINE, CALLS, RETENTION, MEMBERS };
	char deadline[DECIMAL_TEXT], change_retention[DECIMAL_TEXT];
	struct arena *arena = store->scratch;
	arena_reset(arena);
	char *begin = arena_alloc(arena, measure(calls, count)), *at = begin;
	const char **texts = arena_alloc(arena, (MEMBERS + count) * sizeof(*texts));
	size_t *lengths = arena_alloc(arena, (MEMBERS + count) * sizeof(*lengths));
	if (!begin || !texts || !lengths)
		return -ENOMEM;
	texts[DEADLINE] = deadline_text(deadline, deadline_us);
	lengths[DEADLINE] = strlen(texts[DEADLINE]);
	texts[RETENTION] = decimal_text(change_retention, store->change_retention_ms);
	lengths[RETENTION] = strlen(texts[RETENTION]);
	for (size_t i = 0; i < count; ++i) {
		struct places places;
		const char *member = make_member(store, &calls[i], &lengths[MEMBERS + i]);
		if (!member || sort_places(&places, store, &calls[i]))
			return -ENOMEM;
		texts[MEMBERS + i] = member;
		at = put_call(at, (const uint8_t *)member, tag, &calls[i], &places);
	}
	texts[CALLS] = begin;
	lengths[CALLS] = (size_t)(put_number(at, 0, COUNT_BYTES) - begin);
	return store_eval(store, &store->record, tag, MEMBERS + count, texts, lengths, deadline_us, callback, data);
}
