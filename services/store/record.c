/*
 * store/record: records calls by a script, about 100 of them at a time, with
 * two script calls under way: more at once would hold readers up, fewer would
 * leave Redis idle while the disk syncs.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "store/internal.h"
#include "store/key.h"

enum {
	CHUNK_CALLS = 100,
	CHUNK_BYTES = 128 << 10, /* of records */
	CHUNK_OTHERS = 300,      /* further numbers */
	OUTSTANDING = 2,
	FIXED_ARGUMENTS = 6, /* of a call, as record.lua tells them */
	LEADING_ARGUMENTS = 2,
	RECORD_MAX = 1 << 20,
	OTHERS_MAX = 256,
	MS_BYTES = 6,
};

struct chunk {
	struct recording *recording;
	size_t first, count;
};

struct recording {
	struct store *store;
	const char *tag;
	const struct store_call *calls;
	size_t count;
	size_t next; /* first call not sent yet */
	int64_t deadline_us;
	store_record_callback *callback;
	void *data;
	enum store_outcome *outcomes;
	struct chunk chunks[OUTSTANDING];
	unsigned outstanding;
	int status;
};

/* Arguments of one script call, under construction in the store's scratch arena. */
struct arguments {
	struct arena *arena;
	const char **argv;
	size_t *lengths;
	int count;
	bool failed;
};

static void add_argument(struct arguments *arguments, const void *data, size_t length)
{
	arguments->argv[arguments->count] = data;
	arguments->lengths[arguments->count++] = length;
}

static char *take(struct arguments *arguments, size_t size)
{
	char *memory = arena_alloc(arguments->arena, size);
	if (!memory)
		arguments->failed = true;
	return memory;
}

static void add_formatted(struct arguments *arguments, const char *format, long long number)
{
	char text[32];
	int length = snprintf(text, sizeof(text), format, number);
	char *copy = take(arguments, (size_t)length);
	if (copy)
		add_argument(arguments, memcpy(copy, text, (size_t)length), (size_t)length);
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

/* Value of the id index: where the record is, and which numbers refer to it. */
static void add_place(struct arguments *arguments, int64_t ms, const char *home, const char *const *others,
                      size_t count)
{
	size_t length = MS_BYTES + strlen(home);
	for (size_t i = 0; i < count; ++i)
		length += 1 + strlen(others[i]);
	char *place = take(arguments, length + 1);
	if (!place)
		return;
	for (int i = 0; i < MS_BYTES; ++i)
		place[i] = (char)(ms >> 8 * (MS_BYTES - 1 - i));
	char *at = stpcpy(place + MS_BYTES, home);
	for (size_t i = 0; i < count; ++i)
		at = stpcpy(at + 1, others[i]);
	add_argument(arguments, place, length);
}

static void add_call(struct arguments *arguments, const struct store *store, const struct store_call *call)
{
	const char *others[OTHERS_MAX + 1];
	const char *home = key_home(call->home, call->others, call->other_count);
	size_t count = further_numbers(call, home, others);
	uint8_t digest[STORE_DIGEST];
	store->digest(digest, call->id, strlen(call->id));

	char *member = take(arguments, STORE_DIGEST4 + call->record_length);
	char *field = take(arguments, STORE_FIELD);
	if (!member || !field)
		return;
	memcpy(member, digest, STORE_DIGEST4);
	memcpy(member + STORE_DIGEST4, call->record, call->record_length);
	memcpy(field, digest + STORE_DIGEST4, STORE_FIELD);
	add_argument(arguments, member, STORE_DIGEST4 + call->record_length);
	add_argument(arguments, field, STORE_FIELD);
	add_place(arguments, call->start_ms, home, others, count);
	add_formatted(arguments, "%lld", call->start_ms);
	add_argument(arguments, home, strlen(home));
	add_formatted(arguments, "%lld", (long long)count);
	for (size_t i = 0; i < count; ++i) {
		size_t length = strlen(others[i]);
		char *suffix = take(arguments, length + 1);
		if (!suffix)
			return;
		suffix[0] = key_is_outside(others[i]) ? 'n' : 'x';
		memcpy(suffix + 1, others[i], length);
		add_argument(arguments, suffix, length + 1);
	}
}

/* How many of the next calls go into one script call, and how many arguments they have at most. */
static size_t chunk_size(const struct recording *recording, size_t *arguments)
{
	size_t count = 0, bytes = 0, others = 0;
	while (recording->next + count < recording->count && count < CHUNK_CALLS) {
		const struct store_call *call = &recording->calls[recording->next + count];
		bytes += call->record_length;
		others += call->other_count + 1;
		if (count && (bytes > CHUNK_BYTES || others > CHUNK_OTHERS + CHUNK_CALLS)) {
			others -= call->other_count + 1;
			break;
		}
		++count;
	}
	*arguments = LEADING_ARGUMENTS + count * FIXED_ARGUMENTS + others;
	return count;
}

static void recording_end(struct recording *recording)
{
	struct store *store = recording->store;
	if (recording->status)
		recording->callback(recording->data, recording->status, NULL, 0);
	else
		recording->callback(recording->data, 0, recording->outcomes, recording->count);
	store_release(store);
}

static void chunk_replied(void *data, int status, const struct redis_reply *reply);

static int send_chunk(struct recording *recording, struct chunk *chunk)
{
	struct store *store = recording->store;
	size_t capacity;
	size_t count = chunk_size(recording, &capacity);
	struct arguments arguments = {
	    .arena = store->scratch,
	    .argv = arena_alloc(store->scratch, capacity * sizeof(*arguments.argv)),
	    .lengths = arena_alloc(store->scratch, capacity * sizeof(*arguments.lengths)),
	};
	char *meta = key_simple(store->scratch, recording->tag, 'm');
	int result = -ENOMEM;
	if (!arguments.argv || !arguments.lengths || !meta)
		goto done;
	add_argument(&arguments, meta, strlen(meta));
	add_argument(&arguments, meta, strlen(meta) - 1);
	for (size_t i = 0; i < count && !arguments.failed; ++i)
		add_call(&arguments, store, &recording->calls[recording->next + i]);
	if (arguments.failed)
		goto done;
	*chunk = (struct chunk){recording, recording->next, count};
	result = redis_eval(store->redis, &store->record, 1, arguments.count, arguments.argv, arguments.lengths,
	                    recording->deadline_us, chunk_replied, chunk);
	if (!result) {
		recording->next += count;
		++recording->outstanding;
	}
done:
	arena_reset(store->scratch);
	return result;
}

static void chunk_replied(void *data, int status, const struct redis_reply *reply)
{
	struct chunk *chunk = data;
	struct recording *recording = chunk->recording;
	--recording->outstanding;
	int result = store_reply_status(status, reply, REDIS_STRING);
	if (!result && reply->length != chunk->count)
		result = -EBADMSG;
	for (size_t i = 0; !result && i < chunk->count; ++i) {
		recording->outcomes[chunk->first + i] = (enum store_outcome)(reply->data[i] - '0');
		if (reply->data[i] < '0' + STORE_RECORDED || reply->data[i] > '0' + STORE_UNCHANGED)
			result = -EBADMSG;
	}
	if (!recording->status)
		recording->status = result;
	if (!recording->status && recording->next < recording->count)
		recording->status = send_chunk(recording, chunk);
	if (!recording->outstanding)
		recording_end(recording);
}

static int check_call(const struct store_call *call)
{
	const char *id;
	size_t id_length, given = strnlen(call->id, STORE_ID_MAX + 1);
	if (!given || given > STORE_ID_MAX || call->start_ms < 0 || call->start_ms > STORE_MS_MAX)
		return -EINVAL;
	if (call->record_length > RECORD_MAX || call->other_count > OTHERS_MAX)
		return -EINVAL;
	if (store_record_id(call->record, call->record_length, &id, &id_length) || id_length != given ||
	    memcmp(id, call->id, given))
		return -EINVAL;
	if (*call->home && !key_number_valid(call->home))
		return -EINVAL;
	for (size_t i = 0; i < call->other_count; ++i)
		if (!key_number_valid(call->others[i]))
			return -EINVAL;
	return 0;
}

int store_record(struct store *store, const char *tag, const struct store_call *calls, size_t count,
                 struct arena *arena, int64_t deadline_us, store_record_callback *callback, void *data)
{
	if (!key_tag_valid(tag) || !count)
		return -EINVAL;
	for (size_t i = 0; i < count; ++i)
		if (check_call(&calls[i]))
			return -EINVAL;
	struct recording *recording = arena_calloc(arena, sizeof(*recording));
	if (!recording)
		return -ENOMEM;
	*recording = (struct recording){
	    .store = store,
	    .tag = arena_copy(arena, tag, strlen(tag)),
	    .calls = calls,
	    .count = count,
	    .deadline_us = deadline_us,
	    .callback = callback,
	    .data = data,
	    .outcomes = arena_calloc(arena, count * sizeof(*recording->outcomes)),
	};
	if (!recording->tag || !recording->outcomes)
		return -ENOMEM;
	int result = send_chunk(recording, &recording->chunks[0]);
	if (result)
		return result;
	store_hold(store);
	if (recording->next < count)
		recording->status = send_chunk(recording, &recording->chunks[1]);
	return 0;
}
