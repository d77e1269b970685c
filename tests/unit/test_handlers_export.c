/* ExportCalls on a real Redis, message by message: the transport is played here. */
#include "support/handlers_fixture.h"

enum { EXPORT_CALLS = 4, FIRST_SECOND = 1760000000, MOST = 6 };

typedef Callhistory__V1__ExportCallsRequest export_request;
typedef Callhistory__V1__ExportCallsResponse export_response;

/* One export and its messages so far. */
struct export_answer {
	struct answer answer; /* first: its first is the context */
	void (*sent)(void *data);
	void *sent_data;
	export_response *last;
	int n_messages, n_calls;
	int64_t second; /* of the last call */
	char change_token[128];
	bool refuses; /* the transport takes nothing */
	bool moved;   /* a message or the end has come */
};

static void take_message(struct export_answer *export, const uint8_t *bytes, size_t length)
{
	if (export->last)
		callhistory__v1__export_calls_response__free_unpacked(export->last, NULL);
	export->last = callhistory__v1__export_calls_response__unpack(NULL, length, bytes);
	assert_non_null(export->last);
	for (size_t i = 0; i < export->last->n_calls; ++i) {
		int64_t second = export->last->calls[i]->start_time->seconds;
		assert_true(!export->n_calls || second < export->second);
		export->second = second;
		++export->n_calls;
	}
	assert_true(export->n_messages == 0 || !*export->last->change_token);
	if (!export->n_messages++)
		snprintf(export->change_token, sizeof(export->change_token), "%s", export->last->change_token);
}

static int send_message(struct context *context, const ProtobufCMessage *message, void (*sent)(void *data), void *data)
{
	struct export_answer *export = (struct export_answer *)(void *)context;
	assert_null(export->sent);
	assert_false(export->answer.done);
	if (export->refuses)
		return context_fail(context, STATUS_RESOURCE_EXHAUSTED, "OUT_OF_MEMORY", "no");
	size_t length = protobuf_c_message_get_packed_size(message);
	uint8_t *bytes = malloc(length + 1);
	assert_non_null(bytes);
	protobuf_c_message_pack(message, bytes);
	take_message(export, bytes, length);
	free(bytes);
	export->sent = sent;
	export->sent_data = data;
	export->moved = true;
	return 0;
}

static void export_take(const ProtobufCMessage *message, void *data)
{
	struct export_answer *export = data;
	answer_take(message, &export->answer);
	export->moved = true;
	assert_null(export->sent);
	if (message)
		take_message(export, export->answer.bytes, export->answer.length);
}

static void export_begin(struct handlers_fixture *fixture, struct export_answer *export, const export_request *request)
{
	ProtobufCService *service = handlers_history_service(fixture->calls);
	*export = (struct export_answer){.n_calls = 0};
	answer_init(&export->answer, READER);
	export->answer.context.send = send_message;
	service->invoke(service, EXPORT_CALLS, &request->base, export_take, export);
}

/* Runs until the next message or the end. */
static void export_run(struct handlers_fixture *fixture, struct export_answer *export)
{
	assert_true(redis_server_run(fixture->redis, &export->moved, FIXTURE_LIMIT_MS));
}

/* The transport has taken the message. */
static void export_sent(struct export_answer *export)
{
	void (*sent)(void *data) = export->sent;
	assert_non_null(sent);
	export->sent = NULL;
	export->moved = false;
	sent(export->sent_data);
}

static void export_rest(struct handlers_fixture *fixture, struct export_answer *export)
{
	for (export_run(fixture, export); !export->answer.done; export_run(fixture, export))
		export_sent(export);
	assert_int_equal(export->answer.closures, 1);
}

static void export_free(struct export_answer *export)
{
	if (export->last)
		callhistory__v1__export_calls_response__free_unpacked(export->last, NULL);
	answer_free(&export->answer);
}

static void record_many(struct handlers_fixture *fixture, const char *number, int count, char *text)
{
	struct sample *samples = calloc((size_t)count, sizeof(*samples));
	Callhistory__V1__Call **calls = calloc((size_t)count, sizeof(*calls));
	char *recordings[] = {text, text, text, text, text, text, text, text};
	for (int i = 0; i < count; ++i) {
		sample_init(&samples[i], number, FIRST_SECOND + i);
		samples[i].call.recordings = recordings;
		samples[i].call.n_recordings = text ? 8 : 0;
		samples[i].call.missed = i % 3 == 0;
		calls[i] = &samples[i].call;
	}
	for (int i = 0; i < count; i += 100)
		callhistory__v1__record_calls_response__free_unpacked(
		    record_calls(fixture, calls + i, (size_t)(count - i < 100 ? count - i : 100)), NULL);
	free(calls);
	free(samples);
}

static void test_messages(void **state)
{
	struct handlers_fixture *fixture = *state;
	struct export_answer export;
	export_request request = CALLHISTORY__V1__EXPORT_CALLS_REQUEST__INIT;
	Callhistory__V1__CallFilter filter = CALLHISTORY__V1__CALL_FILTER__INIT;
	record_many(fixture, "0912000001", 100, NULL);
	request.phone = (char *)"0912000001";
	static const int sizes[] = {1, 7, 50, 99, 100, 1000, 0};
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); ++i) {
		request.page_size = sizes[i];
		export_begin(fixture, &export, &request);
		export_rest(fixture, &export);
		assert_int_equal(export.answer.context.status, STATUS_OK);
		assert_int_equal(export.n_calls, 100);
		assert_int_equal(export.n_messages, sizes[i] ? (100 + sizes[i] - 1) / sizes[i] : 1);
		assert_string_equal(export.last->next_page_token, "");
		assert_string_equal(export.last->project_code, "P");
		assert_true(*export.change_token);
		export_free(&export);
	}
	request.filter = &filter;
	request.page_size = 10;
	filter.optional_missed_case = CALLHISTORY__V1__CALL_FILTER__OPTIONAL_MISSED_MISSED;
	filter.missed = true;
	export_begin(fixture, &export, &request);
	export_rest(fixture, &export);
	assert_int_equal(export.n_calls, 34);
	assert_int_equal(export.n_messages, 4);
	export_free(&export);
}

/* The memory of a page is given back before the next one. */
static void test_memory_does_not_grow(void **state)
{
	struct handlers_fixture *fixture = *state;
	struct export_answer export;
	export_request request = CALLHISTORY__V1__EXPORT_CALLS_REQUEST__INIT;
	request.phone = (char *)"0912000001";
	request.page_size = 1;
	struct memory_budget budget = {.limit = 64 << 20};
	export_begin(fixture, &export, &request);
	arena_set_budget(export.answer.arena, &budget);
	export_run(fixture, &export);
	export_sent(&export);
	export_run(fixture, &export);
	const size_t used = budget.used;
	export_rest(fixture, &export);
	assert_int_equal(export.n_calls, 100);
	assert_true(budget.used <= used);
	export_free(&export);
}

/* What does not fit into a message is read once more, and no more than that. */
static void test_long_calls(void **state)
{
	struct handlers_fixture *fixture = *state;
	struct export_answer export;
	export_request request = CALLHISTORY__V1__EXPORT_CALLS_REQUEST__INIT;
	char text[4001];
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	record_many(fixture, "0912000002", 200, text);
	record_many(fixture, "0912000003", 200, NULL);
	request.phone = (char *)"0912000002";
	export_begin(fixture, &export, &request);
	export_rest(fixture, &export);
	assert_int_equal(export.n_calls, 200);
	/* 32 calls of 32 KB each. */
	assert_int_equal(export.n_messages, 7);
	export_free(&export);
}

static void expect_end(struct export_answer *export, enum status status, const char *words)
{
	assert_true(export->answer.done);
	assert_int_equal(export->answer.closures, 1);
	expect_failure(&export->answer, status, words);
	export_free(export);
}

/* Ends in the middle, by what the transport reports. */
static void test_ends(void **state)
{
	struct handlers_fixture *fixture = *state;
	struct export_answer export;
	export_request request = CALLHISTORY__V1__EXPORT_CALLS_REQUEST__INIT;
	request.phone = (char *)"0912000001";
	request.page_size = 10;
	for (int i = 0; i < 3 * MOST; ++i) { /* each gives its place back */
		export_begin(fixture, &export, &request);
		export_run(fixture, &export);
		if (i % 3 == 0)
			export.answer.context.cancelled = true;
		else if (i % 3 == 1)
			context_fail(&export.answer.context, STATUS_UNAVAILABLE, "DRAINING", "the server is shutting down");
		else
			export.answer.context.deadline_us = clock_monotonic_us();
		export_sent(&export);
		static const enum status statuses[] = {STATUS_CANCELLED, STATUS_UNAVAILABLE, STATUS_DEADLINE_EXCEEDED};
		expect_end(&export, statuses[i % 3], "");
	}
	/* While Redis is asked. */
	export_begin(fixture, &export, &request);
	export_run(fixture, &export);
	export_sent(&export);
	export.answer.context.cancelled = true;
	export_run(fixture, &export);
	expect_end(&export, STATUS_CANCELLED, "");
	/* Nothing can be sent. */
	export_begin(fixture, &export, &request);
	export.refuses = true;
	export_run(fixture, &export);
	expect_end(&export, STATUS_RESOURCE_EXHAUSTED, "no");
}

static void test_limits(void **state)
{
	struct handlers_fixture *fixture = *state;
	struct export_answer exports[HANDLERS_TENANT_EXPORTS_MAX], one_more;
	export_request request = CALLHISTORY__V1__EXPORT_CALLS_REQUEST__INIT;
	request.page_size = 1;
	for (int i = 0; i < HANDLERS_TENANT_EXPORTS_MAX; ++i) {
		export_begin(fixture, &exports[i], &request);
		export_run(fixture, &exports[i]);
		assert_false(exports[i].answer.done);
	}
	export_begin(fixture, &one_more, &request);
	export_run(fixture, &one_more);
	assert_string_equal(one_more.answer.context.reason, "TOO_MANY_EXPORTS");
	assert_int_equal(one_more.answer.context.retry_after_ms, 1000);
	expect_end(&one_more, STATUS_RESOURCE_EXHAUSTED, "of this tenant");
	for (int i = 0; i < HANDLERS_TENANT_EXPORTS_MAX; ++i) {
		exports[i].answer.context.cancelled = true;
		export_sent(&exports[i]);
		expect_end(&exports[i], STATUS_CANCELLED, "");
	}
	request.phone = (char *)"0912000001";
	export_begin(fixture, &one_more, &request);
	export_rest(fixture, &one_more);
	assert_int_equal(one_more.n_calls, 100);
	export_free(&one_more);
}

/* Of all tenants together. */
static void test_limit_of_a_worker(void **state)
{
	struct handlers_fixture *fixture = *state;
	struct handlers *calls = fixture->calls;
	struct handlers_options options = {.country_code = "84", .buckets = fixture->buckets, .max_exports = 1};
	struct export_answer first, second;
	export_request request = CALLHISTORY__V1__EXPORT_CALLS_REQUEST__INIT;
	request.page_size = 1;
	assert_int_equal(handlers_create(&fixture->calls, fixture->store, &options), 0);
	export_begin(fixture, &first, &request);
	export_run(fixture, &first);
	export_begin(fixture, &second, &request);
	export_run(fixture, &second);
	expect_end(&second, STATUS_RESOURCE_EXHAUSTED, "too many exports are in progress");
	first.answer.context.cancelled = true;
	export_sent(&first);
	expect_end(&first, STATUS_CANCELLED, "");
	handlers_destroy(fixture->calls);
	fixture->calls = calls;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_messages),   cmocka_unit_test(test_memory_does_not_grow),
	    cmocka_unit_test(test_long_calls), cmocka_unit_test(test_ends),
	    cmocka_unit_test(test_limits),     cmocka_unit_test(test_limit_of_a_worker),
	};
	return cmocka_run_group_tests(tests, fixture_group_setup, fixture_group_teardown);
}
