/* contract_write_import(): what it writes, contract_read_import() reads as the same call, whatever fields it has. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "contract/contract.h"
#include "support/packed_call.h"

static const char *const lines[] = {
    /* Nothing but what is needed. */
    "{\"project_code\":\"P\",\"vbot_id\":\"V\",\"date_create\":\"10/25/2026 10:34:15\"}",
    "{\"project_code\":\"P\",\"vbot_id\":\"V\",\"id\":\"x\",\"date_create\":\"01/01/1971 00:00:00\",\"caller\":[{}],"
    "\"time_call\":\"\",\"record_file\":[\"\"]}",
    /* Every field that is known. */
    "{\"project_code\":\"Mã "
    "\\\"nhóm\\\"\",\"vbot_id\":\"V\\\\1\",\"trans_id\":\"1792899255.7\",\"hotline_number\":\"19001234\","
    "\"date_create\":\"10/25/2026 10:34:15\",\"caller\":[{\"phone\":\"+84 912 345 678\",\"vbot_id\":\"B\","
    "\"date_create\":\"10/25/2026 10:34:10\",\"disposition\":\"answer\",\"time_call\":\"02:05\",\"postage\":6.1,"
    "\"source\":\"app\",\"member_no\":\"101\",\"duration_call\":130,\"name\":\"Nguyễn Văn An\",\"channel\":\"SIP/101\","
    "\"type\":\"EXT\",\"telco_code\":\"VTL\"},{\"phone\":\"102\",\"disposition\":\"VOICEMAIL\",\"postage\":1500.0}],"
    "\"callee\":[{\"phone\":\"0987\",\"time_call\":0}],\"time_call\":\"120\",\"type_call\":\"OUTCALL\",\"disposition\":"
    "\"MORE\","
    "\"record_file\":[\"https://recordings.example.vn/a b.mp3\",\"\\u0041/\\u00e1\"],\"event_data\":\"HISTORY_CALL\","
    "\"duration_call\":\"131\",\"group_id\":\"g\",\"external_call_id\":\"e\",\"end_call\":\"caller\",\"is_record\":"
    "true,"
    "\"postage\":0.1,\"customer_code\":\"KH-1\",\"payment_channel\":\"pc\",\"group_member_no\":\"9\","
    "\"auto_dial_service_charge\":2.5e-7,\"hangup_cause\":\"16\",\"sip_code\":\"200\",\"conference_id\":\"c\"}",
    /* Words that the contract does not know stay as they are. */
    "{\"project_code\":\"P\",\"vbot_id\":\"V\",\"id\":\"y\",\"date_create\":\"12/31/9998 "
    "23:59:59\",\"type_call\":\"callback\","
    "\"disposition\":\"Voice\\tMail\"}",
    "{\"project_code\":\"P\",\"vbot_id\":\"V\",\"id\":\"z\",\"date_create\":\"10/25/2026 10:34:15\",\"answer_time\":"
    "1792899256001,\"caller\":[{\"postage\":0},{\"postage\":null}],\"type_call\":\"MISSCALL\",\"postage\":0}",
};

static void check(struct arena *arena, struct contract_zone *zone, const char *line)
{
	struct contract_import first, second;
	struct contract_error error;
	struct buffer out = {0}, again = {0};
	if (contract_read_import(arena, zone, line, strlen(line), &first, &error))
		fail_msg("%s: %s", line, error.message);
	contract_write_import(&out, zone, first.project_code, first.vbot_id, first.call);
	assert_false(out.failed);
	assert_null(memchr(out.data, '\n', out.length));
	if (contract_read_import(arena, zone, out.data, out.length, &second, &error))
		fail_msg("%.*s: %s", (int)out.length, out.data, error.message);
	assert_string_equal(first.project_code, second.project_code);
	assert_string_equal(first.vbot_id, second.vbot_id);
	size_t size = callhistory__v1__call__get_packed_size(first.call);
	assert_int_equal(callhistory__v1__call__get_packed_size(second.call), size);
	uint8_t *packed = arena_alloc(arena, 2 * size);
	assert_non_null(packed);
	callhistory__v1__call__pack(first.call, packed);
	callhistory__v1__call__pack(second.call, packed + size);
	assert_memory_equal(packed, packed + size, size);
	contract_write_import(&again, zone, second.project_code, second.vbot_id, second.call);
	assert_int_equal(again.length, out.length);
	assert_memory_equal(again.data, out.data, out.length);
	buffer_free(&out);
	buffer_free(&again);
}

static void test_round_trip(void **state)
{
	struct contract_zone *zone;
	struct arena *arena;
	(void)state;
	assert_int_equal(contract_zone_create(&zone, "Asia/Ho_Chi_Minh"), 0);
	assert_int_equal(arena_create(&arena, 4096), 0);
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); ++i)
		check(arena, zone, lines[i]);
	arena_destroy(arena);
	contract_zone_destroy(zone);
}

/* ---- Every field of the descriptor ------------------------------------------------------------------------------ */

static uint32_t next_random(void)
{
	static uint32_t seed = 2463534242;
	seed ^= seed << 13;
	seed ^= seed >> 17;
	return seed ^= seed << 5;
}

/* How a message is filled: which field alone (-1: all, -2: each or none by chance). */
struct filling {
	struct arena *arena;
	int field;
};

static void fill(const struct filling *filling, ProtobufCMessage *message);

static void fill_value(const struct filling *filling, const ProtobufCFieldDescriptor *field, void *place)
{
	static const char *const texts[] = {
	    "ANSWER", "misscall", "x", "Nguy\xe1\xbb\x85n\t\"A\"\\\x1b", "12/31/1969 00:00:00", "0"};
	static const double numbers[] = {6.1, -0.0, 1e-300, 1500, -7};
	static const uint32_t integers[] = {1, 120, 0xffffffff, 0, 15, 16, 3};
	uint64_t wide = (uint64_t)((int64_t)(next_random() % 200000) - 100000);
	const char *text = texts[next_random() % (sizeof(texts) / sizeof(texts[0]))];
	uint32_t integer = integers[next_random() % (sizeof(integers) / sizeof(integers[0]))];
	protobuf_c_boolean yes = 1;
	switch (field->type) {
	case PROTOBUF_C_TYPE_STRING:
		memcpy(place, &text, sizeof(text));
		break;
	case PROTOBUF_C_TYPE_DOUBLE:
		memcpy(place, &numbers[next_random() % (sizeof(numbers) / sizeof(numbers[0]))], sizeof(double));
		break;
	case PROTOBUF_C_TYPE_ENUM:
	case PROTOBUF_C_TYPE_UINT32:
		memcpy(place, &integer, sizeof(integer));
		break;
	case PROTOBUF_C_TYPE_BOOL:
		memcpy(place, &yes, sizeof(yes));
		break;
	case PROTOBUF_C_TYPE_SINT64:
		memcpy(place, &wide, sizeof(wide));
		break;
	case PROTOBUF_C_TYPE_MESSAGE: {
		const ProtobufCMessageDescriptor *type = field->descriptor;
		ProtobufCMessage *part = arena_alloc(filling->arena, type->sizeof_message);
		assert_non_null(part);
		protobuf_c_message_init(type, part);
		if (type == &google__protobuf__timestamp__descriptor) {
			((Google__Protobuf__Timestamp *)part)->seconds = 1000000 + (int64_t)(next_random() % 2000000000);
			((Google__Protobuf__Timestamp *)part)->nanos = (int32_t)(next_random() % 1000) * 1000000;
		} else {
			fill(&(struct filling){filling->arena, -2}, part);
		}
		memcpy(place, &part, sizeof(part));
		break;
	}
	default:
		fail_msg("this test does not know the type of %s: add it", field->name);
	}
}

static void fill_field(const struct filling *filling, const ProtobufCFieldDescriptor *field, char *base)
{
	if (field->label == PROTOBUF_C_LABEL_REPEATED) {
		size_t count = 1 + next_random() % 3;
		void **values = arena_calloc(filling->arena, count * sizeof(*values));
		assert_non_null(values);
		for (size_t i = 0; i < count; ++i)
			fill_value(filling, field, &values[i]);
		memcpy(base + field->offset, &values, sizeof(values));
		memcpy(base + field->quantifier_offset, &count, sizeof(count));
		return;
	}
	if (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF)
		memcpy(base + field->quantifier_offset, &field->id, sizeof(field->id));
	fill_value(filling, field, base + field->offset);
}

static void fill(const struct filling *filling, ProtobufCMessage *message)
{
	for (unsigned i = 0; i < message->descriptor->n_fields; ++i)
		if (filling->field == (int)i || filling->field == -1 || (filling->field == -2 && next_random() % 2))
			fill_field(filling, &message->descriptor->fields[i], (char *)message);
	/* What a newer version may have added. */
	if (filling->field == -2 && next_random() % 8 == 0) {
		static uint8_t data[] = {7};
		static ProtobufCMessageUnknownField unknown = {1000, PROTOBUF_C_WIRE_TYPE_VARINT, 1, data};
		message->n_unknown_fields = 1;
		message->unknown_fields = &unknown;
	}
}

/* Writes a call in one zone and reads it in another. */
static void check_call(struct arena *arena, const Callhistory__V1__Call *call, struct contract_zone *zone,
                       struct contract_zone *other)
{
	struct buffer out = {0};
	struct contract_import read;
	struct contract_error error;
	size_t length = callhistory__v1__call__get_packed_size(call);
	uint8_t *packed = arena_alloc(arena, length), *again;
	assert_non_null(packed);
	callhistory__v1__call__pack(call, packed);
	contract_write_import(&out, zone, "P", "V", call);
	assert_false(out.failed);
	assert_null(memchr(out.data, '\n', out.length));
	if (contract_read_import(arena, other, out.data, out.length, &read, &error))
		fail_msg("%.*s: %s", (int)out.length, out.data, error.message);
	again = arena_alloc(arena, callhistory__v1__call__get_packed_size(read.call));
	assert_non_null(again);
	if (callhistory__v1__call__pack(read.call, again) != length || memcmp(packed, again, length) != 0)
		fail_msg("changed: %.*s", (int)out.length, out.data);
	buffer_free(&out);
}

static const char *const zone_names[] = {
    "Asia/Ho_Chi_Minh",    "UTC",         "Europe/Berlin", "America/New_York", "Asia/Kathmandu",
    "Australia/Lord_Howe", "Pacific/Apia"};
enum { ZONES = sizeof(zone_names) / sizeof(zone_names[0]) };

static void open_zones(struct contract_zone *zones[ZONES])
{
	for (size_t i = 0; i < ZONES; ++i)
		assert_int_equal(contract_zone_create(&zones[i], zone_names[i]), 0);
}

static void close_zones(struct contract_zone *zones[ZONES])
{
	for (size_t i = 0; i < ZONES; ++i)
		contract_zone_destroy(zones[i]);
}

/* Each field of Call alone, all together, and any of them: nothing is lost, whatever descriptor there will be. */
static void test_every_field_survives(void **state)
{
	struct contract_zone *zones[ZONES];
	struct arena *arena;
	(void)state;
	open_zones(zones);
	assert_int_equal(arena_create(&arena, 65536), 0);
	int fields = (int)callhistory__v1__call__descriptor.n_fields;
	for (int round = 0; round < 3000; ++round) {
		Callhistory__V1__Call call = CALLHISTORY__V1__CALL__INIT;
		Google__Protobuf__Timestamp start = GOOGLE__PROTOBUF__TIMESTAMP__INIT;
		const struct filling filling = {arena, round < 20 * fields ? round % fields : round % 3 ? -2 : -1};
		start.seconds = 1 + (int64_t)(next_random() % 2000000000);
		start.nanos = (int32_t)(next_random() % 1000) * 1000000;
		fill(&filling, &call.base);
		call.id = (char *)"an id";
		if (!call.start_time)
			call.start_time = &start;
		check_call(arena, &call, zones[round % ZONES], zones[(round / ZONES) % ZONES]);
		arena_reset(arena);
	}
	arena_destroy(arena);
	close_zones(zones);
}

/* Every quarter of an hour of the days on which clocks change, with milliseconds, in each zone. */
static void test_the_repeated_hour_survives(void **state)
{
	static const int64_t days[] = {1792800000 /* 2026-10-24 */, 1793404800, 1774742400 /* 2026-03-29 */, 1775260800,
	                               1325203200 /* 2011-12-30 */};
	struct contract_zone *zones[ZONES];
	struct arena *arena;
	(void)state;
	open_zones(zones);
	assert_int_equal(arena_create(&arena, 65536), 0);
	for (size_t i = 0; i < sizeof(days) / sizeof(days[0]) * 4 * 48 * ZONES; ++i) {
		Callhistory__V1__Call call = CALLHISTORY__V1__CALL__INIT;
		Callhistory__V1__Party party = CALLHISTORY__V1__PARTY__INIT;
		Google__Protobuf__Timestamp start = GOOGLE__PROTOBUF__TIMESTAMP__INIT;
		size_t quarter = i / ZONES;
		start.seconds = days[quarter / (4 * 48)] + (int64_t)(quarter % (4 * 48)) * 900;
		start.nanos = (int32_t)(i % 1000) * 1000000;
		party.optional_start_offset_ms_case = CALLHISTORY__V1__PARTY__OPTIONAL_START_OFFSET_MS_START_OFFSET_MS;
		party.start_offset_ms = 3600000 - (int64_t)i;
		call.id = (char *)"an id";
		call.start_time = &start;
		call.callers = (Callhistory__V1__Party *[]){&party};
		call.n_callers = 1;
		check_call(arena, &call, zones[i % ZONES], zones[i % ZONES]);
		arena_reset(arena);
	}
	arena_destroy(arena);
	close_zones(zones);
}

/* What JSON can say is said in JSON. */
static void test_only_what_has_no_key_is_packed(void **state)
{
	struct contract_zone *zone;
	struct arena *arena;
	struct contract_import record;
	struct contract_error error;
	struct buffer out = {0};
	(void)state;
	assert_int_equal(contract_zone_create(&zone, "Europe/Berlin"), 0);
	assert_int_equal(arena_create(&arena, 4096), 0);
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); ++i) {
		assert_int_equal(contract_read_import(arena, zone, lines[i], strlen(lines[i]), &record, &error), 0);
		contract_write_import(&out, zone, "P", "V", record.call);
	}
	buffer_append_byte(&out, '\0');
	assert_null(strstr(out.data, "exact"));
	assert_non_null(strstr(out.data, ",\"create_at\":"));
	out.length = 0;
	record.call->disposition = (Callhistory__V1__Disposition)99;
	contract_write_import(&out, zone, NULL, NULL, record.call);
	buffer_append_byte(&out, '\0');
	assert_non_null(strstr(out.data, ",\"exact\":\""));
	buffer_free(&out);
	arena_destroy(arena);
	contract_zone_destroy(zone);
}

static void test_answers_do_not_show_what_only_imports_know(void **state)
{
	struct contract_zone *zone;
	struct arena *arena;
	struct contract_import record;
	struct contract_error error;
	struct buffer out = {0};
	(void)state;
	assert_int_equal(contract_zone_create(&zone, "Asia/Ho_Chi_Minh"), 0);
	assert_int_equal(arena_create(&arena, 4096), 0);
	assert_int_equal(contract_read_import(arena, zone, lines[2], strlen(lines[2]), &record, &error), 0);
	packed_write_list(&out, zone, &record.call, 1);
	buffer_append_byte(&out, '\0');
	assert_false(out.failed);
	static const char *const hidden[] = {"\"id\"",           "\"name\"",          "\"channel\"", "\"end_call\"",
	                                     "\"hangup_cause\"", "\"customer_code\"", "project_code"};
	for (size_t i = 0; i < sizeof(hidden) / sizeof(hidden[0]); ++i)
		assert_null(strstr(out.data, hidden[i]));
	assert_non_null(strstr(out.data, "\"external_call_id\":\"e\"}]}"));
	buffer_free(&out);
	arena_destroy(arena);
	contract_zone_destroy(zone);
}

static void test_the_tenant_may_be_left_out(void **state)
{
	static const char line[] =
	    "{\"project_code\":\"P\",\"vbot_id\":\"V\",\"id\":\"y\",\"date_create\":\"01/01/2026 00:00:00\"}";
	static const char start[] = "{\"id\":\"y\",\"hotline_number\":\"\",";
	struct contract_zone *zone;
	struct arena *arena;
	struct contract_import record;
	struct contract_error error;
	struct buffer out = {0};
	(void)state;
	assert_int_equal(contract_zone_create(&zone, "Asia/Ho_Chi_Minh"), 0);
	assert_int_equal(arena_create(&arena, 4096), 0);
	assert_int_equal(contract_read_import(arena, zone, line, strlen(line), &record, &error), 0);
	contract_write_import(&out, zone, NULL, NULL, record.call);
	assert_true(!out.failed && out.length > strlen(start));
	assert_memory_equal(out.data, start, strlen(start));
	buffer_free(&out);
	arena_destroy(arena);
	contract_zone_destroy(zone);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_round_trip),
	    cmocka_unit_test(test_every_field_survives),
	    cmocka_unit_test(test_the_repeated_hour_survives),
	    cmocka_unit_test(test_only_what_has_no_key_is_packed),
	    cmocka_unit_test(test_answers_do_not_show_what_only_imports_know),
	    cmocka_unit_test(test_the_tenant_may_be_left_out),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
