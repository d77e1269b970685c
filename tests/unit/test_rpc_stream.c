/* rpc: health and reflection, as clients in other languages use them. */
#include <errno.h>

#include "callhistory_protoset.h"
#include "grpc/health/v1/health.pb-c.h"
#include "grpc/reflection/v1/reflection.pb-c.h"
#include "support/raw_call.h"

#define WATCH "/grpc.health.v1.Health/Watch"
#define REFLECTION "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"
#define REFLECTION_ALPHA "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"
#define HISTORY "callhistory.v1.CallHistoryService"

typedef Grpc__Reflection__V1__ServerReflectionRequest question;
typedef Grpc__Reflection__V1__ServerReflectionResponse answer;

struct checked {
	struct context context; /* first: the closure's data begins with it */
	int fired;
	bool serving;
};

static void check_done(const Grpc__Health__V1__HealthCheckResponse *response, void *data)
{
	struct checked *checked = data;
	checked->fired++;
	checked->serving = response && response->status == GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVING;
}

/* Calls Check through the channel, and waits for its end, which it returns. */
static bool check_within(struct fixture *fixture, const char *service, int64_t timeout_us)
{
	struct checked checked = {.fired = 0};
	struct arena *arena;
	ProtobufCService *health;
	Grpc__Health__V1__HealthCheckRequest request = GRPC__HEALTH__V1__HEALTH_CHECK_REQUEST__INIT;
	assert_int_equal(arena_create(&arena, 1024), 0);
	assert_int_equal(rpc_channel_service(fixture->channel, &grpc__health__v1__health__descriptor, NULL, &health), 0);
	context_init(&checked.context, arena);
	checked.context.deadline_us = clock_monotonic_us() + timeout_us;
	request.service = (char *)(uintptr_t)(service ? service : "");
	grpc__health__v1__health__check(health, &request, check_done, &checked);
	FIXTURE_RUN_UNTIL(fixture->queue, checked.fired > 0);
	assert_int_equal(checked.fired, 1);
	arena_destroy(arena);
	return checked.serving;
}

static bool check(struct fixture *fixture, const char *service)
{
	return check_within(fixture, service, 5000000);
}

static void check_tells_the_state(void **state)
{
	(void)state;
	struct fixture *fixture = fixture_create(NULL);
	assert_false(check(fixture, NULL));
	assert_false(check(fixture, HISTORY));
	rpc_server_set_serving(fixture->server, true);
	assert_true(check(fixture, HISTORY));
	assert_true(check(fixture, ""));
	assert_true(check(fixture, NULL));
	assert_true(check(fixture, "grpc.health.v1.Health"));
	assert_false(check(fixture, "no.such.Service"));
	rpc_server_set_serving(fixture->server, false);
	assert_false(check(fixture, HISTORY));
	fixture_destroy(fixture);
}

static void check_of_a_dead_server_is_not_serving(void **state)
{
	(void)state;
	struct fixture *fixture = fixture_create(NULL);
	rpc_server_destroy(fixture->server);
	fixture->server = NULL;
	assert_false(check_within(fixture, NULL, 200000));
	fixture_destroy(fixture);
}

static void watch_begin(struct raw_call *raw, struct fixture *fixture, const char *service)
{
	Grpc__Health__V1__HealthCheckRequest request = GRPC__HEALTH__V1__HEALTH_CHECK_REQUEST__INIT;
	raw_open(raw, fixture, WATCH);
	request.service = (char *)service;
	raw_send_message(raw, &request.base);
	raw_close(raw);
}

static int watched(struct raw_call *raw)
{
	Grpc__Health__V1__HealthCheckResponse *response = (Grpc__Health__V1__HealthCheckResponse *)(void *)raw_receive(
	    raw, &grpc__health__v1__health_check_response__descriptor);
	if (!response)
		return -1;
	int status = (int)response->status;
	grpc__health__v1__health_check_response__free_unpacked(response, NULL);
	return status;
}

static void watch_follows_the_state(void **state)
{
	(void)state;
	struct fixture *fixture = fixture_create(NULL);
	struct raw_call overall, history, unknown;
	watch_begin(&overall, fixture, "");
	watch_begin(&history, fixture, HISTORY);
	watch_begin(&unknown, fixture, "no.such.Service");
	assert_int_equal(watched(&overall), 2);
	assert_int_equal(watched(&history), 2);
	assert_int_equal(watched(&unknown), 3);
	rpc_server_set_serving(fixture->server, true);
	assert_int_equal(watched(&history), 1);
	for (int i = 0; i < 100; i++) /* ends with the state that was sent: no further message */
		rpc_server_set_serving(fixture->server, i % 2 == 1);
	assert_int_equal(watched(&overall), 1);
	assert_int_equal(overall.done[RAW_STATUS], false);
	raw_free(&unknown); /* a client that goes */
	raw_free(&history);
	raw_free(&overall);
	fixture_destroy(fixture);
}

static void watch_is_told_of_the_drain(void **state)
{
	(void)state;
	struct fixture *fixture = fixture_create(NULL);
	struct raw_call raw;
	rpc_server_set_serving(fixture->server, true);
	watch_begin(&raw, fixture, "");
	assert_int_equal(watched(&raw), 1);
	rpc_server_set_serving(fixture->server, false);
	rpc_server_drain(fixture->server, clock_monotonic_us() + 60000000);
	assert_int_equal(watched(&raw), 2);
	assert_int_equal(watched(&raw), -1);
	raw_wait(&raw, RAW_STATUS);
	assert_int_equal(raw.status, GRPC_STATUS_UNAVAILABLE);
	raw_free(&raw);
	FIXTURE_RUN_UNTIL(fixture->queue, rpc_server_drained(fixture->server));
	fixture_destroy(fixture);
}

static void watch_refuses_garbage(void **state)
{
	(void)state;
	struct fixture *fixture = fixture_create(NULL);
	struct raw_call raw;
	raw_open(&raw, fixture, WATCH);
	raw_send(&raw, "\xff\xff\xff", 3);
	raw_close(&raw);
	raw_wait(&raw, RAW_STATUS);
	assert_int_equal(raw.status, GRPC_STATUS_INVALID_ARGUMENT);
	raw_free(&raw);
	fixture_destroy(fixture);
}

static struct fixture *reflecting(void)
{
	struct fixture *fixture = fixture_serve(NULL);
	assert_int_equal(rpc_server_add_reflection(fixture->server, callhistory_protoset, callhistory_protoset_size), 0);
	assert_int_equal(rpc_server_start(fixture->server), 0);
	fixture_connect(fixture, NULL);
	return fixture;
}

static answer *ask(struct raw_call *raw, const question *asked)
{
	raw_send_message(raw, &asked->base);
	return (answer *)(void *)raw_receive(raw, &grpc__reflection__v1__server_reflection_response__descriptor);
}

static bool lists(const answer *response, const char *name)
{
	for (size_t i = 0; i < response->list_services_response->n_service; i++)
		if (strcmp(response->list_services_response->service[i]->name, name) == 0)
			return true;
	return false;
}

static void lists_services(void **state)
{
	(void)state;
	static const char *const paths[] = {REFLECTION, REFLECTION_ALPHA};
	struct fixture *fixture = reflecting();
	for (int i = 0; i < 2; i++) {
		struct raw_call raw;
		question asked = GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__INIT;
		raw_open(&raw, fixture, paths[i]);
		asked.host = (char *)"a.host";
		asked.message_request_case = GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_LIST_SERVICES;
		asked.list_services = (char *)"*";
		answer *response = ask(&raw, &asked);
		assert_string_equal(response->valid_host, "a.host");
		assert_string_equal(response->original_request->list_services, "*");
		assert_int_equal(response->list_services_response->n_service, 4);
		assert_true(lists(response, HISTORY));
		assert_true(lists(response, "grpc.health.v1.Health"));
		assert_true(lists(response, "grpc.reflection.v1.ServerReflection"));
		assert_true(lists(response, "grpc.reflection.v1alpha.ServerReflection"));
		grpc__reflection__v1__server_reflection_response__free_unpacked(response, NULL);
		raw_close(&raw);
		raw_wait(&raw, RAW_STATUS);
		assert_int_equal(raw.status, GRPC_STATUS_OK);
		raw_free(&raw);
	}
	fixture_destroy(fixture);
}

/* How many files come back for a symbol; minus the error code where none does. */
static int files_of_symbol(struct raw_call *raw, const char *symbol)
{
	question asked = GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__INIT;
	asked.message_request_case =
	    GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_FILE_CONTAINING_SYMBOL;
	asked.file_containing_symbol = (char *)symbol;
	answer *response = ask(raw, &asked);
	int files = response->message_response_case ==
	                    GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_ERROR_RESPONSE
	                ? -response->error_response->error_code
	                : (int)response->file_descriptor_response->n_file_descriptor_proto;
	grpc__reflection__v1__server_reflection_response__free_unpacked(response, NULL);
	return files;
}

static void finds_symbols(void **state)
{
	(void)state;
	struct fixture *fixture = reflecting();
	struct raw_call raw;
	raw_open(&raw, fixture, REFLECTION);
	assert_int_equal(files_of_symbol(&raw, HISTORY), 3);
	assert_int_equal(files_of_symbol(&raw, HISTORY ".ListCalls"), 3);
	assert_int_equal(files_of_symbol(&raw, "callhistory.v1.Call"), 2);
	assert_int_equal(files_of_symbol(&raw, "callhistory.v1.Call.start_time"), 2);
	assert_int_equal(files_of_symbol(&raw, "callhistory.v1.CallDirection"), 2);
	assert_int_equal(files_of_symbol(&raw, "callhistory.v1.CALL_DIRECTION_INBOUND"), 2);
	assert_int_equal(files_of_symbol(&raw, "grpc.health.v1.HealthCheckResponse.ServingStatus"), 1);
	assert_int_equal(files_of_symbol(&raw, "grpc.health.v1.HealthCheckResponse.SERVING"), 1);
	assert_int_equal(files_of_symbol(&raw, "google.protobuf.Timestamp"), 1);
	assert_int_equal(files_of_symbol(&raw, "grpc.reflection.v1alpha.ServerReflection"), 1);
	/* What errors carry: without it grpcurl shows bytes. */
	assert_int_equal(files_of_symbol(&raw, "google.rpc.ErrorInfo"), 2);
	assert_int_equal(files_of_symbol(&raw, "google.rpc.BadRequest"), 2);
	assert_int_equal(files_of_symbol(&raw, "google.rpc.RetryInfo"), 2);
	assert_int_equal(files_of_symbol(&raw, "google.rpc.Status"), 2);
	assert_int_equal(files_of_symbol(&raw, "callhistory.v1"), -STATUS_NOT_FOUND);
	assert_int_equal(files_of_symbol(&raw, "callhistory.v1.Nothing"), -STATUS_NOT_FOUND);
	assert_int_equal(files_of_symbol(&raw, "callhistory.v1.Call.start_time.x"), -STATUS_NOT_FOUND);
	assert_int_equal(files_of_symbol(&raw, ""), -STATUS_NOT_FOUND);
	raw_free(&raw);
	fixture_destroy(fixture);
}

static void answers_other_questions(void **state)
{
	(void)state;
	struct fixture *fixture = reflecting();
	struct raw_call raw;
	question asked = GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__INIT;
	Grpc__Reflection__V1__ExtensionRequest extension = GRPC__REFLECTION__V1__EXTENSION_REQUEST__INIT;
	raw_open(&raw, fixture, REFLECTION);
	asked.message_request_case = GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_FILE_BY_FILENAME;
	asked.file_by_filename = (char *)"callhistory/v1/call.proto";
	answer *response = ask(&raw, &asked);
	assert_int_equal(response->file_descriptor_response->n_file_descriptor_proto, 2);
	grpc__reflection__v1__server_reflection_response__free_unpacked(response, NULL);
	asked.file_by_filename = (char *)"../../etc/passwd";
	response = ask(&raw, &asked);
	assert_int_equal(response->error_response->error_code, STATUS_NOT_FOUND);
	grpc__reflection__v1__server_reflection_response__free_unpacked(response, NULL);
	asked.message_request_case =
	    GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_FILE_CONTAINING_EXTENSION;
	asked.file_containing_extension = &extension;
	response = ask(&raw, &asked);
	assert_int_equal(response->error_response->error_code, STATUS_NOT_FOUND);
	grpc__reflection__v1__server_reflection_response__free_unpacked(response, NULL);
	asked.message_request_case =
	    GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_ALL_EXTENSION_NUMBERS_OF_TYPE;
	asked.all_extension_numbers_of_type = (char *)"callhistory.v1.Call";
	response = ask(&raw, &asked);
	assert_int_equal(response->all_extension_numbers_response->n_extension_number, 0);
	assert_string_equal(response->all_extension_numbers_response->base_type_name, "callhistory.v1.Call");
	grpc__reflection__v1__server_reflection_response__free_unpacked(response, NULL);
	asked.all_extension_numbers_of_type = (char *)"callhistory.v1.Nothing";
	response = ask(&raw, &asked);
	assert_int_equal(response->error_response->error_code, STATUS_NOT_FOUND);
	grpc__reflection__v1__server_reflection_response__free_unpacked(response, NULL);
	asked.message_request_case = GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST__NOT_SET;
	response = ask(&raw, &asked);
	assert_int_equal(response->error_response->error_code, STATUS_INVALID_ARGUMENT);
	grpc__reflection__v1__server_reflection_response__free_unpacked(response, NULL);
	raw_send(&raw, "\xff\xff", 2);
	raw_wait(&raw, RAW_STATUS);
	assert_int_equal(raw.status, GRPC_STATUS_INVALID_ARGUMENT);
	raw_free(&raw);
	fixture_destroy(fixture);
}

static void a_question_too_long_is_refused(void **state)
{
	(void)state;
	enum { LONG = 5 << 20 };
	struct fixture *fixture = reflecting();
	struct raw_call raw;
	char *bytes = calloc(1, LONG);
	assert_non_null(bytes);
	raw_open(&raw, fixture, REFLECTION);
	raw_send(&raw, bytes, LONG);
	raw_wait(&raw, RAW_STATUS);
	assert_int_equal(raw.status, GRPC_STATUS_RESOURCE_EXHAUSTED);
	assert_non_null(raw_trailer(&raw, "grpc-status-details-bin"));
	raw_free(&raw);
	free(bytes);
	fixture_destroy(fixture);
}

static void reflection_ends_with_the_drain(void **state)
{
	(void)state;
	struct fixture *fixture = reflecting();
	struct raw_call raw;
	raw_open(&raw, fixture, REFLECTION);
	assert_int_equal(files_of_symbol(&raw, HISTORY), 3);
	rpc_server_drain(fixture->server, clock_monotonic_us() + 60000000);
	raw_wait(&raw, RAW_STATUS);
	assert_int_equal(raw.status, GRPC_STATUS_UNAVAILABLE);
	raw_free(&raw);
	FIXTURE_RUN_UNTIL(fixture->queue, rpc_server_drained(fixture->server));
	fixture_destroy(fixture);
}

static void destroy_ends_streams(void **state)
{
	(void)state;
	struct fixture *fixture = reflecting();
	struct raw_call watch, reflection;
	watch_begin(&watch, fixture, "");
	raw_open(&reflection, fixture, REFLECTION);
	assert_int_equal(watched(&watch), 2);
	assert_int_equal(files_of_symbol(&reflection, HISTORY), 3);
	rpc_server_destroy(fixture->server);
	fixture->server = NULL;
	raw_free(&watch);
	raw_free(&reflection);
	fixture_destroy(fixture);
}

static void refuses_a_bad_set(void **state)
{
	(void)state;
	struct fixture *fixture = fixture_serve(NULL);
	assert_int_equal(rpc_server_add_reflection(fixture->server, (const uint8_t *)"\x0a\x7f", 2), -EBADMSG);
	fixture_destroy(fixture);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(check_tells_the_state),
	    cmocka_unit_test(check_of_a_dead_server_is_not_serving),
	    cmocka_unit_test(watch_follows_the_state),
	    cmocka_unit_test(watch_is_told_of_the_drain),
	    cmocka_unit_test(watch_refuses_garbage),
	    cmocka_unit_test(lists_services),
	    cmocka_unit_test(finds_symbols),
	    cmocka_unit_test(answers_other_questions),
	    cmocka_unit_test(a_question_too_long_is_refused),
	    cmocka_unit_test(reflection_ends_with_the_drain),
	    cmocka_unit_test(destroy_ends_streams),
	    cmocka_unit_test(refuses_a_bad_set),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
