/* base/unpack: every kind of field, merging, order, and what is refused. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/unpack.h"
#include "callhistory/v1/call.pb-c.h"
#include "callhistory/v1/call_history_service.pb-c.h"
#include "callhistory/v1/call_ingest_service.pb-c.h"

static struct arena *arena;

static int set_up(void **state)
{
	(void)state;
	return arena_create(&arena, 1024);
}

static int tear_down(void **state)
{
	(void)state;
	arena_destroy(arena);
	return 0;
}

/* Unpacks a copy that ends with its memory, and that is freed before the message is looked at. */
static int unpack(const ProtobufCMessageDescriptor *type, const void *bytes, size_t length, void *out)
{
	uint8_t *data = malloc(length ? length : 1);
	assert_non_null(data);
	memcpy(data, bytes, length);
	int result = unpack_message(type, data, length, arena, out);
	free(data);
	return result;
}

#define UNPACK(type, literal, out) unpack(type, literal, sizeof(literal) - 1, out)
#define CALL &callhistory__v1__call__descriptor
#define LIST &callhistory__v1__list_calls_request__descriptor

static void test_every_kind_of_field(void **state)
{
	(void)state;
	Callhistory__V1__Call call = CALLHISTORY__V1__CALL__INIT, *read = NULL;
	Callhistory__V1__Party caller = CALLHISTORY__V1__PARTY__INIT, callee = CALLHISTORY__V1__PARTY__INIT;
	Callhistory__V1__Party *callers[] = {&caller, &callee, &caller, &callee, &caller};
	Google__Protobuf__Timestamp start = GOOGLE__PROTOBUF__TIMESTAMP__INIT;
	Callhistory__V1__Money charge = CALLHISTORY__V1__MONEY__INIT;
	char *recordings[] = {(char *)"https://a", (char *)"", (char *)"https://b"};
	start.seconds = 1700000000;
	start.nanos = 999000000;
	caller.phone = (char *)"0912345678";
	charge.amount = 6.1;
	caller.charge = &charge;
	callee.phone = (char *)"Nguy\xe1\xbb\x85n";
	callee.optional_start_offset_ms_case = CALLHISTORY__V1__PARTY__OPTIONAL_START_OFFSET_MS_START_OFFSET_MS;
	callee.start_offset_ms = -5;
	call.id = (char *)"an id";
	call.start_time = &start;
	call.direction = CALLHISTORY__V1__CALL_DIRECTION__CALL_DIRECTION_INTERNAL;
	call.missed = 1;
	call.callers = callers;
	call.n_callers = 5;
	call.recordings = recordings;
	call.n_recordings = 3;
	call.audio_recorded = 1;
	call.optional_talk_seconds_case = CALLHISTORY__V1__CALL__OPTIONAL_TALK_SECONDS_TALK_SECONDS;
	call.conference_id = (char *)"the last byte";
	uint8_t packed[512], again[512];
	size_t length = callhistory__v1__call__pack(&call, packed);
	assert_int_equal(unpack(CALL, packed, length, &read), 0);
	assert_int_equal(callhistory__v1__call__get_packed_size(read), length);
	callhistory__v1__call__pack(read, again);
	assert_memory_equal(packed, again, length);
	assert_string_equal(read->callers[1]->phone, "Nguy\xe1\xbb\x85n");
	assert_int_equal(read->callers[3]->start_offset_ms, -5);
	assert_true(read->callers[4]->charge->amount == 6.1);
	assert_string_equal(read->recordings[1], "");
	assert_string_equal(read->conference_id, "the last byte");
	assert_string_equal(read->group_id, "");
}

static void test_nothing_at_all(void **state)
{
	(void)state;
	Callhistory__V1__Call *call = NULL;
	assert_int_equal(UNPACK(CALL, "", &call), 0);
	assert_string_equal(call->id, "");
	assert_null(call->start_time);
}

static void test_numbers_in_a_run_and_alone(void **state)
{
	(void)state;
	Callhistory__V1__ListCallsRequest *list = NULL;
	/* filter.directions: 1, 2 in a run, then 3 alone, then 2^32+1 in a run, of which the low half counts. */
	assert_int_equal(UNPACK(LIST, "\x4a\x0d\x0a\x02\x01\x02\x08\x03\x0a\x05\x81\x80\x80\x80\x10", &list), 0);
	assert_int_equal(list->filter->n_directions, 4);
	assert_int_equal(list->filter->directions[2], 3);
	assert_int_equal(list->filter->directions[3], 1);
	assert_int_equal(UNPACK(LIST, "\x4a\x04\x0a\x02\x01\x82", &list), -EBADMSG);
}

static void test_any_order(void **state)
{
	(void)state;
	Callhistory__V1__Call *call = NULL;
	/* start_time between the id, which comes twice; an unknown field of each kind between. */
	assert_int_equal(UNPACK(CALL,
	                        "\x12\x04\x08\x07\x10\x09\xfa\x07\x02xx\xf8\x07\x01\xf9\x07"
	                        "12345678\xfd\x07"
	                        "1234\x0a\x01"
	                        "a\x0a\x01"
	                        "b",
	                        &call),
	                 0);
	assert_int_equal(call->start_time->seconds, 7);
	assert_int_equal(call->start_time->nanos, 9);
	assert_string_equal(call->id, "b");
}

/* Packed again they are what came: unknown fields behind a string, in a part, and in two places. */
static void test_unknown_fields_are_kept(void **state)
{
	(void)state;
#define ID                                                                                                             \
	"\x0a\x01"                                                                                                         \
	"a"
#define RUN "\xfa\x07\x02xx\xf8\x07\x81\x01"
#define CALLER                                                                                                         \
	"\x32\x06\x0a\x01"                                                                                                 \
	"1\xf8\x07\x07"
#define RUN_OF_FIXED                                                                                                   \
	"\xf9\x07"                                                                                                         \
	"12345678\xfd\x07"                                                                                                 \
	"1234"
	static const char canonical[] = ID CALLER RUN RUN_OF_FIXED;
	uint8_t again[sizeof(canonical)];
	Callhistory__V1__Call *call = NULL;
	assert_int_equal(UNPACK(CALL, ID RUN CALLER RUN_OF_FIXED, &call), 0);
	assert_int_equal(call->base.n_unknown_fields, 4);
	assert_int_equal(call->callers[0]->base.n_unknown_fields, 1);
	assert_int_equal(callhistory__v1__call__get_packed_size(call), sizeof(canonical) - 1);
	callhistory__v1__call__pack(call, again);
	assert_memory_equal(again, canonical, sizeof(canonical) - 1);
	assert_string_equal(call->id, "a");
	assert_string_equal(call->callers[0]->phone, "1");
}

static void test_what_is_refused(void **state)
{
	(void)state;
	Callhistory__V1__Call *call = NULL;
	static const struct {
		const char *bytes;
		size_t length;
	} bad[] = {
	    {"\x0a", 1}, /* no length */
	    {"\x0a\x02"
	     "a",
	     3},                                                      /* cut short */
	    {"\x0a\x01\xff", 3},                                      /* not UTF-8 */
	    {"\x0a\x01\x00", 3},                                      /* NUL */
	    {"\x08\x01", 2},                                          /* a number for a string */
	    {"\x1a\x00", 2},                                          /* a string for a number */
	    {"\x72\x00", 2},                                          /* a string for a bool */
	    {"\x75\x01\x00\x00\x00", 5},                              /* 32 bits for a bool */
	    {"\x0b\x0c", 2},                                          /* a group */
	    {"\x00\x01", 2},                                          /* field 0 */
	    {"\x12\x02\x08", 3},                                      /* a message cut short */
	    {"\x18\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 12}, /* an endless number */
	    {"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11},     /* a length beyond all */
	};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(unpack(CALL, bad[i].bytes, bad[i].length, &call), -EBADMSG);
		assert_null(call);
	}
}

/*
 * Two bytes ask for a struct each, or for a record of an unknown field: the count and the arena's budget limit what
 * that can take.
 */
static void test_too_many_messages(void **state)
{
	(void)state;
	const ProtobufCMessageDescriptor *type = &callhistory__v1__record_calls_request__descriptor;
	size_t count = UNPACK_MESSAGES_MAX;
	uint8_t *data = malloc(count * 2);
	Callhistory__V1__RecordCallsRequest *request = NULL;
	struct memory_budget budget = {.limit = 1 << 20};
	assert_non_null(data);
	for (int unknown = 0; unknown < 2; unknown++) {
		for (size_t i = 0; i < count; i++)
			memcpy(data + i * 2, unknown ? "\x72\x00" : "\x1a\x00", 2);
		assert_int_equal(unpack(type, data, count * 2, &request), -E2BIG);
	}
	arena_set_budget(arena, &budget);
	for (int unknown = 0; unknown < 2; unknown++) {
		for (size_t i = 0; i < count; i++)
			memcpy(data + i * 2, unknown ? "\x72\x00" : "\x1a\x00", 2);
		assert_int_equal(unpack(type, data, count, &request), -ENOMEM);
		arena_reset(arena);
		assert_int_equal(unpack_own(type, data, count, arena, (ProtobufCMessage **)&request), -ENOMEM);
		arena_reset(arena);
		assert_int_equal(unpack_own(type, data, 1, arena, (ProtobufCMessage **)&request), -EBADMSG);
		assert_true(budget.used <= budget.limit);
		arena_reset(arena);
		assert_int_equal(unpack(type, data, 2000, &request), 0);
		assert_int_equal(unknown ? request->base.n_unknown_fields : request->n_calls, 1000);
		arena_reset(arena);
	}
	free(data);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_every_kind_of_field, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_nothing_at_all, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_numbers_in_a_run_and_alone, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_any_order, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_unknown_fields_are_kept, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_what_is_refused, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_too_many_messages, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
