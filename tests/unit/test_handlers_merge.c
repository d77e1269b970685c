/* MergeCalls on a real Redis: parts in any order, repeated, through several connections at once. */
#include "base/mix.h"
#include "support/handlers_fixture.h"

typedef Callhistory__V1__RecordCallResult Result;
typedef Callhistory__V1__MergeCallsResponse Results;
typedef Callhistory__V1__CallPart Part;
typedef Callhistory__V1__Call Call;
typedef Callhistory__V1__Party Party;

enum { FIRST_SECOND = 1760000000 };

#define OUTCOME(name) CALLHISTORY__V1__RECORD_CALL_RESULT__OUTCOME__OUTCOME_##name

/* A part made of members that the test may change. */
struct piece {
	Part part;
	Call call;
	Google__Protobuf__Timestamp start;
	Party caller, callees[4];
	Party *caller_list[1], *callee_list[4];
	char *recordings[4];
};

static void piece_init(struct piece *piece, const char *id, int64_t second, bool supplement)
{
	callhistory__v1__call_part__init(&piece->part);
	callhistory__v1__call__init(&piece->call);
	google__protobuf__timestamp__init(&piece->start);
	callhistory__v1__party__init(&piece->caller);
	for (int i = 0; i < 4; ++i) {
		callhistory__v1__party__init(&piece->callees[i]);
		piece->callee_list[i] = &piece->callees[i];
	}
	piece->caller_list[0] = &piece->caller;
	piece->part.call = &piece->call;
	piece->part.supplement = supplement;
	piece->call.id = (char *)(uintptr_t)id;
	piece->call.callers = piece->caller_list;
	piece->call.callees = piece->callee_list;
	piece->call.recordings = piece->recordings;
	piece->start.seconds = second;
	if (second)
		piece->call.start_time = &piece->start;
}

/* The record of the whole call: it knows the leg "leg-1". */
static void main_init(struct piece *piece, const char *id, int64_t second)
{
	piece_init(piece, id, second, false);
	piece->call.direction = CALLHISTORY__V1__CALL_DIRECTION__CALL_DIRECTION_INBOUND;
	piece->call.disposition = CALLHISTORY__V1__DISPOSITION__DISPOSITION_ANSWERED;
	piece->call.hotline = (char *)"19001234";
	piece->caller.phone = (char *)"0914000001";
	piece->call.n_callers = 1;
	piece->callees[0].leg_id = (char *)"leg-1";
	piece->callees[0].phone = (char *)"101";
	piece->call.n_callees = 1;
}

/* One leg, which began 2 s after the call. */
static void leg_init(struct piece *piece, const char *id, int64_t second, const char *leg, const char *phone)
{
	piece_init(piece, id, second, true);
	piece->call.hotline = (char *)"wrong";
	piece->call.disposition_other = (char *)"LEG";
	piece->call.hangup_cause = (char *)"LOSE_RACE";
	Party *callee = &piece->callees[0];
	callee->leg_id = (char *)(uintptr_t)leg;
	callee->phone = (char *)(uintptr_t)phone;
	callee->channel = (char *)"sofia/x";
	callee->optional_start_offset_ms_case = CALLHISTORY__V1__PARTY__OPTIONAL_START_OFFSET_MS_START_OFFSET_MS;
	piece->call.n_callees = 1;
}

static void recording_init(struct piece *piece, const char *id, const char *url)
{
	piece_init(piece, id, 0, true);
	piece->recordings[0] = (char *)(uintptr_t)url;
	piece->call.n_recordings = 1;
}

static Results *merge(struct handlers_fixture *fixture, struct piece *const *pieces, size_t count)
{
	struct answer answer;
	Callhistory__V1__MergeCallsRequest request = CALLHISTORY__V1__MERGE_CALLS_REQUEST__INIT;
	Part **parts = malloc((count + 1) * sizeof(*parts));
	assert_non_null(parts);
	for (size_t i = 0; i < count; ++i)
		parts[i] = &pieces[i]->part;
	request.parts = parts;
	request.n_parts = count;
	answer_init(&answer, WRITER);
	call_method(fixture, handlers_ingest_service(fixture->calls), MERGE_CALLS, &request, &answer);
	if (answer.context.status != STATUS_OK)
		fail_msg("MergeCalls: %s", answer.context.message);
	Results *results = callhistory__v1__merge_calls_response__unpack(NULL, answer.length, answer.bytes);
	assert_non_null(results);
	assert_int_equal(results->n_results, count);
	answer_free(&answer);
	free(parts);
	return results;
}

/* Merges one part and gives its outcome. */
static int merge_one(struct handlers_fixture *fixture, struct piece *piece)
{
	Results *results = merge(fixture, &piece, 1);
	int outcome = (int)results->results[0]->outcome;
	assert_string_equal(results->results[0]->id, piece->call.id);
	callhistory__v1__merge_calls_response__free_unpacked(results, NULL);
	return outcome;
}

/* The stored call; NULL where there is none. */
static Call *get(struct handlers_fixture *fixture, const char *id)
{
	struct answer answer;
	Callhistory__V1__GetCallRequest request = CALLHISTORY__V1__GET_CALL_REQUEST__INIT;
	request.id = (char *)(uintptr_t)id;
	answer_init(&answer, READER);
	call_method(fixture, handlers_history_service(fixture->calls), GET_CALL, &request, &answer);
	Call *call = NULL;
	if (answer.context.status != STATUS_NOT_FOUND) {
		Callhistory__V1__GetCallResponse *response =
		    callhistory__v1__get_call_response__unpack(NULL, answer.length, answer.bytes);
		assert_non_null(response);
		call = response->call;
		response->call = NULL;
		callhistory__v1__get_call_response__free_unpacked(response, NULL);
	}
	answer_free(&answer);
	return call;
}

static int64_t count_of(struct handlers_fixture *fixture, const char *phone)
{
	Callhistory__V1__CountCallsRequest request = CALLHISTORY__V1__COUNT_CALLS_REQUEST__INIT;
	request.phone = (char *)(uintptr_t)phone;
	return count_calls(fixture, &request);
}

static const Party *callee_of(const Call *call, const char *leg)
{
	for (size_t i = 0; i < call->n_callees; ++i)
		if (!strcmp(call->callees[i]->leg_id, leg))
			return call->callees[i];
	fail_msg("no callee has the leg %s", leg);
	return NULL;
}

static bool has_recording(const Call *call, const char *url)
{
	for (size_t i = 0; i < call->n_recordings; ++i)
		if (!strcmp(call->recordings[i], url))
			return true;
	return false;
}

/* What a call is once its main part, the legs 1 to 3 and two recordings have arrived, in whatever order. */
static void assert_whole(struct handlers_fixture *fixture, const char *id, int64_t second)
{
	Call *call = get(fixture, id);
	assert_non_null(call);
	assert_false(call->incomplete);
	assert_int_equal(call->start_time->seconds, second);
	assert_string_equal(call->hotline, "19001234");
	assert_int_equal(call->disposition, CALLHISTORY__V1__DISPOSITION__DISPOSITION_ANSWERED);
	assert_string_equal(call->disposition_other, "");
	assert_string_equal(call->hangup_cause, "LOSE_RACE");
	assert_int_equal(call->n_callers, 1);
	assert_int_equal(call->n_callees, 3);
	assert_string_equal(call->callees[0]->leg_id, "leg-1");
	assert_string_equal(callee_of(call, "leg-1")->phone, "101");
	assert_string_equal(callee_of(call, "leg-2")->phone, "102");
	assert_string_equal(callee_of(call, "leg-3")->phone, "103");
	for (size_t i = 0; i < 3; ++i) {
		assert_string_equal(call->callees[i]->channel, "sofia/x");
		if (call->callees[i]->start_offset_ms != 2000)
			fail_msg("%s: leg %s begins after %d ms", id, call->callees[i]->leg_id,
			         (int)call->callees[i]->start_offset_ms);
	}
	assert_int_equal(call->n_recordings, 2);
	assert_true(has_recording(call, "https://r/1") && has_recording(call, "https://r/2"));
	callhistory__v1__call__free_unpacked(call, NULL);
}

enum { PIECES = 6 };

static void pieces_init(struct piece pieces[PIECES], const char *id, int64_t second)
{
	main_init(&pieces[0], id, second);
	leg_init(&pieces[1], id, second + 2, "leg-1", "0914999999");
	leg_init(&pieces[2], id, second + 2, "leg-2", "102");
	leg_init(&pieces[3], id, second + 2, "leg-3", "103");
	recording_init(&pieces[4], id, "https://r/1");
	recording_init(&pieces[5], id, "https://r/2");
}

/* Every order of the parts gives the same call; what is repeated changes nothing. */
static void test_every_order(void **state)
{
	struct handlers_fixture *fixture = *state;
	struct piece pieces[PIECES];
	char id[32];
	for (int order = 0; order < 720; order += 7) {
		int left[PIECES] = {0, 1, 2, 3, 4, 5}, code = order;
		snprintf(id, sizeof(id), "order-%d", order);
		pieces_init(pieces, id, FIRST_SECOND + order);
		for (int n = PIECES; n > 0; --n) {
			int at = code % n;
			code /= n;
			int outcome = merge_one(fixture, &pieces[left[at]]);
			assert_int_equal(outcome, n == PIECES ? OUTCOME(RECORDED) : OUTCOME(REPLACED));
			left[at] = left[n - 1];
		}
		assert_whole(fixture, id, FIRST_SECOND + order);
		for (int i = 0; i < PIECES; ++i)
			assert_int_equal(merge_one(fixture, &pieces[i]), OUTCOME(UNCHANGED));
	}
	assert_int_equal(count_of(fixture, "0914999999"), 0);
	assert_int_equal(count_of(fixture, "102"), 103);
}

/* What is visible while parts are missing. */
static void test_incomplete_calls(void **state)
{
	struct handlers_fixture *fixture = *state;
	struct piece pieces[PIECES];
	pieces_init(pieces, "incomplete", FIRST_SECOND);
	pieces[2].callees[0].phone = (char *)"0914000002";
	assert_int_equal(merge_one(fixture, &pieces[4]), OUTCOME(RECORDED));
	assert_int_equal(merge_one(fixture, &pieces[4]), OUTCOME(UNCHANGED));
	assert_int_equal(merge_one(fixture, &pieces[5]), OUTCOME(REPLACED));
	assert_null(get(fixture, "incomplete"));
	assert_int_equal(merge_one(fixture, &pieces[2]), OUTCOME(REPLACED));
	assert_int_equal(count_of(fixture, "0914000002"), 1);
	Call *call = get(fixture, "incomplete");
	assert_true(call->incomplete);
	assert_int_equal(call->n_recordings, 2);
	assert_int_equal(call->start_time->seconds, FIRST_SECOND + 2);
	assert_string_equal(call->disposition_other, "LEG");
	callhistory__v1__call__free_unpacked(call, NULL);
	assert_int_equal(merge_one(fixture, &pieces[0]), OUTCOME(REPLACED));
	assert_int_equal(count_of(fixture, "0914000002"), 1);
	call = get(fixture, "incomplete");
	assert_false(call->incomplete);
	assert_int_equal(callee_of(call, "leg-2")->start_offset_ms, 2000);
	assert_true(callee_of(call, "leg-2")->supplemented);
	assert_false(callee_of(call, "leg-1")->supplemented);
	callhistory__v1__call__free_unpacked(call, NULL);
}

/* A main part that comes again with other values replaces the first one's, but not what only supplements knew. */
static void test_a_main_part_replaces_another(void **state)
{
	struct handlers_fixture *fixture = *state;
	struct piece pieces[PIECES], again;
	pieces_init(pieces, "again", FIRST_SECOND);
	pieces[0].call.disposition = 0;
	pieces[0].call.disposition_other = (char *)"RINGING";
	pieces[0].callees[1].phone = (char *)"0914000011";
	pieces[0].call.n_callees = 2;
	for (int i = 0; i < PIECES; ++i)
		merge_one(fixture, &pieces[i]);
	main_init(&again, "again", FIRST_SECOND + 1);
	again.call.direction = CALLHISTORY__V1__CALL_DIRECTION__CALL_DIRECTION_OUTBOUND;
	again.callees[0].leg_id = (char *)"";
	again.callees[0].phone = (char *)"0914000012";
	assert_int_equal(merge_one(fixture, &again), OUTCOME(REPLACED));
	assert_int_equal(count_of(fixture, "0914000011"), 0);
	assert_int_equal(count_of(fixture, "0914000012"), 1);
	Call *call = get(fixture, "again");
	assert_int_equal(call->direction, CALLHISTORY__V1__CALL_DIRECTION__CALL_DIRECTION_OUTBOUND);
	assert_int_equal(call->disposition, CALLHISTORY__V1__DISPOSITION__DISPOSITION_ANSWERED);
	assert_string_equal(call->disposition_other, "");
	assert_int_equal(call->n_callees, 4);
	assert_int_equal(call->n_recordings, 2);
	assert_int_equal(callee_of(call, "leg-3")->start_offset_ms, 1000);
	callhistory__v1__call__free_unpacked(call, NULL);
	/* A call that was recorded whole has had its main part. */
	struct sample sample;
	sample_init(&sample, "0914000013", FIRST_SECOND);
	assert_int_equal(record_sample(fixture, &sample), OUTCOME(RECORDED));
	recording_init(&pieces[4], sample.id, "https://r/3");
	assert_int_equal(merge_one(fixture, &pieces[4]), OUTCOME(REPLACED));
	call = get(fixture, sample.id);
	assert_false(call->incomplete);
	assert_true(has_recording(call, "https://r/3"));
	assert_string_equal(call->callees[0]->phone, "101");
	callhistory__v1__call__free_unpacked(call, NULL);
	/* Parts that came before a call that is then recorded whole are merged with the next part. */
	recording_init(&pieces[4], "before", "https://r/4");
	assert_int_equal(merge_one(fixture, &pieces[4]), OUTCOME(RECORDED));
	sample_init(&sample, "0914000014", FIRST_SECOND);
	sample.call.id = (char *)"before";
	assert_int_equal(record_sample(fixture, &sample), OUTCOME(RECORDED));
	recording_init(&pieces[5], "before", "https://r/5");
	assert_int_equal(merge_one(fixture, &pieces[5]), OUTCOME(REPLACED));
	call = get(fixture, "before");
	assert_int_equal(call->n_recordings, 2);
	callhistory__v1__call__free_unpacked(call, NULL);
}

/* Merges one part and expects that it is refused. */
static void refused(struct handlers_fixture *fixture, struct piece *piece, const char *field, const char *words)
{
	Results *results = merge(fixture, &piece, 1);
	const Result *result = results->results[0];
	if (result->outcome != OUTCOME(REFUSED) || strcmp(result->field, field) != 0 || !strstr(result->message, words))
		fail_msg("outcome %d, \"%s\" %s instead of %s", (int)result->outcome, result->field, result->message, field);
	callhistory__v1__merge_calls_response__free_unpacked(results, NULL);
}

static void test_what_is_refused(void **state)
{
	struct handlers_fixture *fixture = *state;
	struct piece piece, many;
	piece_init(&piece, "", FIRST_SECOND, false);
	refused(fixture, &piece, "id", "is missing");
	piece.part.call = NULL;
	refused(fixture, &piece, "id", "is missing");
	leg_init(&piece, "refused", 0, "leg-1", "101");
	refused(fixture, &piece, "callees[0].start_offset_ms", "start_time");
	leg_init(&piece, "refused", FIRST_SECOND, "leg-1", "\xff");
	refused(fixture, &piece, "callees[0].phone", "UTF-8");
	/* The limits apply to the merged call; what is stored remains. */
	static char urls[HANDLERS_RECORDING_MAX + 1][16];
	char *recordings[HANDLERS_RECORDING_MAX];
	piece_init(&many, "limit", FIRST_SECOND, false);
	for (int i = 0; i <= HANDLERS_RECORDING_MAX; ++i)
		snprintf(urls[i], sizeof(urls[i]), "https://r/%d", i);
	for (int i = 0; i < HANDLERS_RECORDING_MAX; ++i)
		recordings[i] = urls[i];
	many.call.recordings = recordings;
	many.call.n_recordings = HANDLERS_RECORDING_MAX;
	assert_int_equal(merge_one(fixture, &many), OUTCOME(RECORDED));
	recording_init(&piece, "limit", urls[HANDLERS_RECORDING_MAX]);
	refused(fixture, &piece, "recordings", "256");
	recording_init(&piece, "limit", urls[0]);
	assert_int_equal(merge_one(fixture, &piece), OUTCOME(UNCHANGED));
	static char large[HANDLERS_URL_MAX + 1];
	memset(large, 'x', HANDLERS_URL_MAX);
	piece_init(&many, "bytes", FIRST_SECOND, false);
	static char texts[15][HANDLERS_URL_MAX + 1];
	for (int i = 0; i < 15; ++i) {
		memcpy(texts[i], large, sizeof(large));
		texts[i][0] = (char)('a' + i);
		recordings[i] = texts[i];
	}
	many.call.recordings = recordings;
	many.call.n_recordings = 15;
	assert_int_equal(merge_one(fixture, &many), OUTCOME(RECORDED));
	recording_init(&piece, "bytes", large);
	refused(fixture, &piece, "", "65536 bytes");
	recording_init(&piece, "bytes", "https://r/1");
	assert_int_equal(merge_one(fixture, &piece), OUTCOME(REPLACED));
}

/* Parts of many calls in one request, so that it takes several rounds. */
static void test_a_large_request(void **state)
{
	enum { CALLS = 166, ALL = CALLS * PIECES };
	struct handlers_fixture *fixture = *state;
	struct piece *pieces = calloc(ALL, sizeof(*pieces)), **order = calloc(ALL, sizeof(*order));
	char(*ids)[16] = calloc(CALLS, sizeof(*ids));
	assert_true(pieces && order && ids);
	for (size_t i = 0; i < CALLS; ++i) {
		snprintf(ids[i], sizeof(ids[i]), "large-%zu", i);
		pieces_init(&pieces[i * PIECES], ids[i], FIRST_SECOND + (int64_t)i);
	}
	for (size_t i = 0; i < ALL; ++i)
		order[i] = &pieces[(i * 5) % ALL];
	for (int turn = 0; turn < 2; ++turn) {
		Results *results = merge(fixture, order, ALL);
		for (size_t i = 0; i < ALL; ++i) {
			assert_string_equal(results->results[i]->id, order[i]->call.id);
			if (turn)
				assert_int_equal(results->results[i]->outcome, OUTCOME(UNCHANGED));
		}
		callhistory__v1__merge_calls_response__free_unpacked(results, NULL);
	}
	for (size_t i = 0; i < CALLS; ++i)
		assert_whole(fixture, ids[i], FIRST_SECOND + (int64_t)i);
	callhistory__v1__merge_calls_response__free_unpacked(merge(fixture, NULL, 0), NULL);
	free(pieces);
	free(order);
	free(ids);
}

/* Many parts of one large call: more than one round has time for. The last one counts; the same again changes nothing. */
static void test_many_parts_of_one_call(void **state)
{
	enum { PARTS = 60, LEGS = 200 };
	struct handlers_fixture *fixture = *state;
	static struct piece pieces[PARTS], *order[PARTS];
	static Party legs[PARTS][LEGS];
	static Party *lists[PARTS][LEGS];
	static char names[LEGS][16], causes[PARTS][16];
	for (int i = 0; i < PARTS; ++i) {
		main_init(&pieces[i], "many", FIRST_SECOND);
		snprintf(causes[i], sizeof(causes[i]), "CAUSE_%d", i);
		pieces[i].call.hangup_cause = causes[i];
		for (int j = 0; j < LEGS; ++j) {
			snprintf(names[j], sizeof(names[j]), "leg-%d", j);
			callhistory__v1__party__init(&legs[i][j]);
			legs[i][j].leg_id = names[j];
			legs[i][j].phone = (char *)"102";
			lists[i][j] = &legs[i][j];
		}
		pieces[i].call.callees = lists[i];
		pieces[i].call.n_callees = LEGS;
		order[i] = &pieces[i];
	}
	for (int turn = 0; turn < 2; ++turn) {
		Results *results = merge(fixture, order, PARTS);
		for (int i = 0; i < PARTS; ++i)
			assert_int_equal(results->results[i]->outcome, turn || i ? OUTCOME(REPLACED) : OUTCOME(RECORDED));
		callhistory__v1__merge_calls_response__free_unpacked(results, NULL);
		Call *call = get(fixture, "many");
		assert_string_equal(call->hangup_cause, causes[PARTS - 1]);
		assert_int_equal(call->n_callees, LEGS);
		callhistory__v1__call__free_unpacked(call, NULL);
	}
	assert_int_equal(merge_one(fixture, &pieces[PARTS - 1]), OUTCOME(UNCHANGED));
}

/* A leg that a part names twice is one party, which has what either says; the first takes precedence. */
static void test_one_leg_twice_in_a_part(void **state)
{
	struct handlers_fixture *fixture = *state;
	for (int supplement = 0; supplement < 2; ++supplement) {
		struct piece piece;
		const char *id = supplement ? "twice-supplement" : "twice-main";
		main_init(&piece, id, FIRST_SECOND);
		piece.part.supplement = supplement;
		piece.callees[0].disposition_other = (char *)"FIRST";
		piece.callees[1].leg_id = piece.callees[2].leg_id = (char *)"leg-1";
		piece.callees[1].name = (char *)"Ann";
		piece.callees[1].disposition = CALLHISTORY__V1__DISPOSITION__DISPOSITION_BUSY;
		piece.callees[2].name = (char *)"Bob";
		piece.callees[3].leg_id = (char *)"leg-2";
		piece.call.n_callees = 4;
		assert_int_equal(merge_one(fixture, &piece), OUTCOME(RECORDED));
		assert_int_equal(merge_one(fixture, &piece), OUTCOME(UNCHANGED));
		Call *call = get(fixture, id);
		assert_int_equal(call->n_callees, 2);
		const Party *callee = callee_of(call, "leg-1");
		assert_string_equal(callee->phone, "101");
		assert_string_equal(callee->name, "Ann");
		assert_string_equal(callee->disposition_other, "FIRST");
		assert_int_equal(callee->disposition, 0);
		callhistory__v1__call__free_unpacked(call, NULL);
	}
	/* Parties without a leg_id are as many as the part says. */
	struct piece piece;
	main_init(&piece, "twice-equal", FIRST_SECOND);
	piece.callees[0].leg_id = (char *)"";
	piece.callees[1].phone = (char *)"101";
	piece.call.n_callees = 2;
	assert_int_equal(merge_one(fixture, &piece), OUTCOME(RECORDED));
	assert_int_equal(merge_one(fixture, &piece), OUTCOME(UNCHANGED));
	Call *call = get(fixture, "twice-equal");
	assert_int_equal(call->n_callees, 2);
	callhistory__v1__call__free_unpacked(call, NULL);
}

/*
 * RecordCalls restores what an export has, marks included: the same again is unchanged, and in a new store the parts
 * that come later are merged as they would have been in the old one.
 */
static void test_restored_calls(void **state)
{
	struct handlers_fixture *fixture = *state;
	struct piece pieces[PIECES];
	pieces_init(pieces, "restored", FIRST_SECOND);
	for (int i = 1; i < PIECES; ++i)
		merge_one(fixture, &pieces[i]);
	Call *call = get(fixture, "restored");
	assert_true(call->incomplete && callee_of(call, "leg-3")->supplemented);
	Callhistory__V1__RecordCallsResponse *response = record_calls(fixture, &call, 1);
	assert_int_equal(response->results[0]->outcome, OUTCOME(UNCHANGED));
	callhistory__v1__record_calls_response__free_unpacked(response, NULL);
	call->id[0] = 'R';
	response = record_calls(fixture, &call, 1);
	assert_int_equal(response->results[0]->outcome, OUTCOME(RECORDED));
	callhistory__v1__record_calls_response__free_unpacked(response, NULL);
	callhistory__v1__call__free_unpacked(call, NULL);
	pieces[0].call.id = (char *)"Restored";
	assert_int_equal(merge_one(fixture, &pieces[0]), OUTCOME(REPLACED));
	assert_whole(fixture, "Restored", FIRST_SECOND);
	for (int i = 1; i < PIECES; ++i) {
		pieces[i].call.id = (char *)"Restored";
		assert_int_equal(merge_one(fixture, &pieces[i]), OUTCOME(UNCHANGED));
	}
}

/* ---- Several connections at once -------------------------------------------------------------------------------- */

/* Each group of calls is sent in random order: each part once, and some of them twice. */
enum {
	WRITERS = 6,
	BATCH = 7,
	GROUPS = 20,
	CALLS = 5,
	TWICE = 5,
	GROUP_PARTS = CALLS * PIECES,
	SENT = GROUP_PARTS + TWICE
};

struct writer {
	struct handlers_fixture fixture;
	struct answer answer;
	bool busy;
	Callhistory__V1__MergeCallsRequest request;
	Part *parts[BATCH];
};

/* What is left to send of a group. */
struct group {
	struct piece pieces[GROUP_PARTS];
	char ids[CALLS][32];
	Part *order[SENT];
	size_t next;
	unsigned repeated; /* requests that gave up and were sent again */
};

static void group_init(struct group *group, int number, uint64_t *random)
{
	group->next = group->repeated = 0;
	for (int i = 0; i < CALLS; ++i) {
		snprintf(group->ids[i], sizeof(group->ids[i]), "writers-%d-%d", number, i);
		pieces_init(&group->pieces[i * PIECES], group->ids[i], FIRST_SECOND + i);
	}
	for (size_t i = 0; i < SENT; ++i) {
		size_t at = mix_next(random) % (i + 1);
		group->order[i] = group->order[at];
		group->order[at] = &group->pieces[i % GROUP_PARTS].part;
	}
}

static void send_parts(struct writer *writer)
{
	answer_init(&writer->answer, WRITER);
	writer->busy = true;
	call_begin(handlers_ingest_service(writer->fixture.calls), MERGE_CALLS, &writer->request, &writer->answer);
}

static void send_next(struct writer *writer, struct group *group)
{
	size_t count = SENT - group->next < BATCH ? SENT - group->next : BATCH;
	callhistory__v1__merge_calls_request__init(&writer->request);
	memcpy(writer->parts, &group->order[group->next], count * sizeof(writer->parts[0]));
	group->next += count;
	writer->request.n_parts = count;
	writer->request.parts = writer->parts;
	send_parts(writer);
}

/* Takes an answer; a request that gave up because of the others is sent again. */
static void take(struct writer *writer, struct group *group)
{
	if (!writer->busy || !writer->answer.done)
		return;
	writer->busy = false;
	const enum status status = writer->answer.context.status;
	if (status == STATUS_UNAVAILABLE) {
		assert_string_equal(writer->answer.context.reason, "MERGE_CONFLICT");
		assert_true(writer->answer.context.retry_after_ms > 0);
	} else {
		assert_int_equal(status, STATUS_OK);
	}
	answer_free(&writer->answer);
	if (status == STATUS_UNAVAILABLE) {
		++group->repeated;
		send_parts(writer);
	}
}

static void send_group(struct writer *writers, struct group *group)
{
	int64_t end_us = clock_monotonic_us() + FIXTURE_LIMIT_MS * INT64_C(1000);
	for (bool busy = true; busy || group->next < SENT;) {
		assert_true(clock_monotonic_us() < end_us);
		busy = false;
		for (int i = 0; i < WRITERS; ++i) {
			if (!writers[i].busy && group->next < SENT)
				send_next(&writers[i], group);
			redis_run(writers[i].fixture.redis);
			take(&writers[i], group);
			busy = busy || writers[i].busy;
		}
	}
}

static void test_many_writers_lose_nothing(void **state)
{
	struct handlers_fixture *fixture = *state;
	static struct writer writers[WRITERS];
	static struct group group;
	uint64_t random = 20261129;
	unsigned repeated = 0;
	for (int i = 0; i < WRITERS; ++i) {
		writers[i].fixture.server = fixture->server;
		fixture_open(&writers[i].fixture);
	}
	for (int number = 0; number < GROUPS; ++number) {
		group_init(&group, number, &random);
		send_group(writers, &group);
		repeated += group.repeated;
		for (int i = 0; i < CALLS; ++i)
			assert_whole(fixture, group.ids[i], FIRST_SECOND + i);
	}
	for (int i = 0; i < WRITERS; ++i)
		fixture_close(&writers[i].fixture);
	print_message("%u requests gave up and were repeated\n", repeated);
}

/* ---- Deletion and access ----------------------------------------------------------------------------------------- */

static void test_deleting(void **state)
{
	struct handlers_fixture *fixture = *state;
	struct piece piece;
	recording_init(&piece, "deleted", "https://r/1");
	assert_int_equal(merge_one(fixture, &piece), OUTCOME(RECORDED));
	struct answer answer;
	Callhistory__V1__DeleteCallsRequest request = CALLHISTORY__V1__DELETE_CALLS_REQUEST__INIT;
	char *ids[] = {piece.call.id};
	request.ids = ids;
	request.n_ids = 1;
	answer_init(&answer, ERASER);
	call_method(fixture, handlers_ingest_service(fixture->calls), DELETE_CALLS, &request, &answer);
	assert_int_equal(answer.context.status, STATUS_OK);
	answer_free(&answer);
	/* Nothing is left that the call would be merged with. */
	assert_int_equal(merge_one(fixture, &piece), OUTCOME(RECORDED));
}

static void test_who_may(void **state)
{
	struct handlers_fixture *fixture = *state;
	struct answer answer;
	Callhistory__V1__MergeCallsRequest request = CALLHISTORY__V1__MERGE_CALLS_REQUEST__INIT;
	answer_init(&answer, READER);
	call_method(fixture, handlers_ingest_service(fixture->calls), MERGE_CALLS, &request, &answer);
	expect_failure(&answer, STATUS_PERMISSION_DENIED, "record");
	answer_free(&answer);
	static Part parts[HANDLERS_MERGE_MAX + 1];
	static Part *pointers[HANDLERS_MERGE_MAX + 1];
	for (int i = 0; i <= HANDLERS_MERGE_MAX; ++i) {
		callhistory__v1__call_part__init(&parts[i]);
		pointers[i] = &parts[i];
	}
	request.parts = pointers;
	request.n_parts = HANDLERS_MERGE_MAX + 1;
	answer_init(&answer, WRITER);
	call_method(fixture, handlers_ingest_service(fixture->calls), MERGE_CALLS, &request, &answer);
	expect_failure(&answer, STATUS_INVALID_ARGUMENT, "parts");
	answer_free(&answer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_every_order),
	    cmocka_unit_test(test_incomplete_calls),
	    cmocka_unit_test(test_a_main_part_replaces_another),
	    cmocka_unit_test(test_what_is_refused),
	    cmocka_unit_test(test_a_large_request),
	    cmocka_unit_test(test_many_parts_of_one_call),
	    cmocka_unit_test(test_one_leg_twice_in_a_part),
	    cmocka_unit_test(test_restored_calls),
	    cmocka_unit_test(test_many_writers_lose_nothing),
	    cmocka_unit_test(test_deleting),
	    cmocka_unit_test(test_who_may),
	};
	return cmocka_run_group_tests(tests, fixture_group_setup, fixture_group_teardown);
}
