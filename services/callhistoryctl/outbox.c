/*
 * outbox: eight batches, each with an arena of its own, that go round through these states:
 *   EMPTY → FILLING → READY ⇄ SENT → EMPTY
 * READY with a `retry_us` in the future is a batch that is retried. Two batches of one tenant are never FILLING
 * together. `blockers` of a batch is the set of the batches that contain one of its ids and became ready before it: it
 * only ever points to earlier ones, so there is no deadlock.
 */
#include "callhistoryctl/outbox.h"

#include <errno.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/mix.h"
#include "callhistory/v1/call_ingest_service.pb-c.h"
#include "callhistoryctl/remote.h"

enum { ID_SLOTS = 4096, ARENA_BLOCK = 1 << 20 };

enum batch_state { BATCH_EMPTY, BATCH_FILLING, BATCH_READY, BATCH_SENT };

struct batch {
	struct context context; /* first: it is the closure's data */
	struct outbox *outbox;
	enum batch_state state;
	uint32_t blockers; /* one bit per batch of the outbox */
	struct arena *arena;
	struct arena_mark mark; /* before the first try */
	const char *project_code, *vbot_id;
	size_t count, bytes;
	Callhistory__V1__Call *calls[OUTBOX_BATCH_CALLS];
	bool supplements[OUTBOX_BATCH_CALLS];
	struct outbox_origin origins[OUTBOX_BATCH_CALLS];
	/* Hashes of the ids, open addressing; 0: free. Equal hashes of different ids only make a batch wait in vain. */
	uint64_t ids[ID_SLOTS];
	int tries;
	int64_t retry_us, deadline_us;
	uint64_t sequence; /* the order in which batches became ready */
};

struct outbox {
	struct outbox_options options;
	struct outbox_totals totals;
	uint64_t next_sequence;
	int in_flight;
	struct batch batches[OUTBOX_BATCHES];
};

int outbox_create(struct outbox **out, const struct outbox_options *options)
{
	struct outbox *outbox = calloc(1, sizeof(*outbox));
	if (!outbox)
		return -ENOMEM;
	outbox->options = *options;
	for (size_t i = 0; i < OUTBOX_BATCHES; ++i) {
		outbox->batches[i].outbox = outbox;
		if (arena_create(&outbox->batches[i].arena, ARENA_BLOCK)) {
			outbox_destroy(outbox);
			return -ENOMEM;
		}
	}
	*out = outbox;
	return 0;
}

void outbox_destroy(struct outbox *outbox)
{
	if (!outbox)
		return;
	for (size_t i = 0; i < OUTBOX_BATCHES; ++i)
		arena_destroy(outbox->batches[i].arena);
	free(outbox);
}

/* ---- Gathering -------------------------------------------------------------------------------------------------- */

/* The slot where the hash is or would be: there is always a free one, as a batch holds fewer calls than slots. */
static size_t find_slot(const struct batch *batch, uint64_t hash)
{
	size_t slot = (hash ^ hash >> 32) % ID_SLOTS;
	while (batch->ids[slot] && batch->ids[slot] != hash)
		slot = (slot + 1) % ID_SLOTS;
	return slot;
}

static bool same_tenant(const struct batch *batch, const struct contract_import *record)
{
	return !strcmp(batch->project_code, record->project_code) && !strcmp(batch->vbot_id, record->vbot_id);
}

static void empty(struct batch *batch)
{
	struct outbox *outbox = batch->outbox;
	uint32_t bit = UINT32_C(1) << (batch - outbox->batches);
	for (size_t i = 0; i < OUTBOX_BATCHES; ++i)
		outbox->batches[i].blockers &= ~bit;
	arena_reset(batch->arena);
	memset(batch->ids, 0, sizeof(batch->ids));
	batch->state = BATCH_EMPTY;
	batch->count = batch->bytes = 0;
	batch->blockers = 0;
}

static void make_ready(struct batch *batch)
{
	batch->state = BATCH_READY;
	batch->sequence = batch->outbox->next_sequence++;
	batch->tries = 0;
	batch->retry_us = 0;
	batch->deadline_us = 0;
}

/* Finds or opens a batch that takes calls of the record's tenant. 0, -ENOMEM, or -EAGAIN: all batches are in use. */
static int find_batch(struct outbox *outbox, const struct contract_import *record, struct batch **out)
{
	struct batch *unused = NULL, *fullest = NULL;
	for (size_t i = 0; i < OUTBOX_BATCHES; ++i) {
		struct batch *batch = &outbox->batches[i];
		if (batch->state == BATCH_EMPTY)
			unused = batch;
		if (batch->state != BATCH_FILLING)
			continue;
		if (same_tenant(batch, record)) {
			*out = batch;
			return 0;
		}
		if (!fullest || batch->count > fullest->count)
			fullest = batch;
	}
	if (!unused) {
		/* More tenants than batches: sends the fullest one, so that a batch becomes free. */
		if (fullest)
			make_ready(fullest);
		return -EAGAIN;
	}
	unused->project_code = arena_copy(unused->arena, record->project_code, strlen(record->project_code));
	unused->vbot_id = arena_copy(unused->arena, record->vbot_id, strlen(record->vbot_id));
	if (!unused->project_code || !unused->vbot_id) {
		arena_reset(unused->arena);
		return -ENOMEM;
	}
	unused->state = BATCH_FILLING;
	*out = unused;
	return 0;
}

/* Copies a call by way of its packed form: the one way that needs no knowledge of its fields. */
static Callhistory__V1__Call *copy_call(struct arena *arena, const Callhistory__V1__Call *call, size_t size)
{
	ProtobufCAllocator allocator = {arena_allocator_alloc, arena_allocator_free, arena};
	uint8_t *packed = arena_alloc(arena, size);
	if (!packed)
		return NULL;
	callhistory__v1__call__pack(call, packed);
	return callhistory__v1__call__unpack(&allocator, size, packed);
}

int outbox_add(struct outbox *outbox, const struct contract_import *record, bool supplement,
               struct outbox_origin origin)
{
	size_t bytes = callhistory__v1__call__get_packed_size(record->call);
	struct batch *batch;
	int result = find_batch(outbox, record, &batch);
	if (result)
		return result;
	if (batch->count == OUTBOX_BATCH_CALLS || (batch->count && bytes > OUTBOX_BATCH_BYTES - batch->bytes)) {
		make_ready(batch);
		return outbox_add(outbox, record, supplement, origin);
	}
	Callhistory__V1__Call *call = copy_call(batch->arena, record->call, bytes);
	if (!call) {
		/* A batch without calls must not be sent. */
		if (!batch->count)
			empty(batch);
		return -ENOMEM;
	}
	uint64_t hash = mix_hash(MIX_HASH, call->id, strlen(call->id)) | 1; /* 0: a free slot */
	batch->ids[find_slot(batch, hash)] = hash;
	for (size_t i = 0; i < OUTBOX_BATCHES; ++i) {
		const struct batch *other = &outbox->batches[i];
		if ((other->state == BATCH_READY || other->state == BATCH_SENT) && other->ids[find_slot(other, hash)] &&
		    same_tenant(other, record))
			batch->blockers |= UINT32_C(1) << i;
	}
	batch->calls[batch->count] = call;
	batch->supplements[batch->count] = supplement;
	batch->origins[batch->count++] = origin;
	batch->bytes += bytes;
	if (batch->count == OUTBOX_BATCH_CALLS || batch->bytes >= OUTBOX_BATCH_BYTES)
		make_ready(batch);
	return 0;
}

void outbox_flush(struct outbox *outbox)
{
	for (size_t i = 0; i < OUTBOX_BATCHES; ++i)
		if (outbox->batches[i].state == BATCH_FILLING)
			make_ready(&outbox->batches[i]);
}

void outbox_drop(struct outbox *outbox)
{
	for (size_t i = 0; i < OUTBOX_BATCHES; ++i) {
		struct batch *batch = &outbox->batches[i];
		if (batch->state != BATCH_FILLING && batch->state != BATCH_READY)
			continue;
		outbox->totals.dropped += batch->count;
		empty(batch);
	}
}

/* ---- Sending ---------------------------------------------------------------------------------------------------- */

static void give_up(struct batch *batch)
{
	struct outbox *outbox = batch->outbox;
	const struct outbox_failure failure = {
	    .project_code = batch->project_code,
	    .vbot_id = batch->vbot_id,
	    .first = batch->origins[0],
	    .last = batch->origins[batch->count - 1],
	    .count = batch->count,
	    .context = &batch->context,
	};
	outbox->totals.failed += batch->count;
	outbox->options.failed(outbox->options.data, &failure);
	empty(batch);
}

static void take_results(struct batch *batch, Callhistory__V1__RecordCallResult *const *results)
{
	struct outbox *outbox = batch->outbox;
	struct outbox_totals *totals = &outbox->totals;
	for (size_t i = 0; i < batch->count; ++i) {
		const Callhistory__V1__RecordCallResult *result = results[i];
		switch (result->outcome) {
		case CALLHISTORY__V1__RECORD_CALL_RESULT__OUTCOME__OUTCOME_RECORDED:
			++totals->recorded;
			break;
		case CALLHISTORY__V1__RECORD_CALL_RESULT__OUTCOME__OUTCOME_REPLACED:
			++totals->replaced;
			break;
		case CALLHISTORY__V1__RECORD_CALL_RESULT__OUTCOME__OUTCOME_UNCHANGED:
			++totals->unchanged;
			break;
		default:
			++totals->refused;
			outbox->options.refused(outbox->options.data, batch->origins[i], result->field, result->message);
		}
	}
}

/* Whether the same batch would be refused again, however long one waits. */
static bool is_final(enum status status)
{
	return status == STATUS_UNAUTHENTICATED || status == STATUS_PERMISSION_DENIED ||
	       status == STATUS_INVALID_ARGUMENT || status == STATUS_UNIMPLEMENTED;
}

/* The results of a batch, if it was answered. */
static void on_results(struct batch *batch, bool answered, Callhistory__V1__RecordCallResult *const *results,
                       size_t count)
{
	--batch->outbox->in_flight;
	if (answered && count == batch->count) {
		take_results(batch, results);
		empty(batch);
		return;
	}
	if (answered)
		context_fail(&batch->context, STATUS_INTERNAL, NULL, "the service answered for %zu calls of %zu", count,
		             batch->count);
	int64_t now_us = clock_monotonic_us();
	const bool persistent = batch->outbox->options.persistent && !is_final(batch->context.status);
	/* What would fail again may be different when the service has been repaired. */
	if (persistent && batch->context.status != STATUS_RESOURCE_EXHAUSTED)
		batch->context.status = STATUS_UNAVAILABLE;
	int64_t wait_us = remote_wait_us(&batch->context, (unsigned)batch->tries);
	int64_t again_us = now_us + wait_us;
	if (wait_us >= 0 && (persistent || again_us < batch->deadline_us)) {
		batch->state = BATCH_READY;
		batch->retry_us = again_us;
		if (batch->outbox->options.repeated)
			batch->outbox->options.repeated(batch->outbox->options.data, &batch->context);
	} else {
		give_up(batch);
	}
}

static void on_recorded(const Callhistory__V1__RecordCallsResponse *response, void *data)
{
	on_results(data, response, response ? response->results : NULL, response ? response->n_results : 0);
}

static void on_merged(const Callhistory__V1__MergeCallsResponse *response, void *data)
{
	on_results(data, response, response ? response->results : NULL, response ? response->n_results : 0);
}

static void send_calls(struct batch *batch)
{
	Callhistory__V1__RecordCallsRequest request = CALLHISTORY__V1__RECORD_CALLS_REQUEST__INIT;
	request.project_code = (char *)batch->project_code;
	request.vbot_id = (char *)batch->vbot_id;
	request.calls = batch->calls;
	request.n_calls = batch->count;
	callhistory__v1__call_ingest_service__record_calls(batch->outbox->options.ingest, &request, on_recorded, batch);
}

static void send_parts(struct batch *batch)
{
	Callhistory__V1__MergeCallsRequest request = CALLHISTORY__V1__MERGE_CALLS_REQUEST__INIT;
	Callhistory__V1__CallPart parts[OUTBOX_BATCH_CALLS], *pointers[OUTBOX_BATCH_CALLS];
	for (size_t i = 0; i < batch->count; ++i) {
		callhistory__v1__call_part__init(&parts[i]);
		parts[i].call = batch->calls[i];
		parts[i].supplement = batch->supplements[i];
		pointers[i] = &parts[i];
	}
	request.project_code = (char *)batch->project_code;
	request.vbot_id = (char *)batch->vbot_id;
	request.parts = pointers;
	request.n_parts = batch->count;
	callhistory__v1__call_ingest_service__merge_calls(batch->outbox->options.ingest, &request, on_merged, batch);
}

static void send_batch(struct batch *batch, int64_t now_us)
{
	struct outbox *outbox = batch->outbox;
	if (!batch->tries++ || outbox->options.persistent)
		batch->deadline_us = now_us + outbox->options.timeout_us;
	if (batch->tries == 1)
		batch->mark = arena_mark(batch->arena);
	arena_rewind(batch->arena, batch->mark); /* what an earlier try left */
	context_init(&batch->context, batch->arena);
	batch->context.authorization = outbox->options.authorization;
	batch->context.deadline_us = batch->deadline_us;
	batch->state = BATCH_SENT;
	++outbox->in_flight;
	if (outbox->options.parts)
		send_parts(batch);
	else
		send_calls(batch);
}

int64_t outbox_run(struct outbox *outbox, int64_t now_us)
{
	int64_t next_us = CLOCK_NEVER;
	while (outbox->in_flight < OUTBOX_IN_FLIGHT) {
		struct batch *oldest = NULL;
		next_us = CLOCK_NEVER;
		for (size_t i = 0; i < OUTBOX_BATCHES; ++i) {
			struct batch *batch = &outbox->batches[i];
			if (batch->state != BATCH_READY || batch->blockers)
				continue;
			if (batch->retry_us > now_us)
				next_us = batch->retry_us < next_us ? batch->retry_us : next_us;
			else if (!oldest || batch->sequence < oldest->sequence)
				oldest = batch;
		}
		if (!oldest)
			break;
		send_batch(oldest, now_us);
	}
	return next_us;
}

bool outbox_idle(const struct outbox *outbox)
{
	for (size_t i = 0; i < OUTBOX_BATCHES; ++i)
		if (outbox->batches[i].state != BATCH_EMPTY)
			return false;
	return true;
}

bool outbox_busy(const struct outbox *outbox)
{
	for (size_t i = 0; i < OUTBOX_BATCHES; ++i)
		if (outbox->batches[i].state == BATCH_READY || outbox->batches[i].state == BATCH_SENT)
			return true;
	return false;
}

const struct outbox_origin *outbox_oldest(const struct outbox *outbox, const char *file)
{
	const struct outbox_origin *oldest = NULL;
	for (size_t i = 0; i < OUTBOX_BATCHES; ++i) {
		const struct batch *batch = &outbox->batches[i];
		size_t at = 0;
		/* The first one of the file in a batch is the oldest one in it. */
		while (at < batch->count && batch->origins[at].file != file)
			++at;
		if (at < batch->count && (!oldest || batch->origins[at].position < oldest->position))
			oldest = &batch->origins[at];
	}
	return oldest;
}

const struct outbox_totals *outbox_totals(const struct outbox *outbox)
{
	return &outbox->totals;
}
