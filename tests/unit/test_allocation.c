/*
 * Out of memory anywhere: whole scenarios in which each allocation fails in
 * turn. Nothing crashes, every closure is called once, outputs of what failed
 * are untouched; the sanitizers' runs add that nothing leaks.
 */
#include "support/handlers_fixture.h"
#include "support/failing_memory.h"

#include "base/option.h"
#include "callhistoryctl/lines.h"
#include "callhistoryctl/outbox.h"
#include "compress.h"
#include "contract/contract.h"
#include "contract/object.h"
#include "sources/freeswitch.h"
#include "sources/vbot.h"

enum { LIMIT = 5000 };

/*
 * Without any memory there is no connection to Redis: what waits for one should not wait for long. On a busy machine
 * what has its memory may need longer than that: then the next try has more time.
 */
static int64_t deadline_us(void)
{
	return clock_monotonic_us() + (failing_memory.onward ? INT64_C(30000) << (3 * failing_memory.tries) : 20000000);
}

/* What an output holds before the call that may set it. */
#define UNTOUCHED(type) ((type *)(uintptr_t)0x5a5a)

/* Checks what a creating function did with its output; true when it was made. */
#define MADE(result, pointer, type)                                                                                    \
	((result) ? (assert_int_equal(result, -ENOMEM), assert_ptr_equal(pointer, UNTOUCHED(type)), false) : true)

/* ---- base ---- */

static int base(void *data)
{
	(void)data;
	struct arena *arena = UNTOUCHED(struct arena);
	struct buffer buffer = {0};
	int all = -1;
	failing_memory.armed = true;
	int result = arena_create(&arena, 256);
	if (!MADE(result, arena, struct arena))
		return result;
	struct context context;
	context_init(&context, arena);
	for (int i = 0; i < 20; ++i)
		buffer_printf(&buffer, "%0*d", 50, i);
	/* What is in a buffer stays readable when more did not fit. */
	assert_true(buffer.length % 50 == 0);
	assert_true(buffer.failed == (buffer.length != 1000));
	char *copy = arena_copy(arena, "0123456789", 10);
	char *large = arena_alloc(arena, 100000);
	char *text = arena_printf(arena, "%0*d", 600, 7);
	assert_true(!copy || !strcmp(copy, "0123456789"));
	assert_true(!text || strlen(text) == 600);
	assert_true(context_fail_field(&context, "field", "%0*d", 3000, 1) < 0);
	assert_int_not_equal(context.status, STATUS_OK);
	assert_non_null(context.message);
	all = copy && large && text && !buffer.failed && context.violation.field ? 0 : -ENOMEM;
	buffer_free(&buffer);
	arena_destroy(arena);
	return all;
}

static void base_says_so(void **state)
{
	(void)state;
	failing_memory_run("base", base, NULL, LIMIT);
}

/* Secrets are copied for as long as a program lives: here they are given back. */
static int options(void *data)
{
	(void)data;
	const char *secret = NULL;
	struct option_list list = {.count = 0};
	const struct option table[] = {
	    {.name = "secret", .type = OPTION_STRING, .value = &secret, .flags = OPTION_SECRET},
	    {.name = "list", .type = OPTION_LIST, .value = &list, .initial = "one,two"},
	    {.name = NULL},
	};
	char program[] = "program", first[] = "--secret=abc", again[] = "--secret", value[] = "def", error[128] = "";
	char *argv[] = {program, first, again, value, NULL};
	int rest = 77;
	failing_memory.armed = true;
	int result = option_parse(table, 4, argv, &rest, error, sizeof(error));
	failing_memory.armed = false;
	if (result) {
		assert_int_equal(result, -EINVAL);
		assert_non_null(strstr(error, "out of memory"));
		assert_null(strstr(error, "abc"));
		assert_int_equal(rest, 77);
	} else {
		assert_string_equal(secret, "def");
		assert_int_equal(list.count, 2);
		free((char *)(uintptr_t)list.values[0]);
	}
	free((char *)(uintptr_t)secret);
	return result;
}

static void options_say_so(void **state)
{
	(void)state;
	failing_memory_run("options", options, NULL, LIMIT);
}

/* ---- contract ---- */

static int contract_lines(struct arena *arena, struct contract_zone *zone, struct buffer *out)
{
	static const char line[] =
	    "{\"project_code\":\"P\",\"vbot_id\":\"V\",\"date_create\":\"10/25/2023 10:34:15\",\"type_call\":\"weird\","
	    "\"caller\":[{\"phone\":\"0912345678\",\"postage\":\"6.1\",\"name\":\"x\"}],\"callee\":{\"phone\":101},"
	    "\"record_file\":[\"https://a/b\"],\"time_call\":\"02:00\",\"pad\":\"%s\"}";
	struct contract_import import = {.call = UNTOUCHED(Callhistory__V1__Call)};
	struct contract_error error = {0};
	if (contract_read_import(arena, zone, line, sizeof(line) - 1, &import, &error)) {
		assert_int_equal(error.code, 500);
		assert_ptr_equal(import.call, UNTOUCHED(Callhistory__V1__Call));
		return -ENOMEM;
	}
	/* Not by malloc(), which fails here. */
	uint8_t packed[1024];
	const size_t length = callhistory__v1__call__get_packed_size(import.call);
	assert_true(length <= sizeof(packed));
	callhistory__v1__call__pack(import.call, packed);
	const ProtobufCBinaryData calls[] = {{length, packed}, {length, packed}};
	assert_int_equal(contract_write_list_part(out, CONTRACT_GET_ALL, zone, calls, 2, true, true), 0);
	contract_write_import(out, zone, import.project_code, import.vbot_id, import.call);
	assert_int_equal(contract_write_list_part(out, CONTRACT_FLAT_LIST, NULL, calls, 2, true, true), 0);
	contract_write_count(out, CONTRACT_GET_ALL, 7);
	contract_write_error(out, 400, "no");
	return out->failed ? -ENOMEM : 0;
}

static int contract_requests(struct arena *arena)
{
	static const char query[] = "vbot_id=V&project_code=P&phone=+84912345678&what=is%20this&from=1";
	static const char body[] = "{\"page\":1,\"size\":\"10\",\"huge\":1e999,\"other\":\"x\"}";
	const struct contract_input input = {
	    .query = query, .query_length = sizeof(query) - 1, .body = body, .body_length = sizeof(body) - 1};
	struct contract_request request = {.phone = "untouched"};
	struct contract_error error = {0};
	if (contract_read_request(arena, &input, &request, &error)) {
		assert_int_equal(error.code, 500);
		assert_string_equal(request.phone, "untouched");
		return -ENOMEM;
	}
	assert_int_equal(request.size, 10);
	static const char flat[] = "type_call=3&min_postage=1.5&key_search=09&what=this";
	const struct contract_input later = {.route = CONTRACT_FLAT_LIST, .query = flat, .query_length = sizeof(flat) - 1};
	if (contract_read_request(arena, &later, &request, &error)) {
		assert_int_equal(error.code, 500);
		assert_null(request.filter);
		return -ENOMEM;
	}
	assert_true(request.filter->min_charge == 1.5);
	return 0;
}

static int contract(void *data)
{
	(void)data;
	struct contract_zone *zone = UNTOUCHED(struct contract_zone);
	struct arena *arena = NULL;
	struct buffer out = {0};
	assert_int_equal(arena_create(&arena, 256), 0);
	failing_memory.armed = true;
	int result = contract_zone_create(&zone, "Europe/Berlin");
	if (MADE(result, zone, struct contract_zone)) {
		int lines = contract_lines(arena, zone, &out);
		int requests = contract_requests(arena);
		result = lines ? lines : requests;
		contract_zone_destroy(zone);
	}
	buffer_free(&out);
	arena_destroy(arena);
	return result;
}

static void contract_says_so(void **state)
{
	(void)state;
	failing_memory_run("contract", contract, NULL, LIMIT);
}

/* ---- sources ---- */

static int read_sources(const struct import_reader *reader)
{
	static const char event[] =
	    "{\"event_data\":\"MANUAL_CALL_COMPLETE\",\"manualCallLog\":{\"transId\":\"t\",\"createAt\":1795140907123,"
	    "\"callAt\":1795140909123,\"typeCall\":1,\"caller\":\"0912345678\",\"disposition\":\"ANSWER\",\"postage\":1},"
	    "\"manualCallRecording\":{\"recordUrl\":\"https://r/1\"}}";
	static const char old[] = "{\"date_create\":\"11/20/2026 "
	                          "08:15:07\",\"caller\":[{\"phone\":\"101\"}],\"callee\":[{\"phone\":\"0912345678\"}]}";
	static const char leg[] =
	    "cdr={\"variables\":{\"uuid\":\"a\",\"start_epoch\":1795140907,\"answer_epoch\":1795140908,\"record_path\":\"/"
	    "r\","
	    "\"record_name\":\"x%F9\",\"call_direction\":\"inbound\",\"bridge_epoch\":1},\"callflow\":[{\"caller_profile\":"
	    "{"
	    "\"caller_id_number\":\"0912345678\",\"originatee\":{\"originatee_caller_profiles\":[{\"uuid\":\"b\"}]}}}]}";
	static const char *const events[] = {event, old};
	static const struct sources_freeswitch_options options = {NULL, 0};
	struct sources_record record;
	int result = 0;
	for (size_t i = 0; i < 2 && !result; ++i)
		result = sources_vbot_read(reader, events[i], strlen(events[i]), &record);
	if (!result)
		result = sources_freeswitch_read(&options, reader, leg, sizeof(leg) - 1, &record);
	if (result)
		assert_int_equal(reader->error->code, 500);
	return result ? -ENOMEM : 0;
}

static int sources(void *zone)
{
	struct arena *arena = NULL;
	struct contract_error error = {0};
	assert_int_equal(arena_create(&arena, 256), 0);
	const struct import_reader reader = {arena, zone, &error};
	failing_memory.armed = true;
	int result = read_sources(&reader);
	arena_destroy(arena);
	return result;
}

static void sources_say_so(void **state)
{
	struct contract_zone *zone;
	(void)state;
	assert_int_equal(contract_zone_create(&zone, "Asia/Ho_Chi_Minh"), 0);
	failing_memory_run("sources", sources, zone, LIMIT);
	contract_zone_destroy(zone);
}

/* ---- gateway ---- */

static int gateway(void *data)
{
	(void)data;
	struct compressor *compressor = UNTOUCHED(struct compressor);
	struct buffer body = {0};
	for (int i = 0; i < 4000; ++i)
		buffer_append_byte(&body, (char)('a' + i % 7));
	failing_memory.armed = true;
	int result = compressor_create(&compressor);
	if (MADE(result, compressor, struct compressor)) {
		result = compress_gzip(compressor, &body);
		if (result)
			assert_int_equal(body.length, 4000);
		compressor_destroy(compressor);
	}
	buffer_free(&body);
	return result;
}

static void gateway_says_so(void **state)
{
	(void)state;
	failing_memory_run("gateway", gateway, NULL, LIMIT);
}

/* ---- callhistoryctl ---- */

/* A service that takes nothing. */
static void refuse_record_calls(Callhistory__V1__CallIngestService_Service *service,
                                const Callhistory__V1__RecordCallsRequest *request,
                                Callhistory__V1__RecordCallsResponse_Closure closure, void *data)
{
	(void)service;
	assert_true(request->n_calls > 0);
	context_fail(data, STATUS_INVALID_ARGUMENT, NULL, "no");
	closure(NULL, data);
}

static void refuse_merge_calls(Callhistory__V1__CallIngestService_Service *service,
                               const Callhistory__V1__MergeCallsRequest *request,
                               Callhistory__V1__MergeCallsResponse_Closure closure, void *data)
{
	(void)service;
	(void)request;
	closure(NULL, data);
}

static void refuse_delete_calls(Callhistory__V1__CallIngestService_Service *service,
                                const Callhistory__V1__DeleteCallsRequest *request,
                                Callhistory__V1__DeleteCallsResponse_Closure closure, void *data)
{
	(void)service;
	(void)request;
	closure(NULL, data);
}

static void on_refused(void *data, struct outbox_origin origin, const char *field, const char *message)
{
	(void)data;
	(void)origin;
	(void)field;
	(void)message;
}

static void on_failed(void *data, const struct outbox_failure *failure)
{
	size_t *failed = data;
	assert_true(failure->count > 0);
	*failed += failure->count;
}

static int outbox(void *data)
{
	(void)data;
	static Callhistory__V1__CallIngestService_Service service = CALLHISTORY__V1__CALL_INGEST_SERVICE__INIT(refuse_);
	struct outbox *outbox = UNTOUCHED(struct outbox);
	size_t failed = 0, added = 0;
	struct outbox_options options = {.ingest = &service.base,
	                                 .authorization = "Bearer x",
	                                 .timeout_us = 1000000,
	                                 .refused = on_refused,
	                                 .failed = on_failed,
	                                 .data = &failed};
	Callhistory__V1__Call call = CALLHISTORY__V1__CALL__INIT;
	/* Too large for what an arena holds at first, so that a copy has to allocate. */
	size_t size = 3 << 20;
	char *large = malloc(size + 1);
	memset(large, 'x', size);
	large[size] = '\0';
	call.id = (char *)"id";
	call.ended_by = large;
	failing_memory.armed = true;
	int result = outbox_create(&outbox, &options);
	if (MADE(result, outbox, struct outbox)) {
		const char *const tenants[] = {"A", "B"};
		for (int i = 0; i < 2; ++i) {
			struct contract_import record = {.project_code = "P", .vbot_id = tenants[i], .call = &call};
			int one = outbox_add(outbox, &record, false, (struct outbox_origin){"f", 1, 0});
			added += !one;
			if (one) {
				assert_int_equal(one, -ENOMEM);
				result = one;
			}
		}
		outbox_flush(outbox);
		outbox_run(outbox, clock_monotonic_us());
		assert_true(outbox_idle(outbox));
		assert_int_equal(failed, added);
		outbox_destroy(outbox);
	}
	free(large);
	return result;
}

static void outbox_says_so(void **state)
{
	(void)state;
	failing_memory_run("outbox", outbox, NULL, LIMIT);
}

static int lines(void *data)
{
	(void)data;
	struct lines *lines = UNTOUCHED(struct lines);
	failing_memory.armed = true;
	int result = lines_create(&lines);
	if (MADE(result, lines, struct lines))
		lines_destroy(lines);
	return result;
}

static void lines_say_so(void **state)
{
	(void)state;
	failing_memory_run("lines", lines, NULL, LIMIT);
}

/* ---- redis, store and calls ---- */

/* One call of a method, which must end once, however it ends. */
struct ending {
	struct context context; /* first: closure_data is this */
	int closures;
	bool done, answered;
};

static void on_ending(const ProtobufCMessage *message, void *data)
{
	struct ending *ending = data;
	++ending->closures;
	ending->done = true;
	ending->answered = message != NULL;
}

/* Calls a method and says how it ended. */
static int serve(struct handlers_fixture *fixture, ProtobufCService *service, unsigned method, const void *request,
                 const char *authorization)
{
	struct ending ending = {.closures = 0};
	struct arena *arena = NULL;
	/* The first block is the server's, from a pool; what is too large for it is allocated. */
	bool armed = failing_memory.armed;
	failing_memory.armed = false;
	assert_int_equal(arena_create(&arena, 256), 0);
	failing_memory.armed = armed;
	context_init(&ending.context, arena);
	ending.context.authorization = authorization;
	ending.context.deadline_us = deadline_us();
	service->invoke(service, method, request, on_ending, &ending);
	assert_true(redis_server_run(fixture->redis, &ending.done, FIXTURE_LIMIT_MS));
	assert_int_equal(ending.closures, 1);
	assert_true(ending.answered == (ending.context.status == STATUS_OK));
	if (!ending.answered) {
		assert_non_null(ending.context.message);
		/*
		 * A record that can't be unpacked for want of memory counts as one that can't be read; one that could not be recorded
		 * is not there.
		 */
		if (ending.context.status != STATUS_RESOURCE_EXHAUSTED && ending.context.status != STATUS_INTERNAL &&
		    ending.context.status != STATUS_UNAVAILABLE && ending.context.status != STATUS_NOT_FOUND &&
		    ending.context.status != STATUS_DEADLINE_EXCEEDED)
			fail_msg("%s: %s", status_name((int)ending.context.status), ending.context.message);
	}
	arena_destroy(arena);
	return ending.answered ? 0 : -ENOMEM;
}

/* A dry run and a page of each selection, then by ids. */
static int serve_deletions(struct handlers_fixture *fixture, struct sample *samples)
{
	ProtobufCService *ingest = handlers_ingest_service(fixture->calls);
	Callhistory__V1__DeleteCallsRequest delete = CALLHISTORY__V1__DELETE_CALLS_REQUEST__INIT;
	Google__Protobuf__Timestamp end = GOOGLE__PROTOBUF__TIMESTAMP__INIT;
	char *ids[] = {samples[0].id, samples[1].id};
	end.seconds = 1860000000;
	delete.phone = (char *)"0912345678";
	delete.end_time = &end;
	delete.page_size = 1;
	delete.validate_only = 1;
	int result = serve(fixture, ingest, DELETE_CALLS, &delete, ERASER);
	delete.validate_only = 0;
	result |= serve(fixture, ingest, DELETE_CALLS, &delete, ERASER);
	delete = (Callhistory__V1__DeleteCallsRequest)CALLHISTORY__V1__DELETE_CALLS_REQUEST__INIT;
	delete.ids = ids;
	delete.n_ids = 2;
	delete.validate_only = 1;
	result |= serve(fixture, ingest, DELETE_CALLS, &delete, ERASER);
	delete.validate_only = 0;
	return result | serve(fixture, ingest, DELETE_CALLS, &delete, ERASER);
}

/* A leg before its call, the call twice, and a recording of one that is not known. */
static int serve_merges(struct handlers_fixture *fixture, struct sample *samples)
{
	char *recordings[] = {(char *)"https://a/b"};
	Callhistory__V1__MergeCallsRequest merge = CALLHISTORY__V1__MERGE_CALLS_REQUEST__INIT;
	Callhistory__V1__CallPart parts[4];
	Callhistory__V1__CallPart *pointers[4];
	Callhistory__V1__Call recording = CALLHISTORY__V1__CALL__INIT;
	recording.id = (char *)"merged-later";
	recording.recordings = recordings;
	recording.n_recordings = 1;
	for (size_t i = 0; i < 4; ++i) {
		callhistory__v1__call_part__init(&parts[i]);
		parts[i].call = i < 3 ? &samples[0].call : &recording;
		parts[i].supplement = i % 3 == 0;
		pointers[i] = &parts[i];
	}
	merge.n_parts = 4;
	merge.parts = pointers;
	return serve(fixture, handlers_ingest_service(fixture->calls), MERGE_CALLS, &merge, WRITER);
}

static int serve_all(struct handlers_fixture *fixture)
{
	struct sample samples[3];
	Callhistory__V1__Call *calls[3];
	for (size_t i = 0; i < 3; ++i) {
		sample_init(&samples[i], "0912345678", 1760000000 + (int64_t)i);
		calls[i] = &samples[i].call;
	}
	ProtobufCService *history = handlers_history_service(fixture->calls),
	                 *ingest = handlers_ingest_service(fixture->calls);
	Callhistory__V1__RecordCallsRequest record = CALLHISTORY__V1__RECORD_CALLS_REQUEST__INIT;
	Callhistory__V1__ListCallsRequest list = CALLHISTORY__V1__LIST_CALLS_REQUEST__INIT;
	Callhistory__V1__CountCallsRequest count = CALLHISTORY__V1__COUNT_CALLS_REQUEST__INIT;
	Callhistory__V1__GetCallRequest get = CALLHISTORY__V1__GET_CALL_REQUEST__INIT;
	Callhistory__V1__CallFilter filter = CALLHISTORY__V1__CALL_FILTER__INIT;
	Callhistory__V1__CallDirection directions[] = {CALLHISTORY__V1__CALL_DIRECTION__CALL_DIRECTION_INBOUND};
	record.n_calls = 3;
	record.calls = calls;
	get.id = samples[0].id;
	list.phone = count.phone = (char *)"0912345678";
	list.page_size = 2;
	int result = serve(fixture, ingest, 0, &record, WRITER);
	result |= serve_merges(fixture, samples);
	result |= serve(fixture, history, LIST_CALLS, &list, READER);
	result |= serve(fixture, history, COUNT_CALLS, &count, READER);
	result |= serve(fixture, history, GET_CALL, &get, READER);
	/* By reference, and with a filter: two round trips, and a scan. */
	list.phone = (char *)"101";
	result |= serve(fixture, history, LIST_CALLS, &list, READER);
	filter.n_directions = 1;
	filter.directions = directions;
	list.filter = count.filter = &filter;
	result |= serve(fixture, history, LIST_CALLS, &list, READER);
	result |= serve(fixture, history, COUNT_CALLS, &count, READER);
	return result | serve_deletions(fixture, samples);
}

/* From nothing to answers: connection, store, handlers, requests of every kind. */
static int calls(void *data)
{
	const struct handlers_fixture *shared = data;
	struct handlers_fixture own = {.redis = UNTOUCHED(struct redis),
	                               .store = UNTOUCHED(struct store),
	                               .buckets = UNTOUCHED(struct bucket_table),
	                               .calls = UNTOUCHED(struct handlers)};
	struct redis_options options;
	struct handlers_options handlers_options = {.country_code = "84"};
	char error[128];
	redis_options_init(&options);
	options.url = shared->server.url;
	options.backoff_min_us = options.backoff_max_us = 1000;
	failing_memory.armed = true;
	int result = redis_create(&own.redis, &options, error, sizeof(error));
	if (!MADE(result, own.redis, struct redis))
		return result;
	result = store_create(&own.store, own.redis);
	if (!MADE(result, own.store, struct store))
		goto no_store;
	result = handlers_bucket_table_create(&own.buckets, 64);
	if (!MADE(result, own.buckets, struct bucket_table))
		goto no_buckets;
	handlers_options.buckets = own.buckets;
	result = handlers_create(&own.calls, own.store, &handlers_options);
	if (!MADE(result, own.calls, struct handlers))
		goto no_calls;
	result = serve_all(&own);
	redis_destroy(own.redis);
	own.redis = NULL;
	handlers_destroy(own.calls);
no_calls:
	handlers_bucket_table_destroy(own.buckets);
no_buckets:
	store_destroy(own.store);
no_store:
	redis_destroy(own.redis);
	return result;
}

static void calls_say_so(void **state)
{
	failing_memory_run("calls", calls, *state, LIMIT);
}

/* ---- tokens ---- */

struct told {
	bool done;
	int times, status;
};

static void on_token(void *data, int status, const struct store_token *token)
{
	struct told *told = data;
	assert_true(status || token || told->times == 0);
	++told->times;
	told->done = true;
	told->status = status;
}

static void on_each(void *data, const struct store_token *token)
{
	(void)data;
	assert_non_null(token->id);
}

/* Waits for what was started with `result`. */
static int wait_for(struct handlers_fixture *fixture, struct told *told, int result)
{
	if (result) {
		assert_int_equal(told->times, 0);
		return result;
	}
	assert_true(redis_server_run(fixture->redis, &told->done, FIXTURE_LIMIT_MS));
	assert_int_equal(told->times, 1);
	return told->status;
}

static int tokens(void *data)
{
	/* A connection of its own: one that was lost for want of memory comes back too late for the next turn. */
	struct handlers_fixture own = *(const struct handlers_fixture *)data, *fixture = &own;
	static const struct store_tenant tenants[] = {{"P", "V", NULL}, {"P", "W", NULL}};
	const struct store_token token = {.role = STORE_ROLE_READER, .tenants = tenants, .tenant_count = 2, .rate = 5};
	static const char text[] = "token";
	uint8_t digest[32];
	struct told told[3] = {{.done = false}};
	struct arena *arena = NULL;
	store_token_digest(digest, text, strlen(text));
	assert_int_equal(arena_create(&arena, 256), 0);
	fixture_open(&own);
	for (int i = 0; i < 10000 && !redis_connected(own.redis); ++i)
		if (!redis_run(own.redis))
			poll(NULL, 0, 1);
	failing_memory.armed = true;
	int added = wait_for(fixture, &told[0],
	                     store_token_add(fixture->store, digest, &token, arena, deadline_us(), on_token, &told[0]));
	int listed = wait_for(fixture, &told[1],
	                      store_token_list(fixture->store, arena, deadline_us(), on_each, on_token, &told[1]));
	int revoked = wait_for(fixture, &told[2],
	                       store_token_revoke(fixture->store, digest, NULL, arena, deadline_us(), on_token, &told[2]));
	failing_memory.armed = false;
	fixture_close(&own);
	arena_destroy(arena);
	return added && added != -EEXIST ? added : listed ? listed : revoked;
}

static void tokens_say_so(void **state)
{
	failing_memory_run("tokens", tokens, *state, LIMIT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(base_says_so),   cmocka_unit_test(options_say_so),  cmocka_unit_test(contract_says_so),
	    cmocka_unit_test(sources_say_so), cmocka_unit_test(gateway_says_so), cmocka_unit_test(outbox_says_so),
	    cmocka_unit_test(lines_say_so),   cmocka_unit_test(calls_say_so),    cmocka_unit_test(tokens_say_so),
	};
	return cmocka_run_group_tests(tests, fixture_group_setup, fixture_group_teardown);
}
