/* ListCalls, CountCalls and GetCall on a real Redis. */
#include <math.h>

#include "handlers/filter.h"
#include "support/handlers_fixture.h"

typedef Callhistory__V1__ListCallsResponse Page;

enum { FIRST_SECOND = 1760000000 };

#define OUTCOME(name) CALLHISTORY__V1__RECORD_CALL_RESULT__OUTCOME__OUTCOME_##name

static void record_many(struct handlers_fixture *fixture, const char *number, int first, int count)
{
	struct sample *samples = calloc((size_t)count, sizeof(*samples));
	Callhistory__V1__Call **calls = calloc((size_t)count, sizeof(*calls));
	for (int i = 0; i < count; ++i) {
		sample_init(&samples[i], number, FIRST_SECOND + first + i);
		samples[i].call.missed = i % 3 == 0;
		calls[i] = &samples[i].call;
	}
	for (int i = 0; i < count; i += 1000)
		callhistory__v1__record_calls_response__free_unpacked(
		    record_calls(fixture, calls + i, (size_t)(count - i < 1000 ? count - i : 1000)), NULL);
	free(calls);
	free(samples);
}

/* Walks a listing by token and checks that it gives `count` calls, newest first, from FIRST_SECOND + newest down in steps. */
static void walk(struct handlers_fixture *fixture, Callhistory__V1__ListCallsRequest *request, int newest, int count,
                 int step)
{
	char token[256] = "";
	int seen = 0;
	for (int pages = 0; pages < 1000; ++pages) {
		request->page_token = token;
		/* The size may change from page to page. */
		request->page_size = 1 + pages % 7;
		Page *page = list_calls(fixture, request);
		assert_true(page->n_calls <= (size_t)request->page_size);
		for (size_t i = 0; i < page->n_calls; ++i, ++seen)
			assert_int_equal(page->calls[i]->start_time->seconds, FIRST_SECOND + newest - seen * step);
		snprintf(token, sizeof(token), "%s", page->next_page_token);
		callhistory__v1__list_calls_response__free_unpacked(page, NULL);
		if (!*token)
			break;
	}
	assert_int_equal(seen, count);
}

static void test_pages_by_number_and_by_token(void **state)
{
	struct handlers_fixture *fixture = *state;
	Callhistory__V1__ListCallsRequest request = CALLHISTORY__V1__LIST_CALLS_REQUEST__INIT;
	record_many(fixture, "0912000001", 0, 30);
	static const char *const spellings[] = {"0912000001", "+84 912 000 001", "84912000001"};
	for (size_t i = 0; i < 3; ++i) {
		request.phone = (char *)(uintptr_t)spellings[i];
		walk(fixture, &request, 29, 30, 1);
	}
	/* Offset paging gives a token to go on with. */
	request.page_token = (char *)"";
	request.page = 2;
	request.page_size = 10;
	Page *page = list_calls(fixture, &request);
	assert_int_equal(page->n_calls, 10);
	assert_int_equal(page->calls[0]->start_time->seconds, FIRST_SECOND + 19);
	request.page = 0;
	request.page_token = page->next_page_token;
	Page *next = list_calls(fixture, &request);
	assert_int_equal(next->n_calls, 10);
	assert_int_equal(next->calls[0]->start_time->seconds, FIRST_SECOND + 9);
	assert_string_equal(next->next_page_token, "");
	callhistory__v1__list_calls_response__free_unpacked(page, NULL);
	callhistory__v1__list_calls_response__free_unpacked(next, NULL);
	/* Past the end there is nothing, and that is no error. */
	request.page_token = (char *)"";
	request.page = 2147483647;
	request.page_size = 1000;
	page = list_calls(fixture, &request);
	assert_int_equal(page->n_calls, 0);
	assert_string_equal(page->next_page_token, "");
	callhistory__v1__list_calls_response__free_unpacked(page, NULL);
}

static void test_a_page_is_what_was_recorded(void **state)
{
	struct handlers_fixture *fixture = *state;
	struct sample sample;
	Callhistory__V1__ListCallsRequest request = CALLHISTORY__V1__LIST_CALLS_REQUEST__INIT;
	sample_init(&sample, "+84 (0)912-000-002", FIRST_SECOND);
	sample.start.nanos = 123456789;
	Callhistory__V1__Money charge = CALLHISTORY__V1__MONEY__INIT, free_of_charge = CALLHISTORY__V1__MONEY__INIT;
	charge.amount = 6.1;
	sample.caller.charge = &charge;
	sample.callee.charge = &free_of_charge;
	sample.callee.optional_start_offset_ms_case = CALLHISTORY__V1__PARTY__OPTIONAL_START_OFFSET_MS_START_OFFSET_MS;
	sample.callee.start_offset_ms = -1500;
	sample.call.direction_other = (char *)"SOMETHING";
	sample.call.recordings = (char *[]){(char *)"https://example.com/a.mp3"};
	sample.call.n_recordings = 1;
	assert_int_equal(record_sample(fixture, &sample), OUTCOME(RECORDED));
	request.phone = (char *)"0912000002";
	Page *page = list_calls(fixture, &request);
	assert_int_equal(page->n_calls, 1);
	const Callhistory__V1__Call *call = page->calls[0];
	assert_string_equal(call->callers[0]->phone, "+84 (0)912-000-002");
	assert_true(call->callers[0]->charge->amount == 6.1);
	assert_true(call->callees[0]->charge && call->callees[0]->charge->amount == 0);
	assert_null(call->charge);
	assert_int_equal(call->start_time->nanos, 123000000);
	assert_int_equal(call->callees[0]->start_offset_ms, -1500);
	assert_string_equal(call->direction_other, "SOMETHING");
	assert_string_equal(call->recordings[0], "https://example.com/a.mp3");
	callhistory__v1__list_calls_response__free_unpacked(page, NULL);
}

static void test_ranges_are_half_open(void **state)
{
	struct handlers_fixture *fixture = *state;
	Callhistory__V1__CountCallsRequest request = CALLHISTORY__V1__COUNT_CALLS_REQUEST__INIT;
	Google__Protobuf__Timestamp start = GOOGLE__PROTOBUF__TIMESTAMP__INIT, end = GOOGLE__PROTOBUF__TIMESTAMP__INIT;
	record_many(fixture, "0912000003", 0, 10);
	request.phone = (char *)"0912000003";
	assert_int_equal(count_calls(fixture, &request), 10);
	request.start_time = &start;
	request.end_time = &end;
	start.seconds = FIRST_SECOND + 2;
	end.seconds = FIRST_SECOND + 5;
	assert_int_equal(count_calls(fixture, &request), 3);
	start.nanos = 1; /* after the call of this second */
	end.nanos = 1;   /* so the call of that second is before it */
	assert_int_equal(count_calls(fixture, &request), 3);
	start = end;
	assert_int_equal(count_calls(fixture, &request), 0);
	start.seconds = -62135596800;
	end.seconds = 253402300799;
	assert_int_equal(count_calls(fixture, &request), 10);
}

static void test_filters(void **state)
{
	struct handlers_fixture *fixture = *state;
	Callhistory__V1__CallFilter filter = CALLHISTORY__V1__CALL_FILTER__INIT;
	Callhistory__V1__CountCallsRequest count = CALLHISTORY__V1__COUNT_CALLS_REQUEST__INIT;
	Callhistory__V1__ListCallsRequest list = CALLHISTORY__V1__LIST_CALLS_REQUEST__INIT;
	Callhistory__V1__CallDirection inbound = CALLHISTORY__V1__CALL_DIRECTION__CALL_DIRECTION_INBOUND;
	record_many(fixture, "0912000004", 0, 1201);
	count.phone = list.phone = (char *)"0912000004";
	count.filter = list.filter = &filter;
	assert_int_equal(count_calls(fixture, &count), 1201);
	filter.directions = &inbound;
	filter.n_directions = 1;
	assert_int_equal(count_calls(fixture, &count), 1201);
	inbound = CALLHISTORY__V1__CALL_DIRECTION__CALL_DIRECTION_INTERNAL;
	assert_int_equal(count_calls(fixture, &count), 0);
	inbound = CALLHISTORY__V1__CALL_DIRECTION__CALL_DIRECTION_INBOUND;
	filter.optional_missed_case = CALLHISTORY__V1__CALL_FILTER__OPTIONAL_MISSED_MISSED;
	assert_int_equal(count_calls(fixture, &count), 800);
	filter.missed = true;
	/* Every third call of each thousand: records came in requests of 1000 and 201, numbered from the start. */
	assert_int_equal(count_calls(fixture, &count), 401);
	walk(fixture, &list, 1200, 401, 3);
	list.page_token = (char *)"";
	list.page = 41;
	list.page_size = 10;
	Page *page = list_calls(fixture, &list);
	assert_int_equal(page->n_calls, 1);
	assert_int_equal(page->calls[0]->start_time->seconds, FIRST_SECOND);
	callhistory__v1__list_calls_response__free_unpacked(page, NULL);
	filter.hotline = (char *)"+84 1900 1234";
	filter.member_no = (char *)"101";
	assert_int_equal(count_calls(fixture, &count), 401);
	filter.member_no = (char *)"102";
	assert_int_equal(count_calls(fixture, &count), 0);
	filter.member_no = (char *)"";
	filter.hotline = (char *)"19009999";
	assert_int_equal(count_calls(fixture, &count), 0);
	filter.hotline = (char *)"";
	Callhistory__V1__Disposition dispositions[] = {CALLHISTORY__V1__DISPOSITION__DISPOSITION_BUSY,
	                                               CALLHISTORY__V1__DISPOSITION__DISPOSITION_ANSWERED};
	filter.dispositions = dispositions;
	filter.n_dispositions = 1;
	assert_int_equal(count_calls(fixture, &count), 0);
	filter.n_dispositions = 2;
	assert_int_equal(count_calls(fixture, &count), 401);
}

/* Sets a condition, expects a count, and takes the condition away. */
#define COUNTS(fixture, count, filter, member, value, expected)                                                        \
	do {                                                                                                               \
		Callhistory__V1__CallFilter before_ = *(filter);                                                               \
		(filter)->member = value;                                                                                      \
		assert_int_equal(count_calls(fixture, count), expected);                                                       \
		*(filter) = before_;                                                                                           \
	} while (0)

static void test_filters_of_one_call(void **state)
{
	struct handlers_fixture *fixture = *state;
	Callhistory__V1__CallFilter filter = CALLHISTORY__V1__CALL_FILTER__INIT;
	Callhistory__V1__CountCallsRequest count = CALLHISTORY__V1__COUNT_CALLS_REQUEST__INIT;
	Callhistory__V1__Money charge = CALLHISTORY__V1__MONEY__INIT, leg_charge = CALLHISTORY__V1__MONEY__INIT;
	struct sample sample;
	sample_init(&sample, "0912000024", FIRST_SECOND);
	leg_charge.amount = 6.1;
	sample.callee.charge = &leg_charge;
	sample.call.customer_code = (char *)"cus";
	sample.call.group_member_no = (char *)"grp";
	sample.call.disposition_other = (char *)"DECLINE";
	count.phone = (char *)"0912000024";
	count.filter = &filter;
	assert_int_equal(record_sample(fixture, &sample), OUTCOME(RECORDED));
	COUNTS(fixture, &count, &filter, customer_code, (char *)"cus", 1);
	COUNTS(fixture, &count, &filter, customer_code, (char *)"cu", 0);
	COUNTS(fixture, &count, &filter, group_member_no, (char *)"grp", 1);
	COUNTS(fixture, &count, &filter, group_member_no, (char *)"cus", 0);
	COUNTS(fixture, &count, &filter, disposition_other, (char *)"DECLINE", 1);
	COUNTS(fixture, &count, &filter, disposition_other, (char *)"decline", 1);
	COUNTS(fixture, &count, &filter, disposition_other, (char *)"declined", 0);
	COUNTS(fixture, &count, &filter, phone_contains, (char *)"120000", 1);
	COUNTS(fixture, &count, &filter, phone_contains, (char *)"+84 912 000 024", 1);
	COUNTS(fixture, &count, &filter, phone_contains, (char *)"19001234", 0);
	filter.optional_has_hotline_case = CALLHISTORY__V1__CALL_FILTER__OPTIONAL_HAS_HOTLINE_HAS_HOTLINE;
	COUNTS(fixture, &count, &filter, has_hotline, true, 1);
	COUNTS(fixture, &count, &filter, has_hotline, false, 0);
	filter.optional_has_hotline_case = 0;
	/* The greatest charge of the parties, 6.1 here, unless the call has its own. */
	filter.optional_min_charge_case = CALLHISTORY__V1__CALL_FILTER__OPTIONAL_MIN_CHARGE_MIN_CHARGE;
	filter.optional_max_charge_case = CALLHISTORY__V1__CALL_FILTER__OPTIONAL_MAX_CHARGE_MAX_CHARGE;
	filter.max_charge = 6.1;
	COUNTS(fixture, &count, &filter, min_charge, 6.1, 1);
	filter.max_charge = 100;
	COUNTS(fixture, &count, &filter, min_charge, 6.2, 0);
	charge.amount = 99;
	sample.call.charge = &charge;
	assert_int_equal(record_sample(fixture, &sample), OUTCOME(REPLACED));
	COUNTS(fixture, &count, &filter, min_charge, 6.2, 1);
	COUNTS(fixture, &count, &filter, max_charge, 98.9, 0);
}

static void test_a_scan_is_bounded_and_says_so(void **state)
{
	struct handlers_fixture *fixture = *state;
	Callhistory__V1__CallFilter filter = CALLHISTORY__V1__CALL_FILTER__INIT;
	Callhistory__V1__CountCallsRequest request = CALLHISTORY__V1__COUNT_CALLS_REQUEST__INIT;
	Google__Protobuf__Timestamp start = GOOGLE__PROTOBUF__TIMESTAMP__INIT;
	struct answer answer;
	record_many(fixture, "0912000005", 0, HANDLERS_SCAN_MAX);
	request.phone = (char *)"0912000005";
	request.filter = &filter;
	filter.member_no = (char *)"101";
	/* As many as the bound are enough; one more is not. */
	assert_int_equal(count_calls(fixture, &request), HANDLERS_SCAN_MAX);
	record_many(fixture, "0912000005", HANDLERS_SCAN_MAX, 1);
	answer_init(&answer, READER);
	call_method(fixture, handlers_history_service(fixture->calls), COUNT_CALLS, &request, &answer);
	expect_failure(&answer, STATUS_FAILED_PRECONDITION, "20000");
	assert_string_equal(answer.context.reason, "SCAN_LIMIT");
	answer_free(&answer);
	start.seconds = FIRST_SECOND + 1;
	request.start_time = &start;
	assert_int_equal(count_calls(fixture, &request), HANDLERS_SCAN_MAX);
	/* A list ends its page, with a token that goes on behind the bound. */
	Callhistory__V1__ListCallsRequest list = CALLHISTORY__V1__LIST_CALLS_REQUEST__INIT;
	list.phone = request.phone;
	list.filter = &filter;
	filter.member_no = (char *)"nobody";
	Page *page = list_calls(fixture, &list);
	assert_int_equal(page->n_calls, 0);
	list.page_token = page->next_page_token;
	Page *next = list_calls(fixture, &list);
	assert_int_equal(next->n_calls, 0);
	assert_string_equal(next->next_page_token, "");
	callhistory__v1__list_calls_response__free_unpacked(next, NULL);
	callhistory__v1__list_calls_response__free_unpacked(page, NULL);
	/* One that is full before the bound is full. */
	list.page_token = (char *)"";
	filter.member_no = (char *)"101";
	page = list_calls(fixture, &list);
	assert_int_equal(page->n_calls, HANDLERS_PAGE_SIZE_DEFAULT);
	callhistory__v1__list_calls_response__free_unpacked(page, NULL);
}

static void test_all_calls_of_the_tenant(void **state)
{
	struct handlers_fixture *fixture = *state;
	Callhistory__V1__ListCallsRequest list = CALLHISTORY__V1__LIST_CALLS_REQUEST__INIT;
	Callhistory__V1__CountCallsRequest count = CALLHISTORY__V1__COUNT_CALLS_REQUEST__INIT;
	Google__Protobuf__Timestamp start = GOOGLE__PROTOBUF__TIMESTAMP__INIT;
	start.seconds = 1800000000;
	count.start_time = list.start_time = &start;
	record_many(fixture, "0912000006", 1800000000 - FIRST_SECOND, 5);
	record_many(fixture, "0912000007", 1800000005 - FIRST_SECOND, 5);
	assert_int_equal(count_calls(fixture, &count), 10);
	list.page_size = 3;
	Page *page = list_calls(fixture, &list);
	assert_int_equal(page->n_calls, 3);
	assert_int_equal(page->calls[0]->start_time->seconds, 1800000009);
	callhistory__v1__list_calls_response__free_unpacked(page, NULL);
	walk(fixture, &list, 1800000009 - FIRST_SECOND, 10, 1);
}

static void test_get_call(void **state)
{
	struct handlers_fixture *fixture = *state;
	Callhistory__V1__GetCallRequest request = CALLHISTORY__V1__GET_CALL_REQUEST__INIT;
	struct sample sample;
	struct answer answer;
	sample_init(&sample, "0912000008", FIRST_SECOND);
	record_sample(fixture, &sample);
	request.id = sample.id;
	answer_init(&answer, READER);
	call_method(fixture, handlers_history_service(fixture->calls), GET_CALL, &request, &answer);
	assert_int_equal(answer.context.status, STATUS_OK);
	Callhistory__V1__GetCallResponse *response =
	    callhistory__v1__get_call_response__unpack(NULL, answer.length, answer.bytes);
	assert_string_equal(response->call->id, sample.id);
	callhistory__v1__get_call_response__free_unpacked(response, NULL);
	answer_free(&answer);
	request.id = (char *)"nobody";
	answer_init(&answer, READER);
	call_method(fixture, handlers_history_service(fixture->calls), GET_CALL, &request, &answer);
	expect_failure(&answer, STATUS_NOT_FOUND, "no call");
	answer_free(&answer);
}

/* Sends a ListCalls that is wrong in one field. */
static void refused(struct handlers_fixture *fixture, const Callhistory__V1__ListCallsRequest *request,
                    const char *field)
{
	struct answer answer;
	answer_init(&answer, READER);
	call_method(fixture, handlers_history_service(fixture->calls), LIST_CALLS, request, &answer);
	expect_failure(&answer, STATUS_INVALID_ARGUMENT, field);
	assert_string_equal(answer.context.violation.field, field);
	answer_free(&answer);
}

#define REFUSED(fixture, member, wrong, name)                                                                          \
	do {                                                                                                               \
		Callhistory__V1__ListCallsRequest request_ = CALLHISTORY__V1__LIST_CALLS_REQUEST__INIT;                        \
		request_.member = wrong;                                                                                       \
		refused(fixture, &request_, name);                                                                             \
	} while (0)

static void test_wrong_arguments_are_named(void **state)
{
	struct handlers_fixture *fixture = *state;
	char long_name[80];
	memset(long_name, 'x', sizeof(long_name));
	long_name[65] = '\0';
	Google__Protobuf__Timestamp wrong = GOOGLE__PROTOBUF__TIMESTAMP__INIT;
	Callhistory__V1__CallFilter filter = CALLHISTORY__V1__CALL_FILTER__INIT;
	Callhistory__V1__CallDirection directions[FILTER_VALUES_MAX + 1];
	REFUSED(fixture, project_code, long_name, "project_code");
	REFUSED(fixture, vbot_id, long_name, "vbot_id");
	REFUSED(fixture, vbot_id, (char *)"V", "project_code");
	REFUSED(fixture, project_code, (char *)"P", "vbot_id");
	REFUSED(fixture, project_code, (char *)"\xff", "project_code");
	char long_number[STORE_NUMBER_MAX + 2];
	memset(long_number, '7', sizeof(long_number));
	long_number[STORE_NUMBER_MAX + 1] = '\0';
	REFUSED(fixture, phone, long_number, "phone");
	REFUSED(fixture, phone, (char *)"09\xff", "phone");
	REFUSED(fixture, phone, (char *)" \t\xc2\xa0", "phone");
	REFUSED(fixture, page_size, -1, "page_size");
	REFUSED(fixture, page, -1, "page");
	wrong.nanos = 1000000000;
	REFUSED(fixture, start_time, &wrong, "start_time");
	wrong.nanos = -1;
	REFUSED(fixture, end_time, &wrong, "end_time");
	wrong.nanos = 0;
	wrong.seconds = 253402300800;
	REFUSED(fixture, end_time, &wrong, "end_time");
	wrong.seconds = INT64_MIN;
	REFUSED(fixture, start_time, &wrong, "start_time");
	for (int i = 0; i <= FILTER_VALUES_MAX; ++i)
		directions[i] = (Callhistory__V1__CallDirection)i;
	filter.directions = directions;
	filter.n_directions = FILTER_VALUES_MAX + 1;
	REFUSED(fixture, filter, &filter, "filter.directions");
	filter.n_directions = 0;
	char long_member[FILTER_TEXT_MAX + 2];
	memset(long_member, '7', sizeof(long_member));
	long_member[FILTER_TEXT_MAX + 1] = '\0';
	filter.member_no = long_member;
	REFUSED(fixture, filter, &filter, "filter.member_no");
	filter.member_no = (char *)"";
	filter.hotline = long_number;
	REFUSED(fixture, filter, &filter, "filter.hotline");
	filter.hotline = (char *)"\n";
	REFUSED(fixture, filter, &filter, "filter.hotline");
	filter.hotline = (char *)"";
	filter.phone_contains = (char *)"\n";
	REFUSED(fixture, filter, &filter, "filter.phone_contains");
	filter.phone_contains = (char *)"";
	filter.customer_code = long_member;
	REFUSED(fixture, filter, &filter, "filter.customer_code");
	filter.customer_code = (char *)"";
	filter.optional_max_charge_case = CALLHISTORY__V1__CALL_FILTER__OPTIONAL_MAX_CHARGE_MAX_CHARGE;
	filter.max_charge = NAN;
	REFUSED(fixture, filter, &filter, "filter.max_charge");
	filter.max_charge = 1;
	filter.optional_min_charge_case = CALLHISTORY__V1__CALL_FILTER__OPTIONAL_MIN_CHARGE_MIN_CHARGE;
	filter.min_charge = 2;
	REFUSED(fixture, filter, &filter, "filter.max_charge");
	Callhistory__V1__ListCallsRequest both = CALLHISTORY__V1__LIST_CALLS_REQUEST__INIT;
	Google__Protobuf__Timestamp start = GOOGLE__PROTOBUF__TIMESTAMP__INIT, end = GOOGLE__PROTOBUF__TIMESTAMP__INIT;
	both.page = 1;
	both.page_token = (char *)"x";
	refused(fixture, &both, "page_token");
	both.page = 0;
	refused(fixture, &both, "page_token");
	both.page_token = (char *)"";
	start.nanos = 1;
	both.start_time = &start;
	both.end_time = &end;
	refused(fixture, &both, "end_time");
}

static void test_a_page_size_above_the_maximum_is_cut(void **state)
{
	struct handlers_fixture *fixture = *state;
	Callhistory__V1__ListCallsRequest request = CALLHISTORY__V1__LIST_CALLS_REQUEST__INIT;
	record_many(fixture, "0912000014", 0, HANDLERS_PAGE_SIZE_MAX + 1);
	request.phone = (char *)"0912000014";
	request.page_size = 2147483647;
	Page *page = list_calls(fixture, &request);
	assert_int_equal(page->n_calls, HANDLERS_PAGE_SIZE_MAX);
	request.page_token = page->next_page_token;
	Page *next = list_calls(fixture, &request);
	assert_int_equal(next->n_calls, 1);
	callhistory__v1__list_calls_response__free_unpacked(next, NULL);
	/* Pages by number are of the size that is served. */
	request.page_token = (char *)"";
	request.page = 2;
	next = list_calls(fixture, &request);
	assert_int_equal(next->n_calls, 1);
	callhistory__v1__list_calls_response__free_unpacked(next, NULL);
	callhistory__v1__list_calls_response__free_unpacked(page, NULL);
}

static void test_a_token_serves_its_own_listing_only(void **state)
{
	struct handlers_fixture *fixture = *state;
	Callhistory__V1__ListCallsRequest request = CALLHISTORY__V1__LIST_CALLS_REQUEST__INIT;
	Callhistory__V1__CallFilter filter = CALLHISTORY__V1__CALL_FILTER__INIT;
	Google__Protobuf__Timestamp start = GOOGLE__PROTOBUF__TIMESTAMP__INIT;
	record_many(fixture, "0912000009", 0, 5);
	request.phone = (char *)"0912000009";
	request.page_size = 2;
	Page *page = list_calls(fixture, &request);
	request.page_token = page->next_page_token;
	callhistory__v1__list_calls_response__free_unpacked(list_calls(fixture, &request), NULL);
	request.phone = (char *)"0912000008";
	refused(fixture, &request, "page_token");
	request.phone = (char *)"0912000009";
	request.start_time = &start;
	refused(fixture, &request, "page_token");
	request.start_time = NULL;
	request.filter = &filter;
	filter.member_no = (char *)"101";
	refused(fixture, &request, "page_token");
	request.filter = NULL;
	char spoiled[300];
	for (size_t i = 0; page->next_page_token[i]; ++i) {
		snprintf(spoiled, sizeof(spoiled), "%s", page->next_page_token);
		spoiled[i] = spoiled[i] == 'A' ? 'B' : 'A';
		request.page_token = spoiled;
		refused(fixture, &request, "page_token");
	}
	snprintf(spoiled, sizeof(spoiled), "%sA", page->next_page_token);
	refused(fixture, &request, "page_token");
	callhistory__v1__list_calls_response__free_unpacked(page, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_pages_by_number_and_by_token),
	    cmocka_unit_test(test_a_page_is_what_was_recorded),
	    cmocka_unit_test(test_ranges_are_half_open),
	    cmocka_unit_test(test_filters),
	    cmocka_unit_test(test_filters_of_one_call),
	    cmocka_unit_test(test_a_scan_is_bounded_and_says_so),
	    cmocka_unit_test(test_all_calls_of_the_tenant),
	    cmocka_unit_test(test_get_call),
	    cmocka_unit_test(test_wrong_arguments_are_named),
	    cmocka_unit_test(test_a_token_serves_its_own_listing_only),
	    cmocka_unit_test(test_a_page_size_above_the_maximum_is_cut),
	};
	return cmocka_run_group_tests(tests, fixture_group_setup, fixture_group_teardown);
}
