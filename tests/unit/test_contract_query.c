/* Requests with a query string: "parameters in the query string" (contract §2, generation 2). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
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

static int read_both(void **state, const char *query, const char *body, struct contract_request *out,
                     struct contract_error *error)
{
	const struct contract_input input = {.route = CONTRACT_GET_ALL,
	                                     .query = query,
	                                     .query_length = query ? strlen(query) : 0,
	                                     .body = body,
	                                     .body_length = body ? strlen(body) : 0};
	return contract_read_request(*state, &input, out, error);
}

static struct contract_request accept(void **state, const char *query, const char *body)
{
	struct contract_request request = {0};
	struct contract_error error = {0};
	if (read_both(state, query, body, &request, &error))
		fail_msg("%s: %s", query, error.message);
	return request;
}

static void refuse(void **state, const char *query, const char *body, const char *field, const char *message)
{
	struct contract_request request = {0};
	struct contract_error error = {0};
	if (!read_both(state, query, body, &request, &error))
		fail_msg("accepted: %s", query);
	assert_int_equal(error.code, 400);
	if (message)
		assert_string_equal(error.message, message);
	if (field) {
		assert_non_null(error.field);
		assert_string_equal(error.field, field);
		assert_non_null(strstr(error.message, field));
	} else {
		assert_null(error.field);
	}
}

#define BASE "vbot_id=V&project_code=P&phone=0912345678"

static void a_query_is_read_like_a_body(void **state)
{
	struct contract_request request = accept(state, BASE "&page=1&size=50&from=1698204855&to=1698204856000", NULL);
	assert_true(request.is_list);
	assert_string_equal(request.vbot_id, "V");
	assert_string_equal(request.project_code, "P");
	assert_string_equal(request.phone, "0912345678");
	assert_int_equal(request.page, 1);
	assert_int_equal(request.size, 50);
	assert_int_equal(request.from_ms, INT64_C(1698204855000));
	assert_int_equal(request.to_ms, INT64_C(1698204856000));
	assert_false(accept(state, BASE, NULL).is_list);
	assert_string_equal(accept(state, "size=5&phone=1&page=2&project_code=P&vbot_id=V", "").phone, "1");
}

static void faults_are_named_as_in_a_body(void **state)
{
	refuse(state, "", NULL, "vbot_id", "vbot_id is missing");
	refuse(state, BASE "&page=1", NULL, "size", "size is missing: a list needs it");
	refuse(state, BASE "&page=&size=1", NULL, "page", NULL);
	refuse(state, BASE "&page=0&size=1", NULL, "page", NULL);
	refuse(state, BASE "&page=1.0&size=1", NULL, "page", NULL);
	refuse(state, BASE "&page=true&size=1", NULL, "page", NULL);
	refuse(state, BASE "&page=99999999999999999999&size=1", NULL, "page", NULL);
	refuse(state, BASE "&page=1&size=1%30%30%31", NULL, "size", NULL);
	refuse(state, "vbot_id=V&project_code=P&phone", NULL, "phone", NULL);
	refuse(state, "vbot_id=V%0AW&project_code=P&phone=1", NULL, "vbot_id", NULL);
	refuse(state, "VBOT_ID=V&project_code=P&phone=1", NULL, "vbot_id", NULL);
}

static void percent_escapes_are_decoded(void **state)
{
	struct contract_request request =
	    accept(state, "vbot%5fid=%56&project_code=%E1%BB%87%3d%26%25&phone=%2B84%20912", NULL);
	assert_string_equal(request.vbot_id, "V");
	assert_string_equal(request.project_code, "\xe1\xbb\x87=&%");
	assert_string_equal(request.phone, "+84 912");
	assert_string_equal(accept(state, "vbot_id=a=b&project_code=P&phone=1", NULL).vbot_id, "a=b");
}

/* Form encoding writes a blank as '+', but "phone=+84912345678" is what clients send who mean the plus. */
static void a_plus_is_a_blank_but_at_the_start_of_a_number(void **state)
{
	struct contract_request request = accept(state, "vbot_id=a+b&project_code=+p&phone=+84+912+345+678&x+y=1", NULL);
	assert_string_equal(request.vbot_id, "a b");
	assert_string_equal(request.project_code, " p");
	assert_string_equal(request.phone, "+84 912 345 678");
	assert_string_equal(request.unknown[0], "x y");
	refuse(state, BASE "&page=+1&size=1", NULL, "page", NULL);
}

static void broken_escapes_are_refused_and_named(void **state)
{
	refuse(state, BASE "&x=%", NULL, "x", NULL);
	refuse(state, BASE "&x=%4", NULL, "x", NULL);
	refuse(state, BASE "&x=%4&y=1", NULL, "x", NULL);
	refuse(state, BASE "&x=%zz", NULL, "x", NULL);
	refuse(state, BASE "&x=%%41", NULL, "x", NULL);
	refuse(state, "vbot_id=V&project_code=P&phone=1%2", NULL, "phone", NULL);
	refuse(state, BASE "&x=%00", NULL, "x", "x has a NUL character");
	refuse(state, BASE "&x=%ff", NULL, "x", "x is not valid UTF-8");
	refuse(state, BASE "&x=\xff", NULL, "x", NULL);
	refuse(state, BASE "&x=%ED%A0%80", NULL, "x", NULL);
	refuse(state, BASE "&%ff=1", NULL, NULL, NULL);
	refuse(state, BASE "&%4=1", NULL, NULL, NULL);
	refuse(state, BASE "&a%00b=1", NULL, NULL, NULL);
}

/* "a parameter given twice with different values is an error" */
static void different_values_are_refused_and_named(void **state)
{
	refuse(state, BASE "&phone=2", NULL, "phone", "phone is given twice with different values");
	refuse(state, BASE, "{\"phone\":\"2\"}", "phone", NULL);
	refuse(state, BASE "&page=1&size=10", "{\"page\":2,\"size\":10}", "page", NULL);
	refuse(state, BASE "&page=1&size=10", "{\"page\":1,\"size\":\"11\"}", "size", NULL);
	refuse(state, BASE "&page=1&size=10", "{\"page\":1.5}", "page", NULL);
	refuse(state, BASE "&from=5", "{\"from\":6}", "from", NULL);
	refuse(state, BASE "&vbot_id=W&phone=2", NULL, "vbot_id", NULL);
}

static void the_same_value_twice_is_fine(void **state)
{
	struct contract_request request =
	    accept(state, BASE "&phone=0912345678&page=1&page=01", "{\"phone\":\"0912345678\",\"page\":1,\"size\":\"5\"}");
	assert_int_equal(request.page, 1);
	assert_int_equal(request.size, 5);
	request = accept(state, "vbot_id=&phone=1", "{\"vbot_id\":\"V\",\"project_code\":\"P\",\"phone\":null}");
	assert_string_equal(request.vbot_id, "V");
	assert_string_equal(request.phone, "1");
}

static void empty_parts_do_no_harm(void **state)
{
	struct contract_request request = accept(state, "&&" BASE "&&=&=x&", NULL);
	assert_int_equal(request.unknown_count, 1);
	assert_string_equal(request.unknown[0], "");
}

static void unknown_parameters_are_ignored_and_named_once(void **state)
{
	struct contract_request request = accept(state, BASE "&_=1698204855&utm=1&utm=2&a[]=1&page[]=1", "{\"utm\":3}");
	assert_int_equal(request.unknown_count, 4);
	assert_string_equal(request.unknown[0], "_");
	assert_string_equal(request.unknown[1], "utm");
	assert_string_equal(request.unknown[2], "a[]");
	assert_string_equal(request.unknown[3], "page[]");
}

static void a_query_has_at_most_4096_bytes(void **state)
{
	char query[CONTRACT_QUERY_MAX + 2];
	memset(query, '&', sizeof(query));
	memcpy(query, BASE, strlen(BASE));
	query[CONTRACT_QUERY_MAX] = '\0';
	accept(state, query, NULL);
	query[CONTRACT_QUERY_MAX] = '&';
	query[CONTRACT_QUERY_MAX + 1] = '\0';
	refuse(state, query, NULL, NULL, "query string is longer than 4096 bytes");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(a_query_is_read_like_a_body, make_arena, drop_arena),
	    cmocka_unit_test_setup_teardown(faults_are_named_as_in_a_body, make_arena, drop_arena),
	    cmocka_unit_test_setup_teardown(percent_escapes_are_decoded, make_arena, drop_arena),
	    cmocka_unit_test_setup_teardown(a_plus_is_a_blank_but_at_the_start_of_a_number, make_arena, drop_arena),
	    cmocka_unit_test_setup_teardown(broken_escapes_are_refused_and_named, make_arena, drop_arena),
	    cmocka_unit_test_setup_teardown(different_values_are_refused_and_named, make_arena, drop_arena),
	    cmocka_unit_test_setup_teardown(the_same_value_twice_is_fine, make_arena, drop_arena),
	    cmocka_unit_test_setup_teardown(empty_parts_do_no_harm, make_arena, drop_arena),
	    cmocka_unit_test_setup_teardown(unknown_parameters_are_ignored_and_named_once, make_arena, drop_arena),
	    cmocka_unit_test_setup_teardown(a_query_has_at_most_4096_bytes, make_arena, drop_arena),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
