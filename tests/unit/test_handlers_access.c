/* Who may ask what: tokens, tenants, roles, rates, which error wins; and what happens without Redis or without a client. */
#include <signal.h>

#include "base/clock.h"
#include "support/handlers_fixture.h"

static const struct store_tenant tenants[] = {{"P", "V", NULL}, {"P", "W", NULL}};

static int group_setup(void **state)
{
	int result = fixture_group_setup(state);
	if (result)
		return result;
	struct handlers_fixture *fixture = *state;
	struct store_token token = {.role = STORE_ROLE_READER, .tenants = tenants, .tenant_count = 2};
	fixture_add_token(fixture, "two", &token);
	token.tenant_count = 1;
	token.expire_ms = clock_unix_ms() - 1;
	fixture_add_token(fixture, "expired", &token);
	token.expire_ms = clock_unix_ms() + 3600000;
	fixture_add_token(fixture, "expires", &token);
	token.expire_ms = 0;
	token.revoked = true;
	fixture_add_token(fixture, "revoked", &token);
	token.revoked = false;
	token.rate = 1;
	fixture_add_token(fixture, "slow", &token);
	return 0;
}

static void count_as(struct handlers_fixture *fixture, const char *authorization, const char *project_code,
                     const char *vbot_id, const char *phone, struct answer *answer)
{
	Callhistory__V1__CountCallsRequest request = CALLHISTORY__V1__COUNT_CALLS_REQUEST__INIT;
	request.project_code = (char *)(uintptr_t)project_code;
	request.vbot_id = (char *)(uintptr_t)vbot_id;
	request.phone = (char *)(uintptr_t)phone;
	answer_init(answer, authorization);
	call_method(fixture, handlers_history_service(fixture->calls), COUNT_CALLS, &request, answer);
}

/* Counts with these names and expects a status and, where it is not NULL, a reason. */
static void expect(struct handlers_fixture *fixture, const char *authorization, const char *project_code,
                   const char *vbot_id, enum status status, const char *reason)
{
	struct answer answer;
	count_as(fixture, authorization, project_code, vbot_id, "", &answer);
	if (answer.context.status != status)
		fail_msg("%s, %s/%s: %s", authorization ? authorization : "none", project_code, vbot_id,
		         status_name((int)answer.context.status));
	if (reason)
		assert_string_equal(answer.context.reason, reason);
	answer_free(&answer);
}

static void test_tokens(void **state)
{
	struct handlers_fixture *fixture = *state;
	static const char *const missing[] = {NULL, "", "Bearer", "Basic cmVhZGVy", "reader", "Bearerreader"};
	for (size_t i = 0; i < sizeof(missing) / sizeof(missing[0]); ++i)
		expect(fixture, missing[i], "P", "V", STATUS_UNAUTHENTICATED, "TOKEN_MISSING");
	char longest[600] = "Bearer ";
	memset(longest + 7, 'x', 513);
	static const char *const invalid[] = {"Bearer ",
	                                      "Bearer rea der",
	                                      "Bearer read\xc3\xa9",
	                                      "Bearer READER",
	                                      "Bearer reader, Bearer reader",
	                                      "Bearer reader,reader"};
	for (size_t i = 0; i < sizeof(invalid) / sizeof(invalid[0]); ++i)
		expect(fixture, invalid[i], "P", "V", STATUS_UNAUTHENTICATED, "TOKEN_INVALID");
	expect(fixture, longest, "P", "V", STATUS_UNAUTHENTICATED, "TOKEN_INVALID");
	expect(fixture, "Bearer expired", "P", "V", STATUS_UNAUTHENTICATED, "TOKEN_EXPIRED");
	expect(fixture, "Bearer revoked", "P", "V", STATUS_UNAUTHENTICATED, "TOKEN_REVOKED");
	static const char *const good[] = {"Bearer reader",  "bearer reader",  "BEARER   reader", "Bearer writer",
	                                   "Bearer expires", "Bearer reader ", " Bearer reader",  "Bearer\treader \t"};
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); ++i)
		expect(fixture, good[i], "P", "V", STATUS_OK, NULL);
}

static void test_refusals_tell_nothing(void **state)
{
	struct handlers_fixture *fixture = *state;
	struct answer unknown, expired, foreign, absent;
	count_as(fixture, "Bearer unknown", "P", "V", "", &unknown);
	count_as(fixture, "Bearer expired", "Q", "X", "", &expired);
	assert_string_equal(unknown.context.message, expired.context.message);
	/* P/W exists, Q/X does not. */
	count_as(fixture, READER, "P", "W", "", &foreign);
	count_as(fixture, READER, "Q", "X", "", &absent);
	assert_int_equal(foreign.context.status, STATUS_PERMISSION_DENIED);
	assert_int_equal(absent.context.status, STATUS_PERMISSION_DENIED);
	assert_string_equal(foreign.context.message, absent.context.message);
	assert_int_equal(strlen(absent.context.token_id), 12);
	assert_null(unknown.context.token_id);
	answer_free(&unknown);
	answer_free(&expired);
	answer_free(&foreign);
	answer_free(&absent);
}

static void test_tenants(void **state)
{
	struct handlers_fixture *fixture = *state;
	expect(fixture, READER, "", "", STATUS_OK, NULL);
	expect(fixture, "Bearer two", "P", "V", STATUS_OK, NULL);
	expect(fixture, "Bearer two", "P", "W", STATUS_OK, NULL);
	expect(fixture, "Bearer two", "P", "", STATUS_INVALID_ARGUMENT, NULL);
	expect(fixture, "Bearer two", "", "", STATUS_INVALID_ARGUMENT, NULL);
	expect(fixture, READER, "p", "v", STATUS_PERMISSION_DENIED, "TENANT_DENIED");
	/* What one tenant records, the other does not see. */
	struct sample sample;
	struct answer answer;
	sample_init(&sample, "0914000001", 1760000000);
	record_sample(fixture, &sample);
	static const struct {
		const char *vbot_id;
		int64_t count;
	} seen[] = {{"V", 1}, {"W", 0}};
	for (size_t i = 0; i < 2; ++i) {
		count_as(fixture, "Bearer two", "P", seen[i].vbot_id, "0914000001", &answer);
		Callhistory__V1__CountCallsResponse *response =
		    callhistory__v1__count_calls_response__unpack(NULL, answer.length, answer.bytes);
		assert_int_equal(response->count, seen[i].count);
		callhistory__v1__count_calls_response__free_unpacked(response, NULL);
		answer_free(&answer);
	}
}

static void test_which_error_wins(void **state)
{
	struct handlers_fixture *fixture = *state;
	struct answer answer;
	/* Credentials before arguments, arguments before the tenant, the tenant before the role. */
	count_as(fixture, "Bearer unknown", "Q", "X", "\x01", &answer);
	assert_int_equal(answer.context.status, STATUS_UNAUTHENTICATED);
	answer_free(&answer);
	count_as(fixture, READER, "Q", "X", "\x01", &answer);
	assert_int_equal(answer.context.status, STATUS_INVALID_ARGUMENT);
	answer_free(&answer);
	Callhistory__V1__RecordCallsRequest request = CALLHISTORY__V1__RECORD_CALLS_REQUEST__INIT;
	answer_init(&answer, READER);
	call_method(fixture, handlers_ingest_service(fixture->calls), 0, &request, &answer);
	expect_failure(&answer, STATUS_PERMISSION_DENIED, "may not record");
	assert_string_equal(answer.context.reason, "ROLE_DENIED");
	answer_free(&answer);
	request.project_code = (char *)"Q";
	request.vbot_id = (char *)"X";
	answer_init(&answer, READER);
	call_method(fixture, handlers_ingest_service(fixture->calls), 0, &request, &answer);
	assert_string_equal(answer.context.reason, "TENANT_DENIED");
	answer_free(&answer);
}

static void test_a_rate_is_kept(void **state)
{
	struct handlers_fixture *fixture = *state;
	struct answer answer;
	int good = 0, refused = 0;
	/* Ends at the first refusal: that comes however slow the machine is, as long as a request takes less than a second. */
	for (int i = 0; i < 100000 && !refused; ++i) {
		count_as(fixture, "Bearer slow", "P", "V", "", &answer);
		if (answer.context.status == STATUS_OK)
			++good;
		else
			++refused;
		if (refused) {
			expect_failure(&answer, STATUS_RESOURCE_EXHAUSTED, "rate");
			assert_string_equal(answer.context.reason, "RATE_LIMIT");
			assert_in_range(answer.context.retry_after_ms, 1, 1001);
		}
		answer_free(&answer);
	}
	assert_true(good >= 1);
	assert_int_equal(refused, 1);
	/* The rate is told after what is wrong with the request itself. */
	count_as(fixture, "Bearer slow", "Q", "X", "", &answer);
	assert_int_equal(answer.context.status, STATUS_PERMISSION_DENIED);
	answer_free(&answer);
}

static void test_a_client_that_has_gone(void **state)
{
	struct handlers_fixture *fixture = *state;
	Callhistory__V1__CountCallsRequest request = CALLHISTORY__V1__COUNT_CALLS_REQUEST__INIT;
	struct answer answer;
	struct redis_stats before, after;
	/* The token is asked for, since this one is not known yet; the count is not. */
	redis_get_stats(fixture->redis, &before);
	answer_init(&answer, "Bearer never seen");
	answer.context.authorization = "Bearer never-seen";
	call_begin(handlers_history_service(fixture->calls), COUNT_CALLS, &request, &answer);
	answer.context.cancelled = true;
	assert_true(redis_server_run(fixture->redis, &answer.done, FIXTURE_LIMIT_MS));
	assert_int_equal(answer.closures, 1);
	assert_int_equal(answer.context.status, STATUS_CANCELLED);
	redis_get_stats(fixture->redis, &after);
	assert_int_equal(after.commands - before.commands, 1);
	answer_free(&answer);
}

static void test_a_deadline_that_has_passed(void **state)
{
	struct handlers_fixture *fixture = *state;
	Callhistory__V1__CountCallsRequest request = CALLHISTORY__V1__COUNT_CALLS_REQUEST__INIT;
	struct answer answer;
	answer_init(&answer, READER);
	answer.context.deadline_us = clock_monotonic_us() - 1;
	call_method(fixture, handlers_history_service(fixture->calls), COUNT_CALLS, &request, &answer);
	assert_int_equal(answer.context.status, STATUS_DEADLINE_EXCEEDED);
	answer_free(&answer);
}

/* A Redis that does not answer: the client hears of it before its own, longer deadline. */
static void test_a_redis_that_hangs(void **state)
{
	struct handlers_fixture *fixture = *state;
	struct answer answer;
	count_as(fixture, READER, "P", "V", "", &answer);
	answer_free(&answer);
	kill(fixture->server.pid, SIGSTOP);
	int64_t begin_us = clock_monotonic_us();
	count_as(fixture, READER, "P", "V", "", &answer);
	kill(fixture->server.pid, SIGCONT);
	expect_failure(&answer, STATUS_UNAVAILABLE, "store");
	assert_true(answer.context.retry_after_ms > 0);
	assert_true(clock_monotonic_us() - begin_us >= 1000000);
	answer_free(&answer);
	count_as(fixture, READER, "P", "V", "", &answer);
	assert_int_equal(answer.context.status, STATUS_OK);
	answer_free(&answer);
}

/* Requests that wait when all is torn down end with their closure, once. */
static void test_teardown_ends_what_waits(void **state)
{
	struct handlers_fixture *fixture = *state;
	Callhistory__V1__CountCallsRequest request = CALLHISTORY__V1__COUNT_CALLS_REQUEST__INIT;
	Callhistory__V1__CallFilter filter = CALLHISTORY__V1__CALL_FILTER__INIT;
	struct handlers_fixture other = {.server = fixture->server};
	struct answer answers[3];
	fixture_open(&other);
	filter.member_no = (char *)"1";
	for (int i = 0; i < 3; ++i) {
		request.filter = i == 1 ? &filter : NULL;
		answer_init(&answers[i], READER);
		call_begin(handlers_history_service(other.calls), COUNT_CALLS, &request, &answers[i]);
	}
	fixture_close(&other);
	for (int i = 0; i < 3; ++i) {
		assert_int_equal(answers[i].closures, 1);
		assert_int_equal(answers[i].context.status, STATUS_UNAVAILABLE);
		answer_free(&answers[i]);
	}
}

static void test_options(void **state)
{
	struct handlers_fixture *fixture = *state;
	struct handlers *calls = NULL;
	static const char *const wrong[] = {"", "0", "084", "8 4", "+84", "1234", "x"};
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); ++i) {
		struct handlers_options options = {.country_code = wrong[i]};
		assert_int_equal(handlers_create(&calls, fixture->store, &options), -EINVAL);
		assert_null(calls);
	}
	handlers_destroy(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_tokens),
	    cmocka_unit_test(test_refusals_tell_nothing),
	    cmocka_unit_test(test_tenants),
	    cmocka_unit_test(test_which_error_wins),
	    cmocka_unit_test(test_a_rate_is_kept),
	    cmocka_unit_test(test_a_client_that_has_gone),
	    cmocka_unit_test(test_a_deadline_that_has_passed),
	    cmocka_unit_test(test_a_redis_that_hangs),
	    cmocka_unit_test(test_teardown_ends_what_waits),
	    cmocka_unit_test(test_options),
	};
	return cmocka_run_group_tests(tests, group_setup, fixture_group_teardown);
}
