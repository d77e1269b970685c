/*
 * DeleteCalls at the handlers: who may, what is refused and how, the three selections, dry runs, tokens to go on with,
 * and what the log is given.
 */
#include <stdio.h>

#include "support/handlers_fixture.h"

enum { FIRST_SECOND = 1760000000 };

/* What came of a deletion. */
static struct {
	int64_t count;
	char token[64];
	char project_code[8], vbot_id[8];
} result;

static void delete_as(struct handlers_fixture *fixture, const char *authorization,
                      const Callhistory__V1__DeleteCallsRequest *request, struct answer *answer)
{
	answer_init(answer, authorization);
	call_method(fixture, handlers_ingest_service(fixture->calls), DELETE_CALLS, request, answer);
}

static void delete_calls(struct handlers_fixture *fixture, const Callhistory__V1__DeleteCallsRequest *request)
{
	struct answer answer;
	delete_as(fixture, ERASER, request, &answer);
	if (answer.context.status != STATUS_OK)
		fail_msg("DeleteCalls: %s", answer.context.message);
	Callhistory__V1__DeleteCallsResponse *response =
	    callhistory__v1__delete_calls_response__unpack(NULL, answer.length, answer.bytes);
	assert_non_null(response);
	result.count = response->deleted_count;
	snprintf(result.token, sizeof(result.token), "%s", response->next_page_token);
	snprintf(result.project_code, sizeof(result.project_code), "%s", response->project_code);
	snprintf(result.vbot_id, sizeof(result.vbot_id), "%s", response->vbot_id);
	assert_int_equal(answer.context.audit->calls, result.count);
	callhistory__v1__delete_calls_response__free_unpacked(response, NULL);
	answer_free(&answer);
}

static void refused(struct handlers_fixture *fixture, const Callhistory__V1__DeleteCallsRequest *request,
                    const char *words)
{
	struct answer answer;
	delete_as(fixture, ERASER, request, &answer);
	expect_failure(&answer, STATUS_INVALID_ARGUMENT, words);
	/* The message is "<field>: ...", and so must the field still be: details are packed after the handler returned. */
	assert_non_null(answer.context.violation.field);
	size_t length = strlen(answer.context.violation.field);
	assert_memory_equal(answer.context.message, answer.context.violation.field, length);
	assert_int_equal(answer.context.message[length], ':');
	/* Whether a token is right is known only when the tenant is. */
	assert_true(!answer.context.audit || *request->page_token);
	answer_free(&answer);
}

static int64_t count_of(struct handlers_fixture *fixture, const char *phone)
{
	Callhistory__V1__CountCallsRequest request = CALLHISTORY__V1__COUNT_CALLS_REQUEST__INIT;
	request.phone = (char *)(uintptr_t)phone;
	return count_calls(fixture, &request);
}

/* Records `count` calls of a number, a second apart. */
static void record_many(struct handlers_fixture *fixture, const char *phone, int count)
{
	struct sample sample;
	for (int i = 0; i < count; ++i) {
		sample_init(&sample, phone, FIRST_SECOND + i);
		record_sample(fixture, &sample);
	}
}

static void test_roles(void **state)
{
	struct handlers_fixture *fixture = *state;
	struct answer answer;
	char *ids[] = {(char *)"0914000001@1760000000"};
	Callhistory__V1__DeleteCallsRequest request = CALLHISTORY__V1__DELETE_CALLS_REQUEST__INIT;
	Callhistory__V1__CountCallsRequest count = CALLHISTORY__V1__COUNT_CALLS_REQUEST__INIT;
	Callhistory__V1__RecordCallsRequest record = CALLHISTORY__V1__RECORD_CALLS_REQUEST__INIT;
	record_many(fixture, "0914000001", 1);
	request.ids = ids;
	request.n_ids = 1;
	static const char *const others[] = {READER, WRITER};
	for (size_t i = 0; i < 2; ++i) {
		delete_as(fixture, others[i], &request, &answer);
		expect_failure(&answer, STATUS_PERMISSION_DENIED, "the token may not delete calls");
		assert_string_equal(answer.context.reason, "ROLE_DENIED");
		/* Who has tried is logged, too. */
		assert_string_equal(answer.context.audit->ids, "1");
		assert_int_equal(answer.context.audit->calls, 0);
		answer_free(&answer);
	}
	assert_int_equal(count_of(fixture, "0914000001"), 1);
	answer_init(&answer, ERASER);
	call_method(fixture, handlers_history_service(fixture->calls), COUNT_CALLS, &count, &answer);
	expect_failure(&answer, STATUS_PERMISSION_DENIED, "the token may not read calls");
	answer_free(&answer);
	answer_init(&answer, ERASER);
	call_method(fixture, handlers_ingest_service(fixture->calls), RECORD_CALLS, &record, &answer);
	expect_failure(&answer, STATUS_PERMISSION_DENIED, "the token may not record calls");
	answer_free(&answer);
	request.project_code = request.vbot_id = (char *)"X";
	delete_as(fixture, ERASER, &request, &answer);
	assert_string_equal(answer.context.reason, "TENANT_DENIED");
	answer_free(&answer);
	request.project_code = request.vbot_id = (char *)"";
	delete_calls(fixture, &request);
	assert_int_equal(result.count, 1);
	assert_string_equal(result.project_code, "P");
	assert_string_equal(result.vbot_id, "V");
	assert_int_equal(count_of(fixture, "0914000001"), 0);
}

static void test_what_is_refused(void **state)
{
	struct handlers_fixture *fixture = *state;
	char long_id[STORE_ID_MAX + 2], *ids[HANDLERS_DELETE_MAX + 1];
	Google__Protobuf__Timestamp end = GOOGLE__PROTOBUF__TIMESTAMP__INIT;
	const Callhistory__V1__DeleteCallsRequest none = CALLHISTORY__V1__DELETE_CALLS_REQUEST__INIT;
	Callhistory__V1__DeleteCallsRequest request = none;
	memset(long_id, 'x', sizeof(long_id));
	long_id[STORE_ID_MAX + 1] = '\0';
	for (size_t i = 0; i <= HANDLERS_DELETE_MAX; ++i)
		ids[i] = (char *)"id";
	refused(fixture, &request, "ids: is missing: ids, phone or end_time must be given");
	request.ids = ids;
	request.n_ids = HANDLERS_DELETE_MAX + 1;
	refused(fixture, &request, "ids: has more than 1000 values");
	request.n_ids = 2;
	static const char *const bad[] = {"", "a\nb", "\xff", NULL};
	static const char *const why[] = {"is missing", "control character", "UTF-8", "longer than 256 bytes"};
	for (size_t i = 0; i < 4; ++i) {
		char words[64];
		ids[1] = bad[i] ? (char *)(uintptr_t)bad[i] : long_id;
		snprintf(words, sizeof(words), "ids[1]: %s%s", i % 4 == 1 ? "contains a " : i >= 2 ? "is " : "", why[i]);
		if (i == 2)
			snprintf(words, sizeof(words), "ids[1]: is not valid UTF-8");
		refused(fixture, &request, words);
	}
	ids[1] = (char *)"id";
	request.phone = (char *)"0914000002";
	refused(fixture, &request, "ids: and phone exclude each other");
	request.phone = (char *)"";
	request.end_time = &end;
	refused(fixture, &request, "ids: and end_time exclude each other");
	request.end_time = NULL;
	request.page_token = (char *)"x";
	refused(fixture, &request, "page_token: and ids exclude each other");
	request = none;
	request.phone = (char *)" ";
	refused(fixture, &request, "phone: is blank");
	request.phone = (char *)"";
	request.end_time = &end;
	end.nanos = -1;
	refused(fixture, &request, "end_time: has nanos");
	end.nanos = 0;
	request.page_size = -1;
	refused(fixture, &request, "page_size: is negative");
}

static void test_ids(void **state)
{
	struct handlers_fixture *fixture = *state;
	char *ids[] = {(char *)"0914000003@1760000001", (char *)"absent", (char *)"0914000003@1760000000",
	               (char *)"0914000003@1760000001"};
	Callhistory__V1__DeleteCallsRequest request = CALLHISTORY__V1__DELETE_CALLS_REQUEST__INIT;
	record_many(fixture, "0914000003", 3);
	request.ids = ids;
	request.n_ids = 4;
	request.validate_only = 1;
	delete_calls(fixture, &request);
	assert_int_equal(result.count, 2);
	assert_int_equal(count_of(fixture, "0914000003"), 3);
	request.validate_only = 0;
	request.project_code = (char *)"P";
	request.vbot_id = (char *)"V";
	delete_calls(fixture, &request);
	assert_int_equal(result.count, 2);
	assert_string_equal(result.token, "");
	assert_string_equal(result.project_code, "");
	assert_int_equal(count_of(fixture, "0914000003"), 1);
	delete_calls(fixture, &request);
	assert_int_equal(result.count, 0);
}

static void test_a_number_and_a_time(void **state)
{
	struct handlers_fixture *fixture = *state;
	Google__Protobuf__Timestamp end = GOOGLE__PROTOBUF__TIMESTAMP__INIT;
	Callhistory__V1__DeleteCallsRequest request = CALLHISTORY__V1__DELETE_CALLS_REQUEST__INIT;
	record_many(fixture, "0914000004", 30);
	record_many(fixture, "0914000005", 5);
	int64_t all = count_of(fixture, "");
	request.phone = (char *)"+84 914 000 004";
	request.end_time = &end;
	end.seconds = FIRST_SECOND + 20;
	request.page_size = 8;
	request.validate_only = 1;
	delete_calls(fixture, &request);
	assert_int_equal(result.count, 20);
	assert_string_equal(result.token, "");
	request.validate_only = 0;
	int64_t left = 20;
	do {
		char token[64];
		delete_calls(fixture, &request);
		assert_int_equal(result.count, left < 8 ? left : 8);
		left -= result.count;
		snprintf(token, sizeof(token), "%s", result.token);
		request.page_token = token;
		if (left) {
			/* The token of another deletion, or of a listing. */
			end.seconds += 1;
			refused(fixture, &request, "page_token: is not a token of this deletion");
			end.seconds -= 1;
		}
		assert_int_equal(count_of(fixture, "0914000004"), 10 + left);
	} while (*result.token && left > 0);
	assert_int_equal(left, 0);
	assert_int_equal(count_of(fixture, "0914000005"), 5);
	assert_int_equal(count_of(fixture, ""), all - 20);
	/* Without a time: all of the number. Without a number: all before the time. */
	request = (Callhistory__V1__DeleteCallsRequest)CALLHISTORY__V1__DELETE_CALLS_REQUEST__INIT;
	request.phone = (char *)"0914000004";
	delete_calls(fixture, &request);
	assert_int_equal(result.count, 10);
	request.phone = (char *)"";
	request.end_time = &end;
	end.seconds = FIRST_SECOND + 3;
	delete_calls(fixture, &request);
	assert_int_equal(count_of(fixture, "0914000005"), 2);
	/* Before all that can be. */
	end.seconds = -5;
	delete_calls(fixture, &request);
	assert_int_equal(result.count, 0);
}

static void test_what_the_log_is_given(void **state)
{
	struct handlers_fixture *fixture = *state;
	struct answer answer;
	Google__Protobuf__Timestamp end = GOOGLE__PROTOBUF__TIMESTAMP__INIT;
	Callhistory__V1__DeleteCallsRequest request = CALLHISTORY__V1__DELETE_CALLS_REQUEST__INIT;
	record_many(fixture, "0914000006", 3);
	request.phone = (char *)"0914000006";
	request.end_time = &end;
	end.seconds = FIRST_SECOND + 2;
	delete_as(fixture, ERASER, &request, &answer);
	const struct context_audit *audit = answer.context.audit;
	assert_string_equal(audit->project_code, "P");
	assert_string_equal(audit->vbot_id, "V");
	assert_string_equal(audit->phone, "*******006");
	assert_string_equal(audit->end_time, "2025-10-09T08:53:22Z");
	assert_null(audit->ids);
	assert_false(audit->dry_run);
	assert_int_equal(audit->calls, 2);
	answer_free(&answer);
	/* Nothing of a client that is not known. */
	delete_as(fixture, "Bearer nobody", &request, &answer);
	assert_int_equal(answer.context.status, STATUS_UNAUTHENTICATED);
	assert_null(answer.context.audit);
	answer_free(&answer);
}

static void test_a_deadline_and_a_client_that_leaves(void **state)
{
	struct handlers_fixture *fixture = *state;
	struct answer answer;
	Callhistory__V1__DeleteCallsRequest request = CALLHISTORY__V1__DELETE_CALLS_REQUEST__INIT;
	record_many(fixture, "0914000007", 3);
	request.phone = (char *)"0914000007";
	delete_calls(fixture, &(Callhistory__V1__DeleteCallsRequest){.base = request.base,
	                                                             .phone = (char *)"0914000009",
	                                                             .project_code = (char *)"",
	                                                             .vbot_id = (char *)"",
	                                                             .page_token = (char *)""});
	/* The token is in the cache now, so that the request goes on at once and is cancelled while its page is read. */
	answer_init(&answer, ERASER);
	call_begin(handlers_ingest_service(fixture->calls), DELETE_CALLS, &request, &answer);
	assert_non_null(answer.context.on_cancel);
	answer.context.cancelled = true;
	answer.context.on_cancel(&answer.context, answer.context.on_cancel_data);
	assert_true(redis_server_run(fixture->redis, &answer.done, FIXTURE_LIMIT_MS));
	assert_int_equal(answer.context.status, STATUS_CANCELLED);
	assert_int_equal(answer.closures, 1);
	answer_free(&answer);
	assert_int_equal(count_of(fixture, "0914000007"), 3);
	answer_init(&answer, ERASER);
	answer.context.deadline_us = 1;
	call_method(fixture, handlers_ingest_service(fixture->calls), DELETE_CALLS, &request, &answer);
	assert_int_equal(answer.context.status, STATUS_DEADLINE_EXCEEDED);
	answer_free(&answer);
	assert_int_equal(count_of(fixture, "0914000007"), 3);
	/* By ids, the scripts are on their way; the answer comes at once. */
	char *ids[] = {(char *)"0914000007@1760000000"};
	request.phone = (char *)"";
	request.ids = ids;
	request.n_ids = 1;
	answer_init(&answer, ERASER);
	call_begin(handlers_ingest_service(fixture->calls), DELETE_CALLS, &request, &answer);
	answer.context.cancelled = true;
	answer.context.on_cancel(&answer.context, answer.context.on_cancel_data);
	assert_true(answer.done);
	assert_int_equal(answer.context.status, STATUS_CANCELLED);
	answer_free(&answer);
	assert_true(count_of(fixture, "0914000007") >= 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_roles),
	    cmocka_unit_test(test_what_is_refused),
	    cmocka_unit_test(test_ids),
	    cmocka_unit_test(test_a_number_and_a_time),
	    cmocka_unit_test(test_what_the_log_is_given),
	    cmocka_unit_test(test_a_deadline_and_a_client_that_leaves),
	};
	return cmocka_run_group_tests(tests, fixture_group_setup, fixture_group_teardown);
}
