/* rpc: answers of several messages, from the handler's send() to the caller's on_message(). */
#include "support/raw_call.h"

#define EXPORT "/callhistory.v1.CallHistoryService/ExportCalls"

enum { SMALL = 100, LARGE = 1 << 20 };

typedef Callhistory__V1__ExportCallsRequest export_request;
typedef Callhistory__V1__ExportCallsResponse export_response;

/* A handler that sends `count` messages of `length` bytes, the last one by its closure. */
struct streamer {
	Callhistory__V1__ExportCallsResponse_Closure closure;
	void *data;
	char *text;
	int count, begun, n_sent, n_closed;
	int fail_after;  /* messages; 0: it does not fail */
	bool other_type; /* sends what is no ExportCallsResponse */
	bool refused;    /* send() has failed */
	enum status status;
};

static struct streamer streamer;

static void stream_sent(void *data);

static void stream_close(const export_response *last)
{
	streamer.n_closed++;
	streamer.status = ((struct context *)streamer.data)->status;
	streamer.closure(last, streamer.data);
}

static void stream_next(void)
{
	struct context *context = streamer.data;
	export_response response = CALLHISTORY__V1__EXPORT_CALLS_RESPONSE__INIT;
	Callhistory__V1__CountCallsResponse other = CALLHISTORY__V1__COUNT_CALLS_RESPONSE__INIT;
	char number[16];
	other.count = 7;
	snprintf(number, sizeof(number), "%d", streamer.begun);
	response.next_page_token = number;
	response.change_token = streamer.text;
	if (streamer.fail_after && streamer.begun == streamer.fail_after) {
		context_fail_field(context, "page_token", "is not liked");
		stream_close(NULL);
		return;
	}
	if (++streamer.begun == streamer.count) {
		stream_close(&response);
		return;
	}
	streamer.refused =
	    context->send(context, streamer.other_type ? &other.base : &response.base, stream_sent, &streamer) != 0;
	if (streamer.refused)
		stream_close(NULL);
}

static void stream_sent(void *data)
{
	const struct context *context = streamer.data;
	assert_ptr_equal(data, &streamer);
	streamer.n_sent++;
	assert_int_equal(streamer.n_sent, streamer.begun);
	if (context->cancelled || context->status != STATUS_OK)
		stream_close(NULL);
	else
		stream_next();
}

static void export_calls(Callhistory__V1__CallHistoryService_Service *service, const export_request *request,
                         Callhistory__V1__ExportCallsResponse_Closure closure, void *data)
{
	(void)service;
	(void)request;
	streamer.closure = closure;
	streamer.data = data;
	stream_next();
}

static struct memory_budget budget;

/* A server whose handler sends so many messages of so many bytes. */
static struct fixture *streaming(int count, size_t length, int64_t send_timeout_ms)
{
	struct rpc_server_options options;
	rpc_server_options_init(&options);
	budget = (struct memory_budget){.limit = 64 << 20};
	options.budget = &budget;
	options.send_timeout_ms = send_timeout_ms;
	struct fixture *fixture = fixture_create(&options);
	fixture->service.export_calls = export_calls;
	free(streamer.text);
	streamer = (struct streamer){.count = count, .text = malloc(length + 1)};
	assert_non_null(streamer.text);
	memset(streamer.text, 'x', length);
	streamer.text[length] = '\0';
	return fixture;
}

/* The caller's side. */
struct reader {
	struct client_call call; /* first: its first is the context */
	int n_messages, cancel_after;
};

static void on_message(struct context *context, const ProtobufCMessage *message)
{
	struct reader *reader = (struct reader *)(void *)context;
	const export_response *response = (const export_response *)message;
	assert_int_equal(atoi(response->next_page_token), reader->n_messages);
	assert_string_equal(response->change_token, streamer.text);
	if (++reader->n_messages == reader->cancel_after)
		context->cancel(context);
}

static void on_end(const export_response *response, void *data)
{
	assert_null(response);
	((struct reader *)data)->call.fired++;
}

static void reader_begin(struct reader *reader, struct fixture *fixture)
{
	export_request request = CALLHISTORY__V1__EXPORT_CALLS_REQUEST__INIT;
	*reader = (struct reader){.n_messages = 0, .cancel_after = reader->cancel_after};
	client_call_init(&reader->call);
	reader->call.context.on_message = on_message;
	callhistory__v1__call_history_service__export_calls(fixture->remote, &request, on_end, reader);
	assert_int_equal(reader->call.fired, 0);
}

static enum status read_all(struct reader *reader, struct fixture *fixture)
{
	reader_begin(reader, fixture);
	FIXTURE_RUN_UNTIL(fixture->queue, reader->call.fired > 0);
	FIXTURE_RUN_UNTIL(fixture->queue, streamer.n_closed > 0 && rpc_server_in_flight(fixture->server) == 0);
	assert_int_equal(reader->call.fired, 1);
	assert_int_equal(streamer.n_closed, 1);
	enum status status = reader->call.context.status;
	client_call_free(&reader->call);
	return status;
}

/* The server has given everything back. */
static void end(struct fixture *fixture)
{
	fixture_destroy(fixture);
	assert_int_equal(budget.used, 0);
}

static void messages_come_in_order(void **state)
{
	(void)state;
	static const struct {
		int count;
		size_t length;
	} cases[] = {{1, SMALL}, {2, SMALL}, {1000, SMALL}, {30, LARGE}};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct reader reader = {.cancel_after = 0};
		struct fixture *fixture = streaming(cases[i].count, cases[i].length, 60000);
		assert_int_equal(read_all(&reader, fixture), STATUS_OK);
		assert_int_equal(reader.n_messages, cases[i].count);
		assert_int_equal(streamer.n_sent, cases[i].count - 1);
		FIXTURE_RUN_UNTIL(fixture->queue, fixture->n_reports == 1);
		assert_int_equal(fixture->last_report.status, STATUS_OK);
		assert_true(fixture->last_report.response_bytes > (size_t)cases[i].count * cases[i].length);
		end(fixture);
	}
}

static void a_failure_after_messages_has_its_details(void **state)
{
	(void)state;
	struct reader reader = {.cancel_after = 0};
	struct fixture *fixture = streaming(10, SMALL, 60000);
	streamer.fail_after = 3;
	reader_begin(&reader, fixture);
	FIXTURE_RUN_UNTIL(fixture->queue, reader.call.fired > 0);
	assert_int_equal(reader.n_messages, 3);
	assert_int_equal(reader.call.context.status, STATUS_INVALID_ARGUMENT);
	assert_string_equal(reader.call.context.violation.field, "page_token");
	client_call_free(&reader.call);
	end(fixture);
}

/* A service that is away, or a method that is not there: an end without a message. */
static void a_stream_without_messages_ends(void **state)
{
	(void)state;
	struct reader reader = {.cancel_after = 0};
	struct fixture *fixture = streaming(10, SMALL, 60000);
	fixture->service.export_calls = NULL;
	reader_begin(&reader, fixture);
	FIXTURE_RUN_UNTIL(fixture->queue, reader.call.fired > 0);
	assert_int_equal(reader.call.context.status, STATUS_UNIMPLEMENTED);
	client_call_free(&reader.call);
	rpc_server_destroy(fixture->server);
	fixture->server = NULL;
	reader_begin(&reader, fixture);
	FIXTURE_RUN_UNTIL(fixture->queue, reader.call.fired > 0);
	assert_int_equal(reader.call.context.status, STATUS_UNAVAILABLE);
	assert_int_equal(reader.n_messages, 0);
	client_call_free(&reader.call);
	end(fixture);
}

static void a_message_of_another_type_ends_the_call(void **state)
{
	(void)state;
	struct reader reader = {.cancel_after = 0};
	struct fixture *fixture = streaming(1000000, SMALL, 60000);
	streamer.other_type = true;
	assert_int_equal(read_all(&reader, fixture), STATUS_INTERNAL);
	assert_int_equal(reader.n_messages, 0);
	assert_int_equal(fixture->last_report.status, STATUS_CANCELLED);
	end(fixture);
}

static void the_caller_cancels(void **state)
{
	(void)state;
	struct reader reader = {.cancel_after = 3};
	struct fixture *fixture = streaming(1000000, LARGE, 60000);
	assert_int_equal(read_all(&reader, fixture), STATUS_CANCELLED);
	assert_int_equal(reader.n_messages, 3);
	assert_int_equal(fixture->last_report.status, STATUS_CANCELLED);
	end(fixture);
}

static void the_channel_is_destroyed(void **state)
{
	(void)state;
	struct reader reader = {.cancel_after = 0};
	struct fixture *fixture = streaming(1000000, LARGE, 60000);
	reader_begin(&reader, fixture);
	FIXTURE_RUN_UNTIL(fixture->queue, reader.n_messages >= 3);
	rpc_channel_destroy(fixture->channel);
	fixture->channel = NULL;
	assert_int_equal(reader.call.fired, 1);
	assert_int_equal(reader.call.context.status, STATUS_CANCELLED);
	client_call_free(&reader.call);
	FIXTURE_RUN_UNTIL(fixture->queue, streamer.n_closed > 0);
	end(fixture);
}

/* Begins an export and reads nothing. Waits until the transport takes no more. */
static void begin_without_reading(struct raw_call *raw, struct fixture *fixture)
{
	export_request request = CALLHISTORY__V1__EXPORT_CALLS_REQUEST__INIT;
	raw_open(raw, fixture, EXPORT);
	raw_send_message(raw, &request.base);
	raw_close(raw);
	FIXTURE_RUN_UNTIL(fixture->queue, streamer.begun > 0);
	for (int before = -1; before != streamer.begun;) {
		before = streamer.begun;
		int64_t end_us = clock_monotonic_us() + 100000;
		while (clock_monotonic_us() < end_us)
			rpc_queue_run(fixture->queue, end_us);
	}
}

static void who_does_not_read_costs_one_message(void **state)
{
	(void)state;
	struct fixture *fixture = streaming(1000000, LARGE, 1000);
	struct raw_call raw;
	begin_without_reading(&raw, fixture);
	/* The client's window and the kernel's buffers take some. */
	assert_true(streamer.begun < 20);
	assert_true(budget.used < 2 * LARGE);
	FIXTURE_RUN_UNTIL(fixture->queue, streamer.n_closed > 0);
	assert_int_equal(streamer.n_sent, streamer.begun);
	assert_int_equal(streamer.status, STATUS_ABORTED);
	assert_int_equal(fixture->last_report.status, STATUS_ABORTED);
	/* The status is there for a client that reads on. */
	for (ProtobufCMessage *message; (message = raw_receive(&raw, &callhistory__v1__export_calls_response__descriptor));)
		protobuf_c_message_free_unpacked(message, NULL);
	raw_wait(&raw, RAW_STATUS);
	assert_int_equal(raw.status, GRPC_STATUS_ABORTED);
	raw_free(&raw);
	end(fixture);
}

static void the_client_disconnects(void **state)
{
	(void)state;
	struct fixture *fixture = streaming(1000000, LARGE, 60000);
	struct raw_call raw;
	begin_without_reading(&raw, fixture);
	raw_free(&raw);
	FIXTURE_RUN_UNTIL(fixture->queue, streamer.n_closed > 0);
	assert_int_equal(fixture->last_report.status, STATUS_CANCELLED);
	end(fixture);
}

static void the_drain_ends_streams(void **state)
{
	(void)state;
	struct reader reader = {.cancel_after = 0};
	struct fixture *fixture = streaming(1000000, SMALL, 60000);
	reader_begin(&reader, fixture);
	FIXTURE_RUN_UNTIL(fixture->queue, reader.n_messages > 3);
	rpc_server_drain(fixture->server, clock_monotonic_us() + 60000000);
	FIXTURE_RUN_UNTIL(fixture->queue, reader.call.fired > 0 && rpc_server_drained(fixture->server));
	assert_int_equal(reader.call.context.status, STATUS_UNAVAILABLE);
	assert_string_equal(reader.call.context.reason, "DRAINING");
	/* What was sent has arrived. */
	assert_int_equal(reader.n_messages, streamer.n_sent);
	client_call_free(&reader.call);
	end(fixture);
}

static void the_grace_ends_who_does_not_read(void **state)
{
	(void)state;
	struct fixture *fixture = streaming(1000000, LARGE, 60000);
	struct raw_call raw;
	begin_without_reading(&raw, fixture);
	rpc_server_drain(fixture->server, clock_monotonic_us() + 200000);
	FIXTURE_RUN_UNTIL(fixture->queue, rpc_server_drained(fixture->server));
	assert_int_equal(streamer.n_closed, 1);
	raw_free(&raw);
	end(fixture);
}

static void the_server_is_destroyed(void **state)
{
	(void)state;
	struct fixture *fixture = streaming(1000000, LARGE, 60000);
	struct raw_call raw;
	begin_without_reading(&raw, fixture);
	rpc_server_destroy(fixture->server);
	fixture->server = NULL;
	assert_int_equal(streamer.n_closed, 1);
	raw_free(&raw);
	end(fixture);
}

static void a_full_budget_ends_the_stream(void **state)
{
	(void)state;
	struct reader reader = {.cancel_after = 0};
	struct fixture *fixture = streaming(10, LARGE, 60000);
	budget.limit = LARGE / 2;
	assert_int_equal(read_all(&reader, fixture), STATUS_RESOURCE_EXHAUSTED);
	assert_true(streamer.refused);
	assert_int_equal(reader.n_messages, 0);
	end(fixture);
}

static void the_deadline_ends_it(void **state)
{
	(void)state;
	struct reader reader = {.cancel_after = 0};
	struct fixture *fixture = streaming(1000000000, SMALL, 60000);
	export_request request = CALLHISTORY__V1__EXPORT_CALLS_REQUEST__INIT;
	client_call_init(&reader.call);
	reader.call.context.on_message = on_message;
	reader.call.context.deadline_us = clock_monotonic_us() + 300000;
	callhistory__v1__call_history_service__export_calls(fixture->remote, &request, on_end, &reader);
	FIXTURE_RUN_UNTIL(fixture->queue, reader.call.fired > 0 && streamer.n_closed > 0 && fixture->n_reports > 0);
	assert_int_equal(reader.call.context.status, STATUS_DEADLINE_EXCEEDED);
	assert_int_equal(fixture->last_report.status, STATUS_DEADLINE_EXCEEDED);
	client_call_free(&reader.call);
	end(fixture);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(messages_come_in_order),
	    cmocka_unit_test(a_failure_after_messages_has_its_details),
	    cmocka_unit_test(a_stream_without_messages_ends),
	    cmocka_unit_test(a_message_of_another_type_ends_the_call),
	    cmocka_unit_test(the_caller_cancels),
	    cmocka_unit_test(the_channel_is_destroyed),
	    cmocka_unit_test(who_does_not_read_costs_one_message),
	    cmocka_unit_test(the_client_disconnects),
	    cmocka_unit_test(the_drain_ends_streams),
	    cmocka_unit_test(the_grace_ends_who_does_not_read),
	    cmocka_unit_test(the_server_is_destroyed),
	    cmocka_unit_test(a_full_budget_ends_the_stream),
	    cmocka_unit_test(the_deadline_ends_it),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	free(streamer.text);
	return failed;
}
