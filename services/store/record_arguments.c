/*
 * store/record_arguments: calls as lua/record.lua takes them, in one string: every argument of a script costs more than
 * a part of one.
 */
#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "store/internal.h"
#include "store/key.h"

enum { SCORE_BYTES = 8, LENGTH_BYTES = 3, ID_LENGTH_BYTES = 2, PLACE_EXTRA = 2 /* kind and separator */ };

static char *put_number(char *at, uint64_t number, int bytes)
{
	while (bytes--)
		*at++ = (char)(number >> 8 * bytes);
	return at;
}

/* The first external number is the call's home: -1 where there is none. */
static size_t find_home(const struct store_call *call)
{
	size_t i = 0;
	while (i < call->number_count && !store_number_is_external(call->numbers[i]))
		++i;
	return i < call->number_count ? i : SIZE_MAX;
}

/* What the id index keeps of a call: its score, its home and the other places with a reference to it. */
static char *put_value(char *at, const struct store_call *call, int64_t score)
{
	size_t home = find_home(call);
	at = put_number(at, (uint64_t)score, SCORE_BYTES);
	at += home == SIZE_MAX ? store_place_of_hour(at, call->start_ms) : store_place_of(at, call->numbers[home]);
	for (size_t i = 0; i < call->number_count; ++i) {
		if (i == home)
			continue;
		*at++ = '\0';
		at += store_place_of(at, call->numbers[i]);
	}
	return at;
}

static char *put_call(char *at, struct store *store, const struct store_call *call)
{
	struct wire id;
	uint8_t digest[STORE_DIGEST_SIZE];
	store_record_id(&call->record, &id);
	store->digest(digest, (const char *)id.at, wire_length(id));
	at = mempcpy(at, digest, STORE_DIGEST_SIZE);
	at = put_number(at, (uint64_t)(id.end - call->record.data), ID_LENGTH_BYTES);
	int64_t score = store_score(call->start_ms, digest);
	decimal_text(at + 1, score);
	*at = (char)strlen(at + 1);
	char *length = at + 1 + *at;
	at = put_value(length + LENGTH_BYTES, call, score);
	put_number(length, (uint64_t)(at - length - LENGTH_BYTES), LENGTH_BYTES);
	/* The member of the home: what costs least to copy is not put together by the script. */
	at = put_number(at, STORE_DIGEST_SIZE + call->record.length, LENGTH_BYTES);
	at = mempcpy(at, digest, STORE_DIGEST_SIZE);
	return mempcpy(at, call->record.data, call->record.length);
}

/* At most how many bytes the calls take. */
static size_t measure(const struct store_call *calls, size_t count)
{
	size_t bytes = 0;
	for (size_t i = 0; i < count; ++i) {
		bytes += 2 * STORE_DIGEST_SIZE + ID_LENGTH_BYTES + 2 * LENGTH_BYTES + SCORE_BYTES + 2 * DECIMAL_TEXT +
		         PLACE_EXTRA + calls[i].record.length;
		for (size_t j = 0; j < calls[i].number_count; ++j)
			bytes += strlen(calls[i].numbers[j]) + PLACE_EXTRA;
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

int store_record_arguments(struct record_arguments *out, struct store *store, const char *tag,
                           const struct store_call *calls, size_t count, int64_t deadline_us)
{
	struct arena *arena = store->scratch;
	const char *meta = store_key(arena, tag, "m"), *phantom = store_key(arena, tag, "!");
	char *begin = arena_alloc(arena, measure(calls, count)), *at = begin;
	if (!meta || !phantom || !begin)
		return -ENOMEM;
	for (size_t i = 0; i < count; ++i)
		at = put_call(at, store, &calls[i]);
	const char *argv[] = {meta, phantom, deadline_text(out->deadline, deadline_us), begin};
	memcpy(out->argv, argv, sizeof(argv));
	for (size_t i = 0; i < 3; ++i)
		out->lengths[i] = strlen(argv[i]);
	out->lengths[3] = (size_t)(at - begin);
	return 0;
}
