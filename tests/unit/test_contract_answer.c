/* Answers, byte for byte: each test is named after, or quotes, the sentence of the contract that it proves. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "contract/answer.h"
#include "contract/names.h"
#include "support/packed_call.h"

/* The generated structs have char pointers that nothing here writes through. */
#define TEXT(literal) ((char *)(literal))
#define START INT64_C(1698204855) /* 10/25/2023 10:34:15 in Asia/Ho_Chi_Minh */
#define OPENING "{\"status\":1,\"error\":0,\"message\":\"success\",\"data\":["

static struct contract_zone *zone;

static int make_zone(void **state)
{
	(void)state;
	return contract_zone_create(&zone, "Asia/Ho_Chi_Minh");
}

static int drop_zone(void **state)
{
	(void)state;
	contract_zone_destroy(zone);
	return 0;
}

static void assert_buffer(struct buffer *buffer, const char *expected)
{
	assert_false(buffer->failed);
	buffer_append_byte(buffer, '\0');
	assert_string_equal(buffer->data, expected);
	json_t *value = json_loads(buffer->data, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, NULL);
	assert_non_null(value);
	json_decref(value);
	buffer_free(buffer);
}

static void assert_list(Callhistory__V1__Call *const *calls, size_t count, const char *expected)
{
	struct buffer buffer = {0};
	packed_write_list(&buffer, zone, calls, count);
	assert_buffer(&buffer, expected);
}

/* The seed's example: every documented field, in the documented order, and no other. */
static void a_list_has_the_documented_fields_in_order(void **state)
{
	(void)state;
	Google__Protobuf__Timestamp start = GOOGLE__PROTOBUF__TIMESTAMP__INIT;
	Callhistory__V1__Party caller = CALLHISTORY__V1__PARTY__INIT, callee = CALLHISTORY__V1__PARTY__INIT;
	Callhistory__V1__Party *callers[] = {&caller}, *callees[] = {&callee};
	Callhistory__V1__Call call = CALLHISTORY__V1__CALL__INIT, *calls[] = {&call};
	char *recordings[] = {TEXT("https://a/1.wav"), TEXT("https://a/2.wav")};
	start.seconds = START;
	caller.phone = TEXT("0912345678");
	caller.vbot_id = TEXT("VB1");
	caller.optional_start_offset_ms_case = CALLHISTORY__V1__PARTY__OPTIONAL_START_OFFSET_MS_START_OFFSET_MS;
	caller.disposition = CALLHISTORY__V1__DISPOSITION__DISPOSITION_ANSWERED;
	caller.optional_talk_seconds_case = CALLHISTORY__V1__PARTY__OPTIONAL_TALK_SECONDS_TALK_SECONDS;
	caller.talk_seconds = 120;
	Callhistory__V1__Money charge = CALLHISTORY__V1__MONEY__INIT;
	charge.amount = 6.1;
	caller.charge = &charge;
	caller.source = TEXT("PSTN");
	callee.phone = TEXT("101");
	callee.member_no = TEXT("101");
	callee.optional_start_offset_ms_case = CALLHISTORY__V1__PARTY__OPTIONAL_START_OFFSET_MS_START_OFFSET_MS;
	callee.start_offset_ms = 5000;
	callee.disposition_other = TEXT("Weird");
	call.start_time = &start;
	call.hotline = TEXT("19001234");
	call.callers = callers;
	call.callees = callees;
	call.n_callers = call.n_callees = 1;
	call.optional_talk_seconds_case = CALLHISTORY__V1__CALL__OPTIONAL_TALK_SECONDS_TALK_SECONDS;
	call.talk_seconds = 120;
	call.direction = CALLHISTORY__V1__CALL_DIRECTION__CALL_DIRECTION_INBOUND;
	call.disposition = CALLHISTORY__V1__DISPOSITION__DISPOSITION_ANSWERED;
	call.recordings = recordings;
	call.n_recordings = 2;
	assert_list(
	    calls, 1,
	    OPENING
	    "{\"hotline_number\":\"19001234\",\"date_create\":\"10/25/2023 "
	    "10:34:15\",\"caller\":[{\"phone\":\"0912345678\","
	    "\"vbot_id\":\"VB1\",\"date_create\":\"10/25/2023 10:34:15\",\"disposition\":\"ANSWER\",\"time_call\":\"120\","
	    "\"postage\":6.1,\"source\":\"PSTN\",\"member_no\":\"\"}],\"callee\":[{\"phone\":\"101\",\"vbot_id\":\"\","
	    "\"date_create\":\"10/25/2023 "
	    "10:34:20\",\"disposition\":\"Weird\",\"time_call\":\"\",\"postage\":0,\"source\":\"\","
	    "\"member_no\":\"101\"}],\"time_call\":\"120\",\"type_call\":\"CALLIN\",\"disposition\":\"ANSWER\","
	    "\"record_file\":[\"https://a/1.wav\",\"https://a/2.wav\"]}]}");
}

/* "A list answer has, per call, always present even when empty": also what a hand-made message leaves NULL. */
static void empty_fields_are_there(void **state)
{
	(void)state;
	Callhistory__V1__Call call = CALLHISTORY__V1__CALL__INIT, *calls[] = {&call, &call};
	Callhistory__V1__Party party = CALLHISTORY__V1__PARTY__INIT, *parties[] = {&party, &party};
	static const char empty[] =
	    "{\"hotline_number\":\"\",\"date_create\":\"01/01/1970 08:00:00\",\"caller\":[],\"callee\":[],"
	    "\"time_call\":\"\",\"type_call\":\"\",\"disposition\":\"\",\"record_file\":[]}";
	char expected[2048];
	snprintf(expected, sizeof(expected), OPENING "%s,%s]}", empty, empty);
	assert_list(calls, 2, expected);
	call.hotline = call.direction_other = call.disposition_other = call.event = call.group_id = call.external_call_id =
	    NULL;
	assert_list(calls, 2, expected);
	assert_list(NULL, 0, OPENING "]}");
	call.callers = parties;
	call.n_callers = 2;
	party.phone = party.vbot_id = party.member_no = party.source = party.disposition_other = NULL;
	static const char nobody[] =
	    "{\"phone\":\"\",\"vbot_id\":\"\",\"date_create\":\"\",\"disposition\":\"\",\"time_call\":\"\","
	    "\"postage\":0,\"source\":\"\",\"member_no\":\"\"}";
	snprintf(expected, sizeof(expected),
	         OPENING
	         "{\"hotline_number\":\"\",\"date_create\":\"01/01/1970 08:00:00\",\"caller\":[%s,%s],\"callee\":[],"
	         "\"time_call\":\"\",\"type_call\":\"\",\"disposition\":\"\",\"record_file\":[]}]}",
	         nobody, nobody);
	assert_list(calls, 1, expected);
}

/* "Fields of a later generation appear ... only after the documented ones, and only when the record has them." */
static void later_fields_come_last(void **state)
{
	(void)state;
	Callhistory__V1__Party party = CALLHISTORY__V1__PARTY__INIT, *parties[] = {&party};
	Callhistory__V1__Call call = CALLHISTORY__V1__CALL__INIT, *calls[] = {&call};
	call.callees = parties;
	call.n_callees = 1;
	party.optional_duration_seconds_case = CALLHISTORY__V1__PARTY__OPTIONAL_DURATION_SECONDS_DURATION_SECONDS;
	party.duration_seconds = 0;
	call.event = TEXT("HISTORY_CALL");
	call.optional_duration_seconds_case = CALLHISTORY__V1__CALL__OPTIONAL_DURATION_SECONDS_DURATION_SECONDS;
	call.duration_seconds = UINT32_MAX;
	call.group_id = TEXT("g");
	call.external_call_id = TEXT("x");
	assert_list(
	    calls, 1,
	    OPENING
	    "{\"hotline_number\":\"\",\"date_create\":\"01/01/1970 08:00:00\",\"caller\":[],\"callee\":[{\"phone\":\"\","
	    "\"vbot_id\":\"\",\"date_create\":\"\",\"disposition\":\"\",\"time_call\":\"\",\"postage\":0,\"source\":\"\","
	    "\"member_no\":\"\",\"duration_call\":0}],\"time_call\":\"\",\"type_call\":\"\",\"disposition\":\"\","
	    "\"record_file\":[],\"event_data\":\"HISTORY_CALL\",\"duration_call\":\"4294967295\",\"group_id\":\"g\","
	    "\"external_call_id\":\"x\"}]}");
}

static char *party_date(int64_t seconds, int32_t nanos, int64_t offset_ms, char out[20])
{
	Google__Protobuf__Timestamp start = GOOGLE__PROTOBUF__TIMESTAMP__INIT;
	Callhistory__V1__Party party = CALLHISTORY__V1__PARTY__INIT, *parties[] = {&party};
	Callhistory__V1__Call call = CALLHISTORY__V1__CALL__INIT, *calls[] = {&call};
	struct buffer buffer = {0};
	start.seconds = seconds;
	start.nanos = nanos;
	call.start_time = &start;
	call.callers = parties;
	call.n_callers = 1;
	party.optional_start_offset_ms_case = CALLHISTORY__V1__PARTY__OPTIONAL_START_OFFSET_MS_START_OFFSET_MS;
	party.start_offset_ms = offset_ms;
	packed_write_list(&buffer, zone, calls, 1);
	buffer_append_byte(&buffer, '\0');
	assert_false(buffer.failed);
	const char *date = strstr(strstr(buffer.data, "\"caller\""), "\"date_create\":\"");
	memcpy(out, date + strlen("\"date_create\":\""), 19);
	out[19] = '\0';
	buffer_free(&buffer);
	return out;
}

static void a_partys_time_is_an_offset_from_the_calls(void **state)
{
	(void)state;
	char date[20];
	assert_string_equal(party_date(START, 0, 0, date), "10/25/2023 10:34:15");
	assert_string_equal(party_date(START, 0, -1, date), "10/25/2023 10:34:14");
	assert_string_equal(party_date(START, 0, 999, date), "10/25/2023 10:34:15");
	assert_string_equal(party_date(START, 999000000, 1, date), "10/25/2023 10:34:16");
	assert_string_equal(party_date(START, 500000000, -500, date), "10/25/2023 10:34:15");
	assert_string_equal(party_date(START, 0, 86400000, date), "10/26/2023 10:34:15");
	/* A message from a broken service shows some date and harms nothing. */
	assert_string_equal(party_date(0, 0, INT64_MIN, date), "01/01/1970 08:00:00");
	assert_string_equal(party_date(INT64_MAX, 0, 1, date), "01/01/1970 08:00:00");
	assert_string_equal(party_date(START, 0, INT64_MAX, date), "10/25/2023 10:34:15");
}

/*
 * "Known codes are ... given back in the spelling above; a value that is none of these is kept and given back as it was
 * recorded."
 */
static void every_code_has_its_spelling(void **state)
{
	(void)state;
	static const char *const dispositions[] = {
	    NULL,          "ANSWER",          "NOANSWER", "BUSY",       "CANCEL",      "MISSCALL", "SOMEONEANSWERED",
	    "MORE",        "LOGOUT",          "INCALL",   "CONGESTION", "CHANUNAVAIL", "DONTCALL", "TORTURE",
	    "INVALIDARGS", "NORMAL_CLEARING", NULL,
	};
	for (int i = -1; i <= 16; ++i) {
		const char *name = contract_names_of_disposition((Callhistory__V1__Disposition)i);
		if (i < 0 || !dispositions[i])
			assert_null(name);
		else
			assert_string_equal(name, dispositions[i]);
	}
	static const char *const types[][2] = {
	    {NULL, "MISSCALL"}, {"CALLIN", "MISSCALL"}, {"CALLOUT", "CALLOUT"}, {"CALLOUT", "CALLOUT"}};
	for (int i = 0; i < 8; ++i) {
		const char *name = contract_names_of_call_type((Callhistory__V1__CallDirection)(i / 2), i % 2);
		if (i)
			assert_string_equal(name, types[i / 2][i % 2]);
		else
			assert_null(name);
	}
	assert_null(contract_names_of_call_type((Callhistory__V1__CallDirection)4, true));
	assert_null(contract_names_of_call_type((Callhistory__V1__CallDirection)-1, false));
}

static void a_count_is_an_integer(void **state)
{
	(void)state;
	struct buffer buffer = {0};
	contract_write_count(&buffer, CONTRACT_GET_ALL, 4);
	assert_buffer(&buffer, "{\"status\":1,\"error\":0,\"message\":\"success\",\"data\":4}");
	contract_write_count(&buffer, CONTRACT_GET_ALL, 0);
	assert_buffer(&buffer, "{\"status\":1,\"error\":0,\"message\":\"success\",\"data\":0}");
	contract_write_count(&buffer, CONTRACT_GET_ALL, INT64_MAX);
	assert_buffer(&buffer, "{\"status\":1,\"error\":0,\"message\":\"success\",\"data\":9223372036854775807}");
}

/* "Failure is status 0, error = the HTTP status code, message = one clear sentence ..., and no data." */
static void an_error_has_no_data(void **state)
{
	(void)state;
	struct buffer buffer = {0};
	contract_write_error(&buffer, 400, "phone is missing");
	assert_buffer(&buffer, "{\"status\":0,\"error\":400,\"message\":\"phone is missing\"}");
	contract_write_error(&buffer, 503, NULL);
	assert_buffer(&buffer, "{\"status\":0,\"error\":503,\"message\":\"\"}");
}

static void strings_are_valid_json_whatever_they_hold(void **state)
{
	(void)state;
	static const struct {
		const char *text, *expected;
	} rows[] = {
	    {"", "\"\""},
	    {"plain", "\"plain\""},
	    {"exactly8", "\"exactly8\""},
	    {"a long run of plain text, slash / kept", "\"a long run of plain text, slash / kept\""},
	    {"say \"hi\" \\ bye", "\"say \\\"hi\\\" \\\\ bye\""},
	    {"\b\t\n\f\r", "\"\\b\\t\\n\\f\\r\""},
	    {"\x01\x0b\x1f\x7f", "\"\\u0001\\u000b\\u001f\x7f\""},
	    {"L\xe1\xbb\x8b"
	     "ch s\xe1\xbb\xad \xf0\x9f\x93\x9e \xe2\x80\xa8\xe2\x80\xa9",
	     "\"L\xe1\xbb\x8b"
	     "ch s\xe1\xbb\xad \xf0\x9f\x93\x9e \xe2\x80\xa8\xe2\x80\xa9\""},
	    {"1234567\"", "\"1234567\\\"\""},
	    {"\xff", "\"\xef\xbf\xbd\""},
	    {"ab\xc3", "\"ab\xef\xbf\xbd\""},
	    {"\xc3(", "\"\xef\xbf\xbd(\""},
	    {"\xc0\xaf", "\"\xef\xbf\xbd\xef\xbf\xbd\""},
	    {"\xed\xa0\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""},
	    {"\xe1\xbb", "\"\xef\xbf\xbd\xef\xbf\xbd\""},
	    {"\xf4\x90\x80\x80x", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbdx\""},
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); ++i) {
		struct buffer buffer = {0};
		contract_write_string(&buffer, rows[i].text);
		assert_buffer(&buffer, rows[i].expected);
	}
}

/* Every byte at every place of a word of eight, against the JSON reader. */
static void every_byte_is_escaped_where_it_must_be(void **state)
{
	(void)state;
	for (int byte = 1; byte < 0x80; ++byte)
		for (size_t place = 0; place < 19; ++place) {
			struct buffer buffer = {0};
			char text[20];
			memset(text, 'x', sizeof(text));
			text[19] = '\0';
			text[place] = (char)byte;
			contract_write_string(&buffer, text);
			json_t *value = json_loadb(buffer.data, buffer.length, JSON_DECODE_ANY, NULL);
			assert_true(json_is_string(value));
			assert_string_equal(json_string_value(value), text);
			json_decref(value);
			buffer_free(&buffer);
		}
}

static void answers_are_added_to_the_end(void **state)
{
	(void)state;
	struct buffer buffer = {0};
	buffer_append_string(&buffer, "head ");
	contract_write_count(&buffer, CONTRACT_GET_ALL, 1);
	assert_memory_equal(buffer.data, "head {", 6);
	buffer_free(&buffer);
}

/* Packs a message with one of each field: texts of one character, and numbers that have many digits. */
static uint8_t *pack_all(uint8_t *at, const ProtobufCMessageDescriptor *type)
{
	static const uint8_t number[] = {0xff, 0xff, 0xff, 0xff, 0x0f};
	const double amount = -1.2345678901234567e-300;
	for (unsigned i = 0; i < type->n_fields; ++i) {
		const ProtobufCFieldDescriptor *field = &type->fields[i];
		const bool message = field->type == PROTOBUF_C_TYPE_MESSAGE, text = field->type == PROTOBUF_C_TYPE_STRING;
		const bool real = field->type == PROTOBUF_C_TYPE_DOUBLE;
		const unsigned tag = field->id << 3 | (message || text ? 2 : real);
		*at++ = (uint8_t)(tag | 0x80);
		*at++ = (uint8_t)(tag >> 7);
		if (message) {
			uint8_t *end = pack_all(at + 2, field->descriptor);
			const size_t length = (size_t)(end - at) - 2;
			at[0] = (uint8_t)(length | 0x80);
			at[1] = (uint8_t)(length >> 7);
			at = end;
		} else if (text) {
			*at++ = 1;
			*at++ = 'x';
		} else if (real) {
			memcpy(at, &amount, sizeof(amount));
			at += sizeof(amount);
		} else if (field->type == PROTOBUF_C_TYPE_ENUM) {
			*at++ = CALLHISTORY__V1__DISPOSITION__DISPOSITION_NORMAL_CLEARING;
		} else {
			memcpy(at, number, sizeof(number));
			at += sizeof(number);
		}
	}
	return at;
}

/* Memory is reserved once for a call: 1,024 bytes, 512 for each party, and what its texts may need. */
static void all_fields_fit_in_what_is_reserved(void **state)
{
	(void)state;
	uint8_t bytes[2048];
	const ProtobufCBinaryData packed = {.data = bytes,
	                                    .len = (size_t)(pack_all(bytes, &callhistory__v1__call__descriptor) - bytes)};
	const enum contract_route routes[] = {CONTRACT_GET_ALL, CONTRACT_FLAT_LIST, CONTRACT_FLAT_DETAIL};
	struct buffer buffer = {0};
	struct view_call call;
	assert_int_equal(contract_view_call(&call, packed.data, packed.len), 0);
	assert_int_equal(call.callers.count + call.callees.count, 2);
	assert_int_equal(contract_answer_write_fields(&buffer, zone, true, &call), 0);
	assert_non_null(memmem(buffer.data, buffer.length, "\"conference_id\":\"x\"", 19));
	assert_true(buffer.length < 1024 + 2 * 512);
	for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); ++i) {
		buffer_clear(&buffer);
		assert_int_equal(contract_write_list_part(&buffer, routes[i], zone, &packed, 1, true, true), 0);
		assert_true(buffer.length < 1024 + 2 * 512);
	}
	buffer_free(&buffer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_list_has_the_documented_fields_in_order),
	    cmocka_unit_test(empty_fields_are_there),
	    cmocka_unit_test(later_fields_come_last),
	    cmocka_unit_test(a_partys_time_is_an_offset_from_the_calls),
	    cmocka_unit_test(every_code_has_its_spelling),
	    cmocka_unit_test(a_count_is_an_integer),
	    cmocka_unit_test(an_error_has_no_data),
	    cmocka_unit_test(strings_are_valid_json_whatever_they_hold),
	    cmocka_unit_test(every_byte_is_escaped_where_it_must_be),
	    cmocka_unit_test(answers_are_added_to_the_end),
	    cmocka_unit_test(all_fields_fit_in_what_is_reserved),
	};
	return cmocka_run_group_tests(tests, make_zone, drop_zone);
}
