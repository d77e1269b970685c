/* rpc: what a client may not do: bytes that are no message, sizes, load, connections that stay for ever. */
#include <errno.h>
#include <unistd.h>
#include <zlib.h>

#include "google/rpc/error_details.pb-c.h"
#include "google/rpc/status.pb-c.h"
#include "support/raw_call.h"

#define LIST "/callhistory.v1.CallHistoryService/ListCalls"

/* Sends bytes as the request of ListCalls and waits for the status. */
static void send_bytes(struct raw_call *raw, struct fixture *fixture, const void *bytes, size_t length)
{
	raw_open(raw, fixture, LIST);
	raw_send(raw, bytes, length);
	raw_finish(raw);
}

static void bad_bytes_are_refused(void **state)
{
	(void)state;
	struct fixture *fixture = fixture_create(NULL);
	struct raw_call raw;
	send_bytes(&raw, fixture, "\x0a\xff\xff", 3);
	assert_int_equal(raw.status, GRPC_STATUS_INVALID_ARGUMENT);
	assert_int_equal(grpc_slice_str_cmp(raw.message, "request: not a valid callhistory.v1.ListCallsRequest"), 0);
	const grpc_slice *details = raw_trailer(&raw, "grpc-status-details-bin");
	assert_non_null(details);
	Google__Rpc__Status *status =
	    google__rpc__status__unpack(NULL, GRPC_SLICE_LENGTH(*details), GRPC_SLICE_START_PTR(*details));
	assert_non_null(status);
	assert_int_equal(status->code, STATUS_INVALID_ARGUMENT);
	assert_int_equal(status->n_details, 1);
	assert_string_equal(status->details[0]->type_url, "type.googleapis.com/google.rpc.ErrorInfo");
	Google__Rpc__ErrorInfo *info =
	    google__rpc__error_info__unpack(NULL, status->details[0]->value.len, status->details[0]->value.data);
	assert_string_equal(info->reason, "INVALID_REQUEST");
	assert_string_equal(info->domain, "callhistory.v1");
	google__rpc__error_info__free_unpacked(info, NULL);
	google__rpc__status__free_unpacked(status, NULL);
	raw_free(&raw);
	send_bytes(&raw, fixture, "\x1a\x02\xc3\x28", 4); /* phone: not UTF-8 */
	assert_int_equal(raw.status, GRPC_STATUS_INVALID_ARGUMENT);
	raw_free(&raw);
	send_bytes(&raw, fixture, "", 0); /* an empty message is a message */
	assert_int_equal(raw.status, GRPC_STATUS_OK);
	raw_free(&raw);
	assert_int_equal(fixture->n_handled, 1);
	fixture_destroy(fixture);
}

static void no_message_is_refused(void **state)
{
	(void)state;
	struct fixture *fixture = fixture_create(NULL);
	struct raw_call raw;
	raw_open(&raw, fixture, LIST);
	raw_finish(&raw);
	assert_int_equal(raw.status, GRPC_STATUS_INVALID_ARGUMENT);
	raw_free(&raw);
	fixture_destroy(fixture);
}

/* Deflates `length` zeros in the given format (zlib's window bits); gives the bytes' number. */
static size_t deflate_zeros(uint8_t *out, size_t size, size_t length, int format)
{
	z_stream stream = {.next_in = NULL};
	uint8_t *zeros = calloc(1, length);
	assert_non_null(zeros);
	assert_int_equal(deflateInit2(&stream, 9, Z_DEFLATED, format, 8, Z_DEFAULT_STRATEGY), Z_OK);
	stream.next_in = zeros;
	stream.avail_in = (uInt)length;
	stream.next_out = out;
	stream.avail_out = (uInt)size;
	assert_int_equal(deflate(&stream, Z_FINISH), Z_STREAM_END);
	size_t deflated = stream.total_out;
	deflateEnd(&stream);
	free(zeros);
	return deflated;
}

static grpc_status_code send_compressed(struct fixture *fixture, const char *encoding, const void *bytes, size_t length)
{
	struct raw_call raw;
	grpc_metadata entry = {.key = grpc_slice_from_static_string("grpc-internal-encoding-request"),
	                       .value = grpc_slice_from_static_string(encoding)};
	raw_open(&raw, fixture, NULL);
	raw_begin(&raw, LIST, &entry, 1, 10000);
	raw_send_compressed(&raw, bytes, length,
	                    strcmp(encoding, "gzip") == 0 ? GRPC_COMPRESS_GZIP : GRPC_COMPRESS_DEFLATE);
	raw_finish(&raw);
	grpc_status_code status = raw.status;
	raw_free(&raw);
	return status;
}

static void compressed_requests_are_served(void **state)
{
	(void)state;
	enum { GZIP = 31, ZLIB = 15, SIZE = 65536 };
	static uint8_t out[SIZE];
	static const struct {
		const char *encoding;
		int format;
	} kinds[] = {{"gzip", GZIP}, {"deflate", ZLIB}};
	struct fixture *fixture = fixture_create(NULL);
	for (size_t i = 0; i < 2; i++) {
		/* No bytes are an empty message; zeros are none. */
		size_t length = deflate_zeros(out, SIZE, 0, kinds[i].format);
		assert_int_equal(send_compressed(fixture, kinds[i].encoding, out, length), GRPC_STATUS_OK);
		length = deflate_zeros(out, SIZE, 1000, kinds[i].format);
		assert_int_equal(send_compressed(fixture, kinds[i].encoding, out, length), GRPC_STATUS_INVALID_ARGUMENT);
		assert_int_equal(send_compressed(fixture, kinds[i].encoding, out, length - 6), GRPC_STATUS_INVALID_ARGUMENT);
		assert_int_equal(send_compressed(fixture, kinds[i].encoding, "nothing of it", 13),
		                 GRPC_STATUS_INVALID_ARGUMENT);
		/* A few KiB become more than the limit. */
		length = deflate_zeros(out, SIZE, (4 << 20) + 1, kinds[i].format);
		assert_true(length < 8192);
		assert_int_equal(send_compressed(fixture, kinds[i].encoding, out, length), GRPC_STATUS_RESOURCE_EXHAUSTED);
	}
	assert_int_equal(fixture->n_handled, 2);
	fixture_destroy(fixture);
}

static void request_id_comes_back(void **state)
{
	(void)state;
	struct fixture *fixture = fixture_create(NULL);
	struct raw_call raw;
	grpc_metadata id = {.key = grpc_slice_from_static_string("x-request-id"),
	                    .value = grpc_slice_from_static_string("abc-123")};
	raw_open(&raw, fixture, NULL);
	raw_begin(&raw, LIST, &id, 1, 10000);
	raw_send(&raw, "", 0);
	raw_finish(&raw);
	assert_int_equal(raw.status, GRPC_STATUS_OK);
	const grpc_slice *echoed = raw_trailer(&raw, "x-request-id");
	assert_non_null(echoed);
	assert_int_equal(grpc_slice_str_cmp(*echoed, "abc-123"), 0);
	assert_null(raw_trailer(&raw, "grpc-status-details-bin"));
	raw_free(&raw);
	fixture_destroy(fixture);
}

static void message_above_the_limit(void **state)
{
	(void)state;
	struct rpc_server_options options;
	rpc_server_options_init(&options);
	options.max_message_bytes = 1000;
	struct fixture *fixture = fixture_create(&options);
	struct client_call call;
	char *large = calloc(1, 5001);
	assert_non_null(large);
	memset(large, 'x', 5000);
	client_call_init(&call);
	client_list_now(fixture, &call, "", large);
	assert_int_equal(call.context.status, STATUS_RESOURCE_EXHAUSTED);
	assert_string_equal(call.context.reason, "MESSAGE_TOO_LARGE");
	assert_string_equal(call.context.message, "request: is longer than 1000 bytes");
	assert_int_equal(fixture->n_handled, 0);
	client_call_free(&call);
	large[900] = '\0';
	client_call_init(&call);
	client_list_now(fixture, &call, "", large);
	assert_true(call.answered);
	client_call_free(&call);
	free(large);
	fixture_destroy(fixture);
}

/* Requests that wait, their arenas and answers are bounded in bytes. */
static void requests_above_the_budget(void **state)
{
	(void)state;
	enum { CALLS = 8, LARGE = 100000 };
	struct memory_budget budget = {.limit = 10 * LARGE};
	struct rpc_server_options options;
	rpc_server_options_init(&options);
	options.budget = &budget;
	struct fixture *fixture = fixture_create(&options);
	struct client_call calls[CALLS];
	char *large = calloc(1, LARGE);
	assert_non_null(large);
	memset(large, 'x', LARGE - 1);
	int refused = 0;
	for (int i = 0; i < CALLS; i++) {
		client_call_init(&calls[i]);
		client_list(fixture, &calls[i], "keep", large);
	}
	FIXTURE_RUN_UNTIL(fixture->queue, fixture->n_reports + fixture->n_kept == CALLS);
	assert_in_range(fixture->n_kept, 1, 4);
	assert_true(budget.used <= budget.limit);
	assert_true(budget.refused > 0);
	fixture_answer_kept(fixture);
	for (int i = 0; i < CALLS; i++) {
		FIXTURE_RUN_UNTIL(fixture->queue, calls[i].fired);
		if (!calls[i].answered) {
			refused++;
			assert_int_equal(calls[i].context.status, STATUS_RESOURCE_EXHAUSTED);
			assert_string_equal(calls[i].context.reason, "OUT_OF_MEMORY");
			assert_true(calls[i].context.retry_after_ms > 0);
		}
		client_call_free(&calls[i]);
	}
	assert_true(refused >= CALLS - 4);
	FIXTURE_RUN_UNTIL(fixture->queue, budget.used == 0);
	free(large);
	fixture_destroy(fixture);
}

/* Its sender is stopped while it still sends: nobody may fill the memory with one message. */
static void message_above_the_memory(void **state)
{
	(void)state;
	enum { HUGE_BYTES = 64 << 20 };
	struct rpc_server_options options;
	rpc_server_options_init(&options);
	options.max_memory_bytes = 8 << 20;
	struct fixture *fixture = fixture_create(&options);
	struct raw_call raw;
	struct client_call call;
	char *huge = calloc(1, HUGE_BYTES);
	assert_non_null(huge);
	send_bytes(&raw, fixture, huge, HUGE_BYTES);
	assert_int_equal(raw.status, GRPC_STATUS_RESOURCE_EXHAUSTED);
	assert_null(raw_trailer(&raw, "grpc-status-details-bin")); /* the server has never seen the call's end */
	assert_int_equal(fixture->n_handled, 0);
	raw_free(&raw);
	client_call_init(&call);
	client_list_now(fixture, &call, "", "x");
	assert_true(call.answered);
	client_call_free(&call);
	free(huge);
	fixture_destroy(fixture);
}

static void response_above_the_limit(void **state)
{
	(void)state;
	struct fixture *fixture = fixture_create(NULL);
	struct rpc_channel_options options;
	struct client_call call;
	char large[3001];
	memset(large, 'x', 3000);
	large[3000] = '\0';
	rpc_channel_options_init(&options);
	options.max_message_bytes = 1000;
	rpc_channel_destroy(fixture->channel);
	fixture_connect(fixture, &options);
	client_call_init(&call);
	client_list_now(fixture, &call, "", large);
	assert_int_equal(call.context.status, STATUS_RESOURCE_EXHAUSTED);
	client_call_free(&call);
	fixture_destroy(fixture);
}

static void large_message_goes_through(void **state)
{
	(void)state;
	enum { LARGE = 3 << 20 };
	struct fixture *fixture = fixture_create(NULL);
	struct client_call call;
	char *large = malloc(LARGE + 1);
	assert_non_null(large);
	memset(large, 'x', LARGE);
	large[LARGE] = '\0';
	client_call_init(&call);
	client_list_now(fixture, &call, "", large);
	assert_true(call.answered);
	assert_int_equal(strlen(call.id), sizeof(call.id) - 1);
	assert_true(fixture->last_report.request_bytes > LARGE);
	assert_true(fixture->last_report.response_bytes > LARGE);
	client_call_free(&call);
	free(large);
	fixture_destroy(fixture);
}

static void metadata_above_the_limit(void **state)
{
	(void)state;
	struct rpc_server_options options;
	rpc_server_options_init(&options);
	options.max_metadata_bytes = 2048;
	struct fixture *fixture = fixture_create(&options);
	struct client_call call;
	char large[4000];
	memset(large, 'x', sizeof(large) - 1);
	large[sizeof(large) - 1] = '\0';
	client_call_init(&call);
	call.context.authorization = large;
	client_list_now(fixture, &call, "", "x");
	assert_int_equal(call.context.status, STATUS_RESOURCE_EXHAUSTED);
	assert_int_equal(fixture->n_handled, 0);
	client_call_free(&call);
	client_call_init(&call);
	client_list_now(fixture, &call, "", "x");
	assert_true(call.answered);
	client_call_free(&call);
	fixture_destroy(fixture);
}

static void overload_is_told_at_once(void **state)
{
	(void)state;
	struct rpc_server_options options;
	rpc_server_options_init(&options);
	options.max_in_flight = 2;
	struct fixture *fixture = fixture_create(&options);
	struct client_call calls[2], call;
	for (int i = 0; i < 2; i++) {
		client_call_init(&calls[i]);
		client_list(fixture, &calls[i], "keep", "");
	}
	FIXTURE_RUN_UNTIL(fixture->queue, fixture->n_kept == 2);
	client_call_init(&call);
	client_list_now(fixture, &call, "", "x");
	assert_int_equal(call.context.status, STATUS_RESOURCE_EXHAUSTED);
	assert_string_equal(call.context.reason, "OVERLOADED");
	assert_int_equal(call.context.retry_after_ms, 1000);
	client_call_free(&call);
	fixture_answer_kept(fixture);
	client_call_init(&call);
	client_list_now(fixture, &call, "", "x");
	assert_true(call.answered);
	client_call_free(&call);
	FIXTURE_RUN_UNTIL(fixture->queue, calls[0].fired && calls[1].fired);
	client_call_free(&calls[0]);
	client_call_free(&calls[1]);
	fixture_destroy(fixture);
}

/* With one stream a connection, the second call waits for the first. */
static void streams_of_a_connection_are_bounded(void **state)
{
	(void)state;
	struct rpc_server_options options;
	rpc_server_options_init(&options);
	options.max_streams = 1;
	struct fixture *fixture = fixture_create(&options);
	struct client_call first, second, warm;
	client_call_init(&warm);
	client_list_now(fixture, &warm, "", "x"); /* the client knows the server's settings from here on */
	client_call_free(&warm);
	client_call_init(&first);
	client_call_init(&second);
	client_list(fixture, &first, "keep", "");
	FIXTURE_RUN_UNTIL(fixture->queue, fixture->n_kept == 1);
	client_list(fixture, &second, "", "x");
	for (int i = 0; i < 10; i++)
		rpc_queue_run(fixture->queue, clock_monotonic_us() + 5000);
	assert_int_equal(second.fired, 0);
	fixture_answer_kept(fixture);
	FIXTURE_RUN_UNTIL(fixture->queue, first.fired && second.fired);
	assert_true(second.answered);
	client_call_free(&first);
	client_call_free(&second);
	fixture_destroy(fixture);
}

static bool connection_lost(struct raw_call *raw)
{
	return grpc_channel_check_connectivity_state(raw->channel, 0) != GRPC_CHANNEL_READY;
}

/* Makes one call, then waits until the server has closed the connection. */
static void wait_for_close(struct fixture *fixture)
{
	struct raw_call raw;
	send_bytes(&raw, fixture, "", 0);
	assert_int_equal(raw.status, GRPC_STATUS_OK);
	assert_false(connection_lost(&raw));
	raw_end(&raw);
	int64_t end_us = clock_monotonic_us() + FIXTURE_WAIT_US;
	while (!connection_lost(&raw)) {
		assert_true(clock_monotonic_us() < end_us);
		rpc_queue_run(fixture->queue, clock_monotonic_us() + 5000);
		grpc_completion_queue_next(raw.completions, gpr_time_0(GPR_CLOCK_MONOTONIC), NULL);
	}
	raw_free(&raw);
}

static void connections_age(void **state)
{
	(void)state;
	struct rpc_server_options options;
	rpc_server_options_init(&options);
	options.max_connection_age_ms = 200;
	options.max_connection_age_grace_ms = 100;
	struct fixture *fixture = fixture_create(&options);
	wait_for_close(fixture);
	fixture_destroy(fixture);
}

static void idle_connections_end(void **state)
{
	(void)state;
	struct rpc_server_options options;
	rpc_server_options_init(&options);
	options.max_connection_idle_ms = 200;
	struct fixture *fixture = fixture_create(&options);
	wait_for_close(fixture);
	fixture_destroy(fixture);
}

static void aging_loses_no_call(void **state)
{
	(void)state;
	struct rpc_server_options options;
	rpc_server_options_init(&options);
	options.max_connection_age_ms = 50;
	options.max_connection_age_grace_ms = 1000;
	struct fixture *fixture = fixture_create(&options);
	int64_t end_us = clock_monotonic_us() + 1000000;
	while (clock_monotonic_us() < end_us) {
		struct client_call call;
		client_call_init(&call);
		client_list_now(fixture, &call, "", "x");
		assert_true(call.answered);
		client_call_free(&call);
	}
	fixture_destroy(fixture);
}

/* Pings more often than the server allows end the connection, and the call on it. */
static void pings_too_often_end_the_connection(void **state)
{
	(void)state;
	struct fixture *fixture = fixture_create(NULL);
	struct raw_call raw;
	list_request request = CALLHISTORY__V1__LIST_CALLS_REQUEST__INIT;
	request.phone = (char *)"keep";
	raw_open_pinging(&raw, fixture, 1000);
	raw_begin(&raw, LIST, NULL, 0, 60000);
	raw_send_message(&raw, &request.base);
	raw_wait(&raw, RAW_STATUS);
	assert_int_equal(raw.status, GRPC_STATUS_UNAVAILABLE);
	FIXTURE_RUN_UNTIL(fixture->queue, fixture->n_cancelled == 1);
	fixture_answer_kept(fixture);
	raw_free(&raw);
	fixture_destroy(fixture);
}

static void ports_and_addresses(void **state)
{
	(void)state;
	struct rpc_server_options options;
	struct rpc_server *second;
	char path[] = "/tmp/test_rpc_XXXXXX", address[64];
	int port = -1;
	rpc_server_options_init(&options);
	options.exclusive_port = true;
	struct fixture *fixture = fixture_create(&options);
	assert_int_equal(rpc_server_create(&second, fixture->queue, &options), 0);
	assert_int_equal(rpc_server_listen(second, fixture->address, &port), -EADDRINUSE);
	assert_int_equal(rpc_server_listen(second, "192.0.2.1:0", &port), -EADDRNOTAVAIL);
	assert_int_equal(rpc_server_listen(second, "127.0.0.1", &port), -EINVAL);
	assert_int_equal(rpc_server_listen(second, "127.0.0.1:70000", &port), -EINVAL);
	assert_int_equal(port, -1);
	assert_non_null(mkdtemp(path));
	snprintf(address, sizeof(address), "unix:%s/s", path);
	assert_int_equal(rpc_server_add(second, &fixture->service.base, NULL), 0);
	assert_int_equal(rpc_server_listen(second, address, &port), 0);
	assert_int_equal(port, 0);
	assert_int_equal(rpc_server_start(second), 0);
	struct client_call call;
	rpc_channel_destroy(fixture->channel);
	snprintf(fixture->address, sizeof(fixture->address), "%s", address);
	fixture_connect(fixture, NULL);
	client_call_init(&call);
	client_list_now(fixture, &call, "", "over-unix");
	assert_string_equal(call.id, "over-unix");
	client_call_free(&call);
	struct rpc_server *third;
	assert_int_equal(rpc_server_create(&third, fixture->queue, &options), 0);
	assert_int_equal(rpc_server_listen(third, address, &port), -EADDRINUSE);
	rpc_server_destroy(third);
	rpc_server_destroy(second);
	fixture_destroy(fixture);
	unlink(address + 5);
	rmdir(path);
}

static void two_servers_share_a_port(void **state)
{
	(void)state;
	struct fixture *fixture = fixture_create(NULL);
	struct rpc_server_options options;
	struct rpc_server *second;
	int port;
	rpc_server_options_init(&options);
	assert_int_equal(rpc_server_create(&second, fixture->queue, &options), 0);
	assert_int_equal(rpc_server_listen(second, fixture->address, &port), 0);
	rpc_server_destroy(second);
	fixture_destroy(fixture);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(bad_bytes_are_refused),
	    cmocka_unit_test(no_message_is_refused),
	    cmocka_unit_test(compressed_requests_are_served),
	    cmocka_unit_test(requests_above_the_budget),
	    cmocka_unit_test(request_id_comes_back),
	    cmocka_unit_test(message_above_the_limit),
	    cmocka_unit_test(message_above_the_memory),
	    cmocka_unit_test(response_above_the_limit),
	    cmocka_unit_test(large_message_goes_through),
	    cmocka_unit_test(metadata_above_the_limit),
	    cmocka_unit_test(overload_is_told_at_once),
	    cmocka_unit_test(streams_of_a_connection_are_bounded),
	    cmocka_unit_test(connections_age),
	    cmocka_unit_test(idle_connections_end),
	    cmocka_unit_test(aging_loses_no_call),
	    cmocka_unit_test(pings_too_often_end_the_connection),
	    cmocka_unit_test(ports_and_addresses),
	    cmocka_unit_test(two_servers_share_a_port),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
