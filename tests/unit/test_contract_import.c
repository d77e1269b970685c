/* Imported records (contract §3): each test is named after, or quotes, the sentence that it proves. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "contract/contract.h"
#include "contract/names.h"

#define NEEDED "\"project_code\":\"P\",\"vbot_id\":\"V\",\"date_create\":\"10/25/2023 10:34:15\""
#define START INT64_C(1698204855)

static struct contract_zone *zone;
static struct arena *arena;

static int set_up(void **state)
{
	(void)state;
	return contract_zone_create(&zone, "Asia/Ho_Chi_Minh") || arena_create(&arena, 4096);
}

static int tear_down(void **state)
{
	(void)state;
	contract_zone_destroy(zone);
	arena_destroy(arena);
	return 0;
}

static int read_line(const char *line, size_t length, struct contract_import *out, struct contract_error *error)
{
	/* One exact copy, so that a sanitizer sees a read past the end. */
	char *copy = malloc(length ? length : 1);
	assert_non_null(copy);
	if (length)
		memcpy(copy, line, length);
	int result = contract_read_import(arena, zone, copy, length, out, error);
	free(copy);
	return result;
}

static struct contract_import accept(const char *line)
{
	struct contract_import import = {0};
	struct contract_error error = {0};
	if (read_line(line, strlen(line), &import, &error))
		fail_msg("%s: %s", line, error.message);
	return import;
}

static Callhistory__V1__Call *accept_call(const char *line)
{
	return accept(line).call;
}

static void refuse(const char *line, const char *field)
{
	struct contract_import import = {"before", "before", NULL};
	struct contract_error error = {0};
	if (!read_line(line, strlen(line), &import, &error))
		fail_msg("accepted: %s", line);
	assert_int_equal(error.code, 400);
	assert_non_null(error.message);
	if (field) {
		assert_non_null(error.field);
		assert_string_equal(error.field, field);
		assert_ptr_equal(strstr(error.message, field), error.message);
	} else {
		assert_null(error.field);
	}
	assert_string_equal(import.project_code, "before");
	assert_null(import.call);
}

/* "one call a line, the shape of a data[] element, plus project_code, vbot_id and, if known, id (or trans_id)" */
static void a_whole_record_is_read(void **state)
{
	(void)state;
	struct contract_import import = accept(
	    "{" NEEDED
	    ",\"id\":\"c-1\",\"hotline_number\":\"19001234\",\"caller\":[{\"phone\":\"+84 912\",\"vbot_id\":\"VB\","
	    "\"date_create\":\"10/25/2023 10:34:14\",\"disposition\":\"ANSWER\",\"time_call\":\"120\",\"postage\":6.1,"
	    "\"source\":\"PSTN\",\"member_no\":\"7\",\"duration_call\":130,\"name\":\"An\",\"channel\":\"SIP/"
	    "7\",\"type\":\"user\","
	    "\"telco_code\":\"VTL\"}],\"callee\":[{\"phone\":\"101\"},{\"phone\":\"102\"}],\"time_call\":\"120\","
	    "\"duration_call\":\"130\",\"type_call\":\"CALLIN\",\"disposition\":\"ANSWER\",\"record_file\":[\"u1\",\"u2\"],"
	    "\"event_data\":\"HISTORY_CALL\",\"group_id\":\"g\",\"external_call_id\":\"x\",\"customer_code\":\"cc\","
	    "\"payment_channel\":\"pc\",\"group_member_no\":\"gm\",\"auto_dial_service_charge\":2.5,\"hangup_cause\":"
	    "\"hc\","
	    "\"sip_code\":\"200\",\"conference_id\":\"cf\",\"end_call\":\"ec\",\"is_record\":true,\"postage\":1500,"
	    "\"answer_time\":1698208458250}");
	const Callhistory__V1__Call *call = import.call;
	assert_string_equal(import.project_code, "P");
	assert_string_equal(import.vbot_id, "V");
	assert_string_equal(call->id, "c-1");
	assert_int_equal(call->start_time->seconds, START);
	assert_int_equal(call->start_time->nanos, 0);
	assert_string_equal(call->hotline, "19001234");
	assert_int_equal(call->n_callers, 1);
	assert_int_equal(call->n_callees, 2);
	assert_int_equal(call->optional_talk_seconds_case, CALLHISTORY__V1__CALL__OPTIONAL_TALK_SECONDS_TALK_SECONDS);
	assert_int_equal(call->talk_seconds, 120);
	assert_int_equal(call->duration_seconds, 130);
	assert_int_equal(call->direction, CALLHISTORY__V1__CALL_DIRECTION__CALL_DIRECTION_INBOUND);
	assert_int_equal(call->disposition, CALLHISTORY__V1__DISPOSITION__DISPOSITION_ANSWERED);
	assert_int_equal(call->n_recordings, 2);
	assert_string_equal(call->recordings[1], "u2");
	assert_string_equal(call->event, "HISTORY_CALL");
	assert_string_equal(call->group_id, "g");
	assert_string_equal(call->external_call_id, "x");
	assert_string_equal(call->customer_code, "cc");
	assert_string_equal(call->payment_channel, "pc");
	assert_string_equal(call->group_member_no, "gm");
	assert_true(call->auto_dial_service_charge->amount == 2.5);
	assert_string_equal(call->hangup_cause, "hc");
	assert_string_equal(call->sip_code, "200");
	assert_string_equal(call->conference_id, "cf");
	assert_string_equal(call->ended_by, "ec");
	assert_true(call->audio_recorded);
	assert_true(call->charge->amount == 1500);
	assert_int_equal(call->answer_time->seconds, 1698208458);
	assert_int_equal(call->answer_time->nanos, 250000000);
	const Callhistory__V1__Party *caller = call->callers[0];
	assert_string_equal(caller->phone, "+84 912");
	assert_string_equal(caller->vbot_id, "VB");
	assert_int_equal(caller->optional_start_offset_ms_case,
	                 CALLHISTORY__V1__PARTY__OPTIONAL_START_OFFSET_MS_START_OFFSET_MS);
	assert_int_equal(caller->start_offset_ms, -1000);
	assert_int_equal(caller->disposition, CALLHISTORY__V1__DISPOSITION__DISPOSITION_ANSWERED);
	assert_int_equal(caller->talk_seconds, 120);
	assert_int_equal(caller->duration_seconds, 130);
	assert_true(caller->charge->amount == 6.1);
	assert_string_equal(caller->source, "PSTN");
	assert_string_equal(caller->member_no, "7");
	assert_string_equal(caller->name, "An");
	assert_string_equal(caller->channel, "SIP/7");
	assert_string_equal(caller->type, "user");
	assert_string_equal(caller->telco_code, "VTL");
	assert_string_equal(call->callees[1]->phone, "102");
	assert_null(call->callees[1]->charge);
	assert_int_equal(call->callees[1]->optional_start_offset_ms_case,
	                 CALLHISTORY__V1__PARTY__OPTIONAL_START_OFFSET_MS__NOT_SET);
}

/* "Needed: project_code, vbot_id, date_create; all else may be missing or empty." */
static void all_else_may_be_missing_null_or_empty(void **state)
{
	(void)state;
	static const char *const fields[] = {
	    "id",        "trans_id",    "hotline_number", "caller",       "callee",        "time_call",
	    "type_call", "disposition", "record_file",    "event_data",   "duration_call", "group_id",
	    "postage",   "is_record",   "answer_time",    "create_time",  "create_at",     "hangup_cause",
	    "end_call",  "sip_code",    "conference_id",  "customer_code"};
	static const char *const parts[] = {"phone",   "vbot_id", "date_create", "disposition",  "time_call",
	                                    "postage", "source",  "member_no",   "duration_call"};
	char id[64];
	snprintf(id, sizeof(id), "%s", accept_call("{" NEEDED "}")->id);
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); ++i) {
		char line[256];
		snprintf(line, sizeof(line), "{" NEEDED ",\"%s\":null}", fields[i]);
		assert_string_equal(accept_call(line)->id, id);
		snprintf(line, sizeof(line), "{" NEEDED ",\"%s\":\"\"}", fields[i]);
		assert_string_equal(accept_call(line)->id, id);
	}
	assert_string_equal(accept_call("{" NEEDED ",\"caller\":[],\"callee\":[],\"record_file\":[]}")->id, id);
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); ++i) {
		char line[256];
		snprintf(line, sizeof(line), "{" NEEDED ",\"caller\":[{\"%s\":\"\"},{\"%s\":null},{}]}", parts[i], parts[i]);
		const Callhistory__V1__Call *call = accept_call(line);
		assert_int_equal(call->n_callers, 3);
		assert_int_equal(callhistory__v1__party__get_packed_size(call->callers[0]), 0);
		assert_int_equal(callhistory__v1__party__get_packed_size(call->callers[1]), 0);
	}
	refuse("{}", "project_code");
	refuse("{\"project_code\":\"\",\"vbot_id\":\"V\"}", "project_code");
	refuse("{\"project_code\":\"P\"}", "vbot_id");
	refuse("{\"project_code\":\"P\",\"vbot_id\":\"V\"}", "date_create");
	refuse("{\"project_code\":\"P\",\"vbot_id\":\"V\",\"date_create\":null}", "date_create");
	refuse("{\"project_code\":\"P\",\"vbot_id\":\"V\",\"date_create\":\"\"}", "date_create");
}

static void dates_must_be_the_contracts(void **state)
{
	(void)state;
	refuse("{\"project_code\":\"P\",\"vbot_id\":\"V\",\"date_create\":\"2023-10-25 10:34:15\"}", "date_create");
	refuse("{\"project_code\":\"P\",\"vbot_id\":\"V\",\"date_create\":1698204855}", "date_create");
	refuse("{\"project_code\":\"P\",\"vbot_id\":\"V\",\"date_create\":\"02/30/2023 10:34:15\"}", "date_create");
	refuse("{" NEEDED ",\"caller\":[{},{\"date_create\":\"soon\"}]}", "caller[1].date_create");
}

/* "INCALL→CALLIN, OUTCALL→CALLOUT (call types only), case ignored" */
static void call_types_are_folded(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		Callhistory__V1__CallDirection direction;
		bool missed;
	} rows[] = {
	    {"CALLIN", CALLHISTORY__V1__CALL_DIRECTION__CALL_DIRECTION_INBOUND, false},
	    {"CallIn", CALLHISTORY__V1__CALL_DIRECTION__CALL_DIRECTION_INBOUND, false},
	    {"INCALL", CALLHISTORY__V1__CALL_DIRECTION__CALL_DIRECTION_INBOUND, false},
	    {"incall", CALLHISTORY__V1__CALL_DIRECTION__CALL_DIRECTION_INBOUND, false},
	    {"CALLOUT", CALLHISTORY__V1__CALL_DIRECTION__CALL_DIRECTION_OUTBOUND, false},
	    {"outcall", CALLHISTORY__V1__CALL_DIRECTION__CALL_DIRECTION_OUTBOUND, false},
	    {"misscall", CALLHISTORY__V1__CALL_DIRECTION__CALL_DIRECTION_INBOUND, true},
	    {"ANSWER", CALLHISTORY__V1__CALL_DIRECTION__CALL_DIRECTION_UNSPECIFIED, false},
	    {"CallIn ", CALLHISTORY__V1__CALL_DIRECTION__CALL_DIRECTION_UNSPECIFIED, false},
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); ++i) {
		char line[256];
		snprintf(line, sizeof(line), "{" NEEDED ",\"type_call\":\"%s\"}", rows[i].text);
		const Callhistory__V1__Call *call = accept_call(line);
		assert_int_equal(call->direction, rows[i].direction);
		assert_int_equal(call->missed, rows[i].missed);
		assert_string_equal(call->direction_other, rows[i].direction ? "" : rows[i].text);
	}
}

/* "Known codes are compared without case"; "a value that is none of these is kept ... as it was recorded" */
static void dispositions_are_folded_or_kept(void **state)
{
	(void)state;
	for (int i = 1; i <= 15; ++i) {
		char line[256], lower[32];
		const char *name = contract_names_of_disposition((Callhistory__V1__Disposition)i);
		size_t length = strlen(name);
		for (size_t at = 0; at <= length; ++at)
			lower[at] = (char)(name[at] >= 'A' && name[at] <= 'Z' ? name[at] | 0x20 : name[at]);
		snprintf(line, sizeof(line), "{" NEEDED ",\"disposition\":\"%s\",\"callee\":[{\"disposition\":\"%s\"}]}", lower,
		         name);
		const Callhistory__V1__Call *call = accept_call(line);
		assert_int_equal(call->disposition, i);
		assert_int_equal(call->callees[0]->disposition, i);
		assert_string_equal(call->disposition_other, "");
	}
	const Callhistory__V1__Call *call =
	    accept_call("{" NEEDED ",\"disposition\":\"Voice Mail\",\"caller\":[{\"disposition\":\"OUTCALL\"}]}");
	assert_int_equal(call->disposition, 0);
	assert_string_equal(call->disposition_other, "Voice Mail");
	assert_string_equal(call->callers[0]->disposition_other, "OUTCALL");
	assert_int_equal(accept_call("{" NEEDED ",\"disposition\":\"INCALL\"}")->disposition,
	                 CALLHISTORY__V1__DISPOSITION__DISPOSITION_ON_ANOTHER_CALL);
	refuse("{" NEEDED ",\"disposition\":[]}", "disposition");
	refuse("{" NEEDED ",\"callee\":[{\"disposition\":true}]}", "callee[0].disposition");
}

/* "seconds (120, "120", 120.0), MM:SS or HH:MM:SS for durations. Fractions are cut off" */
static void durations_have_many_spellings(void **state)
{
	(void)state;
	static const struct {
		const char *json;
		uint32_t seconds;
	} good[] = {
	    {"0", 0},
	    {"120", 120},
	    {"\"0\"", 0},
	    {"\"120\"", 120},
	    {"\"007\"", 7},
	    {"\"0:05\"", 5},
	    {"\"02:00\"", 120},
	    {"\"90:00\"", 5400},
	    {"120.0", 120},
	    {"\"120.0\"", 120},
	    {"119.999", 119},
	    {"\"119.999\"", 119},
	    {"0.5", 0},
	    {"-0.0", 0},
	    {"1.2e2", 120},
	    {"\"1.2e2\"", 120},
	    {"\"02:00.9\"", 120},
	    {"\"01:02:03\"", 3723},
	    {"\"100:00:00\"", 360000},
	    {"31622400", 31622400},
	};
	static const char *const bad[] = {"true",           "{}",      "[]",       "\"1:2\"",     "\"1:60\"",
	                                  "\"1:60:00\"",    "\":30\"", "\"1:\"",   "\"1:234\"",   "\"1:2:3\"",
	                                  "\"1:02:03:04\"", "\" 5\"",  "\"5 s\"",  "\"5s\"",      "\"two\"",
	                                  "\"-\"",          "\"-x\"",  "\"1..5\"", "\"\\u0665\"", "\"0x10\""};
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); ++i) {
		char line[256];
		snprintf(line, sizeof(line), "{" NEEDED ",\"time_call\":%s,\"caller\":[{\"duration_call\":%s}]}", good[i].json,
		         good[i].json);
		const Callhistory__V1__Call *call = accept_call(line);
		assert_int_equal(call->optional_talk_seconds_case, CALLHISTORY__V1__CALL__OPTIONAL_TALK_SECONDS_TALK_SECONDS);
		assert_int_equal(call->talk_seconds, good[i].seconds);
		assert_int_equal(call->optional_duration_seconds_case,
		                 CALLHISTORY__V1__CALL__OPTIONAL_DURATION_SECONDS__NOT_SET);
		assert_int_equal(call->callers[0]->optional_duration_seconds_case,
		                 CALLHISTORY__V1__PARTY__OPTIONAL_DURATION_SECONDS_DURATION_SECONDS);
		assert_int_equal(call->callers[0]->duration_seconds, good[i].seconds);
		assert_int_equal(call->callers[0]->optional_talk_seconds_case,
		                 CALLHISTORY__V1__PARTY__OPTIONAL_TALK_SECONDS__NOT_SET);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); ++i) {
		char line[256];
		snprintf(line, sizeof(line), "{" NEEDED ",\"time_call\":%s}", bad[i]);
		refuse(line, "time_call");
		snprintf(line, sizeof(line), "{" NEEDED ",\"callee\":[{},{\"time_call\":%s}]}", bad[i]);
		refuse(line, "callee[1].time_call");
		snprintf(line, sizeof(line), "{" NEEDED ",\"duration_call\":%s}", bad[i]);
		refuse(line, "duration_call");
	}
}

/* "empty, negative or absurd lengths are treated as not recorded" */
static void lengths_that_cannot_be_are_not_recorded(void **state)
{
	(void)state;
	static const char *const none[] = {"null",
	                                   "\"\"",
	                                   "-1",
	                                   "-1.5",
	                                   "\"-1\"",
	                                   "\"-0.5e3\"",
	                                   "1e999",

	                                   "4294967295",
	                                   "\"4294967295\"",
	                                   "4294967296",
	                                   "99999999999999999999",
	                                   "\"99999999999999999999999\"",
	                                   "\"4294967295:00\"",
	                                   "31622401"};
	char id[64];
	snprintf(id, sizeof(id), "%s", accept_call("{" NEEDED ",\"callee\":[{}]}")->id);
	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); ++i) {
		char line[256];
		snprintf(line, sizeof(line), "{" NEEDED ",\"time_call\":%s,\"callee\":[{\"duration_call\":%s}]}", none[i],
		         none[i]);
		assert_string_equal(accept_call(line)->id, id);
	}
}

/* "A party's own time that is not a real one (year 1, 0000-00-00, before 1970) is treated as not recorded." */
static void a_party_may_have_no_date(void **state)
{
	(void)state;
	static const char *const none[] = {"01/01/0001 00:00:00", "00/00/0000 00:00:00",  "0000-00-00 00:00:00",
	                                   "0000-00-00",          "0001-01-01T00:00:00Z", "12/31/1969 23:59:59",
	                                   "01/01/1970 00:00:00", "1969-12-31 23:59:59"};
	static const char *const bad[] = {"soon", "2023-10-25 10:34:15", "02/30/2023 00:00:00", "13/01/2023 00:00:00"};
	char line[256];
	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); ++i) {
		snprintf(line, sizeof(line), "{" NEEDED ",\"callee\":[{\"date_create\":\"%s\"}]}", none[i]);
		assert_int_equal(accept_call(line)->callees[0]->optional_start_offset_ms_case,
		                 CALLHISTORY__V1__PARTY__OPTIONAL_START_OFFSET_MS__NOT_SET);
		snprintf(line, sizeof(line), "{\"project_code\":\"P\",\"vbot_id\":\"V\",\"date_create\":\"%s\"}", none[i]);
		refuse(line, "date_create");
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); ++i) {
		snprintf(line, sizeof(line), "{" NEEDED ",\"callee\":[{\"date_create\":\"%s\"}]}", bad[i]);
		refuse(line, "callee[0].date_create");
	}
}

static void moments_in_milliseconds_win_over_dates(void **state)
{
	(void)state;
	const Callhistory__V1__Call *call = accept_call(
	    "{" NEEDED ",\"create_at\":1698204855123,\"create_time\":\"1698204900001\",\"caller\":[{\"create_at\":"
	    "1698204855373,\"date_create\":\"whatever\"},{\"date_create\":\"10/25/2023 10:34:14\"},"
	    "{\"create_at\":0}]}");
	assert_int_equal(call->start_time->seconds, START);
	assert_int_equal(call->start_time->nanos, 123000000);
	assert_int_equal(call->create_time->seconds, 1698204900);
	assert_int_equal(call->create_time->nanos, 1000000);
	assert_int_equal(call->callers[0]->start_offset_ms, 250);
	/* A date has whole seconds, so it shares the call's fraction. */
	assert_int_equal(call->callers[1]->start_offset_ms, -1000);
	assert_int_equal(call->callers[2]->optional_start_offset_ms_case,
	                 CALLHISTORY__V1__PARTY__OPTIONAL_START_OFFSET_MS__NOT_SET);
	assert_int_equal(
	    accept_call("{\"project_code\":\"P\",\"vbot_id\":\"V\",\"create_at\":1698204855123}")->start_time->seconds,
	    START);
	refuse("{" NEEDED ",\"create_at\":253402300800000}", "create_at");
	refuse("{" NEEDED ",\"create_time\":\"today\"}", "create_time");
	refuse("{" NEEDED ",\"callee\":[{\"create_at\":true}]}", "callee[0].create_at");
}

static void an_exact_call_must_be_one(void **state)
{
	(void)state;
	refuse("{" NEEDED ",\"exact\":true}", "exact");
	refuse("{" NEEDED ",\"exact\":\"===\"}", "exact");
	refuse("{" NEEDED ",\"exact\":\"AAAA\"}", "exact");
	refuse("{" NEEDED ",\"exact\":\"CgF4\"}", "exact");       /* no start */
	refuse("{" NEEDED ",\"exact\":\"CgH_EgA\"}", "exact");    /* an id that is not UTF-8 */
	refuse("{" NEEDED ",\"exact\":\"EgAyAwoB_w\"}", "exact"); /* a caller's number that is not */
	refuse("{" NEEDED ",\"exact\":\"EgBSAf8\"}", "exact");    /* a recording that is not */
	assert_string_equal(accept_call("{" NEEDED ",\"exact\":\"CgF4EgA\",\"id\":\"y\"}")->id, "x");
}

/* "postage is a JSON number that reads back exactly as it was recorded" */
static void charges_are_numbers_or_strings_of_one(void **state)
{
	(void)state;
	static const struct {
		const char *json;
		double value;
	} good[] = {{"6.1", 6.1},        {"\"6.1\"", 6.1}, {"1500", 1500},   {"\"1500.0\"", 1500}, {"-2", -2},
	            {"\"1e3\"", 1000.0}, {"0", 0},         {"\"0.0\"", 0.0}, {"0.1", 0.1},         {"1e-7", 1e-7}};
	static const char *const bad[] = {"true",     "[]",       "{}",      "1e999",        "99999999999999999999999",
	                                  "\"6,1\"",  "\"x\"",    "\"NaN\"", "\"Infinity\"", "\"1e999\"",
	                                  "\"0x10\"", "\"true\"", "\"[]\"",  "\"6.1 VND\"",  "\".5\"",
	                                  "\" \""};
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); ++i) {
		char line[256];
		snprintf(line, sizeof(line), "{" NEEDED ",\"postage\":%s,\"callee\":[{\"postage\":%s}]}", good[i].json,
		         good[i].json);
		const Callhistory__V1__Call *call = accept_call(line);
		assert_true(call->charge->amount == good[i].value);
		assert_true(call->callees[0]->charge->amount == good[i].value);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); ++i) {
		char line[256];
		snprintf(line, sizeof(line), "{" NEEDED ",\"callee\":[{\"postage\":%s}]}", bad[i]);
		refuse(line, "callee[0].postage");
	}
}

static void recordings_are_strings(void **state)
{
	(void)state;
	const Callhistory__V1__Call *call = accept_call("{" NEEDED ",\"record_file\":\"u\"}");
	assert_int_equal(call->n_recordings, 1);
	assert_string_equal(call->recordings[0], "u");
	call = accept_call("{" NEEDED ",\"record_file\":[\"a\",null,\"\",\"b\"]}");
	assert_int_equal(call->n_recordings, 2);
	assert_string_equal(call->recordings[1], "b");
	refuse("{" NEEDED ",\"record_file\":{}}", "record_file");
	refuse("{" NEEDED ",\"record_file\":1}", "record_file");
	refuse("{" NEEDED ",\"record_file\":[\"a\",[]]}", "record_file[1]");
	refuse("{" NEEDED ",\"record_file\":[true]}", "record_file[0]");
	assert_string_equal(accept_call("{" NEEDED ",\"record_file\":[\"a\\r\\nb\"]}")->recordings[0], "a\r\nb");
}

static void parties_are_objects(void **state)
{
	(void)state;
	const Callhistory__V1__Call *call = accept_call("{" NEEDED ",\"caller\":{\"phone\":84912345678}}");
	assert_int_equal(call->n_callers, 1);
	assert_string_equal(call->callers[0]->phone, "84912345678");
	refuse("{" NEEDED ",\"caller\":\"0912\"}", "caller");
	refuse("{" NEEDED ",\"caller\":5}", "caller");
	refuse("{" NEEDED ",\"caller\":1e999}", "caller");
	refuse("{" NEEDED ",\"callee\":[{},\"0912\"]}", "callee[1]");
	refuse("{" NEEDED ",\"callee\":[null]}", "callee[0]");
	refuse("{" NEEDED ",\"callee\":[{\"phone\":[]}]}", "callee[0].phone");
	refuse("{" NEEDED ",\"callee\":[{\"phone\":1.5}]}", "callee[0].phone");
	assert_string_equal(accept_call("{" NEEDED ",\"callee\":[{\"phone\":\"1\\n\"}]}")->callees[0]->phone, "1\n");
	refuse("{" NEEDED ",\"callee\":[{\"source\":{}}]}", "callee[0].source");
}

static void whole_numbers_are_taken_where_strings_are_meant(void **state)
{
	(void)state;
	struct contract_import import =
	    accept("{\"project_code\":12,\"vbot_id\":34,\"date_create\":\"10/25/2023 10:34:15\","
	           "\"trans_id\":-9007199254740993,\"hotline_number\":19001234,\"group_id\":0}");
	assert_string_equal(import.project_code, "12");
	assert_string_equal(import.vbot_id, "34");
	assert_string_equal(import.call->id, "-9007199254740993");
	assert_string_equal(import.call->hotline, "19001234");
	assert_string_equal(import.call->group_id, "0");
	refuse("{" NEEDED ",\"id\":1.5}", "id");
	refuse("{" NEEDED ",\"id\":99999999999999999999}", "id");
	refuse("{" NEEDED ",\"hotline_number\":true}", "hotline_number");
	refuse("{" NEEDED ",\"group_id\":{\"id\":1}}", "group_id");
}

static void a_recorded_mark_has_many_spellings(void **state)
{
	(void)state;
	static const char *const yes[] = {"true", "1", "\"1\"", "\"true\"", "\"True\""};
	static const char *const no[] = {"false", "0", "\"0\"", "\"false\"", "null", "\"\""};
	char line[256];
	for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); ++i) {
		snprintf(line, sizeof(line), "{" NEEDED ",\"is_record\":%s}", yes[i]);
		assert_true(accept_call(line)->audio_recorded);
	}
	for (size_t i = 0; i < sizeof(no) / sizeof(no[0]); ++i) {
		snprintf(line, sizeof(line), "{" NEEDED ",\"is_record\":%s}", no[i]);
		assert_false(accept_call(line)->audio_recorded);
	}
	refuse("{" NEEDED ",\"is_record\":2}", "is_record");
	refuse("{" NEEDED ",\"is_record\":\"maybe\"}", "is_record");
	refuse("{" NEEDED ",\"is_record\":1e999}", "is_record");
}

/* "Without one, the id is a digest of the record, so importing a file twice changes nothing." */
static void the_id_is_a_digest_of_what_the_record_says(void **state)
{
	(void)state;
	char id[64];
	snprintf(id, sizeof(id), "%s", accept_call("{" NEEDED ",\"type_call\":\"CALLIN\",\"time_call\":65}")->id);
	assert_int_equal(strlen(id), 22);
	assert_int_equal(strspn(id, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"), 22);
	/* This very id is in users' stores: it may never change. */
	assert_string_equal(accept_call("{" NEEDED "}")->id, "ylcb-Sp4Ds_N8np2Jmef8Q");
	assert_string_equal(
	    accept_call("{\"time_call\":\"1:05\",\"type_call\":\"incall\",\"x\":[1,{\"y\":2}],\"callee\":null," NEEDED "}")
	        ->id,
	    id);
	static const char *const others[] = {
	    "{" NEEDED ",\"type_call\":\"CALLIN\",\"time_call\":66}",
	    "{" NEEDED ",\"type_call\":\"CALLIN\"}",
	    "{" NEEDED ",\"type_call\":\"CALLIN\",\"time_call\":65,\"caller\":[{}]}",
	    "{\"project_code\":\"PV\",\"vbot_id\":\"V\",\"date_create\":\"10/25/2023 "
	    "10:34:15\",\"type_call\":\"CALLIN\",\"time_call\":65}",
	    "{\"project_code\":\"P\",\"vbot_id\":\"VV\",\"date_create\":\"10/25/2023 "
	    "10:34:15\",\"type_call\":\"CALLIN\",\"time_call\":65}",
	    "{\"project_code\":\"P\",\"vbot_id\":\"V\",\"date_create\":\"10/25/2023 "
	    "10:34:16\",\"type_call\":\"CALLIN\",\"time_call\":65}",
	};
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); ++i)
		assert_string_not_equal(accept_call(others[i])->id, id);
	char left[64];
	snprintf(left, sizeof(left), "%s",
	         accept_call("{\"project_code\":\"AB\",\"vbot_id\":\"C\",\"date_create\":\"10/25/2023 10:34:15\"}")->id);
	assert_string_not_equal(
	    accept_call("{\"project_code\":\"A\",\"vbot_id\":\"BC\",\"date_create\":\"10/25/2023 10:34:15\"}")->id, left);
}

static void an_id_of_its_own_is_kept(void **state)
{
	(void)state;
	assert_string_equal(accept_call("{" NEEDED ",\"trans_id\":\"t\"}")->id, "t");
	assert_string_equal(accept_call("{" NEEDED ",\"id\":\"i\",\"trans_id\":\"t\"}")->id, "i");
	assert_string_equal(accept_call("{" NEEDED ",\"id\":\"\",\"trans_id\":\"t\"}")->id, "t");
	refuse("{" NEEDED ",\"id\":\"a\\u0007\"}", "id");
}

static char *repeat(char *out, const char *unit, size_t count)
{
	out[0] = '\0';
	for (size_t i = 0; i < count; ++i)
		strcat(out, unit);
	return out;
}

static void assert_cap(const char *before, const char *unit, size_t most, const char *after, const char *field)
{
	char line[65536], run[60000];
	snprintf(line, sizeof(line), "{%s%s%s}", before, repeat(run, unit, most), after);
	accept(line);
	snprintf(line, sizeof(line), "{%s%s%s}", before, repeat(run, unit, most + 1), after);
	refuse(line, field);
}

_Static_assert(CONTRACT_ID_MAX == 256 && CONTRACT_NUMBER_MAX == 512 && CONTRACT_STRING_MAX == 1024 &&
                   CONTRACT_URL_MAX == 4096 && CONTRACT_PARTY_MAX == 512 && CONTRACT_RECORDING_MAX == 256,
               "the caps of contract §3");

/* "cap whatever a client controls": the bounds of the service. */
static void sizes_are_bounded(void **state)
{
	(void)state;
	assert_cap(NEEDED ",\"group_id\":\"", "x", CONTRACT_STRING_MAX, "\"", "group_id");
	assert_cap(NEEDED ",\"id\":\"", "x", CONTRACT_ID_MAX, "\"", "id");
	assert_cap(NEEDED ",\"hotline_number\":\"", "x", CONTRACT_NUMBER_MAX, "\"", "hotline_number");
	assert_cap(NEEDED ",\"type_call\":\"", "x", CONTRACT_STRING_MAX, "\"", "type_call");
	assert_cap(NEEDED ",\"disposition\":\"", "x", CONTRACT_STRING_MAX, "\"", "disposition");
	assert_cap(NEEDED ",\"caller\":[{\"name\":\"", "x", CONTRACT_STRING_MAX, "\"}]", "caller[0].name");
	assert_cap(NEEDED ",\"caller\":[{\"phone\":\"", "x", CONTRACT_NUMBER_MAX, "\"}]", "caller[0].phone");
	assert_cap(NEEDED ",\"record_file\":[\"", "x", CONTRACT_URL_MAX, "\"]", "record_file[0]");
	assert_cap(NEEDED ",\"record_file\":[\"\"", ",\"\"", CONTRACT_RECORDING_MAX - 1, "]", "record_file");
	assert_cap(NEEDED ",\"callee\":[{}", ",{}", CONTRACT_PARTY_MAX - 1, "]", "callee");
	assert_cap("\"date_create\":\"10/25/2023 10:34:15\",\"vbot_id\":\"V\",\"project_code\":\"", "\xe1\xbb\x87", 64,
	           "\"", "project_code");
	struct contract_import import = {0};
	struct contract_error error = {0};
	char *line = malloc(CONTRACT_LINE_MAX + 1);
	assert_non_null(line);
	memset(line, ' ', CONTRACT_LINE_MAX + 1);
	memcpy(line, "{" NEEDED "}", strlen("{" NEEDED "}"));
	assert_int_equal(read_line(line, CONTRACT_LINE_MAX, &import, &error), 0);
	assert_int_equal(read_line(line, CONTRACT_LINE_MAX + 1, &import, &error), -1);
	assert_int_equal(error.code, 413);
	free(line);
}

static void what_is_no_record_is_refused(void **state)
{
	(void)state;
	refuse("", NULL);
	refuse("not json", NULL);
	refuse("[]", NULL);
	refuse("{" NEEDED "} {}", NULL);
	refuse("{" NEEDED ",\"hotline_number\":\"\xff\"}", NULL);
	refuse("{" NEEDED ",\"hotline_number\":\"\\ud800\"}", NULL);
	refuse("{" NEEDED ",\"hotline_number\":\"\\u0000\"}", NULL);
	refuse("{" NEEDED ",\"vbot_id\":\"W\"}", "vbot_id");
	refuse("{" NEEDED ",\"caller\":[{\"phone\":\"1\",\"phone\":\"2\"}]}", "phone");
	accept("{" NEEDED ",\"unknown\":{\"a\":[1,2,{\"b\":99999999999999999999}]},\"other\":1e999}\r\n");
}

/* An export is what import reads: every field comes back, and the id with it. */
/* Digits that are no number, behind one that is too big: looked at once, not once for each of them. */
static void a_long_run_of_digits_takes_no_longer(void **state)
{
	struct contract_import import;
	struct contract_error error = {0};
	static const char begin[] = "{\"a\":1e999,\"b\":";
	(void)state;
	char *line = malloc(CONTRACT_LINE_MAX);
	assert_non_null(line);
	memset(line, '1', CONTRACT_LINE_MAX);
	memcpy(line, begin, sizeof(begin) - 1);
	memcpy(line + CONTRACT_LINE_MAX - 2, ".}", 2);
	assert_int_equal(contract_read_import(arena, zone, line, CONTRACT_LINE_MAX, &import, &error), -1);
	assert_int_equal(error.code, 400);
	free(line);
}

static void what_is_written_for_import_is_read_again(void **state)
{
	(void)state;
	static const char *const lines[] = {
	    "{" NEEDED "}",
	    "{" NEEDED ",\"id\":\"c-1\",\"hotline_number\":\"1900\",\"caller\":[{\"phone\":\"+84 912\",\"vbot_id\":\"VB\","
	    "\"date_create\":\"10/25/2023 "
	    "10:34:14\",\"disposition\":\"Odd\",\"time_call\":0,\"postage\":6.1,\"source\":\"S\","
	    "\"member_no\":\"7\",\"duration_call\":1,\"name\":\"An \\\"A\\\"\",\"channel\":\"SIP\",\"type\":\"u\","
	    "\"telco_code\":\"V\"}],\"callee\":[{},{\"phone\":\"102\"}],\"time_call\":2,\"duration_call\":3,\"type_call\":"
	    "\"Odd\","
	    "\"disposition\":\"busy\",\"record_file\":[\"u1\",\"u2\"],\"event_data\":\"E\",\"group_id\":\"g\","
	    "\"external_call_id\":\"x\",\"customer_code\":\"cc\",\"payment_channel\":\"pc\",\"group_member_no\":\"gm\","
	    "\"auto_dial_service_charge\":2.5,\"hangup_cause\":\"hc\",\"sip_code\":\"200\",\"conference_id\":\"cf\","
	    "\"end_call\":\"ec\",\"is_record\":true,\"postage\":-0.1}"};
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); ++i) {
		const struct contract_import import = accept(lines[i]);
		struct buffer line = {0};
		uint8_t left[1024], right[1024];
		contract_write_import(&line, zone, import.project_code, import.vbot_id, import.call);
		buffer_append_byte(&line, '\0');
		assert_false(line.failed);
		const struct contract_import again = accept(line.data);
		const size_t size = callhistory__v1__call__get_packed_size(import.call);
		assert_in_range(size, 1, sizeof(left));
		assert_int_equal(callhistory__v1__call__get_packed_size(again.call), size);
		callhistory__v1__call__pack(import.call, left);
		callhistory__v1__call__pack(again.call, right);
		assert_memory_equal(left, right, size);
		assert_string_equal(again.project_code, "P");
		assert_string_equal(again.vbot_id, "V");
		buffer_free(&line);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_whole_record_is_read),
	    cmocka_unit_test(all_else_may_be_missing_null_or_empty),
	    cmocka_unit_test(dates_must_be_the_contracts),
	    cmocka_unit_test(call_types_are_folded),
	    cmocka_unit_test(dispositions_are_folded_or_kept),
	    cmocka_unit_test(lengths_that_cannot_be_are_not_recorded),
	    cmocka_unit_test(a_party_may_have_no_date),
	    cmocka_unit_test(moments_in_milliseconds_win_over_dates),
	    cmocka_unit_test(an_exact_call_must_be_one),
	    cmocka_unit_test(durations_have_many_spellings),
	    cmocka_unit_test(charges_are_numbers_or_strings_of_one),
	    cmocka_unit_test(recordings_are_strings),
	    cmocka_unit_test(parties_are_objects),
	    cmocka_unit_test(whole_numbers_are_taken_where_strings_are_meant),
	    cmocka_unit_test(a_recorded_mark_has_many_spellings),
	    cmocka_unit_test(the_id_is_a_digest_of_what_the_record_says),
	    cmocka_unit_test(an_id_of_its_own_is_kept),
	    cmocka_unit_test(sizes_are_bounded),
	    cmocka_unit_test(what_is_no_record_is_refused),
	    cmocka_unit_test(what_is_written_for_import_is_read_again),
	    cmocka_unit_test(a_long_run_of_digits_takes_no_longer),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
