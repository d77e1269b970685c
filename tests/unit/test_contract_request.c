/* Requests with a JSON body, all generations: each test is named after, or quotes, the sentence of the contract that it proves. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "contract/contract.h"

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

static int read_body(struct arena *arena, enum contract_route route, bool api_key, const char *body, size_t length,
                     struct contract_request *out, struct contract_error *error)
{
	/* One exact copy, so that a sanitizer sees a read past the end. */
	char *copy = malloc(length ? length : 1);
	assert_non_null(copy);
	if (length)
		memcpy(copy, body, length);
	const struct contract_input input = {.route = route, .body = copy, .body_length = length, .api_key = api_key};
	int result = contract_read_request(arena, &input, out, error);
	free(copy);
	return result;
}

static struct contract_request accept_with(void **state, enum contract_route route, bool api_key, const char *body)
{
	struct contract_request request = {0};
	struct contract_error error = {0};
	if (read_body(*state, route, api_key, body, strlen(body), &request, &error))
		fail_msg("%s: %s", body, error.message);
	return request;
}

static struct contract_request accept(void **state, const char *body)
{
	return accept_with(state, CONTRACT_GET_ALL, false, body);
}

static void refuse_bytes(void **state, enum contract_route route, bool api_key, const char *body, size_t length,
                         int code, const char *field, const char *message)
{
	struct contract_request request, before;
	struct contract_error error = {0};
	memset(&request, 0x5a, sizeof(request));
	memcpy(&before, &request, sizeof(request));
	if (!read_body(*state, route, api_key, body, length, &request, &error))
		fail_msg("accepted: %s", body);
	assert_int_equal(error.code, code);
	if (message)
		assert_string_equal(error.message, message);
	if (field) {
		assert_non_null(error.field);
		assert_string_equal(error.field, field);
		assert_non_null(strstr(error.message, field));
	} else {
		assert_null(error.field);
	}
	assert_memory_equal(&request, &before, sizeof(request));
}

static void refuse(void **state, const char *body, const char *field, const char *message)
{
	refuse_bytes(state, CONTRACT_GET_ALL, false, body, strlen(body), 400, field, message);
}

#define WHO "\"vbot_id\":\"V\",\"project_code\":\"P\""
#define BASE WHO ",\"phone\":\"0912345678\""

/* "A body with neither page nor size is a count. With both it is a list." */
static void page_and_size_make_it_a_list(void **state)
{
	struct contract_request request = accept(state, "{" BASE ",\"page\":1,\"size\":10}");
	assert_true(request.is_list);
	assert_string_equal(request.vbot_id, "V");
	assert_string_equal(request.project_code, "P");
	assert_string_equal(request.phone, "0912345678");
	assert_int_equal(request.page, 1);
	assert_int_equal(request.size, 10);
	assert_false(request.has_from || request.has_to);
	request = accept(state, "{" BASE "}");
	assert_false(request.is_list);
}

/* "With only one of them it is an error that names the missing one." */
static void one_of_page_and_size_is_an_error(void **state)
{
	refuse(state, "{" BASE ",\"page\":1}", "size", "size is missing: a list needs it");
	refuse(state, "{" BASE ",\"size\":10}", "page", "page is missing: a list needs it");
	refuse(state, "{" BASE ",\"size\":10,\"page\":null}", "page", NULL);
	refuse(state, "{" BASE ",\"size\":10,\"page\":\"\"}", "page", NULL);
}

/* "an empty one counts as missing (400)"; null is as empty as "". */
static void the_first_missing_field_is_named(void **state)
{
	refuse(state, "", "vbot_id", "vbot_id is missing");
	refuse(state, "{}", "vbot_id", "vbot_id is missing");
	refuse(state, "{\"page\":\"x\"}", "vbot_id", NULL);
	refuse(state, "{\"vbot_id\":\"V\"}", "project_code", "project_code is missing");
	refuse(state, "{" WHO "}", "phone", "phone is missing");
	refuse(state, "{\"vbot_id\":\"\",\"project_code\":\"P\",\"phone\":\"1\"}", "vbot_id", "vbot_id is missing");
	refuse(state, "{\"vbot_id\":\"V\",\"project_code\":null,\"phone\":\"1\"}", "project_code", NULL);
	refuse(state, "{" WHO ",\"phone\":\"\"}", "phone", NULL);
}

static void strings_of_another_type_are_refused(void **state)
{
	refuse(state, "{" WHO ",\"phone\":912345678}", "phone", "phone must be a string");
	refuse(state, "{" WHO ",\"phone\":true}", "phone", "phone must be a string");
	refuse(state, "{" WHO ",\"phone\":1.5}", "phone", NULL);
	refuse(state, "{" WHO ",\"phone\":99999999999999999999}", "phone", NULL);
	refuse(state, "{\"vbot_id\":1,\"project_code\":2,\"phone\":3}", "vbot_id", NULL);
	refuse(state, "{\"vbot_id\":\"V\",\"project_code\":false,\"phone\":3}", "project_code", NULL);
}

/* "vbot_id, project_code: 1 to 64 characters, none of them control characters; phone: 1 to 128" */
static void strings_have_bounds_in_characters(void **state)
{
	char body[1024], text[512] = "";
	for (int i = 0; i < 64; ++i)
		strcat(text, "\xe1\xbb\x87");
	snprintf(body, sizeof(body), "{\"vbot_id\":\"%s\",\"project_code\":\"P\",\"phone\":\"1\"}", text);
	assert_string_equal(accept(state, body).vbot_id, text);
	strcat(text, "x");
	snprintf(body, sizeof(body), "{\"vbot_id\":\"%s\",\"project_code\":\"P\",\"phone\":\"1\"}", text);
	refuse(state, body, "vbot_id", "vbot_id must have at most 64 characters");
	snprintf(body, sizeof(body), "{" WHO ",\"phone\":\"%0128d\"}", 1);
	accept(state, body);
	snprintf(body, sizeof(body), "{" WHO ",\"phone\":\"%0129d\"}", 1);
	refuse(state, body, "phone", "phone must have at most 128 characters");
	static const char *const controls[] = {"1\\n2", "1\\u001f", "1\x7f", "\\u0080", "\xc2\x9f"};
	for (size_t i = 0; i < sizeof(controls) / sizeof(controls[0]); ++i) {
		snprintf(body, sizeof(body), "{" WHO ",\"phone\":\"%s\"}", controls[i]);
		accept(state, body);
		snprintf(body, sizeof(body), "{\"vbot_id\":\"%s\",\"project_code\":\"P\",\"phone\":\"1\"}", controls[i]);
		refuse(state, body, "vbot_id", "vbot_id must have no control characters");
	}
	accept(state, "{" WHO ",\"phone\":\"\xc2\xa0\\ud83d\\ude00 +84 (0)\"}");
}

/* "Integers may come as JSON ints or decimal strings (PHP clients send strings)." */
static void integers_come_as_ints_or_decimal_strings(void **state)
{
	struct contract_request request = accept(state, "{" BASE ",\"page\":\"2\",\"size\":\"50\"}");
	assert_int_equal(request.page, 2);
	assert_int_equal(request.size, 50);
	request = accept(state, "{" BASE ",\"page\":\"007\",\"size\":1000}");
	assert_int_equal(request.page, 7);
	assert_int_equal(request.size, 1000);
	assert_int_equal(accept(state, "{" BASE ",\"page\":2147483647,\"size\":1}").page, INT32_MAX);
	/* "JSON numbers whose value is whole (`2`, `2.0`, `2e0`)" */
	request = accept(state, "{" BASE ",\"page\":2.0,\"size\":1e1,\"from\":1.7e9}");
	assert_int_equal(request.page, 2);
	assert_int_equal(request.size, 10);
	assert_int_equal(request.from_ms, INT64_C(1700000000000));
	assert_int_equal(accept(state, "{" BASE ",\"page\":2147483647.0,\"size\":1}").page, INT32_MAX);
}

/* "A UTF-8 byte-order mark before a body is skipped; a body of blanks is no body" */
static void a_byte_order_mark_and_blanks_are_skipped(void **state)
{
	accept(state, "\xef\xbb\xbf{" BASE "}");
	accept(state, "\xef\xbb\xbf\r\n {" BASE "}\n");
	refuse(state, "\xef\xbb\xbf\xef\xbb\xbf{" BASE "}", NULL, NULL);
	refuse(state, "\xef\xbb{" BASE "}", NULL, NULL);
	refuse(state, "{" BASE "}\xef\xbb\xbf", NULL, NULL);
	refuse(state, " \r\n\t", "vbot_id", "vbot_id is missing");
	refuse(state, "\xef\xbb\xbf \n", "vbot_id", "vbot_id is missing");
}

/* "page 0, negative, fractional or above 2^31-1 is an error"; "size is 1 to 1000" */
static void page_and_size_have_bounds(void **state)
{
	static const char *const wrong[] = {"0",
	                                    "-1",
	                                    "1.5",
	                                    "true",
	                                    "\"0\"",
	                                    "2147483648",
	                                    "\"\\u0661\"",
	                                    "\"-\"",
	                                    "\"1.0\"",
	                                    "\"2147483648\"",
	                                    "\" 1\"",
	                                    "\"1 \"",
	                                    "\"+1\"",
	                                    "\"0x1\"",
	                                    "\"one\"",
	                                    "99999999999999999999",
	                                    "-99999999999999999999",
	                                    "1e999",
	                                    "1e300",
	                                    "1e-1",
	                                    "-0.0",
	                                    "1.0000000000000002",
	                                    "2147483648.0",
	                                    "\"99999999999999999999\"",
	                                    "\"-99999999999999999999\""};
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); ++i) {
		char body[256];
		snprintf(body, sizeof(body), "{" BASE ",\"page\":%s,\"size\":10}", wrong[i]);
		refuse(state, body, "page", "page must be a whole number from 1 to 2147483647");
		snprintf(body, sizeof(body), "{" BASE ",\"page\":1,\"size\":%s}", wrong[i]);
		refuse(state, body, "size", "size must be a whole number from 1 to 1000");
	}
	refuse(state, "{" BASE ",\"page\":1,\"size\":1001}", "size", NULL);
	refuse(state, "{" BASE ",\"page\":0,\"size\":0}", "page", NULL);
}

/* "Unknown keys are ignored.": whatever scalar they hold, numbers that fit no C type included. */
static void unknown_keys_are_ignored_and_named(void **state)
{
	struct contract_request request =
	    accept(state, "{\"a\":1,\"b\":\"x\",\"c\":null,\"d\":1e999,\"e\":12345678901234567890," BASE ",\"\":true}");
	static const char *const names[] = {"a", "b", "c", "d", "e", ""};
	assert_int_equal(request.unknown_count, 6);
	for (size_t i = 0; i < 6; ++i) {
		bool found = false;
		for (size_t j = 0; j < request.unknown_count; ++j)
			found |= !strcmp(names[i], request.unknown[j]);
		assert_true(found);
	}
	char body[2048] = "{" BASE;
	for (int i = 0; i < 100; ++i)
		snprintf(body + strlen(body), sizeof(body) - strlen(body), ",\"k%d\":0", i);
	strcat(body, "}");
	assert_int_equal(accept(state, body).unknown_count, 32);
}

/* "an array or object as any value (under unknown keys too) ... are errors" */
static void arrays_and_objects_are_refused_everywhere(void **state)
{
	refuse(state, "{" BASE ",\"x\":[]}", "x", "x must not be an array or an object");
	refuse(state, "{" BASE ",\"x\":{}}", "x", NULL);
	refuse(state, "{" WHO ",\"phone\":[\"1\"]}", "phone", NULL);
	refuse(state, "{" BASE ",\"page\":{\"a\":1},\"size\":1}", "page", NULL);
	refuse_bytes(state, CONTRACT_COUNT_ALL, false, "{" BASE ",\"page\":[]}", strlen("{" BASE ",\"page\":[]}"), 400,
	             "page", NULL);
	/* A long key is cut at a character's border. */
	char body[512], key[67] = "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffggg";
	snprintf(body, sizeof(body), "{\"%s\xe1\xbb\x87zzz\":[]}", key);
	refuse(state, body, key, NULL);
}

/* "Duplicate keys ... are errors" */
static void duplicate_keys_are_refused_and_named(void **state)
{
	refuse(state, "{" BASE ",\"phone\":\"0912345678\"}", "phone", "phone is given twice");
	refuse(state, "{" BASE ",\"x\":1,\"x\":1}", "x", "x is given twice");
	refuse(state, "{" BASE ",\"p\\u0068one\" : \"2\"}", "phone", NULL);
	refuse(state, "{" BASE ",\"x\":\"a\\\"b\",\"y\":1,\"y\":2}", "y", NULL);
	refuse(state, "{\"a_key_of_more_than_twenty_bytes\":1,\"a_key_of_more_than_twenty_bytes\":1}",
	       "a_key_of_more_than_twenty_bytes", NULL);
}

/* "invalid UTF-8 (unpaired \u surrogates too), NUL, ... trailing text" */
static void broken_bodies_are_refused(void **state)
{
	static const char *const bodies[] = {
	    "{" WHO ",\"phone\":\"\xff\"}",
	    "{" WHO ",\"phone\":\"\xc0\xaf\"}",
	    "{" WHO ",\"phone\":\"\xed\xa0\x80\"}",
	    "{" WHO ",\"phone\":\"\xf4\x90\x80\x80\"}",
	    "{" WHO ",\"phone\":\"\xe1\xbb\"}",
	    "{" BASE ",\"\xff\":1}",
	    "{" WHO ",\"phone\":\"\\ud800\"}",
	    "{" WHO ",\"phone\":\"\\udc00\"}",
	    "{" WHO ",\"phone\":\"\\ud800\\u0041\"}",
	    "{" BASE ",\"x\":\"\\udbff\"}",
	    "{" BASE ",\"\\ud800\":1}",
	    "{" WHO ",\"phone\":\"1\\u0000\"}",
	    "{" BASE ",\"\\u0000\":1}",
	    "{" BASE "} x",
	    "{" BASE "}{}",
	    "{" BASE "},",
	    "{" BASE ",}",
	    "{" BASE,
	    "{" BASE ",\"x\":01}",
	    "{" BASE ",\"x\":+1}",
	    "{" BASE ",\"x\":.5}",
	    "{" BASE ",\"x\":1.}",
	    "{" BASE ",\"x\":NaN}",
	    "{" BASE ",\"x\":0x10}",
	    "{" BASE ",\"x\":99999999999999999999x}",
	    "{" BASE ",\"x\":0099999999999999999999}",
	    "{'vbot_id':'V'}",
	    "{" WHO ",\"phone\":\"1\n\"}",
	    "[]",
	    "[{" BASE "}]",
	    "null",
	    "true",
	    "1",
	    "1e999",
	    "99999999999999999999",
	    "\"" WHO "\"",
	    "vbot_id=V&project_code=P&phone=1",
	};
	for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); ++i)
		refuse(state, bodies[i], NULL, NULL);
	static const char nul_inside[] = "{" WHO ",\"phone\":\"1\0\"}", nul_after[] = "{" BASE "}\0";
	static const char nul_behind_a_number[] = "{" BASE ",\"page\":1\0,\"size\":1}";
	refuse_bytes(state, CONTRACT_GET_ALL, false, nul_inside, sizeof(nul_inside) - 1, 400, NULL, NULL);
	refuse_bytes(state, CONTRACT_GET_ALL, false, nul_after, sizeof(nul_after) - 1, 400, NULL, NULL);
	refuse_bytes(state, CONTRACT_GET_ALL, false, nul_behind_a_number, sizeof(nul_behind_a_number) - 1, 400, NULL, NULL);
	accept(state, " \t\r\n{ " BASE " }\r\n");
}

static void deep_nesting_is_refused(void **state)
{
	char body[CONTRACT_BODY_MAX + 1];
	memset(body, '[', sizeof(body));
	body[CONTRACT_BODY_MAX] = '\0';
	refuse(state, body, NULL, "body is nested too deeply");
	memcpy(body, "{\"a\":", 5);
	refuse(state, body, NULL, NULL);
}

/* "a body over 4 KiB ... (400; 413 for size)" */
static void a_body_has_at_most_4096_bytes(void **state)
{
	char body[CONTRACT_BODY_MAX + 2];
	memset(body, ' ', sizeof(body));
	memcpy(body, "{" BASE "}", strlen("{" BASE "}"));
	body[CONTRACT_BODY_MAX] = '\0';
	accept(state, body);
	body[CONTRACT_BODY_MAX] = ' ';
	refuse_bytes(state, CONTRACT_GET_ALL, false, body, CONTRACT_BODY_MAX + 1, 413, NULL,
	             "body is larger than 4096 bytes");
}

/* "GET .../historycall/countAll (always a count; page and size are ignored there)" */
static void count_all_ignores_page_and_size(void **state)
{
	static const char *const bodies[] = {
	    "{" BASE ",\"page\":1,\"size\":10}",        "{" BASE ",\"page\":1}",
	    "{" BASE ",\"page\":-5,\"size\":\"x\"}",    "{" BASE ",\"page\":1.5,\"size\":true}",
	    "{" BASE ",\"page\":99999999999999999999}", "{" BASE "}"};
	for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); ++i) {
		struct contract_request request = accept_with(state, CONTRACT_COUNT_ALL, false, bodies[i]);
		assert_false(request.is_list);
		assert_int_equal(request.unknown_count, 0);
	}
	refuse_bytes(state, CONTRACT_COUNT_ALL, false, "{" WHO "}", strlen("{" WHO "}"), 400, "phone", NULL);
}

/* "from, to (Unix time; below 10^11 read as seconds, else milliseconds; half-open [from, to))" */
static void times_are_seconds_or_milliseconds(void **state)
{
	struct contract_request request = accept(state, "{" BASE ",\"from\":1698204855,\"to\":\"1698204855123\"}");
	assert_true(request.has_from && request.has_to);
	assert_int_equal(request.from_ms, INT64_C(1698204855000));
	assert_int_equal(request.to_ms, INT64_C(1698204855123));
	request = accept(state, "{" BASE ",\"from\":100000000000,\"to\":99999999999}");
	assert_int_equal(request.from_ms, INT64_C(100000000000));
	assert_int_equal(request.to_ms, INT64_C(99999999999000));
	request = accept(state, "{" BASE ",\"from\":0,\"to\":null}");
	assert_true(request.has_from);
	assert_false(request.has_to);
	assert_int_equal(request.from_ms, 0);
	assert_true(accept_with(state, CONTRACT_COUNT_ALL, false, "{" BASE ",\"to\":5}").has_to);
}

static void times_out_of_range_are_refused(void **state)
{
	refuse(state, "{" BASE ",\"from\":-1}", "from", NULL);
	refuse(state, "{" BASE ",\"to\":-1}", "to", NULL);
	refuse(state, "{" BASE ",\"from\":1.5}", "from", "from must be a Unix time, a whole number from 0");
	refuse(state, "{" BASE ",\"from\":\"yesterday\"}", "from", NULL);
	refuse(state, "{" BASE ",\"to\":253402300800000}", "to", "to must be a Unix time before the year 10000");
	refuse(state, "{" BASE ",\"to\":9223372036854775807}", "to", NULL);
	refuse(state, "{" BASE ",\"to\":9223372036854775808}", "to", NULL);
	accept(state, "{" BASE ",\"to\":253402300799999}");
	refuse(state, "{" BASE ",\"from\":6,\"to\":5}", "to", "to must not be before from");
	accept(state, "{" BASE ",\"from\":5,\"to\":5}");
}

/* "X-API-KEY ..., and vbot_id/project_code may be left out"; "phone may be left out: all calls of the tenant" */
static void with_an_api_key_tenant_and_phone_may_be_left_out(void **state)
{
	struct contract_request request = accept_with(state, CONTRACT_GET_ALL, true, "{\"page\":1,\"size\":50}");
	assert_true(request.is_list);
	assert_null(request.vbot_id);
	assert_null(request.project_code);
	assert_null(request.phone);
	request = accept_with(state, CONTRACT_GET_ALL, true, "");
	assert_false(request.is_list);
	request = accept_with(state, CONTRACT_COUNT_ALL, true, "{\"phone\":\"101\"}");
	assert_string_equal(request.phone, "101");
	request = accept_with(state, CONTRACT_GET_ALL, true, "{" WHO "}");
	assert_string_equal(request.vbot_id, "V");
	const char *body = "{\"project_code\":\"P\"}";
	refuse_bytes(state, CONTRACT_GET_ALL, true, body, strlen(body), 400, "vbot_id", "vbot_id is missing");
	body = "{\"vbot_id\":\"V\"}";
	refuse_bytes(state, CONTRACT_GET_ALL, true, body, strlen(body), 400, "project_code", "project_code is missing");
	body = "{\"phone\":7}";
	refuse_bytes(state, CONTRACT_GET_ALL, true, body, strlen(body), 400, "phone", NULL);
}

/* "GET .../historycall/record/{trans_id} (tenant as elsewhere)" */
static void a_recording_needs_the_tenant_alone(void **state)
{
	struct contract_request request =
	    accept_with(state, CONTRACT_RECORD, false, "{" WHO ",\"phone\":5,\"page\":-1,\"from\":\"x\"}");
	assert_string_equal(request.project_code, "P");
	assert_null(request.phone);
	assert_false(request.is_list || request.has_from);
	assert_null(accept_with(state, CONTRACT_RECORD, true, "").vbot_id);
	refuse_bytes(state, CONTRACT_RECORD, false, "", 0, 400, "vbot_id", NULL);
	refuse_bytes(state, CONTRACT_RECORD, false, "{\"vbot_id\":\"V\"}", 15, 400, "project_code", NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(page_and_size_make_it_a_list, make_arena, drop_arena),
	    cmocka_unit_test_setup_teardown(one_of_page_and_size_is_an_error, make_arena, drop_arena),
	    cmocka_unit_test_setup_teardown(the_first_missing_field_is_named, make_arena, drop_arena),
	    cmocka_unit_test_setup_teardown(strings_of_another_type_are_refused, make_arena, drop_arena),
	    cmocka_unit_test_setup_teardown(strings_have_bounds_in_characters, make_arena, drop_arena),
	    cmocka_unit_test_setup_teardown(integers_come_as_ints_or_decimal_strings, make_arena, drop_arena),
	    cmocka_unit_test_setup_teardown(a_byte_order_mark_and_blanks_are_skipped, make_arena, drop_arena),
	    cmocka_unit_test_setup_teardown(page_and_size_have_bounds, make_arena, drop_arena),
	    cmocka_unit_test_setup_teardown(unknown_keys_are_ignored_and_named, make_arena, drop_arena),
	    cmocka_unit_test_setup_teardown(arrays_and_objects_are_refused_everywhere, make_arena, drop_arena),
	    cmocka_unit_test_setup_teardown(duplicate_keys_are_refused_and_named, make_arena, drop_arena),
	    cmocka_unit_test_setup_teardown(broken_bodies_are_refused, make_arena, drop_arena),
	    cmocka_unit_test_setup_teardown(deep_nesting_is_refused, make_arena, drop_arena),
	    cmocka_unit_test_setup_teardown(a_body_has_at_most_4096_bytes, make_arena, drop_arena),
	    cmocka_unit_test_setup_teardown(count_all_ignores_page_and_size, make_arena, drop_arena),
	    cmocka_unit_test_setup_teardown(times_are_seconds_or_milliseconds, make_arena, drop_arena),
	    cmocka_unit_test_setup_teardown(times_out_of_range_are_refused, make_arena, drop_arena),
	    cmocka_unit_test_setup_teardown(with_an_api_key_tenant_and_phone_may_be_left_out, make_arena, drop_arena),
	    cmocka_unit_test_setup_teardown(a_recording_needs_the_tenant_alone, make_arena, drop_arena),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
