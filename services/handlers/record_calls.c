/*
 * RecordCalls: checks each call on its own, makes it canonical, and passes the valid ones to the store in order. An
 * invalid call does not affect the others.
 */
#include <errno.h>
#include <string.h>

#include "base/call_id.h"
#include "handlers/call_check.h"
#include "handlers/call_store.h"
#include "handlers/handlers.h"
#include "handlers/request.h"

typedef Callhistory__V1__RecordCallResult Result;

struct ingest {
	struct request request;
	const Callhistory__V1__RecordCallsRequest *input;
	Result *results;           /* one per call of the request */
	Result **result_pointers;  /* as the response wants them */
	struct store_call *stored; /* the calls that were not refused */
	size_t *places;            /* of each stored call: its index in the request */
	size_t stored_count;
};

static int check(struct request *request, const ProtobufCMessage *message)
{
	const Callhistory__V1__RecordCallsRequest *input = (const Callhistory__V1__RecordCallsRequest *)message;
	if (input->n_calls > HANDLERS_RECORD_MAX)
		return context_fail_field(request->context, "calls", "has more than %d values", HANDLERS_RECORD_MAX);
	((struct ingest *)request)->input = input;
	return 0;
}

/* Prepares one call for the store. 0, -EINVAL with *fault set, or -ENOMEM. */
static int prepare(struct ingest *ingest, Callhistory__V1__Call *call, struct store_call *out, struct call_fault *fault)
{
	const struct request *request = &ingest->request;
	struct arena *arena = request->context->arena;
	int result = handlers_call_check(call, false, arena, fault);
	if (!result && !*call->id)
		result = call_id_make(arena, request->project_code, request->vbot_id, &call->base, &call->id);
	return result ? result : handlers_call_store(out, call, request->shared->country_code, arena, fault);
}

static int prepare_all(struct ingest *ingest)
{
	for (size_t i = 0; i < ingest->input->n_calls; ++i) {
		struct call_fault fault = {"", ""};
		Callhistory__V1__Call *call = ingest->input->calls[i];
		Result *result = &ingest->results[i];
		callhistory__v1__record_call_result__init(result);
		ingest->result_pointers[i] = result;
		int failed = prepare(ingest, call, &ingest->stored[ingest->stored_count], &fault);
		if (failed == -ENOMEM)
			return failed;
		if (failed) {
			handlers_result_refuse(result, call->id, &fault);
			continue;
		}
		result->id = call->id;
		ingest->places[ingest->stored_count++] = i;
	}
	return 0;
}

static void answer(struct ingest *ingest)
{
	Callhistory__V1__RecordCallsResponse response = CALLHISTORY__V1__RECORD_CALLS_RESPONSE__INIT;
	response.n_results = ingest->input->n_calls;
	response.results = ingest->result_pointers;
	handlers_request_answer(&ingest->request, &response.base);
}

/* The store numbers its outcomes as the service does, except for a collision, which the service refuses. */
static void set_outcome(Result *result, enum store_outcome outcome)
{
	result->outcome = (Callhistory__V1__RecordCallResult__Outcome)outcome;
	if (outcome == STORE_COLLISION)
		handlers_result_collide(result);
}

static void recorded(void *data, int status, const enum store_outcome *outcomes, size_t count)
{
	struct ingest *ingest = data;
	if (handlers_request_end_store(&ingest->request, status))
		return;
	for (size_t i = 0; i < count; ++i)
		set_outcome(&ingest->results[ingest->places[i]], outcomes[i]);
	answer(ingest);
}

_Static_assert((int)STORE_RECORDED == (int)CALLHISTORY__V1__RECORD_CALL_RESULT__OUTCOME__OUTCOME_RECORDED &&
                   (int)STORE_REPLACED == (int)CALLHISTORY__V1__RECORD_CALL_RESULT__OUTCOME__OUTCOME_REPLACED &&
                   (int)STORE_UNCHANGED == (int)CALLHISTORY__V1__RECORD_CALL_RESULT__OUTCOME__OUTCOME_UNCHANGED &&
                   (int)STORE_COLLISION == (int)CALLHISTORY__V1__RECORD_CALL_RESULT__OUTCOME__OUTCOME_REFUSED,
               "outcomes are numbered alike");

static bool cancel(struct request *request)
{
	return store_record_cancel(request->shared->store, request);
}

static int run(struct request *request)
{
	struct ingest *ingest = (struct ingest *)request;
	struct arena *arena = request->context->arena;
	size_t count = ingest->input->n_calls;
	ingest->results = arena_alloc(arena, count * sizeof(*ingest->results));
	ingest->result_pointers = arena_alloc(arena, count * sizeof(*ingest->result_pointers));
	ingest->stored = arena_alloc(arena, count * sizeof(*ingest->stored));
	ingest->places = arena_alloc(arena, count * sizeof(*ingest->places));
	if (!ingest->results || !ingest->result_pointers || !ingest->stored || !ingest->places || prepare_all(ingest))
		return handlers_request_fail_store(request, -ENOMEM);
	if (!ingest->stored_count) {
		answer(ingest);
		return 0;
	}
	int status = store_record(request->shared->store, request->tag, ingest->stored, ingest->stored_count, arena,
	                          handlers_request_write_deadline(request), recorded, ingest);
	return status ? handlers_request_fail_store(request, status) : 0;
}

const struct method handlers_record_calls = {
    .size = sizeof(struct ingest), .role = STORE_ROLE_WRITER, .check = check, .run = run, .cancel = cancel};
