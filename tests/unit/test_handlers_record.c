/* RecordCalls on a real Redis: outcomes, what is refused and why, under which numbers a call is found. */
#include <math.h>

#include "support/handlers_fixture.h"

typedef Callhistory__V1__RecordCallsResponse Results;

enum { FIRST_SECOND = 1760000000 };

#define OUTCOME(name) CALLHISTORY__V1__RECORD_CALL_RESULT__OUTCOME__OUTCOME_##name

static int64_t count_of(struct handlers_fixture *fixture, const char *phone)
{
	Callhistory__V1__CountCallsRequest request = CALLHISTORY__V1__COUNT_CALLS_REQUEST__INIT;
	request.phone = (char *)(uintptr_t)phone;
	return count_calls(fixture, &request);
}

static void test_outcomes_in_order(void **state)
{
	struct handlers_fixture *fixture = *state;
	struct sample samples[5];
	Callhistory__V1__Call *calls[5];
	for (int i = 0; i < 5; ++i) {
		sample_init(&samples[i], "0913000001", FIRST_SECOND + i);
		calls[i] = &samples[i].call;
	}
	samples[1].call.start_time = NULL;
	/* The same id twice in one request: applied in order. */
	samples[4].call.id = samples[3].id;
	Results *results = record_calls(fixture, calls, 5);
	static const int expected[] = {OUTCOME(RECORDED), OUTCOME(REFUSED), OUTCOME(RECORDED), OUTCOME(RECORDED),
	                               OUTCOME(REPLACED)};
	for (int i = 0; i < 5; ++i) {
		assert_int_equal(results->results[i]->outcome, expected[i]);
		assert_string_equal(results->results[i]->id, samples[i].call.id);
	}
	assert_string_equal(results->results[1]->field, "start_time");
	assert_string_equal(results->results[1]->message, "is missing");
	callhistory__v1__record_calls_response__free_unpacked(results, NULL);
	assert_int_equal(count_of(fixture, "0913000001"), 3);
	assert_int_equal(record_sample(fixture, &samples[0]), OUTCOME(UNCHANGED));
	/* Recorded again with another number, the call leaves the old one. */
	samples[0].caller.phone = (char *)"0913000002";
	assert_int_equal(record_sample(fixture, &samples[0]), OUTCOME(REPLACED));
	assert_int_equal(count_of(fixture, "0913000001"), 2);
	assert_int_equal(count_of(fixture, "0913000002"), 1);
}

static void test_an_empty_request(void **state)
{
	callhistory__v1__record_calls_response__free_unpacked(record_calls(*state, NULL, 0), NULL);
}

static void test_an_id_is_made_of_the_record(void **state)
{
	struct handlers_fixture *fixture = *state;
	struct sample sample;
	char id[64];
	for (int turn = 0; turn < 2; ++turn) {
		sample_init(&sample, "0913000003", FIRST_SECOND);
		sample.call.id = (char *)"";
		/* Below the millisecond nothing is kept: the same record. */
		sample.start.nanos = turn;
		Callhistory__V1__Call *calls[] = {&sample.call};
		Results *results = record_calls(fixture, calls, 1);
		assert_int_equal(results->results[0]->outcome, turn ? OUTCOME(UNCHANGED) : OUTCOME(RECORDED));
		assert_int_equal(strlen(results->results[0]->id), 22);
		if (turn)
			assert_string_equal(results->results[0]->id, id);
		snprintf(id, sizeof(id), "%s", results->results[0]->id);
		callhistory__v1__record_calls_response__free_unpacked(results, NULL);
	}
	sample_init(&sample, "0913000003", FIRST_SECOND);
	sample.call.id = (char *)"";
	sample.call.event = (char *)"HISTORY_CALL";
	assert_int_equal(record_sample(fixture, &sample), OUTCOME(RECORDED));
	assert_int_equal(count_of(fixture, "0913000003"), 2);
}

static void test_parties_and_no_hotline(void **state)
{
	struct handlers_fixture *fixture = *state;
	struct sample sample;
	Callhistory__V1__Party more[3];
	Callhistory__V1__Party *callees[3] = {&more[0], &more[1], &more[2]};
	static const char *const numbers[] = {"+84 913 000 005", "0913000005", "ext-7"};
	for (int i = 0; i < 3; ++i) {
		callhistory__v1__party__init(&more[i]);
		more[i].phone = (char *)(uintptr_t)numbers[i];
	}
	sample_init(&sample, "0913000004", FIRST_SECOND);
	sample.call.hotline = (char *)"19005678";
	sample.call.callees = callees;
	sample.call.n_callees = 3;
	assert_int_equal(record_sample(fixture, &sample), OUTCOME(RECORDED));
	assert_int_equal(count_of(fixture, "0913000004"), 1);
	assert_int_equal(count_of(fixture, "0913000005"), 1);
	assert_int_equal(count_of(fixture, "ext-7"), 1);
	assert_int_equal(count_of(fixture, "19005678"), 0);
	/* Old and new spellings of a mobile number find each other. */
	sample_init(&sample, "01693000006", FIRST_SECOND);
	assert_int_equal(record_sample(fixture, &sample), OUTCOME(RECORDED));
	sample_init(&sample, "0393000006", FIRST_SECOND + 1);
	assert_int_equal(record_sample(fixture, &sample), OUTCOME(RECORDED));
	assert_int_equal(count_of(fixture, "0393000006"), 2);
	assert_int_equal(count_of(fixture, "+84 169 3000006"), 2);
	/* A call without any number is kept: the tenant's time line has it. */
	sample_init(&sample, "", 1900000000);
	sample.call.n_callers = sample.call.n_callees = 0;
	assert_int_equal(record_sample(fixture, &sample), OUTCOME(RECORDED));
	Callhistory__V1__CountCallsRequest request = CALLHISTORY__V1__COUNT_CALLS_REQUEST__INIT;
	request.start_time = &sample.start;
	assert_int_equal(count_calls(fixture, &request), 1);
}

/* Records one call and expects that it is refused for `field`. */
static void refused(struct handlers_fixture *fixture, struct sample *sample, const char *field)
{
	Callhistory__V1__Call *calls[] = {&sample->call};
	Results *results = record_calls(fixture, calls, 1);
	const Callhistory__V1__RecordCallResult *result = results->results[0];
	if (result->outcome != OUTCOME(REFUSED) || strcmp(result->field, field) != 0 || !*result->message)
		fail_msg("outcome %d, \"%s\" %s instead of %s", (int)result->outcome, result->field, result->message, field);
	callhistory__v1__record_calls_response__free_unpacked(results, NULL);
}

#define REFUSED(fixture, member, wrong, name)                                                                          \
	do {                                                                                                               \
		struct sample sample_;                                                                                         \
		sample_init(&sample_, "0913000009", FIRST_SECOND);                                                             \
		sample_.member = wrong;                                                                                        \
		refused(fixture, &sample_, name);                                                                              \
	} while (0)

/* Longer than any cap; `text_of` cuts it. */
static char *text_of(size_t length)
{
	static char text[HANDLERS_URL_MAX + 2];
	memset(text, 'x', sizeof(text));
	text[length] = '\0';
	return text;
}

static void test_what_is_refused(void **state)
{
	struct handlers_fixture *fixture = *state;
	REFUSED(fixture, call.id, text_of(STORE_ID_MAX + 1), "id");
	REFUSED(fixture, call.id, (char *)"a\nb", "id");
	REFUSED(fixture, call.id, (char *)"\xff", "id");
	REFUSED(fixture, start.seconds, -1, "start_time");
	REFUSED(fixture, start.seconds, 253402300800, "start_time");
	REFUSED(fixture, start.nanos, -1, "start_time");
	REFUSED(fixture, start.nanos, 1000000000, "start_time");
	REFUSED(fixture, callee.phone, (char *)"\xed\xa0\x80", "callees[0].phone");
	REFUSED(fixture, caller.phone, text_of(STORE_NUMBER_MAX + 1), "callers[0].phone");
	REFUSED(fixture, call.hotline, text_of(STORE_NUMBER_MAX + 1), "hotline");
	REFUSED(fixture, callee.name, text_of(HANDLERS_STRING_MAX + 1), "callees[0].name");
	REFUSED(fixture, callee.name, (char *)"\xc0\x80", "callees[0].name");
	REFUSED(fixture, call.group_id, text_of(HANDLERS_STRING_MAX + 1), "group_id");
	Callhistory__V1__Money money = CALLHISTORY__V1__MONEY__INIT;
	money.amount = (double)NAN;
	REFUSED(fixture, caller.charge, &money, "callers[0].charge.amount");
	money.amount = (double)INFINITY;
	REFUSED(fixture, call.charge, &money, "charge.amount");
	money.amount = -(double)INFINITY;
	REFUSED(fixture, call.auto_dial_service_charge, &money, "auto_dial_service_charge.amount");
	Google__Protobuf__Timestamp before = GOOGLE__PROTOBUF__TIMESTAMP__INIT;
	before.seconds = -1;
	REFUSED(fixture, call.answer_time, &before, "answer_time");
	struct sample sample;
	char *recordings[HANDLERS_RECORDING_MAX + 1];
	sample_init(&sample, "0913000009", FIRST_SECOND);
	recordings[0] = (char *)"ok";
	recordings[1] = text_of(HANDLERS_URL_MAX + 1);
	sample.call.recordings = recordings;
	sample.call.n_recordings = 2;
	refused(fixture, &sample, "recordings[1]");
	for (int i = 0; i <= HANDLERS_RECORDING_MAX; ++i)
		recordings[i] = (char *)"ok";
	sample.call.n_recordings = HANDLERS_RECORDING_MAX + 1;
	refused(fixture, &sample, "recordings");
	Callhistory__V1__Party *parties[HANDLERS_PARTY_MAX + 1];
	for (int i = 0; i <= HANDLERS_PARTY_MAX; ++i)
		parties[i] = &sample.caller;
	sample.call.n_recordings = 0;
	sample.call.callers = parties;
	sample.call.n_callers = HANDLERS_PARTY_MAX + 1;
	refused(fixture, &sample, "callers");
	sample_init(&sample, "0913000010", 5);
	sample.callee.optional_start_offset_ms_case = CALLHISTORY__V1__PARTY__OPTIONAL_START_OFFSET_MS_START_OFFSET_MS;
	sample.callee.start_offset_ms = -5001;
	refused(fixture, &sample, "callees[0].start_offset_ms");
	sample.callee.start_offset_ms = INT64_MIN;
	refused(fixture, &sample, "callees[0].start_offset_ms");
	sample.callee.start_offset_ms = INT64_MAX;
	refused(fixture, &sample, "callees[0].start_offset_ms");
	sample.callee.start_offset_ms = -5000;
	assert_int_equal(record_sample(fixture, &sample), OUTCOME(RECORDED));
	Google__Protobuf__Timestamp created = GOOGLE__PROTOBUF__TIMESTAMP__INIT;
	created.seconds = -1;
	sample.call.create_time = &created;
	refused(fixture, &sample, "create_time");
	assert_int_equal(count_of(fixture, "0913000009"), 0);
}

/* The caps of contract §3, by their numbers: each may be reached, alone. */
static void test_bounds_that_are_kept(void **state)
{
	struct handlers_fixture *fixture = *state;
	enum { ID = 256, NUMBER = 512, TEXT = 1024, URL = 4096, PARTIES = 512, RECORDINGS = 256 };
	struct sample sample;
	char *recordings[RECORDINGS];
	sample_init(&sample, "0913000011", 253402300799);
	sample.start.nanos = 999999999;
	sample.call.id = text_of(ID);
	assert_int_equal(record_sample(fixture, &sample), OUTCOME(RECORDED));
	assert_int_equal(record_sample(fixture, &sample), OUTCOME(UNCHANGED));
	sample_init(&sample, "0913000011", 0);
	sample.caller.name = sample.call.disposition_other = text_of(TEXT);
	assert_int_equal(record_sample(fixture, &sample), OUTCOME(RECORDED));
	sample_init(&sample, "0913000011", 1);
	recordings[0] = text_of(URL);
	sample.call.recordings = recordings;
	sample.call.n_recordings = 1;
	assert_int_equal(record_sample(fixture, &sample), OUTCOME(RECORDED));
	sample_init(&sample, "0913000011", 2);
	for (int i = 0; i < RECORDINGS; ++i)
		recordings[i] = (char *)"https://recordings.example.vn/2026/11/28/1.mp3";
	sample.call.recordings = recordings;
	sample.call.n_recordings = RECORDINGS;
	assert_int_equal(record_sample(fixture, &sample), OUTCOME(RECORDED));
	assert_int_equal(count_of(fixture, "0913000011"), 4);
	/* The longest numbers: a name, and digits, which no plan knows. */
	char digits[NUMBER + 1];
	memset(digits, '7', NUMBER);
	digits[NUMBER] = '\0';
	sample_init(&sample, "", 3);
	sample.caller.phone = text_of(NUMBER);
	sample.call.id = (char *)"longest numbers";
	sample.callee.phone = digits;
	sample.call.hotline = text_of(NUMBER);
	assert_int_equal(record_sample(fixture, &sample), OUTCOME(RECORDED));
	assert_int_equal(count_of(fixture, text_of(NUMBER)), 1);
	assert_int_equal(count_of(fixture, digits), 1);
	assert_int_equal(record_sample(fixture, &sample), OUTCOME(UNCHANGED));
	/* A queue that rang every member; each finds the call. */
	static Callhistory__V1__Party party[2 * PARTIES];
	static Callhistory__V1__Party *parties[2 * PARTIES];
	static char numbers[2 * PARTIES][16];
	for (int i = 0; i < 2 * PARTIES; ++i) {
		callhistory__v1__party__init(&party[i]);
		snprintf(numbers[i], sizeof(numbers[i]), i % 2 ? "0914%06d" : "7%05d", i);
		party[i].phone = numbers[i];
		parties[i] = &party[i];
	}
	sample_init(&sample, "", 4);
	sample.call.callers = parties;
	sample.call.n_callers = PARTIES;
	sample.call.callees = parties + PARTIES;
	sample.call.n_callees = PARTIES;
	assert_int_equal(record_sample(fixture, &sample), OUTCOME(RECORDED));
	assert_int_equal(record_sample(fixture, &sample), OUTCOME(UNCHANGED));
	for (int i = 0; i < 2 * PARTIES; i += 93)
		assert_int_equal(count_of(fixture, numbers[i]), 1);
	/* A record above the largest is refused whole. */
	for (int i = 0; i < 2 * PARTIES; ++i)
		party[i].name = text_of(100);
	Callhistory__V1__Call *calls[] = {&sample.call};
	Results *results = record_calls(fixture, calls, 1);
	assert_int_equal(results->results[0]->outcome, OUTCOME(REFUSED));
	assert_string_equal(results->results[0]->message, "the call has more than 65536 bytes");
	callhistory__v1__record_calls_response__free_unpacked(results, NULL);
}

/* "Text fields accept any valid UTF-8 except NUL" */
static void test_control_characters_are_data(void **state)
{
	struct handlers_fixture *fixture = *state;
	struct sample sample;
	sample_init(&sample, "0913\t000\r\n014", FIRST_SECOND);
	sample.call.id = (char *)"control characters";
	sample.caller.name = (char *)"Nguy\xe1\xbb\x85n\tAn\x1b[0m\xc2\x85";
	sample.call.hotline = (char *)"1900\x7f"
	                              "1234";
	sample.call.recordings = (char *[]){(char *)"https://a/\n"};
	sample.call.n_recordings = 1;
	assert_int_equal(record_sample(fixture, &sample), OUTCOME(RECORDED));
	Callhistory__V1__ListCallsRequest request = CALLHISTORY__V1__LIST_CALLS_REQUEST__INIT;
	Callhistory__V1__CallFilter filter = CALLHISTORY__V1__CALL_FILTER__INIT;
	request.phone = (char *)"0913000014";
	request.filter = &filter;
	filter.hotline = (char *)"1900 1234";
	Callhistory__V1__ListCallsResponse *page = list_calls(fixture, &request);
	assert_int_equal(page->n_calls, 1);
	assert_string_equal(page->calls[0]->callers[0]->phone, sample.caller.phone);
	assert_string_equal(page->calls[0]->callers[0]->name, sample.caller.name);
	assert_string_equal(page->calls[0]->hotline, sample.call.hotline);
	assert_string_equal(page->calls[0]->recordings[0], "https://a/\n");
	callhistory__v1__list_calls_response__free_unpacked(page, NULL);
	/* What was recorded can be asked for as it was recorded. */
	assert_int_equal(count_of(fixture, "0913\t000\r\n014"), 1);
}

/* A newer client's call is kept whole, and given back to it. */
static void test_unknown_fields_and_values_are_kept(void **state)
{
	struct handlers_fixture *fixture = *state;
	struct sample sample;
	ProtobufCMessageUnknownField unknown[] = {
	    {.tag = 1000, .wire_type = PROTOBUF_C_WIRE_TYPE_VARINT, .len = 1, .data = (uint8_t *)(uintptr_t) "\x01"},
	    {.tag = 1001,
	     .wire_type = PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED,
	     .len = 4,
	     .data = (uint8_t *)(uintptr_t) "\x03new"}};
	sample_init(&sample, "0913000012", FIRST_SECOND);
	assert_int_equal(record_sample(fixture, &sample), OUTCOME(RECORDED));
	sample.call.base.unknown_fields = sample.caller.base.unknown_fields = unknown;
	sample.call.base.n_unknown_fields = sample.caller.base.n_unknown_fields = 2;
	sample.call.direction = (Callhistory__V1__CallDirection)4;
	sample.call.disposition = (Callhistory__V1__Disposition)-1;
	sample.caller.disposition = (Callhistory__V1__Disposition)1000;
	assert_int_equal(record_sample(fixture, &sample), OUTCOME(REPLACED));
	assert_int_equal(record_sample(fixture, &sample), OUTCOME(UNCHANGED));
	Callhistory__V1__ListCallsRequest request = CALLHISTORY__V1__LIST_CALLS_REQUEST__INIT;
	Callhistory__V1__CallFilter filter = CALLHISTORY__V1__CALL_FILTER__INIT;
	Callhistory__V1__CallDirection directions[] = {CALLHISTORY__V1__CALL_DIRECTION__CALL_DIRECTION_INTERNAL,
	                                               (Callhistory__V1__CallDirection)4};
	Callhistory__V1__Disposition dispositions[] = {(Callhistory__V1__Disposition)-1};
	request.phone = (char *)"0913000012";
	request.filter = &filter;
	filter.directions = directions;
	filter.n_directions = 2;
	filter.dispositions = dispositions;
	filter.n_dispositions = 1;
	Callhistory__V1__ListCallsResponse *page = list_calls(fixture, &request);
	assert_int_equal(page->n_calls, 1);
	const Callhistory__V1__Call *call = page->calls[0];
	assert_int_equal(call->direction, 4);
	assert_true((int)call->disposition == -1);
	assert_int_equal(call->callers[0]->disposition, 1000);
	assert_int_equal(call->base.n_unknown_fields, 2);
	assert_int_equal(call->callers[0]->base.n_unknown_fields, 2);
	assert_int_equal(call->base.unknown_fields[1].tag, 1001);
	assert_memory_equal(call->callers[0]->base.unknown_fields[1].data, "\x03new", 4);
	callhistory__v1__list_calls_response__free_unpacked(page, NULL);
	filter.n_directions = 1;
	page = list_calls(fixture, &request);
	assert_int_equal(page->n_calls, 0);
	callhistory__v1__list_calls_response__free_unpacked(page, NULL);
}

static void test_too_many(void **state)
{
	struct handlers_fixture *fixture = *state;
	struct sample sample;
	Callhistory__V1__Call *calls[HANDLERS_RECORD_MAX + 1];
	Callhistory__V1__RecordCallsRequest request = CALLHISTORY__V1__RECORD_CALLS_REQUEST__INIT;
	struct answer answer;
	sample_init(&sample, "0913000013", FIRST_SECOND);
	for (int i = 0; i <= HANDLERS_RECORD_MAX; ++i)
		calls[i] = &sample.call;
	request.calls = calls;
	request.n_calls = HANDLERS_RECORD_MAX + 1;
	answer_init(&answer, WRITER);
	call_method(fixture, handlers_ingest_service(fixture->calls), 0, &request, &answer);
	expect_failure(&answer, STATUS_INVALID_ARGUMENT, "calls: has more than 1000");
	answer_free(&answer);
	callhistory__v1__record_calls_response__free_unpacked(record_calls(fixture, calls, HANDLERS_RECORD_MAX), NULL);
	assert_int_equal(count_of(fixture, "0913000013"), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_outcomes_in_order),
	    cmocka_unit_test(test_an_empty_request),
	    cmocka_unit_test(test_an_id_is_made_of_the_record),
	    cmocka_unit_test(test_parties_and_no_hotline),
	    cmocka_unit_test(test_what_is_refused),
	    cmocka_unit_test(test_bounds_that_are_kept),
	    cmocka_unit_test(test_control_characters_are_data),
	    cmocka_unit_test(test_unknown_fields_and_values_are_kept),
	    cmocka_unit_test(test_too_many),
	};
	return cmocka_run_group_tests(tests, fixture_group_setup, fixture_group_teardown);
}
