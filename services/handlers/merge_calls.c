/*
 * MergeCalls: works in rounds. A round takes the next parts, finds what is stored under their ids, merges them and
 * writes each call on condition that what is stored is still what was found. Parts of calls that somebody else has
 * written meanwhile are taken again in the next round, as are those whose calls did not fit into the reply and those
 * for which there was no time: merging many parts of large calls at once would keep the worker from all else.
 */
#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/unpack.h"
#include "handlers/call_check.h"
#include "handlers/call_store.h"
#include "handlers/handlers.h"
#include "handlers/merge.h"
#include "handlers/request.h"

typedef Callhistory__V1__RecordCallResult Result;
typedef Callhistory__V1__Call Call;

enum {
	ROUND_PARTS = 100,
	CONFLICTS_MAX = 10, /* rounds of a request whose calls others changed meanwhile */
	RETRY_AFTER_MS = 200,
	MERGE_US = 5000, /* a round merges for about as long: merging a call of 1,024 parties takes milliseconds */
	SCRATCH_FIRST = 64 << 10,
};

/* A call of the round. */
struct target {
	Call *call;                /* what is known; NULL: nothing */
	struct store_record known; /* packed; data is NULL where nothing is known */
	struct store_call stored;  /* what is to be written */
	char condition[STORE_CONDITION_LENGTH];
	bool existed;  /* something was stored */
	bool changed;  /* `stored` is set */
	bool again;    /* its parts are taken again */
	bool collides; /* its id cannot be used */
};

struct merging {
	struct request request;
	const Callhistory__V1__MergeCallsRequest *input;
	Result *results;          /* one per part */
	Result **result_pointers; /* as the response wants them */
	struct arena *scratch;    /* of a round */
	size_t next;              /* the first part that no round has taken */
	unsigned conflicts;

	size_t parts[ROUND_PARTS]; /* of the round, ascending: indexes in the request */
	size_t part_targets[ROUND_PARTS];
	size_t part_count;
	size_t merged_count; /* the first ones, which have been merged; the others are taken again */
	struct target targets[ROUND_PARTS];
	const char *ids[ROUND_PARTS];
	size_t target_count;
	struct store_call calls[ROUND_PARTS];
	size_t call_targets[ROUND_PARTS];
	size_t call_count;
};

static int check(struct request *request, const ProtobufCMessage *message)
{
	const Callhistory__V1__MergeCallsRequest *input = (const Callhistory__V1__MergeCallsRequest *)message;
	if (input->n_parts > HANDLERS_MERGE_MAX)
		return context_fail_field(request->context, "parts", "has more than %d values", HANDLERS_MERGE_MAX);
	((struct merging *)request)->input = input;
	return 0;
}

/* ---- The end ---------------------------------------------------------------------------------------------------- */

static void end(struct request *request)
{
	arena_destroy(((struct merging *)request)->scratch);
}

static void answer(struct merging *merging)
{
	Callhistory__V1__MergeCallsResponse response = CALLHISTORY__V1__MERGE_CALLS_RESPONSE__INIT;
	response.n_results = merging->input->n_parts;
	response.results = merging->result_pointers;
	handlers_request_answer(&merging->request, &response.base);
}

static void give_up(struct merging *merging)
{
	struct context *context = merging->request.context;
	context->retry_after_ms = RETRY_AFTER_MS;
	context_fail(context, STATUS_UNAVAILABLE, "MERGE_CONFLICT",
	             "other clients are writing the same calls; repeat the request");
	handlers_request_end(&merging->request);
}

/* ---- Parts ------------------------------------------------------------------------------------------------------ */

/* The fault's texts may be in the scratch arena. 0 or -ENOMEM. */
static int refuse(struct merging *merging, size_t part, const struct call_fault *fault)
{
	struct arena *arena = merging->request.context->arena;
	const struct call_fault copy = {arena_copy(arena, fault->field, strlen(fault->field)),
	                                arena_copy(arena, fault->message, strlen(fault->message))};
	if (!copy.field || !copy.message)
		return -ENOMEM;
	handlers_result_refuse(&merging->results[part], merging->input->parts[part]->call->id, &copy);
	return 0;
}

static bool is_refused(const struct merging *merging, size_t part)
{
	return merging->results[part].outcome == CALLHISTORY__V1__RECORD_CALL_RESULT__OUTCOME__OUTCOME_REFUSED;
}

/* What only the service sets is not the client's. */
static void clear_marks(Call *call)
{
	call->incomplete = false;
	for (size_t i = 0; i < call->n_callers; ++i)
		call->callers[i]->supplemented = false;
	for (size_t i = 0; i < call->n_callees; ++i)
		call->callees[i]->supplemented = false;
}

static int check_part(struct merging *merging, size_t index)
{
	struct request *request = &merging->request;
	Callhistory__V1__CallPart *part = merging->input->parts[index];
	Result *result = &merging->results[index];
	struct call_fault fault = {"", ""};
	struct store_call stored;
	callhistory__v1__record_call_result__init(result);
	merging->result_pointers[index] = result;
	if (!part->call) {
		part->call = arena_alloc(request->context->arena, sizeof(*part->call));
		if (!part->call)
			return -ENOMEM;
		callhistory__v1__call__init(part->call);
	}
	int failed = handlers_call_check(part->call, true, merging->scratch, &fault);
	if (!failed)
		failed = handlers_call_store(&stored, part->call, request->shared->country_code, merging->scratch, &fault);
	if (failed == -EINVAL)
		return refuse(merging, index, &fault);
	clear_marks(part->call);
	result->id = part->call->id;
	return failed;
}

static int check_parts(struct merging *merging)
{
	int result = 0;
	for (size_t i = 0; i < merging->input->n_parts && !result; ++i) {
		result = check_part(merging, i);
		arena_reset(merging->scratch);
	}
	return result;
}

/* Merges a part into its call. 0 or -ENOMEM. */
static int merge_part(struct merging *merging, size_t index, struct target *target)
{
	const struct request *request = &merging->request;
	const Callhistory__V1__CallPart *part = merging->input->parts[index];
	Result *result = &merging->results[index];
	struct call_fault fault = {"", ""};
	struct store_call stored;
	Call *merged;
	if (target->collides) {
		handlers_result_collide(result);
		return 0;
	}
	int failed = handlers_merge(&merged, target->call, part->call, part->supplement, merging->scratch);
	if (!failed)
		failed = handlers_call_check(merged, true, merging->scratch, &fault);
	if (!failed)
		failed = handlers_call_store(&stored, merged, request->shared->country_code, merging->scratch, &fault);
	if (failed)
		return failed == -EINVAL ? refuse(merging, index, &fault) : failed;
	bool same = target->known.data && stored.record.length == target->known.length &&
	            !memcmp(stored.record.data, target->known.data, target->known.length);
	result->outcome = same              ? CALLHISTORY__V1__RECORD_CALL_RESULT__OUTCOME__OUTCOME_UNCHANGED
	                  : target->existed ? CALLHISTORY__V1__RECORD_CALL_RESULT__OUTCOME__OUTCOME_REPLACED
	                                    : CALLHISTORY__V1__RECORD_CALL_RESULT__OUTCOME__OUTCOME_RECORDED;
	result->field = result->message = (char *)"";
	target->call = merged;
	target->known = stored.record;
	target->stored = stored;
	target->stored.condition = target->condition;
	target->changed = target->existed = true;
	return 0;
}

/* ---- Rounds ----------------------------------------------------------------------------------------------------- */

static int begin_round(struct merging *merging);

/* The parts that are to be taken again come first, so that parts of one call stay in order. */
static void choose_parts(struct merging *merging)
{
	size_t count = 0;
	for (size_t i = 0; i < merging->part_count; ++i)
		if (i >= merging->merged_count || merging->targets[merging->part_targets[i]].again)
			merging->parts[count++] = merging->parts[i];
	for (; merging->next < merging->input->n_parts && count < ROUND_PARTS; ++merging->next)
		if (!is_refused(merging, merging->next))
			merging->parts[count++] = merging->next;
	merging->part_count = count;
	merging->merged_count = 0;
}

static size_t find_target(struct merging *merging, const char *id)
{
	for (size_t i = 0; i < merging->target_count; ++i)
		if (!strcmp(merging->ids[i], id))
			return i;
	merging->ids[merging->target_count] = id;
	merging->targets[merging->target_count] = (struct target){.again = true};
	return merging->target_count++;
}

/* Goes on after a round: with the next one, or with the answer. */
static void proceed(struct merging *merging)
{
	if (handlers_request_end_over(&merging->request))
		return;
	int status = begin_round(merging);
	if (status)
		handlers_request_end_store(&merging->request, status);
	else if (!merging->part_count)
		answer(merging);
}

static void recorded(void *data, int status, const enum store_outcome *outcomes, size_t count)
{
	struct merging *merging = data;
	bool conflict = false;
	if (handlers_request_end_store(&merging->request, status))
		return;
	for (size_t i = 0; i < count; ++i)
		if (outcomes[i] == STORE_CONFLICT || outcomes[i] == STORE_COLLISION) /* of two new ids of this request */
			conflict = merging->targets[merging->call_targets[i]].again = true;
	merging->conflicts += conflict;
	if (merging->conflicts > CONFLICTS_MAX)
		give_up(merging);
	else
		proceed(merging);
}

static int unpack(Call **out, const struct store_record *record, struct arena *arena)
{
	ProtobufCMessage *message;
	int result = unpack_message(&callhistory__v1__call__descriptor, record->data, record->length, arena, &message);
	if (!result)
		*out = (Call *)message;
	return result;
}

/*
 * Reads what is stored of a call. If it has both a record and parts without a start, RecordCalls came after them:
 * the record is merged into the parts.
 */
static int read_target(struct target *target, const struct store_found *found, struct arena *arena)
{
	const struct store_record *one = found->record.data ? &found->record : &found->parts;
	target->again = false;
	target->collides = found->collision;
	memcpy(target->condition, found->condition, STORE_CONDITION_LENGTH);
	if (!one->data)
		return 0;
	target->existed = true;
	target->known.data = arena_alloc(arena, one->length);
	if (!target->known.data)
		return -ENOMEM;
	memcpy((uint8_t *)target->known.data, one->data, one->length);
	target->known.length = one->length;
	Call *parts = NULL;
	int result = unpack(&target->call, one, arena);
	if (!result && one != &found->parts && found->parts.data)
		result = unpack(&parts, &found->parts, arena);
	if (!result && parts)
		result = handlers_merge(&target->call, parts, target->call, target->call->incomplete, arena);
	return result;
}

static int write_calls(struct merging *merging)
{
	merging->call_count = 0;
	for (size_t i = 0; i < merging->target_count; ++i) {
		if (!merging->targets[i].changed)
			continue;
		merging->call_targets[merging->call_count] = i;
		merging->calls[merging->call_count++] = merging->targets[i].stored;
	}
	if (!merging->call_count)
		return 0;
	return store_record(merging->request.shared->store, merging->request.tag, merging->calls, merging->call_count,
	                    merging->scratch, handlers_request_write_deadline(&merging->request), recorded, merging);
}

/* Merges parts into calls of which the first `count` were found, at least one part. 0 or -ENOMEM. */
static int merge_parts(struct merging *merging, size_t count)
{
	const int64_t end_us = clock_monotonic_us() + MERGE_US;
	int status = 0;
	do {
		const size_t target = merging->part_targets[merging->merged_count];
		if (target < count)
			status = merge_part(merging, merging->parts[merging->merged_count], &merging->targets[target]);
	} while (++merging->merged_count < merging->part_count && !status && clock_monotonic_us() < end_us);
	return status;
}

static void found(void *data, int status, const struct store_found *all, size_t count)
{
	struct merging *merging = data;
	if (handlers_request_end_store(&merging->request, status))
		return;
	for (size_t i = 0; i < count && !status; ++i)
		status = read_target(&merging->targets[i], &all[i], merging->scratch);
	if (!status)
		status = merge_parts(merging, count);
	if (!status)
		status = write_calls(merging);
	if (status)
		handlers_request_end_store(&merging->request, status);
	else if (!merging->call_count)
		proceed(merging);
}

/* Begins a round unless no part is left. 0 or a negative errno. */
static int begin_round(struct merging *merging)
{
	choose_parts(merging);
	arena_reset(merging->scratch);
	merging->target_count = merging->call_count = 0;
	for (size_t i = 0; i < merging->part_count; ++i)
		merging->part_targets[i] = find_target(merging, merging->input->parts[merging->parts[i]]->call->id);
	if (!merging->part_count)
		return 0;
	return store_find(merging->request.shared->store, merging->request.tag, merging->ids, merging->target_count,
	                  merging->scratch, handlers_request_read_deadline(&merging->request), found, merging);
}

/* While calls are being found, found() ends the request. */
static bool cancel(struct request *request)
{
	return store_record_cancel(request->shared->store, request);
}

static int run(struct request *request)
{
	struct merging *merging = (struct merging *)request;
	struct arena *arena = request->context->arena;
	const size_t count = merging->input->n_parts;
	merging->results = arena_alloc(arena, count * sizeof(*merging->results));
	merging->result_pointers = arena_alloc(arena, count * sizeof(*merging->result_pointers));
	if (!merging->results || !merging->result_pointers || arena_create(&merging->scratch, SCRATCH_FIRST))
		return handlers_request_fail_store(request, -ENOMEM);
	arena_share_budget(merging->scratch, arena);
	int status = check_parts(merging);
	if (!status)
		status = begin_round(merging);
	if (status)
		return handlers_request_fail_store(request, status);
	if (!merging->part_count)
		answer(merging);
	return 0;
}

const struct method handlers_merge_calls = {
    .size = sizeof(struct merging),
    .role = STORE_ROLE_WRITER,
    .takes_project = true,
    .check = check,
    .run = run,
    .cancel = cancel,
    .end = end,
};
