/* Rows of Asterisk's CDRs: each column and code of the tables, which order of columns a row has, times, directions, ids. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "sources/asterisk.h"

static const char *const contexts[] = {"from-trunk", "from-pstn"};
static const char *const trunks[] = {"PJSIP/carrier-", "DAHDI/"};
static const struct sources_asterisk_options no_options;
static const char *const columns[] = {"voice_file", "none"};
static const struct sources_asterisk_options all_options = {
    .inbound_contexts = contexts,
    .inbound_context_count = 2,
    .trunk_channels = trunks,
    .trunk_channel_count = 2,
    .recording_columns = columns,
    .recording_column_count = 2,
    .external_id_column = "userfield",
};

/* 2026-11-20 08:00:00 in Ho Chi Minh City. */
#define START INT64_C(1795136400)

struct fixture {
	struct arena *arena;
	struct contract_zone *zone;
	struct contract_error error;
	struct sources_asterisk *asterisk;
};

static struct fixture *open_fixture(const struct sources_asterisk_options *options, const char *zone)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));
	assert_non_null(fixture);
	assert_int_equal(arena_create(&fixture->arena, 65536), 0);
	assert_int_equal(contract_zone_create(&fixture->zone, zone), 0);
	assert_int_equal(sources_asterisk_create(&fixture->asterisk, options), 0);
	return fixture;
}

static void close_fixture(struct fixture *fixture)
{
	sources_asterisk_destroy(fixture->asterisk);
	contract_zone_destroy(fixture->zone);
	arena_destroy(fixture->arena);
	free(fixture);
}

static int read_row(struct fixture *fixture, const char *row, struct sources_record *record)
{
	const struct import_reader reader = {.arena = fixture->arena, .zone = fixture->zone, .error = &fixture->error};
	return sources_asterisk_read(fixture->asterisk, &reader, row, strlen(row), record);
}

static Callhistory__V1__Call *call_of(struct fixture *fixture, const char *row)
{
	struct sources_record record;
	if (read_row(fixture, row, &record))
		fail_msg("%s: %s", row, fixture->error.message);
	assert_non_null(record.part);
	assert_non_null(record.part->call->start_time);
	return record.part->call;
}

static void expect_header(struct fixture *fixture, const char *row)
{
	struct sources_record record;
	sources_asterisk_reset(fixture->asterisk);
	assert_int_equal(read_row(fixture, row, &record), 0);
	assert_null(record.part);
	assert_true(sources_asterisk_has_header(fixture->asterisk));
}

static void expect_refused(struct fixture *fixture, const char *row, const char *message)
{
	struct sources_record record;
	assert_int_equal(read_row(fixture, row, &record), -1);
	assert_string_equal(fixture->error.message, message);
}

#define CSV_ROW                                                                                                        \
	"\"acc\",\"0912345678\",\"101\",\"from-trunk\",\"\"\"Ann, \"\"\"\"A\"\"\"\" B\"\" <0912345678>\","                 \
	"\"PJSIP/carrier-00000001\",\"PJSIP/101-00000002\",\"Dial\",\"PJSIP/101,20\",\"2026-11-20 08:00:00\","             \
	"\"2026-11-20 08:00:05\",\"2026-11-20 08:01:05\",65,60,\"ANSWERED\",\"DOCUMENTATION\""

static void test_cdr_csv(void **state)
{
	(void)state;
	struct fixture *fixture = open_fixture(&all_options, "Asia/Ho_Chi_Minh");
	Callhistory__V1__Call *call =
	    call_of(fixture, CSV_ROW ",\"pbx-1795136400.7\",\"crm;7\",\"\",\"pbx-1795136399.6\",12");
	assert_string_equal(call->id, "pbx-1795136400.7-12");
	assert_string_equal(call->group_id, "pbx-1795136399.6");
	assert_string_equal(call->external_call_id, "crm;7");
	assert_int_equal(call->start_time->seconds, START);
	assert_int_equal(call->answer_time->seconds, START + 5);
	assert_int_equal(call->duration_seconds, 65);
	assert_int_equal(call->talk_seconds, 60);
	assert_int_equal(call->disposition, CALLHISTORY__V1__DISPOSITION__DISPOSITION_ANSWERED);
	assert_int_equal(call->direction, CALLHISTORY__V1__CALL_DIRECTION__CALL_DIRECTION_INBOUND);
	assert_false(call->missed);
	assert_int_equal(call->n_callers, 1);
	assert_string_equal(call->callers[0]->phone, "0912345678");
	assert_string_equal(call->callers[0]->name, "Ann, \"\"A\"\" B");
	assert_string_equal(call->callers[0]->channel, "PJSIP/carrier-00000001");
	assert_string_equal(call->callers[0]->member_no, "");
	assert_string_equal(call->callees[0]->phone, "101");
	assert_string_equal(call->callees[0]->channel, "PJSIP/101-00000002");
	assert_string_equal(call->callees[0]->member_no, "101");
	/* Columns by settings: none, uniqueid, userfield, both, the new ones alone, with each, with both. */
	assert_int_equal(strlen(call_of(fixture, CSV_ROW)->id), 22);
	assert_string_equal(call_of(fixture, CSV_ROW ",\"1795136400.7\"")->group_id, "1795136400.7");
	assert_string_equal(call_of(fixture, CSV_ROW ",\"order 7\"")->external_call_id, "order 7");
	call = call_of(fixture, CSV_ROW ",\"1795136400.7\",\"order 7\"");
	assert_string_equal(call->group_id, "1795136400.7");
	assert_string_equal(call->external_call_id, "order 7");
	call = call_of(fixture, CSV_ROW ",\"peer\",\"1795136400.6\",3");
	assert_string_equal(call->group_id, "1795136400.6");
	assert_int_equal(strlen(call->id), 22);
	assert_string_equal(call_of(fixture, CSV_ROW ",\"1795136400.7\",\"\",\"1795136400.6\",3")->id, "1795136400.7-3");
	call = call_of(fixture, CSV_ROW ",\"order 7\",\"\",\"1795136400.6\",3");
	assert_string_equal(call->external_call_id, "order 7");
	assert_int_equal(strlen(call->id), 22);
	expect_refused(fixture, CSV_ROW ",1,2,3,4,5,6",
	               "row has 22 columns and no start time in column 9 or 10; other orders need a header line");
	expect_refused(fixture, "\"\",\"1\",\"2\"",
	               "row has 3 columns and no start time in column 9 or 10; other orders need a header line");
	close_fixture(fixture);
}

static void test_cdr_custom(void **state)
{
	(void)state;
	struct fixture *fixture = open_fixture(&no_options, "UTC");
	static const char row[] =
	    "\"\"\"Bob\"\" <101>\",\"101\",\"0912345678\",\"internal\",\"PJSIP/101-00000003\",\"\",\"Dial\",\"2026-11-20 "
	    "08:00:00\",\"2026-11-20 08:00:00\",\"\",\"2026-11-20 08:00:09\",\"9.75\",\"0.999\",\"NO "
	    "ANSWER\",\"3\",\"acc\","
	    "\"1795161600.3\",\"u\nser\",\"4\"";
	Callhistory__V1__Call *call = call_of(fixture, row);
	assert_string_equal(call->id, "1795161600.3-4");
	assert_int_equal(call->start_time->seconds, START + 7 * 3600);
	assert_null(call->answer_time);
	assert_int_equal(call->duration_seconds, 9);
	assert_int_equal(call->talk_seconds, 0);
	assert_int_equal(call->disposition, CALLHISTORY__V1__DISPOSITION__DISPOSITION_NO_ANSWER);
	assert_int_equal(call->direction, CALLHISTORY__V1__CALL_DIRECTION__CALL_DIRECTION_UNSPECIFIED);
	assert_false(call->missed);
	assert_string_equal(call->callers[0]->name, "Bob");
	assert_string_equal(call->callers[0]->member_no, "101");
	assert_string_equal(call->external_call_id, "");
	/* Older samples end at userfield; other separators; more columns than the sample. */
	assert_string_equal(
	    call_of(fixture, "c;1;2;x;a/1-1;;D;;2026-11-20 08:00:00;;2026-11-20 08:00:00;0;0;BUSY;3;;1795161600.3;u")
	        ->group_id,
	    "1795161600.3");
	assert_string_equal(
	    call_of(fixture,
	            "\"c\"\t\"1\"\t2\tx\ta\t\tD\t\t2026-11-20T08:00:00\t\t\t0\t0\tBUSY\t3\t\t1795161600.3\tu\t5\tmore\t!")
	        ->id,
	    "1795161600.3-5");
	/* Times as Unix time, and one that never was. */
	call = call_of(fixture,
	               "\"c\"\t\"1\"\t\"2\"\t\"x\"\t\"a\"\t\"\"\t\"D\"\t\"\"\t1795136400\t0\t1795136409\t9.5\t0.000000\t"
	               "\"BUSY\"\t\"3\"\t\"\"\t\"1795136400.3\"\t\"u\"\t5");
	assert_int_equal(call->start_time->seconds, START);
	assert_null(call->answer_time);
	assert_int_equal(call->duration_seconds, 9);
	assert_int_equal(
	    call_of(fixture, "c,1,2,x,a,,D,,1795136400.250000,1795136401.5,1795136409.0,9,8,ANSWERED,3")->start_time->nanos,
	    250000000);
	close_fixture(fixture);
}

static void test_export(void **state)
{
	(void)state;
	struct fixture *fixture = open_fixture(&all_options, "Asia/Ho_Chi_Minh");
	expect_header(fixture,
	              "calldate,clid,SRC,dst,dcontext,channel,dstchannel,lastapp,lastdata,duration,billsec,disposition,"
	              "amaflags,accountcode,uniqueid,userfield,did,recordingfile,cnum,cnam,outbound_cnum,outbound_cnam,"
	              "dst_cnam,linkedid,peeraccount,sequence,hangupcause,dialstatus");
	Callhistory__V1__Call *call = call_of(
	    fixture,
	    "2026-11-20 08:00:00,\"\"\"X\"\" <02838>\",02838,0912345678,from-internal,PJSIP/103-1,PJSIP/carrier-2,Dial,x,9,"
	    "0,FAILED,3,,1795136400.9,,1900123,in+1.wav,103,Ann,02838,,Bob,1795136400.1,,,17,CHANUNAVAIL");
	assert_int_equal(call->direction, CALLHISTORY__V1__CALL_DIRECTION__CALL_DIRECTION_OUTBOUND);
	assert_int_equal(call->disposition, CALLHISTORY__V1__DISPOSITION__DISPOSITION_CHANNEL_UNAVAILABLE);
	assert_false(call->missed);
	assert_string_equal(call->hotline, "1900123");
	assert_string_equal(call->hangup_cause, "17");
	assert_string_equal(call->recordings[0], "in+1.wav");
	assert_string_equal(call->callers[0]->phone, "103");
	assert_string_equal(call->callers[0]->name, "Ann");
	assert_string_equal(call->callers[0]->member_no, "103");
	assert_string_equal(call->callees[0]->name, "Bob");
	assert_string_equal(call->callees[0]->member_no, "");
	assert_string_equal(call->group_id, "1795136400.1");
	assert_int_equal(strlen(call->id), 22);
	expect_refused(fixture, "2026-11-20 08:00:00,x", "row has 2 columns, but the header line 28");
	/* Columns of the options, each recording once. */
	expect_header(fixture, "calldate,src,recordingfile,voice_file");
	call = call_of(fixture, "2026-11-20 08:00:00,1,a.wav,b.wav");
	assert_int_equal(call->n_recordings, 2);
	assert_string_equal(call->recordings[1], "b.wav");
	assert_int_equal(call_of(fixture, "2026-11-20 08:00:00,1,a.wav,a.wav")->n_recordings, 1);
	assert_int_equal(call_of(fixture, "2026-11-20 08:00:00,1,,b.wav")->n_recordings, 1);
	/* outbound_cnum is the number that was shown, where no number was dialled. */
	expect_header(fixture, "calldate;dst;outbound_cnum");
	assert_string_equal(call_of(fixture, "2026-11-20 08:00:00;1;02838")->hotline, "02838");
	/* Without a time of its own, the channel's. */
	expect_header(fixture, "calldate,src,uniqueid");
	assert_int_equal(call_of(fixture, "0000-00-00 00:00:00,1,1795136400.9")->start_time->seconds, START);
	expect_refused(fixture, "0000-00-00 00:00:00,1,", "calldate is missing");
	expect_refused(fixture, ",1,x.y", "calldate is missing");
	expect_refused(fixture, "yesterday,1,", "calldate must be YYYY-MM-DD HH:MM:SS or Unix time");
	expect_refused(fixture, "2026-02-30 08:00:00,1,", "calldate must be YYYY-MM-DD HH:MM:SS or Unix time");
	close_fixture(fixture);
}

static void test_times(void **state)
{
	static const struct {
		const char *text;
		int64_t ms;
	} cases[] = {
	    {"2026-11-20 08:00:00", START * 1000},      {"2026-11-20T08:00:00.25", START * 1000 + 250},
	    {"2026-11-20T01:00:00Z", START * 1000},     {"2026-11-20T10:00:00.1239+09:00", START * 1000 + 123},
	    {"2026-11-19 21:30:00-0330", START * 1000}, {"1795136400", START * 1000},
	    {"1795136400.123456", START * 1000 + 123},  {"1795136400123", START * 1000 + 123},
	    {"1795136400123456", START * 1000 + 123},
	};
	static const char *const bad[] = {
	    "2026-11-20 08:00:00+7", "2026-11-20 08:00:00 PM", "1795136",     "1795136400.", "2026-11-20 24:00:00",
	    "-1795136400",           "99999999999999",         "1795136400x", "2026-11-20"};
	char row[128];
	(void)state;
	struct fixture *fixture = open_fixture(&no_options, "Asia/Ho_Chi_Minh");
	expect_header(fixture, "start,src");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); ++i) {
		snprintf(row, sizeof(row), "%s,1", cases[i].text);
		const Google__Protobuf__Timestamp *start = call_of(fixture, row)->start_time;
		assert_int_equal(start->seconds * 1000 + start->nanos / 1000000, cases[i].ms);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); ++i) {
		snprintf(row, sizeof(row), "%s,1", bad[i]);
		expect_refused(fixture, row, "start must be YYYY-MM-DD HH:MM:SS or Unix time");
	}
	close_fixture(fixture);
}

/* Clocks of Berlin show 02:30 twice on 25 October 2026: at 00:30 and 01:30 UTC. */
static void test_repeated_hour(void **state)
{
	const int64_t first = 1792888200;
	(void)state;
	struct fixture *fixture = open_fixture(&no_options, "Europe/Berlin");
	expect_header(fixture, "start,src,answer,uniqueid");
	Callhistory__V1__Call *call = call_of(fixture, "2026-10-25 02:30:00,1,2026-10-25 02:30:09,");
	assert_int_equal(call->start_time->seconds, first);
	assert_int_equal(call->answer_time->seconds, first + 9);
	call = call_of(fixture, "2026-10-25 02:30:00,1,2026-10-25 02:30:09,1792891799.3");
	assert_int_equal(call->start_time->seconds, first + 3600);
	assert_int_equal(call->answer_time->seconds, first + 3609);
	call = call_of(fixture, "2026-10-25 02:59:50,1,2026-10-25 02:00:02,1792889990.3");
	assert_int_equal(call->start_time->seconds, first + 1790);
	assert_int_equal(call->answer_time->seconds, first + 1802);
	close_fixture(fixture);
}

static void test_codes(void **state)
{
	static const struct {
		const char *code;
		Callhistory__V1__Disposition disposition;
		const char *other;
	} cases[] = {
	    {"ANSWERED", CALLHISTORY__V1__DISPOSITION__DISPOSITION_ANSWERED, ""},
	    {"ANSWER", CALLHISTORY__V1__DISPOSITION__DISPOSITION_ANSWERED, ""},
	    {"NO ANSWER", CALLHISTORY__V1__DISPOSITION__DISPOSITION_NO_ANSWER, ""},
	    {"NOANSWER", CALLHISTORY__V1__DISPOSITION__DISPOSITION_NO_ANSWER, ""},
	    {"Busy", CALLHISTORY__V1__DISPOSITION__DISPOSITION_BUSY, ""},
	    {"CONGESTION", CALLHISTORY__V1__DISPOSITION__DISPOSITION_CONGESTION, ""},
	    {"CANCEL", CALLHISTORY__V1__DISPOSITION__DISPOSITION_CANCELLED, ""},
	    {"CHANUNAVAIL", CALLHISTORY__V1__DISPOSITION__DISPOSITION_CHANNEL_UNAVAILABLE, ""},
	    {"DONTCALL", CALLHISTORY__V1__DISPOSITION__DISPOSITION_REJECTED, ""},
	    {"TORTURE", CALLHISTORY__V1__DISPOSITION__DISPOSITION_TORTURE, ""},
	    {"INVALIDARGS", CALLHISTORY__V1__DISPOSITION__DISPOSITION_INVALID_ARGUMENTS, ""},
	    {"FAILED", 0, "FAILED"},
	    {"UNKNOWN", 0, "UNKNOWN"},
	    {"Ended early", 0, "Ended early"},
	    {"", 0, ""},
	    {"0", CALLHISTORY__V1__DISPOSITION__DISPOSITION_NO_ANSWER, ""},
	    {"1", CALLHISTORY__V1__DISPOSITION__DISPOSITION_NO_ANSWER, ""},
	    {"2", 0, "FAILED"},
	    {"4", CALLHISTORY__V1__DISPOSITION__DISPOSITION_BUSY, ""},
	    {"8", CALLHISTORY__V1__DISPOSITION__DISPOSITION_ANSWERED, ""},
	    {"16", CALLHISTORY__V1__DISPOSITION__DISPOSITION_CONGESTION, ""},
	    {"32", CALLHISTORY__V1__DISPOSITION__DISPOSITION_CANCELLED, ""},
	};
	char row[128];
	(void)state;
	struct fixture *fixture = open_fixture(&all_options, "UTC");
	expect_header(fixture, "start,src,disposition,dcontext");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); ++i) {
		snprintf(row, sizeof(row), "2026-11-20 08:00:00,1,%s,from-pstn", cases[i].code);
		const Callhistory__V1__Call *call = call_of(fixture, row);
		assert_int_equal(call->disposition, cases[i].disposition);
		assert_string_equal(call->disposition_other, cases[i].other);
		/* An inbound call that was not answered is missed; without a disposition nobody knows. */
		bool known = cases[i].disposition || *cases[i].other;
		assert_int_equal(call->missed,
		                 known && cases[i].disposition != CALLHISTORY__V1__DISPOSITION__DISPOSITION_ANSWERED);
	}
	close_fixture(fixture);
}

static void test_directions(void **state)
{
	enum { OPEN, IN, OUT, INTERNAL };
	static const struct {
		const char *context, *channel, *dstchannel;
		int direction, without_trunks;
	} cases[] = {
	    {"from-trunk", "PJSIP/x-1", "PJSIP/101-2", IN, IN},
	    {"internal", "PJSIP/carrier-1", "PJSIP/101-2", IN, OPEN},
	    {"internal", "PJSIP/101-1", "DAHDI/i1/0912-2", OUT, OPEN},
	    {"internal", "PJSIP/carrier-1", "DAHDI/1-1", IN, OPEN},
	    {"internal", "PJSIP/101-1", "PJSIP/102-2", INTERNAL, OPEN},
	    {"internal", "PJSIP/101-1", "", OPEN, OPEN},
	};
	const struct sources_asterisk_options contexts_only = {.inbound_contexts = contexts, .inbound_context_count = 2};
	char row[256];
	(void)state;
	struct fixture *all = open_fixture(&all_options, "UTC"), *some = open_fixture(&contexts_only, "UTC");
	struct fixture *none = open_fixture(&no_options, "UTC");
	static const char header[] = "start,src,dcontext,channel,dstchannel";
	expect_header(all, header);
	expect_header(some, header);
	expect_header(none, header);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); ++i) {
		snprintf(row, sizeof(row), "2026-11-20 08:00:00,1,%s,%s,%s", cases[i].context, cases[i].channel,
		         cases[i].dstchannel);
		assert_int_equal(call_of(all, row)->direction, cases[i].direction);
		assert_int_equal(call_of(some, row)->direction, cases[i].without_trunks);
		assert_int_equal(call_of(none, row)->direction, OPEN);
	}
	close_fixture(all);
	close_fixture(some);
	close_fixture(none);
}

/* A caller who gave up in a queue, or spoke to voicemail, has talked to nobody. */
static void test_answered_by_the_pbx(void **state)
{
	static const struct {
		const char *application, *channel;
		bool missed;
	} cases[] = {
	    {"Queue", "", true}, {"VoiceMail", "", true}, {"Queue", "PJSIP/101-1", false}, {"Playback", "", false}};
	char row[256];
	(void)state;
	struct fixture *fixture = open_fixture(&all_options, "UTC");
	expect_header(fixture, "start,src,dcontext,lastapp,dstchannel,billsec,disposition");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); ++i) {
		snprintf(row, sizeof(row), "2026-11-20 08:00:00,1,from-trunk,%s,%s,9,ANSWERED", cases[i].application,
		         cases[i].channel);
		Callhistory__V1__Call *call = call_of(fixture, row);
		assert_int_equal(call->missed, cases[i].missed);
		assert_int_equal(call->talk_seconds, cases[i].missed ? 0 : 9);
	}
	close_fixture(fixture);
}

static void test_parties(void **state)
{
	static const struct {
		const char *clid, *src, *name, *phone;
	} ids[] = {
	    {"\"\"\"Ann\"\" <101>\"", "", "Ann", "101"},
	    {"Ann B <101>", "102", "Ann B", "102"},
	    {"<101>", "", "", "101"},
	    {"101", "", "", "101"},
	    {"\"\"\"\"\" <101>\"", "", "", "101"},
	    {"", "", "", ""},
	    {"anonymous", "", "", "anonymous"},
	    {"A <B> <1", "", "A <B>", "1"},
	};
	static const struct {
		const char *channel, *member_no;
	} channels[] = {{"PJSIP/101-0000002a", "101"},
	                {"Local/7@queue-1;2", "7"},
	                {"PJSIP/ann-1", ""},
	                {"PJSIP/101", ""},
	                {"PJSIP/-1", ""},
	                {"x", ""}};
	char row[256];
	(void)state;
	struct fixture *fixture = open_fixture(&no_options, "UTC");
	expect_header(fixture, "start,clid,src,dstchannel,dst");
	for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); ++i) {
		snprintf(row, sizeof(row), "2026-11-20 08:00:00,%s,%s,,s", ids[i].clid, ids[i].src);
		const Callhistory__V1__Call *call = call_of(fixture, row);
		assert_string_equal(call->callers[0]->name, ids[i].name);
		assert_string_equal(call->callers[0]->phone, ids[i].phone);
		assert_string_equal(call->callees[0]->phone, "s");
	}
	for (size_t i = 0; i < sizeof(channels) / sizeof(channels[0]); ++i) {
		snprintf(row, sizeof(row), "2026-11-20 08:00:00,,1,%s,s", channels[i].channel);
		assert_string_equal(call_of(fixture, row)->callees[0]->member_no, channels[i].member_no);
	}
	/* Text that is no UTF-8, and NUL, do not refuse the call. */
	assert_string_equal(call_of(fixture, "2026-11-20 08:00:00,Ren\xe9 <1>,1,,s")->callers[0]->name, "Ren\xef\xbf\xbd");
	char long_number[700];
	memset(long_number, '1', sizeof(long_number));
	memcpy(long_number, "2026-11-20 08:00:00,,", 21);
	memcpy(long_number + 21 + 513, ",,s", 4);
	expect_refused(fixture, long_number, "src must have at most 512 bytes");
	close_fixture(fixture);
}

static void test_ids(void **state)
{
	static const char *const rows[] = {"2026-11-20 08:00:00,1,,,PJSIP/1-1", "2026-11-20 08:00:00,1,,,PJSIP/1-2",
	                                   "2026-11-20 08:00:00,1,1.1,,PJSIP/1-1", "2026-11-20 08:00:00,1,,1,PJSIP/1-1"};
	char first[64];
	(void)state;
	struct fixture *fixture = open_fixture(&no_options, "UTC");
	expect_header(fixture, "start,src,uniqueid,sequence,channel");
	/* Never a uniqueid alone, nor a sequence alone: a digest of all columns. */
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); ++i) {
		const char *id = call_of(fixture, rows[i])->id;
		assert_int_equal(strlen(id), 22);
		assert_true(!i || strcmp(id, first));
		snprintf(first, sizeof(first), "%s", id);
		assert_string_equal(call_of(fixture, rows[i])->id, first);
	}
	assert_string_equal(call_of(fixture, "2026-11-20 08:00:00,1,a-9.1,0,x")->id, "a-9.1-0");
	expect_refused(fixture, "2026-11-20 08:00:00,1,a\tb,0,x", "uniqueid must have no control characters");
	close_fixture(fixture);
}

static void test_durations(void **state)
{
	(void)state;
	struct fixture *fixture = open_fixture(&no_options, "UTC");
	expect_header(fixture, "start,src,duration,billsec");
	Callhistory__V1__Call *call = call_of(fixture, "2026-11-20 08:00:00,1,-1,4294967295");
	assert_false(call->optional_duration_seconds_case || call->optional_talk_seconds_case);
	call = call_of(fixture, "2026-11-20 08:00:00,1,12.999999,");
	assert_int_equal(call->duration_seconds, 12);
	assert_false(call->optional_talk_seconds_case);
	expect_refused(fixture, "2026-11-20 08:00:00,1,soon,", "duration must be seconds, MM:SS or HH:MM:SS");
	close_fixture(fixture);
}

static void test_json(void **state)
{
	(void)state;
	struct fixture *fixture = open_fixture(&all_options, "UTC");
	Callhistory__V1__Call *call = call_of(
	    fixture, "{\"clid\":\"\\\"Ann\\\" <101>\",\"start\":1795136400.5,\"answer\":1795136401,\"disposition\":8,"
	             "\"billsec\":3.5,\"uniqueid\":\"1795136400.1\",\"sequence\":4,\"userfield\":\"x\"}");
	assert_string_equal(call->id, "1795136400.1-4");
	assert_string_equal(call->callers[0]->name, "Ann");
	assert_int_equal(call->start_time->nanos, 500000000);
	assert_int_equal(call->answer_time->seconds, START + 1);
	assert_int_equal(call->talk_seconds, 3);
	assert_string_equal(call->external_call_id, "x");
	/* As Asterisk 22 writes a name with quotes, and a call that nobody answered. */
	call = call_of(fixture, "{\"clid\":\"\\\"A \\\\\"B\\\\\" C\\\" <0912>\",\"start\":1795136400.5,\"answer\":0.000000,"
	                        "\"userfield\":\"c:\\dir\",\"disposition\":1}");
	assert_string_equal(call->callers[0]->name, "A \"B\" C");
	assert_string_equal(call->callers[0]->phone, "0912");
	assert_string_equal(call->external_call_id, "c:\\dir");
	assert_null(call->answer_time);
	assert_int_equal(call->disposition, CALLHISTORY__V1__DISPOSITION__DISPOSITION_NO_ANSWER);
	expect_refused(fixture, "{\"start\":1795136400,\"clid\":\"\\\\\"x}", "row is not valid JSON (at byte 31)");
	expect_refused(fixture, "{\"start\":0.0}", "start is missing");
	expect_refused(fixture, "{\"src\":\"1\"}", "calldate is missing");
	expect_refused(fixture, "{\"start\":[]}", "start must be a string");
	close_fixture(fixture);
}

static void test_splitting(void **state)
{
	struct sources_record record;
	char row[600];
	(void)state;
	struct fixture *fixture = open_fixture(&no_options, "UTC");
	/* Blank lines are no calls; a row of too many columns is refused. */
	assert_int_equal(read_row(fixture, "", &record), 0);
	assert_null(record.part);
	memset(row, ',', sizeof(row));
	row[255] = '\0';
	assert_int_equal(read_row(fixture, row, &record), -1);
	row[255] = ',';
	row[256] = '\0';
	expect_refused(fixture, row, "row has too many columns");
	/* The separator is that of the first cell: others are text. */
	expect_header(fixture, "start|src|dst");
	assert_string_equal(call_of(fixture, "2026-11-20 08:00:00|1,2;3|4")->callers[0]->phone, "1,2;3");
	close_fixture(fixture);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_cdr_csv),
	    cmocka_unit_test(test_cdr_custom),
	    cmocka_unit_test(test_export),
	    cmocka_unit_test(test_times),
	    cmocka_unit_test(test_codes),
	    cmocka_unit_test(test_repeated_hour),
	    cmocka_unit_test(test_directions),
	    cmocka_unit_test(test_parties),
	    cmocka_unit_test(test_answered_by_the_pbx),
	    cmocka_unit_test(test_ids),
	    cmocka_unit_test(test_durations),
	    cmocka_unit_test(test_json),
	    cmocka_unit_test(test_splitting),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
