/*
 * store/record: records calls by a script, about 100 of them at a time. What
 * fits into one script call is sent at once. Longer recordings take turns in
 * the order in which they came, with two script calls of theirs under way:
 * more at once would hold readers up (Redis runs all that one connection has
 * sent before it turns to another), fewer would leave Redis idle while the
 * disk syncs; and calls that come in order of time are recorded in order.
 */
#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "store/internal.h"
#include "store/key.h"
#include "store/record_arguments.h"

enum {
	CHUNK_CALLS = 100,
	CHUNK_BYTES = 128 << 10, /* of records */
	CHUNK_OTHERS = 300,      /* further numbers */
	OUTSTANDING = 2,         /* script calls of recordings in the queue */
};

/* One script call. */
struct chunk {
	struct recording *recording; /* NULL: not under way */
	size_t first, count;
};

struct recording {
	struct store *store;
	struct recording *following; /* in the store's queue */
	bool queued;                 /* goes through the queue */
	bool waiting;                /* is in it: calls remain to be sent */
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

static int send_chunk(struct recording *recording)
{
	struct store *store = recording->store;
	struct record_arguments arguments;
	size_t count = chunk_size(recording);
	int result = record_arguments_make(&arguments, store, recording->tag, &recording->calls[recording->next], count);
	if (result)
		goto done;
	struct chunk *chunk = recording->chunks[0].recording ? &recording->chunks[1] : &recording->chunks[0];
	*chunk = (struct chunk){recording, recording->next, count};
	result = redis_eval(store->redis, &store->record, arguments.keys, arguments.count, arguments.data,
	                    arguments.lengths, recording->deadline_us, chunk_replied, chunk);
	if (result) {
		chunk->recording = NULL;
		goto done;
	}
	recording->next += count;
	++recording->outstanding;
	store->queue_outstanding += recording->queued;
done:
	arena_reset(store->scratch);
	return result;
}

/* Lets the first ones in the queue send, while there is room, and ends those that failed before anything of theirs was sent. */
static void run_queue(struct store *store)
{
	while (store->queue && store->queue_outstanding < OUTSTANDING) {
		struct recording *first = store->queue;
		if (!first->status && clock_monotonic_us() >= first->deadline_us)
			first->status = -ETIMEDOUT;
		if (!first->status)
			first->status = send_chunk(first);
		if (!first->status && first->next < first->count)
			continue;
		first->waiting = false;
		store->queue = first->following;
		if (!store->queue)
			store->queue_end = &store->queue;
		if (!first->outstanding)
			recording_end(first);
	}
}

static void enqueue(struct recording *recording)
{
	struct store *store = recording->store;
	recording->waiting = true;
	*store->queue_end = recording;
	store->queue_end = &recording->following;
	if (store->queue == recording)
		run_queue(store);
}

static int take_outcomes(const struct chunk *chunk, const struct redis_reply *reply)
{
	enum store_outcome *outcomes = chunk->recording->outcomes + chunk->first;
	if (reply->length != chunk->count)
		return -EBADMSG;
	for (size_t i = 0; i < chunk->count; ++i) {
		if (reply->data[i] < '0' + STORE_RECORDED || reply->data[i] > '0' + STORE_UNCHANGED)
			return -EBADMSG;
		outcomes[i] = (enum store_outcome)(reply->data[i] - '0');
	}
	return 0;
}

/* The connection is going: what waits ends as well. */
static void cancel_queue(struct store *store)
{
	for (struct recording *recording = store->queue; recording; recording = recording->following)
		recording->status = -ECANCELED;
}

static void chunk_replied(void *data, int status, const struct redis_reply *reply)
{
	struct chunk *chunk = data;
	struct recording *recording = chunk->recording;
	struct store *store = recording->store;
	int result = store_reply_status(status, reply, REDIS_STRING);
	if (!result)
		result = take_outcomes(chunk, reply);
	if (!recording->status)
		recording->status = result;
	if (status == -ECANCELED)
		cancel_queue(store);
	chunk->recording = NULL;
	--recording->outstanding;
	store->queue_outstanding -= recording->queued;
	store_hold(store);
	if (!recording->outstanding && !recording->waiting)
		recording_end(recording);
	run_queue(store);
	store_release(store);
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
	recording->queued = chunk_size(recording) < count;
	if (!recording->queued || (!store->queue && store->queue_outstanding < OUTSTANDING)) {
		int result = send_chunk(recording);
		if (result)
			return result;
	}
	store_hold(store);
	if (recording->next < count)
		enqueue(recording);
	return 0;
}
