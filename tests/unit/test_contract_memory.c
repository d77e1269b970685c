/*
 * Out of memory while JSON is read: an error, nothing written, nothing leaked.
 * Each allocation of the reader fails in turn. jansson takes a few of its own
 * failures for invalid tokens, so 400 passes beside 500.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "contract/contract.h"

static long left; /* allocations until one fails */

static void *failing_malloc(size_t size)
{
	return --left ? malloc(size) : NULL;
}

static int begin(void **state)
{
	struct arena *arena = NULL;
	int result = arena_create(&arena, 4096);
	*state = arena;
	json_set_alloc_funcs(failing_malloc, free);
	return result;
}

static int end(void **state)
{
	arena_destroy(*state);
	json_set_alloc_funcs(malloc, free);
	return 0;
}

static void requests_say_so(void **state)
{
	static const char body[] =
	    "{\"vbot_id\":\"V\",\"project_code\":\"P\",\"phone\":\"0912345678\",\"page\":1,\"size\":\"10\",\"x\":1.5}";
	const struct contract_input input = {.body = body, .body_length = sizeof(body) - 1};
	int result = -1;
	for (long fail = 1; result && fail < 1000; ++fail) {
		struct contract_request request = {0};
		struct contract_error error = {0};
		left = fail;
		result = contract_read_request(*state, &input, &request, &error);
		if (result) {
			assert_true(error.code == 500 || error.code == 400);
			assert_non_null(error.message);
			assert_null(error.field);
			assert_null(request.phone);
		}
	}
	assert_int_equal(result, 0);
}

static void imports_say_so(void **state)
{
	static const char line[] = "{\"project_code\":\"P\",\"vbot_id\":\"V\",\"date_create\":\"10/25/2023 10:34:15\","
	                           "\"caller\":[{\"phone\":\"1\",\"postage\":\"6.1\"}],\"record_file\":[\"u\"]}";
	struct contract_zone *zone = NULL;
	int result = -1;
	assert_int_equal(contract_zone_create(&zone, "Asia/Ho_Chi_Minh"), 0);
	for (long fail = 1; result && fail < 1000; ++fail) {
		struct contract_import import = {0};
		struct contract_error error = {0};
		left = fail;
		result = contract_read_import(*state, zone, line, sizeof(line) - 1, &import, &error);
		if (result) {
			assert_true(error.code == 500 || error.code == 400);
			assert_non_null(error.message);
			assert_null(import.call);
		}
	}
	assert_int_equal(result, 0);
	contract_zone_destroy(zone);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(requests_say_so, begin, end),
	    cmocka_unit_test_setup_teardown(imports_say_so, begin, end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
