/* store/record_arguments: one pass measures, one writes; lua/record.lua tells the format. */
#include "store/record_arguments.h"

#include <errno.h>
#include <string.h>

#include "base/decimal.h"
#include "store/key.h"

enum {
	LEADING = 4,          /* key, tag, calls, how many numbers are of an index in chunks */
	FIXED_BYTES = 64,     /* of a packed call, beside what varies: lengths, digests, times */
	NUMBER_BYTES = 1 + 2, /* what a further number adds to its text: a NUL in the place, its place among the numbers */
	MS_BYTES = 6,
	SECOND_LIST = 0x8000, /* set in the places of outside numbers */
};

/* Numbers of one kind, each once. */
struct numbers {
	const char **texts;
	size_t count;
};

struct packing {
	struct store *store;
	const char *tag;
	struct numbers chunked, outside; /* numbers of an index in chunks; of plain sets */
	char *at;
};

static void put_number(struct packing *packing, uint64_t number, int bytes)
{
	while (bytes--)
		*packing->at++ = (char)(number >> 8 * bytes);
}

static void put(struct packing *packing, const void *data, size_t length)
{
	memcpy(packing->at, data, length);
	packing->at += length;
}

static size_t decimal(char out[static DECIMAL_TEXT], int64_t number)
{
	return strlen(decimal_text(out, number));
}

/* A number is taken once, however often it is named, and never beside being the home. */
static bool is_repeated(const struct store_call *call, const char *home, size_t i, const char *number)
{
	if (!strcmp(number, home))
		return true;
	for (size_t j = 0; j < i; ++j)
		if (!strcmp(number, call->others[j]))
			return true;
	return false;
}

/* The caller's home stands behind the others where the store gives the call another one. */
static const char *further_number(const struct store_call *call, const char *home, size_t i)
{
	const char *number = i < call->other_count ? call->others[i] : call->home;
	return !*number || is_repeated(call, home, i, number) ? NULL : number;
}

static size_t further_numbers(const struct store_call *call, const char *home, const char **out)
{
	size_t count = 0;
	for (size_t i = 0; i <= call->other_count; ++i) {
		const char *number = further_number(call, home, i);
		if (number)
			out[count++] = number;
	}
	return count;
}

/* The number's place in its list, where it is put if it is new. */
static size_t place_of(struct numbers *numbers, const char *number)
{
	size_t i = 0;
	while (i < numbers->count && strcmp(numbers->texts[i], number))
		++i;
	if (i == numbers->count)
		numbers->texts[numbers->count++] = number;
	return i;
}

/* Value of the id index: where the record is, and which numbers refer to it. */
static void put_value(struct packing *packing, int64_t ms, const char *home, const char *const *further, size_t count)
{
	char *length = packing->at;
	put_number(packing, 0, 2);
	char *begin = packing->at;
	put_number(packing, (uint64_t)ms, MS_BYTES);
	put(packing, home, strlen(home));
	for (size_t i = 0; i < count; ++i) {
		put_number(packing, 0, 1);
		put(packing, further[i], strlen(further[i]));
	}
	char *end = packing->at;
	packing->at = length;
	put_number(packing, (uint64_t)(end - begin), 2);
	packing->at = end;
}

static void put_key(struct packing *packing, const char *home, int64_t ms)
{
	char *length = packing->at++;
	put_number(packing, '{', 1);
	put(packing, packing->tag, strlen(packing->tag));
	put_number(packing, '}', 1);
	if (*home) {
		put_number(packing, 'n', 1);
		put(packing, home, strlen(home));
	} else {
		char hour[DECIMAL_TEXT];
		put_number(packing, 'h', 1);
		put(packing, hour, decimal(hour, ms / KEY_HOUR_MS));
	}
	*length = (char)(packing->at - length - 1);
}

static void put_call(struct packing *packing, const struct store_call *call)
{
	const char *further[RECORD_OTHERS_MAX + 1];
	const char *home = key_home(call->home, call->others, call->other_count);
	size_t home_length = strlen(home), count = further_numbers(call, home, further);
	char score[DECIMAL_TEXT];
	uint8_t digest[STORE_DIGEST];
	packing->store->digest(digest, call->id, strlen(call->id));

	put(packing, digest + STORE_DIGEST4, 4);
	put_number(packing, (uint64_t)call->start_ms, MS_BYTES);
	size_t score_length = decimal(score, call->start_ms);
	put_number(packing, score_length, 1);
	put(packing, score, score_length);
	put(packing, digest + STORE_DIGEST4, STORE_FIELD);
	put_value(packing, call->start_ms, home, further, count);
	put_key(packing, home, call->start_ms);
	put_number(packing, STORE_DIGEST4 + home_length, 1);
	for (size_t i = 0; i < STORE_DIGEST4; ++i)
		put_number(packing, (uint8_t)~digest[i], 1);
	put(packing, home, home_length);
	put_number(packing, STORE_DIGEST4 + call->record_length, 3);
	put(packing, digest, STORE_DIGEST4);
	put(packing, call->record, call->record_length);
	put_number(packing, count, 2);
	for (size_t i = 0; i < count; ++i)
		put_number(packing,
		           key_is_outside(further[i]) ? SECOND_LIST | place_of(&packing->outside, further[i])
		                                      : place_of(&packing->chunked, further[i]),
		           2);
}

/* At most how many bytes the packed calls take, and how many further numbers they name. */
static size_t measure(const struct store_call *calls, size_t count, size_t *numbers)
{
	size_t bytes = 0;
	*numbers = 0;
	for (size_t i = 0; i < count; ++i) {
		const struct store_call *call = &calls[i];
		/* The home stands in the value, in the key and in the reference. */
		bytes += FIXED_BYTES + STORE_TAG_MAX + 3 * STORE_NUMBER_MAX + call->record_length;
		for (size_t j = 0; j < call->other_count; ++j)
			bytes += NUMBER_BYTES + strlen(call->others[j]);
		bytes += NUMBER_BYTES + strlen(call->home);
		*numbers += call->other_count + 1;
	}
	return bytes;
}

static void add(struct record_arguments *arguments, const char *data, size_t length)
{
	arguments->data[arguments->count] = data;
	arguments->lengths[arguments->count++] = length;
}

int record_arguments_make(struct record_arguments *out, struct store *store, const char *tag,
                          const struct store_call *calls, size_t count)
{
	struct arena *arena = store->scratch;
	size_t numbers, bytes = measure(calls, count, &numbers);
	struct packing packing = {
	    .store = store,
	    .tag = tag,
	    .chunked.texts = arena_alloc(arena, numbers * sizeof(char *)),
	    .outside.texts = arena_alloc(arena, numbers * sizeof(char *)),
	    .at = arena_alloc(arena, bytes),
	};
	struct record_arguments arguments = {
	    .keys = 1,
	    .data = arena_alloc(arena, (LEADING + numbers) * sizeof(*arguments.data)),
	    .lengths = arena_alloc(arena, (LEADING + numbers) * sizeof(*arguments.lengths)),
	};
	char *begin = packing.at, *meta = key_simple(arena, tag, 'm'), *chunked = arena_alloc(arena, DECIMAL_TEXT);
	if (!packing.chunked.texts || !packing.outside.texts || !begin || !arguments.data || !arguments.lengths || !meta ||
	    !chunked)
		return -ENOMEM;
	for (size_t i = 0; i < count; ++i)
		put_call(&packing, &calls[i]);
	add(&arguments, meta, strlen(meta));
	add(&arguments, meta, strlen(meta) - 1);
	add(&arguments, begin, (size_t)(packing.at - begin));
	add(&arguments, chunked, decimal(chunked, (int64_t)packing.chunked.count));
	for (size_t i = 0; i < packing.chunked.count; ++i)
		add(&arguments, packing.chunked.texts[i], strlen(packing.chunked.texts[i]));
	for (size_t i = 0; i < packing.outside.count; ++i)
		add(&arguments, packing.outside.texts[i], strlen(packing.outside.texts[i]));
	*out = arguments;
	return 0;
}
