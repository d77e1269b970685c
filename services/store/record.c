/*
 * store/record: records calls by a script, about 100 of them at a time, with
 * two script calls under way: more at once would hold readers up, fewer would
 * leave Redis idle while the disk syncs.
 */
#include <errno.h>
#include <string.h>

#include "store/internal.h"
#include "store/key.h"
#include "store/record_arguments.h"

enum {
	CHUNK_CALLS = 100,
	CHUNK_BYTES = 128 << 10, /* of records */
	CHUNK_OTHERS = 300,      /* further numbers */
	OUTSTANDING = 2,
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

/* How many of the next calls go into one script call. */
static size_t chunk_size(const struct recording *recording)
{
	size_t count = 0, bytes = 0, others = 0;
	while (recording->next + count < recording->count && count < CHUNK_CALLS) {
		const struct store_call *call = &recording->calls[recording->next + count];
		bytes += call->record_length;
		others += call->other_count;
		if (count && (bytes > CHUNK_BYTES || others > CHUNK_OTHERS))
			break;
		++count;
	}
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
	struct record_arguments arguments;
	size_t count = chunk_size(recording);
	int result = record_arguments_make(&arguments, store, recording->tag, &recording->calls[recording->next], count);
	if (result)
		goto done;
	*chunk = (struct chunk){recording, recording->next, count};
	result = redis_eval(store->redis, &store->record, arguments.keys, arguments.count, arguments.data,
	                    arguments.lengths, recording->deadline_us, chunk_replied, chunk);
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
	if (call->record_length > RECORD_BYTES_MAX || call->other_count > RECORD_OTHERS_MAX)
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
