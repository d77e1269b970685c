/* The mappings of telephone systems' records: every event, every code, both orders of what is optional, what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "sources/freeswitch.h"
#include "sources/vbot.h"

typedef Callhistory__V1__Call Call;
typedef Callhistory__V1__Party Party;

#define DISPOSITION(name) CALLHISTORY__V1__DISPOSITION__DISPOSITION_##name
#define DIRECTION(name) CALLHISTORY__V1__CALL_DIRECTION__CALL_DIRECTION_##name

struct fixture {
	struct arena *arena;
	struct contract_zone *zone;
	struct contract_error error;
	struct import_reader reader;
};

static int set_up(void **state)
{
	static struct fixture fixture;
	assert_int_equal(arena_create(&fixture.arena, 4096), 0);
	assert_int_equal(contract_zone_create(&fixture.zone, "Asia/Ho_Chi_Minh"), 0);
	fixture.reader = (struct import_reader){fixture.arena, fixture.zone, &fixture.error};
	*state = &fixture;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;
	arena_destroy(fixture->arena);
	contract_zone_destroy(fixture->zone);
	return 0;
}

/* ---- VBot ---- */

static int vbot(struct fixture *fixture, const char *text, struct sources_record *out)
{
	return sources_vbot_read(&fixture->reader, text, strlen(text), out);
}

/* An event that is a part of a call. */
static Call *vbot_call(struct fixture *fixture, const char *text, bool supplement)
{
	struct sources_record record;
	if (vbot(fixture, text, &record))
		fail_msg("%s: %s", fixture->error.message, text);
	assert_non_null(record.part);
	assert_int_equal(record.part->supplement, supplement);
	return record.part->call;
}

static void vbot_refused(struct fixture *fixture, const char *text, const char *field)
{
	struct sources_record record = {.project_code = "untouched"};
	assert_int_equal(vbot(fixture, text, &record), -1);
	assert_int_equal(fixture->error.code, 400);
	assert_non_null(fixture->error.field);
	assert_string_equal(fixture->error.field, field);
	assert_string_equal(record.project_code, "untouched");
}

#define LOG                                                                                                            \
	"\"transId\":\"20112026081500-1\",\"projectCode\":\"DEMO\",\"groupId\":\"g1\",\"createAt\":1795140907123,"         \
	"\"callAt\":1795140912123,\"timeCall\":5,\"durationCall\":65,\"typeCall\":1,\"caller\":\"0912345678\","            \
	"\"callerName\":\"Lan\",\"typeCaller\":\"Phone\",\"channelCaller\":\"c1\",\"callee\":\"101\",\"calleeId\":\"V1\"," \
	"\"calleeMemberNo\":\"101\",\"typeCallee\":\"SIP\",\"telcoCode\":\"VTL\",\"hotline\":\"19001234\","                \
	"\"hangupCause\":\"NORMAL\",\"sipCode\":200,\"endCall\":\"c1\",\"postage\":6.1,\"autoDialServiceCharge\":0,"       \
	"\"paymentChannel\":\"prepaid\",\"conferenceId\":\"k\",\"customerUid\":\"u\",\"groupMemberUid\":\"m\","            \
	"\"externalCallId\":\"x1\""

static void test_a_log(void **state)
{
	const Call *call =
	    vbot_call(*state, "{\"event_data\":\"MANUAL_CALL_LOG\"," LOG ",\"disposition\":\"ANSWER\"}", false);
	assert_string_equal(call->id, "20112026081500-1");
	assert_string_equal(call->event, "MANUAL_CALL_LOG");
	assert_string_equal(call->group_id, "g1");
	assert_int_equal(call->start_time->seconds, 1795140907);
	assert_int_equal(call->start_time->nanos, 123000000);
	assert_int_equal(call->answer_time->seconds, 1795140912);
	assert_int_equal(call->direction, DIRECTION(INBOUND));
	assert_false(call->missed);
	assert_int_equal(call->disposition, DISPOSITION(ANSWERED));
	assert_int_equal(call->duration_seconds, 65);
	assert_int_equal(call->talk_seconds, 60);
	assert_string_equal(call->hotline, "19001234");
	assert_string_equal(call->hangup_cause, "NORMAL");
	assert_string_equal(call->sip_code, "200");
	assert_string_equal(call->ended_by, "c1");
	assert_string_equal(call->payment_channel, "prepaid");
	assert_string_equal(call->conference_id, "k");
	assert_string_equal(call->customer_code, "u");
	assert_string_equal(call->group_member_no, "m");
	assert_string_equal(call->external_call_id, "x1");
	assert_true(call->charge && call->auto_dial_service_charge && call->auto_dial_service_charge->amount == 0);
	assert_int_equal(call->n_callers, 1);
	const Party *caller = call->callers[0], *callee = call->callees[0];
	assert_string_equal(caller->phone, "0912345678");
	assert_string_equal(caller->name, "Lan");
	assert_string_equal(caller->type, "Phone");
	assert_string_equal(caller->channel, "c1");
	assert_string_equal(caller->telco_code, "VTL");
	assert_string_equal(callee->phone, "101");
	assert_string_equal(callee->vbot_id, "V1");
	assert_string_equal(callee->member_no, "101");
	assert_string_equal(callee->telco_code, "");
	assert_int_equal(callee->start_offset_ms, 5000);
}

static void test_every_disposition_and_type(void **state)
{
	static const struct {
		const char *code;
		int disposition;
	} codes[] = {{"ANSWER", DISPOSITION(ANSWERED)},
	             {"answered", DISPOSITION(ANSWERED)},
	             {"NOANSWER", DISPOSITION(NO_ANSWER)},
	             {"busy", DISPOSITION(BUSY)},
	             {"CANCEL", DISPOSITION(CANCELLED)},
	             {"DECLINE", 0},
	             {"OUT_OF_MONEY", 0},
	             {"GONE", 0}};
	char text[2048];
	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); ++i) {
		snprintf(text, sizeof(text), "{" LOG ",\"disposition\":\"%s\"}", codes[i].code);
		const Call *call = vbot_call(*state, text, false);
		const bool answered = codes[i].disposition == DISPOSITION(ANSWERED);
		assert_int_equal(call->disposition, codes[i].disposition);
		assert_string_equal(call->disposition_other, codes[i].disposition ? "" : codes[i].code);
		assert_int_equal(call->missed, !answered);
		assert_int_equal(call->talk_seconds, answered ? 60 : 0);
		assert_int_equal(call->answer_time != NULL, answered);
		assert_string_equal(call->event, "");
	}
	static const struct {
		const char *code;
		int direction;
		bool missed;
		const char *other;
	} types[] = {{"1", DIRECTION(INBOUND), true, ""},
	             {"2", DIRECTION(OUTBOUND), false, ""},
	             {"\"2\"", DIRECTION(OUTBOUND), false, ""},
	             {"3", DIRECTION(INBOUND), true, ""},
	             {"9", 0, false, "9"},
	             {"\"\"", 0, false, ""}};
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); ++i) {
		snprintf(text, sizeof(text), "{\"transId\":\"t\",\"createAt\":1795140907123,\"typeCall\":%s}", types[i].code);
		const Call *call = vbot_call(*state, text, false);
		assert_int_equal(call->direction, types[i].direction);
		assert_int_equal(call->missed, types[i].missed);
		assert_string_equal(call->direction_other, types[i].other);
	}
}

static void test_recordings_and_complete_events(void **state)
{
	const Call *call = vbot_call(
	    *state, "{\"eventData\":\"AUTO_CALL_RECORDING\",\"transId\":\"t\",\"recordUrl\":\"https://r/a+b\"}", true);
	assert_string_equal(call->id, "t");
	assert_null(call->start_time);
	assert_int_equal(call->n_recordings, 1);
	assert_string_equal(call->recordings[0], "https://r/a+b");
	assert_true(call->audio_recorded);
	assert_string_equal(call->event, "");
	vbot_call(*state, "{\"transId\":\"t\",\"recordUrl\":\"https://r/1\"}", true);
	call = vbot_call(*state,
	                 "{\"event_data\":\"MANUAL_CALL_COMPLETE\",\"manualCallLog\":{" LOG
	                 "},\"manualCallRecording\":{\"recordUrl\":\"https://r/1\"},\"ai\":{\"x\":[1]}}",
	                 false);
	assert_string_equal(call->id, "20112026081500-1");
	assert_string_equal(call->recordings[0], "https://r/1");
	assert_string_equal(call->event, "MANUAL_CALL_COMPLETE");
	call = vbot_call(*state,
	                 "{\"eventData\":\"MANUAL_CALL_RECORDING\",\"transId\":\"t\",\"recordUrl\":[\"https://r/1\",null,"
	                 "\"https://r/2\"]}",
	                 true);
	assert_int_equal(call->n_recordings, 2);
	assert_string_equal(call->recordings[1], "https://r/2");
	call = vbot_call(*state,
	                 "{\"manualCallLog\":{" LOG "},\"manualCallRecording\":[{\"recordUrl\":\"https://r/1\"},"
	                 "{\"recordUrl\":\"https://r/2\"},{}]}",
	                 false);
	assert_int_equal(call->n_recordings, 2);
	call = vbot_call(*state,
	                 "{\"autoCallLog\":{\"transId\":\"a\",\"createAt\":1795140907123,\"answerAt\":1795140909123,"
	                 "\"phone\":\"0912345678\",\"memberNo\":\"101\",\"memberName\":\"An\",\"hotlineCode\":\"H1\","
	                 "\"billsec\":7,\"duration\":9,\"serviceCharge\":1,\"postage\":2,\"disposition\":\"ANSWER\"},"
	                 "\"autoCallRecording\":null}",
	                 false);
	assert_int_equal(call->direction, DIRECTION(OUTBOUND));
	assert_string_equal(call->callees[0]->phone, "0912345678");
	assert_string_equal(call->callers[0]->member_no, "101");
	assert_string_equal(call->callers[0]->name, "An");
	assert_string_equal(call->hotline, "H1");
	assert_int_equal(call->talk_seconds, 7);
	assert_int_equal(call->duration_seconds, 9);
	assert_int_equal(call->answer_time->seconds, 1795140909);
	assert_int_equal(call->n_recordings, 0);
	vbot_call(*state, "{\"eventData\":\"CAMPAIGN_CALL\",\"transId\":\"a\",\"createAt\":1795140907123,\"billsec\":-1}",
	          false);
	vbot_call(*state, "{\"phone\":\"1\",\"transId\":\"a\",\"createAt\":1795140907123,\"billsec\":0}", false);
}

#define OLD                                                                                                            \
	"\"hotline_number\":\"19001234\",\"date_create\":\"11/20/2026 08:15:07\",\"caller\":[{\"phone\":\"101\"}],"        \
	"\"callee\":[{\"phone\":\"0912345678\"}],\"type_call\":\"CALLOUT\",\"external_call_id\":\"x\""

/* The id of an old event is that of the call, whatever else comes to be known. */
static void test_old_events(void **state)
{
	const Call *first = vbot_call(*state, "{\"event_data\":\"HISTORY_CALL\"," OLD ",\"record_file\":[]}", false);
	const Call *again = vbot_call(*state,
	                              "{\"eventData\":\"HISTORY_CALL_PEERTOPEER\"," OLD ",\"time_call\":\"12\","
	                              "\"disposition\":\"answer\",\"record_file\":[\"https://r/1\"]}",
	                              false);
	const Call *shape = vbot_call(*state, "{" OLD "}", false);
	const Call *objects =
	    vbot_call(*state,
	              "{\"hotline_number\":\"19001234\",\"date_create\":\"11/20/2026 08:15:07\",\"caller\":{"
	              "\"phone\":\"101\"},\"callee\":{\"phone\":\"0912345678\"},\"type_call\":\"CALLOUT\","
	              "\"external_call_id\":\"x\"}",
	              false);
	assert_string_equal(objects->id, first->id);
	const Call *other = vbot_call(*state, "{" OLD ",\"hotline\":1,\"trans_id\":\"own\"}", false);
	assert_int_equal(strlen(first->id), 22);
	assert_string_equal(first->id, again->id);
	assert_string_equal(first->id, shape->id);
	assert_string_equal(other->id, "own");
	assert_string_equal(again->recordings[0], "https://r/1");
	assert_int_equal(again->disposition, DISPOSITION(ANSWERED));
	assert_string_equal(first->event, "HISTORY_CALL");
	const Call *later = vbot_call(*state,
	                              "{\"date_create\":\"11/20/2026 08:15:08\",\"caller\":[{\"phone\":\"101\"}],"
	                              "\"callee\":[{\"phone\":\"0912345678\"}]}",
	                              false);
	assert_string_not_equal(later->id, first->id);
}

static void test_events_that_are_no_call(void **state)
{
	static const char *const texts[] = {
	    "{\"event_data\":\"IN_COMINGCALL\",\"eventData\":\"IN_COMINGCALL\",\"project_code\":\"DEMO\",\"trans_id\":"
	    "\"t\"}",
	    "{\"event_data\":\"MANUAL_CALL_AI_EXTRACTION\",\"transId\":\"t\",\"callCollectedData\":\"{}\"}",
	    "{\"event_data\":\"SOMETHING_NEW\"," LOG "}", "{\"transId\":\"t\",\"callCollectedData\":\"{}\"}", "{}"};
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); ++i) {
		struct sources_record record;
		assert_int_equal(vbot(*state, texts[i], &record), 0);
		assert_null(record.part);
	}
	struct sources_record record;
	assert_int_equal(vbot(*state, texts[0], &record), 0);
	assert_string_equal(record.project_code, "DEMO");
	assert_int_equal(vbot(*state, "{\"manualCallLog\":{" LOG "}}", &record), 0);
	assert_string_equal(record.project_code, "DEMO");
	assert_null(record.vbot_id);
}

static void test_events_that_are_refused(void **state)
{
	vbot_refused(*state, "{\"event_data\":\"MANUAL_CALL_LOG\",\"createAt\":1795140907123}", "transId");
	vbot_refused(*state, "{\"transId\":\"t\",\"typeCall\":1}", "createAt");
	vbot_refused(*state, "{\"transId\":\"t\",\"typeCall\":1,\"createAt\":\"soon\"}", "createAt");
	/* Seconds instead of milliseconds. */
	const Call *call = vbot_call(*state,
	                             "{\"transId\":\"t\",\"typeCall\":2,\"createAt\":1795140907,\"callAt\":1795140909,"
	                             "\"disposition\":\"ANSWER\"}",
	                             false);
	assert_int_equal(call->start_time->seconds, 1795140907);
	assert_int_equal(call->answer_time->seconds, 1795140909);
	assert_int_equal(call->callees[0]->start_offset_ms, 2000);
	vbot_refused(*state, "{\"transId\":\"t\",\"typeCall\":1,\"createAt\":1,\"durationCall\":\"x\"}", "durationCall");
	vbot_refused(*state, "{\"transId\":{},\"typeCall\":1,\"createAt\":1}", "transId");
	vbot_refused(*state, "{\"transId\":\"a\\u0001\",\"typeCall\":1,\"createAt\":1}", "transId");
	vbot_refused(*state, "{\"event_data\":\"MANUAL_CALL_RECORDING\",\"transId\":\"t\"}", "recordUrl");
	vbot_refused(*state, "{\"event_data\":\"MANUAL_CALL_RECORDING\",\"transId\":\"t\",\"recordUrl\":[{}]}",
	             "recordUrl");
	vbot_refused(*state, "{\"event_data\":\"MANUAL_CALL_RECORDING\",\"transId\":\"t\",\"recordUrl\":[]}", "recordUrl");
	/* Without a name, what lacks a member of a log is not acknowledged as no call. */
	vbot_refused(*state, "{\"transId\":\"t\",\"createAt\":\"soon\",\"caller\":\"101\"}", "createAt");
	vbot_refused(*state, "{\"date_create\":\"11/20/2026 08:15:07\",\"caller\":\"101\"}", "caller");
	vbot_refused(*state, "{\"phone\":\"0912\",\"createAt\":1795140907123}", "transId");
	vbot_refused(*state, "{\"event_data\":\"MANUAL_CALL_COMPLETE\",\"manualCallLog\":1}", "manualCallLog");
	vbot_refused(*state, "{\"autoCallLog\":{\"transId\":\"t\"},\"autoCallRecording\":1}", "autoCallRecording");
	vbot_refused(*state, "{\"event_data\":\"HISTORY_CALL\",\"caller\":[]}", "date_create");
}

/* ---- FreeSWITCH ---- */

static int freeswitch(struct fixture *fixture, const char *body, struct sources_record *out)
{
	static const char *const variables[] = {"my_recording", "none"};
	static const struct sources_freeswitch_options options = {variables, 2};
	return sources_freeswitch_read(&options, &fixture->reader, body, strlen(body), out);
}

static Call *leg(struct fixture *fixture, const char *body, bool supplement)
{
	struct sources_record record;
	if (freeswitch(fixture, body, &record))
		fail_msg("%s: %s", fixture->error.message, body);
	assert_null(record.project_code);
	assert_int_equal(record.part->supplement, supplement);
	return record.part->call;
}

/* The a-leg of a call to a number, with further variables. */
#define A_LEG(variables)                                                                                               \
	"{\"core-uuid\":\"c\",\"variables\":{\"uuid\":\"a-1\",\"start_uepoch\":\"1795140907123456\",\"duration\":\"30\","  \
	"\"channel_name\":\"sofia/internal/101%4010.0.0.1\"," variables                                                    \
	"},\"callflow\":[{\"profile_index\":\"2\",\"caller_profile\":{\"destination_number\":\"102\",\"originatee\":{"     \
	"\"originatee_caller_profiles\":[{\"uuid\":\"b-1\",\"destination_number\":\"1001\"},"                              \
	"{\"uuid\":\"b-2\",\"destination_number\":\"1002\"}]}},\"times\":{\"answered_time\":\"0\"}},"                      \
	"{\"profile_index\":\"1\",\"caller_profile\":{\"caller_id_number\":\"0912345678\",\"caller_id_name\":"             \
	"\"L\303\240n\","                                                                                                  \
	"\"destination_number\":\"19001234\",\"context\":\"public\"},\"times\":{\"created_time\":\"1795140907000000\"}}]}"

static void test_an_a_leg(void **state)
{
	const Call *call =
	    leg(*state,
	        A_LEG("\"answer_epoch\":\"1795140910\",\"bridge_epoch\":\"1795140910\",\"billsec\":\"25\","
	              "\"hangup_cause\":\"NORMAL_CLEARING\",\"sip_hangup_disposition\":\"recv_bye\","
	              "\"sip_term_status\":\"200\",\"record_path\":\"/r/2026\",\"record_name\":\"a%2Bb.wav\""),
	        false);
	assert_string_equal(call->id, "a-1");
	assert_string_equal(call->group_id, "a-1");
	assert_int_equal(call->start_time->seconds, 1795140907);
	assert_int_equal(call->start_time->nanos, 123000000);
	assert_int_equal(call->answer_time->seconds, 1795140910);
	assert_int_equal(call->direction, DIRECTION(INBOUND));
	assert_int_equal(call->disposition, DISPOSITION(ANSWERED));
	assert_string_equal(call->hangup_cause, "NORMAL_CLEARING");
	assert_string_equal(call->sip_code, "200");
	assert_string_equal(call->ended_by, "CALLER");
	assert_string_equal(call->hotline, "19001234");
	assert_int_equal(call->talk_seconds, 25);
	assert_int_equal(call->duration_seconds, 30);
	assert_string_equal(call->callers[0]->phone, "0912345678");
	assert_string_equal(call->callers[0]->leg_id, "a-1");
	assert_string_equal(call->callers[0]->channel, "sofia/internal/101@10.0.0.1");
	assert_int_equal(call->n_callees, 2);
	assert_string_equal(call->callees[0]->leg_id, "b-1");
	assert_string_equal(call->callees[1]->phone, "1002");
	assert_string_equal(call->recordings[0], "/r/2026/a+b.wav");
}

static void test_a_b_leg(void **state)
{
	const Call *call =
	    leg(*state,
	        "{\"variables\":{\"uuid\":\"b-1\",\"start_epoch\":\"1795140908\",\"answer_epoch\":\"0\",\"billsec\":\"0\","
	        "\"duration\":\"4\",\"hangup_cause\":\"LOSE_RACE\"},\"callflow\":[{\"caller_profile\":{"
	        "\"destination_number\":\"1001\",\"originator\":{\"originator_caller_profiles\":[{\"uuid\":\"a-1\","
	        "\"caller_id_number\":\"0912345678\"}]}}}]}",
	        true);
	assert_string_equal(call->id, "a-1");
	assert_int_equal(call->start_time->seconds, 1795140908);
	assert_int_equal(call->disposition, 0);
	assert_string_equal(call->callers[0]->leg_id, "a-1");
	assert_string_equal(call->callees[0]->leg_id, "b-1");
	assert_string_equal(call->callees[0]->phone, "1001");
	assert_int_equal(call->callees[0]->disposition, DISPOSITION(ANSWERED_ELSEWHERE));
	assert_int_equal(call->callees[0]->duration_seconds, 4);
	assert_int_equal(call->callees[0]->start_offset_ms, 0);
}

static void test_every_cause(void **state)
{
	static const struct {
		const char *cause;
		int disposition;
	} causes[] = {
	    {"USER_BUSY", DISPOSITION(BUSY)},
	    {"BUSY_EVERYWHERE", DISPOSITION(BUSY)},
	    {"NO_ANSWER", DISPOSITION(NO_ANSWER)},
	    {"NO_USER_RESPONSE", DISPOSITION(NO_ANSWER)},
	    {"ALLOTTED_TIMEOUT", DISPOSITION(NO_ANSWER)},
	    {"PROGRESS_TIMEOUT", DISPOSITION(NO_ANSWER)},
	    {"NO_PICKUP", DISPOSITION(NO_ANSWER)},
	    {"RECOVERY_ON_TIMER_EXPIRE", DISPOSITION(NO_ANSWER)},
	    {"ORIGINATOR_CANCEL", DISPOSITION(CANCELLED)},
	    {"LOSE_RACE", DISPOSITION(ANSWERED_ELSEWHERE)},
	    {"PICKED_OFF", DISPOSITION(ANSWERED_ELSEWHERE)},
	    {"NORMAL_CLEARING", DISPOSITION(NORMAL_CLEARING)},
	    {"NORMAL_CIRCUIT_CONGESTION", DISPOSITION(CONGESTION)},
	    {"SWITCH_CONGESTION", DISPOSITION(CONGESTION)},
	    {"NORMAL_TEMPORARY_FAILURE", DISPOSITION(CONGESTION)},
	    {"NETWORK_OUT_OF_ORDER", DISPOSITION(CONGESTION)},
	    {"UNALLOCATED_NUMBER", DISPOSITION(CHANNEL_UNAVAILABLE)},
	    {"NO_ROUTE_DESTINATION", DISPOSITION(CHANNEL_UNAVAILABLE)},
	    {"SUBSCRIBER_ABSENT", DISPOSITION(CHANNEL_UNAVAILABLE)},
	    {"USER_NOT_REGISTERED", DISPOSITION(CHANNEL_UNAVAILABLE)},
	    {"DESTINATION_OUT_OF_ORDER", DISPOSITION(CHANNEL_UNAVAILABLE)},
	    {"REQUESTED_CHAN_UNAVAIL", DISPOSITION(CHANNEL_UNAVAILABLE)},
	    {"GATEWAY_DOWN", DISPOSITION(CHANNEL_UNAVAILABLE)},
	    {"INVALID_GATEWAY", DISPOSITION(CHANNEL_UNAVAILABLE)},
	    {"CALL_REJECTED", DISPOSITION(REJECTED)},
	    {"DECLINE", DISPOSITION(REJECTED)},
	    {"INVALID_NUMBER_FORMAT", DISPOSITION(INVALID_ARGUMENTS)},
	    {"MANDATORY_IE_MISSING", DISPOSITION(INVALID_ARGUMENTS)},
	    {"BLIND_TRANSFER", 0},
	};
	char body[2048];
	for (size_t i = 0; i < sizeof(causes) / sizeof(causes[0]); ++i) {
		snprintf(
		    body, sizeof(body),
		    "{\"variables\":{\"uuid\":\"a\",\"start_epoch\":1795140907,\"answer_epoch\":\"0\",\"hangup_cause\":\"%s\"},"
		    "\"callflow\":[{\"caller_profile\":{\"context\":\"public\"}}]}",
		    causes[i].cause);
		const Call *call = leg(*state, body, false);
		assert_int_equal(call->disposition, causes[i].disposition);
		assert_string_equal(call->disposition_other, causes[i].disposition ? "" : causes[i].cause);
		assert_string_equal(call->hangup_cause, causes[i].cause);
		assert_true(call->missed);
		assert_null(call->answer_time);
	}
}

static void test_machines_and_directions(void **state)
{
	static const char *const machines[] = {"voicemail", "callcenter", "fifo"};
	char body[2048];
	for (size_t i = 0; i < 3; ++i) {
		snprintf(body, sizeof(body),
		         "{\"variables\":{\"uuid\":\"a\",\"start_uepoch\":1795140907123456,\"answer_epoch\":\"1795140910\","
		         "\"billsec\":\"20\",\"last_app\":\"%s\",\"call_direction\":\"inbound\"}}",
		         machines[i]);
		const Call *call = leg(*state, body, false);
		assert_true(call->missed);
		assert_int_equal(call->disposition, DISPOSITION(NO_ANSWER));
		assert_int_equal(call->talk_seconds, 0);
		assert_null(call->answer_time);
	}
	const Call *call =
	    leg(*state,
	        "{\"variables\":{\"uuid\":\"a\",\"start_epoch\":1795140907,\"call_direction\":\"outbound\","
	        "\"answer_epoch\":\"0\",\"bridge_uuid\":\"b-7\",\"effective_caller_id_number\":\"19001234\"},"
	        "\"callflow\":[{\"caller_profile\":{\"caller_id_number\":\"101\",\"destination_number\":"
	        "\"0912345678\"},\"times\":{}}]}",
	        false);
	assert_int_equal(call->direction, DIRECTION(OUTBOUND));
	assert_false(call->missed);
	assert_string_equal(call->hotline, "19001234");
	assert_string_equal(call->callees[0]->phone, "0912345678");
	assert_string_equal(call->callees[0]->leg_id, "b-7");
	call =
	    leg(*state,
	        "{\"variables\":{\"uuid\":\"a\",\"start_epoch\":1795140907,\"last_arg\":\"sofia%2Fgateway%2Ftrunk%2F09\"}}",
	        false);
	assert_int_equal(call->direction, DIRECTION(OUTBOUND));
	call =
	    leg(*state, "{\"variables\":{\"uuid\":\"a\",\"start_epoch\":1795140907,\"call_direction\":\"local\"}}", false);
	assert_int_equal(call->direction, DIRECTION(INTERNAL));
	call = leg(*state, "{\"variables\":{\"uuid\":\"a\",\"start_epoch\":1795140907}}", false);
	assert_int_equal(call->direction, 0);
}

static void test_every_encoding(void **state)
{
	/* {"variables":{"uuid":"a","start_epoch":"1795140907"}} */
	static const char *const bodies[] = {
	    "{\"variables\":{\"uuid\":\"a\",\"start_epoch\":\"1795140907\"}}",
	    "cdr=%7B%22variables%22%3A%7B%22uuid%22%3A%22a%22%2C%22start_epoch%22%3A%221795140907%22%7D%7D",
	    "%7B%22variables%22%3A%7B%22uuid%22%3A%22a%22%2C%22start_epoch%22%3A%221795140907%22%7D%7D\n",
	    "cdr=eyJ2YXJpYWJsZXMiOnsidXVpZCI6ImEiLCJzdGFydF9lcG9jaCI6IjE3OTUxNDA5MDcifX0=",
	    "eyJ2YXJpYWJsZXMiOnsidXVpZCI6ImEiLCJzdGFydF9lcG9jaCI6IjE3OTUxNDA5MDcifX0=\n",
	    "cdr={\"variables\":{\"uuid\":\"a\",\"start_epoch\":1795140907}}",
	};
	for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); ++i) {
		const Call *call = leg(*state, bodies[i], false);
		assert_string_equal(call->id, "a");
		assert_int_equal(call->start_time->seconds, 1795140907);
	}
	/* Bytes that are not UTF-8, in a profile and in a variable. */
	const Call *call = leg(*state,
	                       "{\"variables\":{\"uuid\":\"a\",\"start_epoch\":\"1795140907\",\"channel_name\":\"x%F9y\"},"
	                       "\"callflow\":[{\"caller_profile\":{\"caller_id_name\":\"L\371n\"}}]}",
	                       false);
	assert_string_equal(call->callers[0]->name, "L\357\277\275n");
	assert_string_equal(call->callers[0]->channel, "x\357\277\275y");
}

/* What is no text is no reason to refuse a call, nor is a key that comes twice, in none of the sources. */
static void test_damaged_texts(void **state)
{
	static const struct {
		const char *text, *name;
	} cases[] = {
	    {"L\371n", "L\357\277\275n"},        {"x\\ud83d\\ude00y", "x\360\237\230\200y"},
	    {"cut \\ud83d", "cut \357\277\275"}, {"\\ude00\\ud83d\\u0041", "\357\277\275\357\277\275A"},
	    {"a\\u0000b", "a\357\277\275b"},     {"\\\\u0000 \\\"\\ud800", "\\u0000 \"\357\277\275"},
	};
	char body[1024];
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); ++i) {
		snprintf(body, sizeof(body),
		         "\xef\xbb\xbf{\"transId\":\"t\",\"createAt\":1795140907123,\"typeCall\":2,\"callerName\":\"%s\","
		         "\"callerName\":\"second\"}",
		         cases[i].text);
		assert_string_equal(vbot_call(*state, body, false)->callers[0]->name, cases[i].name);
		snprintf(body, sizeof(body),
		         "\xef\xbb\xbf{\"variables\":{\"uuid\":\"a\",\"uuid\":\"b\",\"start_epoch\":\"1795140907\","
		         "\"channel_name\":\"%%00x%%F9\"},\"callflow\":[{\"caller_profile\":{\"caller_id_name\":\"%s\"}}]}",
		         cases[i].text);
		const Call *call = leg(*state, body, false);
		assert_string_equal(call->id, "a");
		assert_string_equal(call->callers[0]->name, cases[i].name);
		assert_string_equal(call->callers[0]->channel, "\357\277\275x\357\277\275");
	}
	/* More variables than an object of the contract may have. */
	static char many[200000];
	size_t length = (size_t)snprintf(many, sizeof(many), "{\"variables\":{");
	for (int i = 0; i < 5000; ++i)
		length += (size_t)snprintf(many + length, sizeof(many) - length, "\"sip_h_X-%d\":\"%d\",", i, i);
	snprintf(many + length, sizeof(many) - length, "\"uuid\":\"a\",\"start_epoch\":1795140907}}");
	assert_string_equal(leg(*state, many, false)->id, "a");
}

/* Objects where FreeSWITCH writes arrays, and elements that are no objects. */
static void test_objects_instead_of_arrays(void **state)
{
	static const char *const a_legs[] = {
	    "{\"caller_profile\":{\"caller_id_number\":\"0912\",\"originatee\":{\"originatee_caller_profiles\":"
	    "{\"uuid\":\"b-1\",\"destination_number\":\"1001\"},\"more\":{\"uuid\":\"b-2\"}}}}",
	    "[null,\"x\",{\"caller_profile\":{\"caller_id_number\":\"0912\",\"originatee\":{"
	    "\"originatee_caller_profiles\":[null,[],{\"uuid\":\"b-1\",\"destination_number\":\"1001\"},7]}}},5]",
	};
	static const char *const b_legs[] = {
	    "{\"caller_profile\":{\"originator\":{\"originator_caller_profiles\":{\"uuid\":\"a-1\"},\"x\":{}}}}",
	    "[{\"caller_profile\":{\"originator\":{\"originator_caller_profiles\":[0,{\"uuid\":\"a-1\"}]}}},1]",
	};
	static const char *const no_originators[] = {"null", "[]", "[null]", "\"\"", "7"};
	char body[1024];
	for (size_t i = 0; i < 2; ++i) {
		snprintf(body, sizeof(body),
		         "{\"variables\":{\"uuid\":\"a\",\"start_epoch\":1795140907,\"call_direction\":\"inbound\"},"
		         "\"callflow\":%s}",
		         a_legs[i]);
		const Call *call = leg(*state, body, false);
		assert_string_equal(call->callers[0]->phone, "0912");
		assert_int_equal(call->n_callees, 1);
		assert_string_equal(call->callees[0]->leg_id, "b-1");
		assert_string_equal(call->callees[0]->phone, "1001");
		snprintf(body, sizeof(body), "{\"variables\":{\"uuid\":\"b\",\"start_epoch\":1795140907},\"callflow\":%s}",
		         b_legs[i]);
		assert_string_equal(leg(*state, body, true)->id, "a-1");
	}
	for (size_t i = 0; i < sizeof(no_originators) / sizeof(no_originators[0]); ++i) {
		snprintf(body, sizeof(body),
		         "{\"variables\":{\"uuid\":\"a\",\"start_epoch\":1795140907},\"callflow\":[{\"caller_profile\":{"
		         "\"originator\":{\"originator_caller_profiles\":%s}}}]}",
		         no_originators[i]);
		assert_string_equal(leg(*state, body, false)->id, "a");
	}
}

static void test_variables_with_recordings(void **state)
{
	static const struct {
		const char *variables;
		const char *recordings[4];
	} cases[] = {
	    {"\"none\":\"\"", {NULL}},
	    {"\"my_recording\":\"a%20b.wav\"", {"a b.wav"}},
	    {"\"recording_file\":\"ARRAY::a.wav|:b.wav\"", {"a.wav", "b.wav"}},
	    {"\"recording_file\":\"x\",\"my_recording\":\"ARRAY%3A%3Ax%7C%3A%7C%3Ay\",\"record_name\":\"y\","
	     "\"none\":\"z\"",
	     {"x", "y", "z"}},
	};
	char body[1024];
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); ++i) {
		snprintf(body, sizeof(body), "{\"variables\":{\"uuid\":\"a\",\"start_epoch\":1795140907,%s}}",
		         cases[i].variables);
		const Call *call = leg(*state, body, false);
		size_t count = 0;
		for (; cases[i].recordings[count]; ++count) {
			assert_true(count < call->n_recordings);
			assert_string_equal(call->recordings[count], cases[i].recordings[count]);
		}
		assert_int_equal(call->n_recordings, count);
		assert_int_equal(call->audio_recorded, count > 0);
	}
}

static void test_legs_that_are_refused(void **state)
{
	static const struct {
		const char *body, *words;
	} refused[] = {
	    {"", "not valid JSON"},
	    {"cdr=", "not valid JSON"},
	    {"hello world", "neither JSON"},
	    {"{\"variables\":{}}", "variables.uuid"},
	    {"{\"variables\":{\"uuid\":\"a\"}}", "variables.start_uepoch"},
	    {"{\"variables\":{\"uuid\":\"a\",\"start_epoch\":\"0\"}}", "variables.start_uepoch"},
	    {"cdr=%7B%22variables%22%3A%7B%22caller_id%22%3A%22\"L\" <1>%22%7D%7D", "encode=false"},
	    {"[]", "neither JSON"},
	    {"{", "not valid JSON"},
	};
	struct fixture *fixture = *state;
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); ++i) {
		struct sources_record record;
		if (freeswitch(fixture, refused[i].body, &record) != -1 || fixture->error.code != 400 ||
		    !strstr(fixture->error.message, refused[i].words))
			fail_msg("\"%s\": %s", refused[i].body, fixture->error.message);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_a_log),
	    cmocka_unit_test(test_every_disposition_and_type),
	    cmocka_unit_test(test_recordings_and_complete_events),
	    cmocka_unit_test(test_old_events),
	    cmocka_unit_test(test_events_that_are_no_call),
	    cmocka_unit_test(test_events_that_are_refused),
	    cmocka_unit_test(test_an_a_leg),
	    cmocka_unit_test(test_a_b_leg),
	    cmocka_unit_test(test_every_cause),
	    cmocka_unit_test(test_machines_and_directions),
	    cmocka_unit_test(test_every_encoding),
	    cmocka_unit_test(test_damaged_texts),
	    cmocka_unit_test(test_objects_instead_of_arrays),
	    cmocka_unit_test(test_variables_with_recordings),
	    cmocka_unit_test(test_legs_that_are_refused),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
