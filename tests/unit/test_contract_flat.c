/*
 * Generation 4: requests whose fields are all optional, and answers of flat objects. Each test quotes the sentence that it
 * proves.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <callhistory/v1/call_history_service.pb-c.h>
#include <cmocka.h>

#include "contract/contract.h"
#include "contract/names.h"

#define TEXT(literal) ((char *)(literal))
#define START_MS INT64_C(1698204855123)

static int make_arena(void **state)
{
	struct arena *arena = NULL;
	int result = arena_create(&arena, 4096);
	*state = arena;
	return result;
}

static int drop_arena(void **state)
{
	arena_destroy(*state);
	return 0;
}

static int read_query(void **state, enum contract_route route, const char *query, const char *body,
                      struct contract_request *out, struct contract_error *error)
{
	const struct contract_input input = {.route = route,
	                                     .query = query,
	                                     .query_length = strlen(query),
	                                     .body = body,
	                                     .body_length = body ? strlen(body) : 0};
	return contract_read_request(*state, &input, out, error);
}

static struct contract_request accept(void **state, const char *query)
{
	struct contract_request request = {0};
	struct contract_error error = {0};
	if (read_query(state, CONTRACT_FLAT_LIST, query, NULL, &request, &error))
		fail_msg("%s: %s", query, error.message);
	assert_non_null(request.filter);
	return request;
}

static const Callhistory__V1__CallFilter *filter_of(void **state, const char *query)
{
	return accept(state, query).filter;
}

static void refuse(void **state, const char *query, const char *field)
{
	struct contract_request request = {.phone = "untouched"};
	struct contract_error error = {0};
	if (!read_query(state, CONTRACT_FLAT_LIST, query, NULL, &request, &error))
		fail_msg("accepted: %s", query);
	assert_int_equal(error.code, 400);
	assert_string_equal(error.field, field);
	assert_non_null(strstr(error.message, field));
	assert_string_equal(request.phone, "untouched");
}

/* "`page` from 0, `size` default 20"; the service counts pages from 1. */
static void pages_are_counted_from_0(void **state)
{
	struct contract_request request = accept(state, "");
	assert_true(request.is_list);
	assert_int_equal(request.page, 1);
	assert_int_equal(request.size, 20);
	assert_null(request.vbot_id);
	assert_null(request.phone);
	request = accept(state, "page=2147483646&size=1000&vbot_id=V&project_code=P");
	assert_int_equal(request.page, 2147483647);
	assert_int_equal(request.size, 1000);
	assert_string_equal(request.vbot_id, "V");
	refuse(state, "page=2147483647", "page");
	refuse(state, "page=-1", "page");
	refuse(state, "size=-1", "size");
	refuse(state, "size=1001", "size");
	refuse(state, "vbot_id=V", "project_code");
	refuse(state, "project_code=P", "vbot_id");
	struct contract_error error;
	assert_int_equal(read_query(state, CONTRACT_FLAT_COUNT, "page=x&size=0", NULL, &request, &error), 0);
	assert_false(request.is_list);
}

/* "`has_hotline` absent or -1 = only calls with a hotline, 0 = only without, 1 = all" */
static void has_hotline_is_the_exception(void **state)
{
	const Callhistory__V1__CallFilter *filter = filter_of(state, "");
	assert_int_not_equal(filter->optional_has_hotline_case, 0);
	assert_true(filter->has_hotline);
	filter = filter_of(state, "has_hotline=-1");
	assert_true(filter->optional_has_hotline_case && filter->has_hotline);
	filter = filter_of(state, "has_hotline=0");
	assert_true(filter->optional_has_hotline_case && !filter->has_hotline);
	assert_int_equal(filter_of(state, "has_hotline=1")->optional_has_hotline_case, 0);
	refuse(state, "has_hotline=2", "has_hotline");
}

/* "`type_call` (1 in, 2 out, 3 missed)": the calls that an answer shows with this number. */
static void types_are_what_answers_show(void **state)
{
	static const char *const queries[] = {"type_call=1", "type_call=2", "type_call=3"};
	for (unsigned type = 1; type <= 3; ++type) {
		const Callhistory__V1__CallFilter *filter = filter_of(state, queries[type - 1]);
		for (int direction = 0; direction < 4; ++direction)
			for (int missed = 0; missed < 2; ++missed) {
				bool kept = !filter->optional_missed_case || !!filter->missed == missed, found = false;
				for (size_t i = 0; i < filter->n_directions; ++i)
					found = found || (int)filter->directions[i] == direction;
				assert_int_equal(kept && found, contract_names_number_of_call_type(direction, missed) == type);
			}
	}
	refuse(state, "type_call=0", "type_call");
	refuse(state, "type_call=1.5", "type_call");
}

static void every_filter_is_passed_on(void **state)
{
	struct contract_request request =
	    accept(state, "key_search=%20912&hotline=+8419001000&disposition=busy&min_postage=-0.5&max_postage=1e3&from=1&"
	                  "to=2&customer_code=c&group_member_no=g&member_no=m");
	const Callhistory__V1__CallFilter *filter = request.filter;
	assert_string_equal(filter->phone_contains, " 912");
	assert_string_equal(filter->hotline, "+8419001000");
	assert_int_equal(filter->n_dispositions, 1);
	assert_int_equal(filter->dispositions[0], CALLHISTORY__V1__DISPOSITION__DISPOSITION_BUSY);
	assert_string_equal(filter->disposition_other, "busy");
	assert_true(filter->optional_min_charge_case && filter->min_charge == -0.5);
	assert_true(filter->optional_max_charge_case && filter->max_charge == 1000);
	assert_string_equal(filter->customer_code, "c");
	assert_string_equal(filter->group_member_no, "g");
	assert_string_equal(filter->member_no, "m");
	assert_true(request.has_from && request.has_to && request.from_ms == 1000 && request.to_ms == 2000);
	/* A whole number is for the index. */
	request = accept(state, "key_search=+84912345678");
	assert_string_equal(request.phone, "+84912345678");
	assert_string_equal(request.filter->phone_contains, "");
	/* What is no known code is compared with what was recorded. */
	filter = filter_of(state, "disposition=Decline");
	assert_string_equal(filter->disposition_other, "Decline");
	assert_int_equal(filter->n_dispositions, 0);
	refuse(state, "min_postage=2&max_postage=1", "max_postage");
	refuse(state, "min_postage=NaN", "min_postage");
	refuse(state, "max_postage=1e999", "max_postage");
	/* They may be recorded with control characters. */
	assert_string_equal(filter_of(state, "member_no=a%0ab")->member_no, "a\nb");
	refuse(state, "project_code=a%0ab&vbot_id=V", "project_code");
	refuse(state, "from=2&to=1", "to");
}

/* "`-1` = no filter", as a number or as text. */
static void minus_one_is_no_filter(void **state)
{
	struct contract_request request =
	    accept(state, "key_search=-1&hotline=-1&disposition=-1&type_call=-1&min_postage=-1&max_postage=-1.0&from=-1&"
	                  "to=-1&customer_code=-1&group_member_no=-1&member_no=-1&has_hotline=1");
	const Callhistory__V1__CallFilter none = CALLHISTORY__V1__CALL_FILTER__INIT;
	assert_int_equal(callhistory__v1__call_filter__get_packed_size(request.filter),
	                 callhistory__v1__call_filter__get_packed_size(&none));
	assert_null(request.phone);
	assert_false(request.has_from || request.has_to);
	refuse(state, "type_call=-2", "type_call");
	refuse(state, "from=-2", "from");
}

/* "a parameter given twice with different values is an error" */
static void numbers_given_twice_are_compared_by_value(void **state)
{
	struct contract_request request = {0};
	struct contract_error error = {0};
	assert_int_equal(
	    read_query(state, CONTRACT_FLAT_LIST, "min_postage=1.50", "{\"min_postage\":1.5}", &request, &error), 0);
	assert_true(request.filter->min_charge == 1.5);
	assert_int_equal(
	    read_query(state, CONTRACT_FLAT_LIST, "min_postage=1.50", "{\"min_postage\":1.6}", &request, &error), -1);
	assert_string_equal(error.message, "min_postage is given twice with different values");
	/* -1 beside another value is no agreement. */
	assert_int_equal(read_query(state, CONTRACT_FLAT_LIST, "type_call=-1", "{\"type_call\":3}", &request, &error), -1);
	assert_string_equal(error.message, "type_call is given twice with different values");
}

/* The fields of another generation are unknown. */
static void generations_do_not_mix(void **state)
{
	struct contract_request request = accept(state, "phone=1&group_id=2");
	assert_int_equal(request.unknown_count, 2);
	assert_string_equal(request.unknown[0], "phone");
	struct contract_error error = {0};
	assert_int_equal(read_query(state, CONTRACT_GET_ALL, "vbot_id=V&project_code=P&phone=1&hotline=5&type_call=x", NULL,
	                            &request, &error),
	                 0);
	assert_int_equal(request.unknown_count, 2);
	assert_null(request.filter);
}

/* ---- Answers ---- */

static void assert_flat(enum contract_route route, const Callhistory__V1__Call *call, const char *expected)
{
	struct buffer buffer = {0};
	uint8_t packed[2048];
	assert_in_range(callhistory__v1__call__get_packed_size(call), 0, sizeof(packed));
	const ProtobufCBinaryData calls[] = {{callhistory__v1__call__pack(call, packed), packed}};
	assert_int_equal(contract_write_list_part(&buffer, route, NULL, calls, 1, true, true), 0);
	buffer_append_byte(&buffer, '\0');
	assert_false(buffer.failed);
	assert_string_equal(buffer.data, expected);
	buffer_free(&buffer);
}

#define OPENING "{\"status\":1,\"error\":0,\"message\":\"SUCCESS\",\"data\":[{"
#define NOBODY "{\"member_no\":\"\",\"number\":\"\",\"name\":\"\",\"channel\":\"\",\"type\":\"\",\"telco_code\":\"\"}"

static void an_empty_call_has_every_key(void **state)
{
	(void)state;
	const Callhistory__V1__Call call = CALLHISTORY__V1__CALL__INIT;
	assert_flat(CONTRACT_FLAT_LIST, &call,
	            OPENING
	            "\"trans_id\":\"\",\"group_id\":\"\",\"create_at\":0,\"call_at\":0,\"caller_info\":" NOBODY
	            ",\"callee_info\":" NOBODY ",\"hotline\":\"\",\"type_call\":0,\"end_call\":\"\",\"postage\":0,"
	            "\"time_call\":0,\"duration\":0,\"disposition\":\"\",\"is_record\":false,\"customer_code\":\"\","
	            "\"payment_channel\":\"\",\"group_member_no\":\"\",\"external_call_id\":\"\","
	            "\"auto_dial_service_charge\":0}]}");
	assert_flat(CONTRACT_FLAT_DETAIL, &call,
	            OPENING
	            "\"trans_id\":\"\",\"group_id\":\"\",\"create_at\":0,\"call_at\":0,\"time_call\":0,\"duration\":0,"
	            "\"caller_info\":" NOBODY ",\"callee_info\":" NOBODY
	            ",\"disposition\":\"\",\"hangup_cause\":\"\",\"sip_code\":\"\",\"end_call\":\"\","
	            "\"hotline\":\"\",\"is_record\":false,\"postage\":0,\"conference_id\":\"\","
	            "\"payment_channel\":\"\",\"auto_dial_service_charge\":0,\"customer_code\":\"\","
	            "\"type_call\":0,\"external_call_id\":\"\",\"group_member_no\":\"\"}]}");
}

/* The callee is the first that answered; the charge is the greatest one of the parties, the talk begins with that callee's leg. */
static void one_callee_is_shown(void **state)
{
	(void)state;
	Callhistory__V1__Call call = CALLHISTORY__V1__CALL__INIT;
	Callhistory__V1__Party parties[3] = {CALLHISTORY__V1__PARTY__INIT, CALLHISTORY__V1__PARTY__INIT,
	                                     CALLHISTORY__V1__PARTY__INIT};
	Callhistory__V1__Party *callees[] = {&parties[0], &parties[1], &parties[2]};
	Callhistory__V1__Money charges[] = {CALLHISTORY__V1__MONEY__INIT, CALLHISTORY__V1__MONEY__INIT};
	Google__Protobuf__Timestamp start = GOOGLE__PROTOBUF__TIMESTAMP__INIT;
	start.seconds = START_MS / 1000;
	start.nanos = START_MS % 1000 * 1000000;
	charges[0].amount = 7.5;
	charges[1].amount = -3;
	parties[0].charge = &charges[0];
	parties[2].charge = &charges[1];
	for (size_t i = 1; i < 3; ++i) {
		parties[i].phone = i == 1 ? TEXT("101") : TEXT("102");
		parties[i].disposition = CALLHISTORY__V1__DISPOSITION__DISPOSITION_ANSWERED;
		parties[i].optional_start_offset_ms_case = CALLHISTORY__V1__PARTY__OPTIONAL_START_OFFSET_MS_START_OFFSET_MS;
		parties[i].start_offset_ms = 4000;
	}
	call.start_time = &start;
	call.callees = callees;
	call.n_callees = 3;
	call.disposition = CALLHISTORY__V1__DISPOSITION__DISPOSITION_ANSWERED;
	call.direction = CALLHISTORY__V1__CALL_DIRECTION__CALL_DIRECTION_INTERNAL;
	call.audio_recorded = true;
	assert_flat(CONTRACT_FLAT_LIST, &call,
	            OPENING "\"trans_id\":\"\",\"group_id\":\"\",\"create_at\":1698204855123,\"call_at\":1698204859123,"
	                    "\"caller_info\":" NOBODY
	                    ",\"callee_info\":{\"member_no\":\"\",\"number\":\"101\",\"name\":\"\","
	                    "\"channel\":\"\",\"type\":\"\",\"telco_code\":\"\"},\"hotline\":\"\",\"type_call\":2,"
	                    "\"end_call\":\"\",\"postage\":7.5,\"time_call\":0,\"duration\":0,\"disposition\":\"ANSWER\","
	                    "\"is_record\":true,\"customer_code\":\"\",\"payment_channel\":\"\",\"group_member_no\":\"\","
	                    "\"external_call_id\":\"\",\"auto_dial_service_charge\":0}]}");
}

static void parts_make_one_answer(void **state)
{
	(void)state;
	struct buffer buffer = {0};
	const Callhistory__V1__Call call = CALLHISTORY__V1__CALL__INIT;
	uint8_t packed[64];
	const ProtobufCBinaryData calls[] = {{callhistory__v1__call__pack(&call, packed), packed}, {1, (uint8_t *)"\xff"}};
	assert_int_equal(contract_write_list_part(&buffer, CONTRACT_FLAT_LIST, NULL, calls, 1, true, false), 0);
	size_t part = buffer.length;
	assert_int_not_equal(contract_write_list_part(&buffer, CONTRACT_FLAT_LIST, NULL, calls, 2, false, true), 0);
	assert_int_equal(buffer.length, part);
	assert_int_equal(contract_write_list_part(&buffer, CONTRACT_FLAT_LIST, NULL, calls, 1, false, false), 0);
	assert_memory_equal(buffer.data + part, ",{\"trans_id\"", 12);
	assert_int_equal(contract_write_list_part(&buffer, CONTRACT_FLAT_LIST, NULL, calls, 0, false, true), 0);
	assert_memory_equal(buffer.data + buffer.length - 3, "}]}", 3);
	buffer_free(&buffer);
}

/* "409 (key refused)" */
static void a_refused_key_is_409(void **state)
{
	(void)state;
	assert_int_equal(contract_error_code(CONTRACT_FLAT_COUNT, 401), 409);
	assert_int_equal(contract_error_code(CONTRACT_FLAT_LIST, 403), 409);
	assert_int_equal(contract_error_code(CONTRACT_FLAT_LIST, 404), 404);
	assert_int_equal(contract_error_code(CONTRACT_GET_ALL, 401), 401);
	assert_int_equal(contract_error_code(CONTRACT_RECORD, 403), 403);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_arena, drop_arena)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(pages_are_counted_from_0),    TEST(has_hotline_is_the_exception),
	    TEST(types_are_what_answers_show), TEST(every_filter_is_passed_on),
	    TEST(minus_one_is_no_filter),      TEST(numbers_given_twice_are_compared_by_value),
	    TEST(generations_do_not_mix),      TEST(an_empty_call_has_every_key),
	    TEST(one_callee_is_shown),         TEST(parts_make_one_answer),
	    TEST(a_refused_key_is_409),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
