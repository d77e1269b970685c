/*
 * store/record: records calls by a script, about 100 of them at a time. What
 * fits into one script call is sent at once. Longer recordings take turns in
 * the order in which they came, with two script calls of theirs in progress:
 * more at once would delay readers (Redis runs all that one connection has
 * sent before it turns to another), fewer would leave Redis idle while the
 * disk syncs; and calls that come in order of time are recorded in order.
 */
#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "store/internal.h"
#include "store/key.h"

enum {
	CHUNK_CALLS = 100,
	CHUNK_BYTES = 128 << 10, /* of records */
	CHUNK_NUMBERS = 400,
	OUTSTANDING = 2, /* script calls in progress of recordings that take turns */
};

/* One script call. */
struct chunk {
	struct recording *recording; /* NULL: not in progress */
	size_t first, count;
};

struct recording {
	struct store *store;
	struct recording *next, **link; /* one of the store's lists */
	bool takes_turns;
	const char *tag;
	const struct store_call *calls;
	size_t count, sent;
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
	size_t count = 0, bytes = 0, numbers = 0;
	while (recording->sent + count < recording->count && count < CHUNK_CALLS) {
		const struct store_call *call = &recording->calls[recording->sent + count];
		bytes += call->record.length;
		numbers += call->number_count;
		if (count && (bytes > CHUNK_BYTES || numbers > CHUNK_NUMBERS))
			break;
		++count;
	}
	return count;
}

static void chunk_replied(void *data, int status, const struct redis_reply *reply);

static int send_chunk(struct recording *recording)
{
	struct store *store = recording->store;
	struct record_arguments arguments;
	size_t count = chunk_size(recording);
	struct chunk *chunk = recording->chunks[0].recording ? &recording->chunks[1] : &recording->chunks[0];
	int result = store_record_arguments(&arguments, store, recording->tag, &recording->calls[recording->sent], count,
	                                    recording->deadline_us);
	if (!result)
		result = redis_eval(store->redis, &store->record, 2, 4, arguments.argv, arguments.lengths,
		                    recording->deadline_us, chunk_replied, chunk);
	arena_reset(store->scratch);
	if (result)
		return result;
	*chunk = (struct chunk){recording, recording->sent, count};
	recording->sent += count;
	++recording->outstanding;
	store->outstanding += recording->takes_turns;
	return 0;
}

/* Takes a recording off the list; its memory is the caller's. */
static void unlink_recording(struct recording *recording)
{
	*recording->link = recording->next;
	if (recording->next)
		recording->next->link = recording->link;
}

static void end_recording(struct recording *recording)
{
	struct store *store = recording->store;
	unlink_recording(recording);
	if (recording->status)
		recording->callback(recording->data, recording->status, NULL, 0);
	else
		recording->callback(recording->data, 0, recording->outcomes, recording->count);
	store_release(store);
}

static bool is_waiting(const struct recording *recording)
{
	return !recording->status && recording->sent < recording->count;
}

/* Where one that takes turns has no room, others are in progress, whose end lets it send. */
static bool has_room(const struct recording *recording)
{
	return !recording->takes_turns || recording->store->outstanding < OUTSTANDING;
}

/*
 * Lets the first recordings that take turns send while there is room, and ends those that fail before anything of
 * theirs was sent.
 */
static void run_turns(struct store *store)
{
	struct recording *recording = store->turns;
	while (recording && store->outstanding < OUTSTANDING) {
		if (!is_waiting(recording)) {
			recording = recording->next;
			continue;
		}
		recording->status = clock_monotonic_us() < recording->deadline_us ? send_chunk(recording) : -ETIMEDOUT;
		if (recording->status && !recording->outstanding) {
			end_recording(recording);
			recording = store->turns;
		}
	}
}

static int take_outcomes(const struct chunk *chunk, const struct redis_reply *reply)
{
	enum store_outcome *outcomes = chunk->recording->outcomes + chunk->first;
	if (reply->length != chunk->count)
		return -EBADMSG;
	for (size_t i = 0; i < chunk->count; ++i) {
		if (reply->data[i] < '0' + STORE_RECORDED || reply->data[i] > '0' + STORE_COLLISION)
			return -EBADMSG;
		outcomes[i] = (enum store_outcome)(reply->data[i] - '0');
	}
	return 0;
}

static void end_chunk(struct chunk *chunk)
{
	struct recording *recording = chunk->recording;
	chunk->recording = NULL;
	--recording->outstanding;
	recording->store->outstanding -= recording->takes_turns;
}

static void chunk_replied(void *data, int status, const struct redis_reply *reply)
{
	struct chunk *chunk = data;
	struct recording *recording = chunk->recording;
	struct store *store = recording->store;
	int result = store_reply_status(store, status, reply, REDIS_STRING);
	if (!result)
		result = take_outcomes(chunk, reply);
	if (!recording->status)
		recording->status = result;
	end_chunk(chunk);
	bool done = !recording->outstanding && (recording->status || recording->sent == recording->count);
	store_hold(store);
	/* Before the callback, which may start another recording: those that wait go first. */
	run_turns(store);
	if (done)
		end_recording(recording);
	store_release(store);
}

static int check_call(const struct store_call *call)
{
	struct wire id;
	if (call->start_ms < 0 || call->start_ms > STORE_MS_MAX || call->record.length > STORE_RECORD_MAX ||
	    call->number_count > STORE_NUMBERS_MAX || store_record_id(&call->record, &id))
		return -EINVAL;
	for (size_t i = 0; i < call->number_count; ++i)
		if (!store_number_valid(call->numbers[i]))
			return -EINVAL;
	return 0;
}

/* Puts a recording on its list; those that take turns stay in the order in which they came. */
static void link_recording(struct recording *recording)
{
	struct recording **at = recording->takes_turns ? &recording->store->turns : &recording->store->recordings;
	while (recording->takes_turns && *at)
		at = &(*at)->next;
	recording->next = *at;
	if (recording->next)
		recording->next->link = &recording->next;
	recording->link = at;
	*at = recording;
}

int store_record(struct store *store, const char *tag, const struct store_call *calls, size_t count,
                 struct arena *arena, int64_t deadline_us, store_record_callback *callback, void *data)
{
	if (!store_tag_valid(tag) || !count)
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
	recording->takes_turns = chunk_size(recording) < count;
	if (has_room(recording)) {
		int result = send_chunk(recording);
		if (result)
			return result;
	}
	store_hold(store);
	link_recording(recording);
	while (recording->outstanding && is_waiting(recording) && has_room(recording))
		recording->status = send_chunk(recording);
	return 0;
}

/* The recording with this callback data on a list, or NULL. */
static struct recording *find_recording(struct recording *list, const void *data)
{
	while (list && list->data != data)
		list = list->next;
	return list;
}

bool store_record_cancel(struct store *store, const void *data)
{
	struct recording *recording = find_recording(store->recordings, data);
	if (!recording)
		recording = find_recording(store->turns, data);
	if (!recording)
		return false;
	for (size_t i = 0; i < OUTSTANDING; ++i) {
		if (!recording->chunks[i].recording)
			continue;
		redis_cancel(store->redis, &recording->chunks[i]);
		end_chunk(&recording->chunks[i]);
	}
	unlink_recording(recording);
	run_turns(store);
	store_release(store);
	return true;
}
