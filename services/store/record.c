/*
 * store/record: records calls by a script, about 100 of them at a time. An ingest is what one store_record() records.
 * If it fits into one script call, it is sent immediately. Longer ones queue in the order in which they came, with two
 * script calls in progress for all of them: more would delay readers, because each takes Redis milliseconds; fewer
 * would leave Redis idle while the disk syncs.
 */
#include <errno.h>

#include "base/clock.h"
#include "store/internal.h"
#include "store/key.h"

enum {
	CHUNK_CALLS = 100,
	CHUNK_BYTES = 128 << 10, /* of records */
	CHUNK_NUMBERS = 400,
	OUTSTANDING = 2, /* script calls in progress, for one ingest and for all queued ones */
};

/* One script call. */
struct chunk {
	struct ingest *ingest; /* NULL: not in progress */
	size_t first, count;
};

struct ingest {
	struct store *store;
	TAILQ_ENTRY(ingest) entry; /* of one of the store's lists */
	bool queued;
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
static size_t chunk_size(const struct ingest *ingest)
{
	size_t count = 0, bytes = 0, numbers = 0;
	while (ingest->sent + count < ingest->count && count < CHUNK_CALLS) {
		const struct store_call *call = &ingest->calls[ingest->sent + count];
		bytes += call->record.length;
		numbers += call->number_count;
		if (count && (bytes > CHUNK_BYTES || numbers > CHUNK_NUMBERS))
			break;
		++count;
	}
	return count;
}

static void chunk_replied(void *data, int status, const struct redis_reply *reply);

static int send_chunk(struct ingest *ingest)
{
	struct store *store = ingest->store;
	size_t count = chunk_size(ingest);
	struct chunk *chunk = ingest->chunks[0].ingest ? &ingest->chunks[1] : &ingest->chunks[0];
	int result = store_record_eval(store, ingest->tag, &ingest->calls[ingest->sent], count, ingest->deadline_us,
	                               chunk_replied, chunk);
	if (result)
		return result;
	*chunk = (struct chunk){ingest, ingest->sent, count};
	ingest->sent += count;
	++ingest->outstanding;
	store->outstanding += ingest->queued;
	return 0;
}

static struct ingest_list *list_of(const struct ingest *ingest)
{
	return ingest->queued ? &ingest->store->queued : &ingest->store->ingests;
}

/* Takes an ingest off its list; its memory is the caller's. */
static void end_ingest(struct ingest *ingest)
{
	TAILQ_REMOVE(list_of(ingest), ingest, entry);
	if (ingest->status)
		ingest->callback(ingest->data, ingest->status, NULL, 0);
	else
		ingest->callback(ingest->data, 0, ingest->outcomes, ingest->count);
}

static bool is_waiting(const struct ingest *ingest)
{
	return !ingest->status && ingest->sent < ingest->count;
}

/* A queued ingest that may not send waits for others in progress, whose end lets it send. */
static bool may_send(const struct ingest *ingest)
{
	return !ingest->queued || ingest->store->outstanding < OUTSTANDING;
}

/*
 * Sends chunks of the first queued ingests while the limit allows, and ends those that fail while nothing of theirs is
 * in progress.
 */
static void run_turns(struct store *store)
{
	struct ingest *ingest = TAILQ_FIRST(&store->queued);
	while (ingest && store->outstanding < OUTSTANDING) {
		if (!is_waiting(ingest)) {
			ingest = TAILQ_NEXT(ingest, entry);
			continue;
		}
		ingest->status = clock_monotonic_us() < ingest->deadline_us ? send_chunk(ingest) : -ETIMEDOUT;
		if (ingest->status && !ingest->outstanding) {
			end_ingest(ingest);
			ingest = TAILQ_FIRST(&store->queued);
		}
	}
}

static int take_outcomes(const struct chunk *chunk, const struct redis_reply *reply)
{
	enum store_outcome *outcomes = chunk->ingest->outcomes + chunk->first;
	if (reply->length != chunk->count)
		return -EBADMSG;
	for (size_t i = 0; i < chunk->count; ++i) {
		if (reply->data[i] < '0' + STORE_RECORDED || reply->data[i] > '0' + STORE_CONFLICT)
			return -EBADMSG;
		outcomes[i] = (enum store_outcome)(reply->data[i] - '0');
	}
	return 0;
}

static void end_chunk(struct chunk *chunk)
{
	struct ingest *ingest = chunk->ingest;
	chunk->ingest = NULL;
	--ingest->outstanding;
	ingest->store->outstanding -= ingest->queued;
}

static void chunk_replied(void *data, int status, const struct redis_reply *reply)
{
	struct chunk *chunk = data;
	struct ingest *ingest = chunk->ingest;
	struct store *store = ingest->store;
	int result = store_reply_status(store, status, reply, REDIS_STRING);
	if (!result)
		result = take_outcomes(chunk, reply);
	if (!ingest->status)
		ingest->status = result;
	end_chunk(chunk);
	bool done = !ingest->outstanding && (ingest->status || ingest->sent == ingest->count);
	/* Before the callback, which may start another ingest: those that wait go first. */
	run_turns(store);
	if (done)
		end_ingest(ingest);
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

int store_record(struct store *store, const char *tag, const struct store_call *calls, size_t count,
                 struct arena *arena, int64_t deadline_us, store_record_callback *callback, void *data)
{
	if (!store_tag_valid(tag) || !count)
		return -EINVAL;
	for (size_t i = 0; i < count; ++i)
		if (check_call(&calls[i]))
			return -EINVAL;
	struct ingest *ingest = arena_calloc(arena, sizeof(*ingest));
	if (!ingest)
		return -ENOMEM;
	*ingest = (struct ingest){
	    .store = store,
	    .tag = arena_copy(arena, tag, strlen(tag)),
	    .calls = calls,
	    .count = count,
	    .deadline_us = deadline_us,
	    .callback = callback,
	    .data = data,
	    .outcomes = arena_calloc(arena, count * sizeof(*ingest->outcomes)),
	};
	if (!ingest->tag || !ingest->outcomes)
		return -ENOMEM;
	ingest->queued = chunk_size(ingest) < count;
	if (may_send(ingest)) {
		int result = send_chunk(ingest);
		if (result)
			return result;
	}
	TAILQ_INSERT_TAIL(list_of(ingest), ingest, entry);
	while (ingest->outstanding && is_waiting(ingest) && may_send(ingest))
		ingest->status = send_chunk(ingest);
	return 0;
}

/* The ingest with this callback data on a list, or NULL. */
static struct ingest *find_ingest(const struct ingest_list *list, const void *data)
{
	struct ingest *ingest;
	TAILQ_FOREACH (ingest, list, entry)
		if (ingest->data == data)
			return ingest;
	return NULL;
}

bool store_record_cancel(struct store *store, const void *data)
{
	struct ingest *ingest = find_ingest(&store->ingests, data);
	if (!ingest)
		ingest = find_ingest(&store->queued, data);
	if (!ingest)
		return false;
	for (size_t i = 0; i < OUTSTANDING; ++i) {
		if (!ingest->chunks[i].ingest)
			continue;
		redis_cancel(store->redis, &ingest->chunks[i]);
		end_chunk(&ingest->chunks[i]);
	}
	TAILQ_REMOVE(list_of(ingest), ingest, entry);
	run_turns(store);
	return true;
}
