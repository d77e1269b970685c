/* contract_write_import(): what it writes, contract_read_import() reads as the same call, whatever fields it has. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "contract/contract.h"
#include "support/packed_call.h"

static const char *const lines[] = {
    /* Nothing but what is needed. */
    "{\"project_code\":\"P\",\"vbot_id\":\"V\",\"date_create\":\"10/25/2026 10:34:15\"}",
    "{\"project_code\":\"P\",\"vbot_id\":\"V\",\"id\":\"x\",\"date_create\":\"01/01/1971 00:00:00\",\"caller\":[{}],"
    "\"time_call\":\"\",\"record_file\":[\"\"]}",
    /* Every field that is known. */
    "{\"project_code\":\"Mã "
    "\\\"nhóm\\\"\",\"vbot_id\":\"V\\\\1\",\"trans_id\":\"1792899255.7\",\"hotline_number\":\"19001234\","
    "\"date_create\":\"10/25/2026 10:34:15\",\"caller\":[{\"phone\":\"+84 912 345 678\",\"vbot_id\":\"B\","
    "\"date_create\":\"10/25/2026 10:34:10\",\"disposition\":\"answer\",\"time_call\":\"02:05\",\"postage\":6.1,"
    "\"source\":\"app\",\"member_no\":\"101\",\"duration_call\":130,\"name\":\"Nguyễn Văn An\",\"channel\":\"SIP/101\","
    "\"type\":\"EXT\",\"telco_code\":\"VTL\"},{\"phone\":\"102\",\"disposition\":\"VOICEMAIL\",\"postage\":1500.0}],"
    "\"callee\":[{\"phone\":\"0987\",\"time_call\":0}],\"time_call\":\"120\",\"type_call\":\"OUTCALL\",\"disposition\":"
    "\"MORE\","
    "\"record_file\":[\"https://recordings.example.vn/a b.mp3\",\"\\u0041/\\u00e1\"],\"event_data\":\"HISTORY_CALL\","
    "\"duration_call\":\"131\",\"group_id\":\"g\",\"external_call_id\":\"e\",\"end_call\":\"caller\",\"is_record\":"
    "true,"
    "\"postage\":0.1,\"customer_code\":\"KH-1\",\"payment_channel\":\"pc\",\"group_member_no\":\"9\","
    "\"auto_dial_service_charge\":2.5e-7,\"hangup_cause\":\"16\",\"sip_code\":\"200\",\"conference_id\":\"c\"}",
    /* Words that the contract does not know stay as they are. */
    "{\"project_code\":\"P\",\"vbot_id\":\"V\",\"id\":\"y\",\"date_create\":\"12/31/9998 "
    "23:59:59\",\"type_call\":\"callback\","
    "\"disposition\":\"Voice\\tMail\"}",
};

static void check(struct arena *arena, struct contract_zone *zone, const char *line)
{
	struct contract_import first, second;
	struct contract_error error;
	struct buffer out = {0}, again = {0};
	if (contract_read_import(arena, zone, line, strlen(line), &first, &error))
		fail_msg("%s: %s", line, error.message);
	contract_write_import(&out, zone, first.project_code, first.vbot_id, first.call);
	assert_false(out.failed);
	assert_null(memchr(out.data, '\n', out.length));
	if (contract_read_import(arena, zone, out.data, out.length, &second, &error))
		fail_msg("%.*s: %s", (int)out.length, out.data, error.message);
	assert_string_equal(first.project_code, second.project_code);
	assert_string_equal(first.vbot_id, second.vbot_id);
	size_t size = callhistory__v1__call__get_packed_size(first.call);
	assert_int_equal(callhistory__v1__call__get_packed_size(second.call), size);
	uint8_t *packed = arena_alloc(arena, 2 * size);
	assert_non_null(packed);
	callhistory__v1__call__pack(first.call, packed);
	callhistory__v1__call__pack(second.call, packed + size);
	assert_memory_equal(packed, packed + size, size);
	contract_write_import(&again, zone, second.project_code, second.vbot_id, second.call);
	assert_int_equal(again.length, out.length);
	assert_memory_equal(again.data, out.data, out.length);
	buffer_free(&out);
	buffer_free(&again);
}

static void test_round_trip(void **state)
{
	struct contract_zone *zone;
	struct arena *arena;
	(void)state;
	assert_int_equal(contract_zone_create(&zone, "Asia/Ho_Chi_Minh"), 0);
	assert_int_equal(arena_create(&arena, 4096), 0);
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); ++i)
		check(arena, zone, lines[i]);
	arena_destroy(arena);
	contract_zone_destroy(zone);
}

static void test_answers_do_not_show_what_only_imports_know(void **state)
{
	struct contract_zone *zone;
	struct arena *arena;
	struct contract_import record;
	struct contract_error error;
	struct buffer out = {0};
	(void)state;
	assert_int_equal(contract_zone_create(&zone, "Asia/Ho_Chi_Minh"), 0);
	assert_int_equal(arena_create(&arena, 4096), 0);
	assert_int_equal(contract_read_import(arena, zone, lines[2], strlen(lines[2]), &record, &error), 0);
	packed_write_list(&out, zone, &record.call, 1);
	buffer_append_byte(&out, '\0');
	assert_false(out.failed);
	static const char *const hidden[] = {"\"id\"",           "\"name\"",          "\"channel\"", "\"end_call\"",
	                                     "\"hangup_cause\"", "\"customer_code\"", "project_code"};
	for (size_t i = 0; i < sizeof(hidden) / sizeof(hidden[0]); ++i)
		assert_null(strstr(out.data, hidden[i]));
	assert_non_null(strstr(out.data, "\"external_call_id\":\"e\"}]}"));
	buffer_free(&out);
	arena_destroy(arena);
	contract_zone_destroy(zone);
}

static void test_the_tenant_may_be_left_out(void **state)
{
	static const char line[] =
	    "{\"project_code\":\"P\",\"vbot_id\":\"V\",\"id\":\"y\",\"date_create\":\"01/01/2026 00:00:00\"}";
	static const char start[] = "{\"id\":\"y\",\"hotline_number\":\"\",";
	struct contract_zone *zone;
	struct arena *arena;
	struct contract_import record;
	struct contract_error error;
	struct buffer out = {0};
	(void)state;
	assert_int_equal(contract_zone_create(&zone, "Asia/Ho_Chi_Minh"), 0);
	assert_int_equal(arena_create(&arena, 4096), 0);
	assert_int_equal(contract_read_import(arena, zone, line, strlen(line), &record, &error), 0);
	contract_write_import(&out, zone, NULL, NULL, record.call);
	assert_true(!out.failed && out.length > strlen(start));
	assert_memory_equal(out.data, start, strlen(start));
	buffer_free(&out);
	arena_destroy(arena);
	contract_zone_destroy(zone);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_round_trip),
	    cmocka_unit_test(test_answers_do_not_show_what_only_imports_know),
	    cmocka_unit_test(test_the_tenant_may_be_left_out),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
