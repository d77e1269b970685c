/*
 * handlers_fixture: the handlers over a real Redis, called through their vtables
 * as a server would call them, with a context that the test owns. Answers are
 * packed and unpacked again as the public messages: so a test also sees that
 * spliced bytes are what the contract says.
 */
#ifndef CALLHISTORY_TESTS_HANDLERS_FIXTURE_H
#define CALLHISTORY_TESTS_HANDLERS_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <callhistory/v1/call_history_service.pb-c.h>
#include <callhistory/v1/call_ingest_service.pb-c.h>

#include "base/context.h"
#include "handlers/handlers.h"
#include "store/store.h"
#include "support/redis_server.h"

enum { FIXTURE_LIMIT_MS = 30000 };

struct handlers_fixture {
	struct redis_server server;
	struct redis *redis;
	struct store *store;
	struct bucket_table *buckets;
	struct handlers *calls;
};

/* One request and what came of it. */
struct answer {
	struct context context; /* first: closure_data is this */
	struct arena *arena;
	int closures;
	bool done;
	uint8_t *bytes; /* packed response; NULL: failed */
	size_t length;
};

#define READER "Bearer reader"
#define WRITER "Bearer writer"
#define ERASER "Bearer eraser"

static inline void fixture_open(struct handlers_fixture *fixture)
{
	char error[200] = "";
	struct redis_options options;
	redis_options_init(&options);
	options.url = fixture->server.url;
	assert_int_equal(redis_create(&fixture->redis, &options, error, sizeof(error)), 0);
	assert_int_equal(store_create(&fixture->store, fixture->redis), 0);
	assert_int_equal(handlers_bucket_table_create(&fixture->buckets, 64), 0);
	struct handlers_options calls = {.country_code = "84", .buckets = fixture->buckets, .max_exports = 16};
	assert_int_equal(handlers_create(&fixture->calls, fixture->store, &calls), 0);
}

static inline void fixture_close(struct handlers_fixture *fixture)
{
	redis_destroy(fixture->redis);
	handlers_destroy(fixture->calls);
	store_destroy(fixture->store);
	handlers_bucket_table_destroy(fixture->buckets);
}

struct fixture_added {
	bool done;
	int status;
};

static inline void fixture_token_added(void *data, int status, const struct store_token *token)
{
	struct fixture_added *added = data;
	(void)token;
	added->done = true;
	added->status = status;
}

/* Adds a token whose text is `text`. */
static inline void fixture_add_token(struct handlers_fixture *fixture, const char *text,
                                     const struct store_token *token)
{
	uint8_t digest[32];
	struct arena *arena;
	struct fixture_added added = {false, -1};
	assert_int_equal(arena_create(&arena, 4096), 0);
	store_token_digest(digest, text, strlen(text));
	assert_int_equal(store_token_add(fixture->store, digest, token, arena, CLOCK_NEVER, fixture_token_added, &added),
	                 0);
	assert_true(redis_server_run(fixture->redis, &added.done, FIXTURE_LIMIT_MS));
	assert_int_equal(added.status, 0);
	arena_destroy(arena);
}

/* Group set-up: Redis, and the tokens "reader", "writer" and "eraser" of tenant P/V. */
static inline int fixture_group_setup(void **state)
{
	static struct handlers_fixture fixture;
	static const struct store_tenant tenant = {"P", "V", NULL};
	fixture = (struct handlers_fixture){.redis = NULL};
	*state = &fixture;
	if (redis_server_start(&fixture.server))
		return -1;
	fixture_open(&fixture);
	fixture_add_token(&fixture, "reader",
	                  &(struct store_token){.role = STORE_ROLE_READER, .tenants = &tenant, .tenant_count = 1});
	fixture_add_token(&fixture, "writer",
	                  &(struct store_token){.role = STORE_ROLE_WRITER, .tenants = &tenant, .tenant_count = 1});
	fixture_add_token(&fixture, "eraser",
	                  &(struct store_token){.role = STORE_ROLE_ERASER, .tenants = &tenant, .tenant_count = 1});
	return 0;
}

static inline int fixture_group_teardown(void **state)
{
	struct handlers_fixture *fixture = *state;
	fixture_close(fixture);
	redis_server_stop(&fixture->server);
	return 0;
}

static inline void answer_init(struct answer *answer, const char *authorization)
{
	*answer = (struct answer){.closures = 0};
	assert_int_equal(arena_create(&answer->arena, 8192), 0);
	context_init(&answer->context, answer->arena);
	answer->context.authorization = authorization;
}

static inline void answer_free(struct answer *answer)
{
	arena_destroy(answer->arena);
	free(answer->bytes);
	answer->arena = NULL;
	answer->bytes = NULL;
}

static inline void answer_take(const ProtobufCMessage *message, void *data)
{
	struct answer *answer = data;
	++answer->closures;
	answer->done = true;
	if (!message)
		return;
	answer->length = protobuf_c_message_get_packed_size(message);
	answer->bytes = malloc(answer->length + 1);
	assert_non_null(answer->bytes);
	protobuf_c_message_pack(message, answer->bytes);
}

/* Calls a method by its place in the service and does not wait. */
static inline void call_begin(ProtobufCService *service, unsigned int method, const void *request,
                              struct answer *answer)
{
	service->invoke(service, method, request, answer_take, answer);
}

/* Calls a method and waits for its answer. */
static inline void call_method(struct handlers_fixture *fixture, ProtobufCService *service, unsigned int method,
                               const void *request, struct answer *answer)
{
	call_begin(service, method, request, answer);
	assert_true(redis_server_run(fixture->redis, &answer->done, FIXTURE_LIMIT_MS));
	assert_int_equal(answer->closures, 1);
	assert_true((answer->context.status == STATUS_OK) == (answer->bytes != NULL));
	assert_true((answer->context.status == STATUS_OK) == (answer->context.message == NULL));
}

enum { LIST_CALLS, COUNT_CALLS, GET_CALL };
enum { RECORD_CALLS, MERGE_CALLS, DELETE_CALLS };

/* Expects a failure; gives the answer back to be freed. */
static inline void expect_failure(const struct answer *answer, enum status status, const char *words)
{
	if (answer->context.status != status)
		fail_msg("%s: %s", status_name((int)answer->context.status),
		         answer->context.message ? answer->context.message : "(none)");
	if (!strstr(answer->context.message, words))
		fail_msg("\"%s\" does not say %s", answer->context.message, words);
}

static inline Callhistory__V1__ListCallsResponse *list_calls(struct handlers_fixture *fixture,
                                                             const Callhistory__V1__ListCallsRequest *request)
{
	struct answer answer;
	answer_init(&answer, READER);
	call_method(fixture, handlers_history_service(fixture->calls), LIST_CALLS, request, &answer);
	if (answer.context.status != STATUS_OK)
		fail_msg("ListCalls: %s", answer.context.message);
	Callhistory__V1__ListCallsResponse *response =
	    callhistory__v1__list_calls_response__unpack(NULL, answer.length, answer.bytes);
	assert_non_null(response);
	answer_free(&answer);
	return response;
}

static inline int64_t count_calls(struct handlers_fixture *fixture, const Callhistory__V1__CountCallsRequest *request)
{
	struct answer answer;
	answer_init(&answer, READER);
	call_method(fixture, handlers_history_service(fixture->calls), COUNT_CALLS, request, &answer);
	if (answer.context.status != STATUS_OK)
		fail_msg("CountCalls: %s", answer.context.message);
	Callhistory__V1__CountCallsResponse *response =
	    callhistory__v1__count_calls_response__unpack(NULL, answer.length, answer.bytes);
	assert_non_null(response);
	int64_t count = response->count;
	callhistory__v1__count_calls_response__free_unpacked(response, NULL);
	answer_free(&answer);
	return count;
}

static inline Callhistory__V1__RecordCallsResponse *record_calls(struct handlers_fixture *fixture,
                                                                 Callhistory__V1__Call **calls, size_t count)
{
	struct answer answer;
	Callhistory__V1__RecordCallsRequest request = CALLHISTORY__V1__RECORD_CALLS_REQUEST__INIT;
	request.calls = calls;
	request.n_calls = count;
	answer_init(&answer, WRITER);
	call_method(fixture, handlers_ingest_service(fixture->calls), 0, &request, &answer);
	if (answer.context.status != STATUS_OK)
		fail_msg("RecordCalls: %s", answer.context.message);
	Callhistory__V1__RecordCallsResponse *response =
	    callhistory__v1__record_calls_response__unpack(NULL, answer.length, answer.bytes);
	assert_non_null(response);
	assert_int_equal(response->n_results, count);
	answer_free(&answer);
	return response;
}

/* A call made of parts that the test may change. */
struct sample {
	Callhistory__V1__Call call;
	Callhistory__V1__Party caller, callee;
	Callhistory__V1__Party *callers[1], *callees[1];
	Google__Protobuf__Timestamp start;
	char id[64];
};

/* An inbound, answered call of `number` to extension 101 at `second`. */
static inline void sample_init(struct sample *sample, const char *number, int64_t second)
{
	callhistory__v1__call__init(&sample->call);
	callhistory__v1__party__init(&sample->caller);
	callhistory__v1__party__init(&sample->callee);
	google__protobuf__timestamp__init(&sample->start);
	snprintf(sample->id, sizeof(sample->id), "%s@%lld", number, (long long)second);
	sample->call.id = sample->id;
	sample->start.seconds = second;
	sample->call.start_time = &sample->start;
	sample->call.direction = CALLHISTORY__V1__CALL_DIRECTION__CALL_DIRECTION_INBOUND;
	sample->call.disposition = CALLHISTORY__V1__DISPOSITION__DISPOSITION_ANSWERED;
	sample->call.hotline = (char *)"19001234";
	sample->caller.phone = (char *)(uintptr_t)number;
	sample->callee.phone = (char *)"101";
	sample->callee.member_no = (char *)"101";
	sample->callers[0] = &sample->caller;
	sample->callees[0] = &sample->callee;
	sample->call.callers = sample->callers;
	sample->call.n_callers = 1;
	sample->call.callees = sample->callees;
	sample->call.n_callees = 1;
}

/* Records one sample and gives its outcome. */
static inline int record_sample(struct handlers_fixture *fixture, struct sample *sample)
{
	Callhistory__V1__Call *calls[] = {&sample->call};
	Callhistory__V1__RecordCallsResponse *response = record_calls(fixture, calls, 1);
	int outcome = (int)response->results[0]->outcome;
	callhistory__v1__record_calls_response__free_unpacked(response, NULL);
	return outcome;
}

#endif
