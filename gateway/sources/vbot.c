/*
 * sources/vbot: an event is recognised by its name, in either spelling of the key, or else by its shape. The old events
 * have the shape of a call in the vendor's list and no id; the new ones are flat and have `transId`.
 */
#include "sources/vbot.h"

#include <strings.h>

#include "base/call_id.h"
#include "contract/fault.h"
#include "contract/object.h"

typedef Callhistory__V1__Call Call;
typedef Callhistory__V1__Party Party;

/* ---- Tables ----------------------------------------------------------------------------------------------------- */

enum kind { NO_CALL, OLD_LOG, LOG, AUTO_LOG, COMPLETE, RECORDING };

static const struct event {
	const char *name;
	enum kind kind;
} events[] = {
    {"HISTORY_CALL", OLD_LOG},
    {"HISTORY_CALL_PEERTOPEER", OLD_LOG},
    {"CAMPAIGN_CALL", AUTO_LOG},
    {"AUTO_CALL_LOG", AUTO_LOG},
    {"MANUAL_CALL_LOG", LOG},
    {"P2P_CALL_LOG", LOG},
    {"MANUAL_CALL_COMPLETE", COMPLETE},
    {"AUTO_CALL_COMPLETE", COMPLETE},
    {"MANUAL_CALL_RECORDING", RECORDING},
    {"AUTO_CALL_RECORDING", RECORDING},
};

/* MANUAL_CALL_LOG, P2P_CALL_LOG. Lengths are seconds. */
static const struct import_field log_fields[] = {
    IMPORT_CALL_ID("transId"),
    IMPORT_CALL_STRING("groupId", CONTRACT_STRING_MAX, group_id),
    IMPORT_CALL_STRING("hotline", CONTRACT_NUMBER_MAX, hotline),
    IMPORT_CALL_STRING("hangupCause", CONTRACT_STRING_MAX, hangup_cause),
    IMPORT_CALL_STRING("sipCode", CONTRACT_STRING_MAX, sip_code),
    IMPORT_CALL_STRING("endCall", CONTRACT_STRING_MAX, ended_by),
    IMPORT_CALL_STRING("paymentChannel", CONTRACT_STRING_MAX, payment_channel),
    IMPORT_CALL_STRING("conferenceId", CONTRACT_STRING_MAX, conference_id),
    IMPORT_CALL_STRING("customerUid", CONTRACT_STRING_MAX, customer_code),
    IMPORT_CALL_STRING("groupMemberUid", CONTRACT_STRING_MAX, group_member_no),
    IMPORT_CALL_STRING("externalCallId", CONTRACT_STRING_MAX, external_call_id),
    IMPORT_CALL_FIELD("postage", IMPORT_MONEY, charge),
    IMPORT_CALL_FIELD("autoDialServiceCharge", IMPORT_MONEY, auto_dial_service_charge),
    IMPORT_CALL_DURATION("durationCall"),
    /* Ringing time here; read_talk() makes talking time of it. */
    IMPORT_CALL_TALK("timeCall"),
};

static const struct import_field caller_fields[] = {
    IMPORT_PARTY_STRING("caller", CONTRACT_NUMBER_MAX, phone),
    IMPORT_PARTY_STRING("callerName", CONTRACT_STRING_MAX, name),
    IMPORT_PARTY_STRING("callerId", CONTRACT_STRING_MAX, vbot_id),
    IMPORT_PARTY_STRING("callerMemberNo", CONTRACT_STRING_MAX, member_no),
    IMPORT_PARTY_STRING("typeCaller", CONTRACT_STRING_MAX, type),
    IMPORT_PARTY_STRING("channelCaller", CONTRACT_STRING_MAX, channel),
};

static const struct import_field callee_fields[] = {
    IMPORT_PARTY_STRING("callee", CONTRACT_NUMBER_MAX, phone),
    IMPORT_PARTY_STRING("calleeName", CONTRACT_STRING_MAX, name),
    IMPORT_PARTY_STRING("calleeId", CONTRACT_STRING_MAX, vbot_id),
    IMPORT_PARTY_STRING("calleeMemberNo", CONTRACT_STRING_MAX, member_no),
    IMPORT_PARTY_STRING("typeCallee", CONTRACT_STRING_MAX, type),
    IMPORT_PARTY_STRING("channelCallee", CONTRACT_STRING_MAX, channel),
};

/* The code of the phone company is that of the party whose type is this. */
static const char external_type[] = "Phone";

/* AUTO_CALL_LOG. */
static const struct import_field auto_fields[] = {
    IMPORT_CALL_ID("transId"),
    IMPORT_CALL_STRING("groupId", CONTRACT_STRING_MAX, group_id),
    IMPORT_CALL_STRING("hotlineCode", CONTRACT_NUMBER_MAX, hotline),
    IMPORT_CALL_STRING("hangupCause", CONTRACT_STRING_MAX, hangup_cause),
    IMPORT_CALL_STRING("sipCode", CONTRACT_STRING_MAX, sip_code),
    IMPORT_CALL_STRING("externalCallId", CONTRACT_STRING_MAX, external_call_id),
    IMPORT_CALL_FIELD("postage", IMPORT_MONEY, charge),
    IMPORT_CALL_FIELD("serviceCharge", IMPORT_MONEY, auto_dial_service_charge),
    IMPORT_CALL_TALK("billsec"),
    IMPORT_CALL_DURATION("duration"),
};

static const struct import_field auto_caller_fields[] = {
    IMPORT_PARTY_STRING("memberNo", CONTRACT_STRING_MAX, member_no),
    IMPORT_PARTY_STRING("memberName", CONTRACT_STRING_MAX, name),
};

static const struct import_field auto_callee_fields[] = {
    IMPORT_PARTY_STRING("phone", CONTRACT_NUMBER_MAX, phone),
    IMPORT_PARTY_STRING("telcoCode", CONTRACT_STRING_MAX, telco_code),
};

static const struct import_field recording_fields[] = {
    IMPORT_CALL_ID("transId"),
    IMPORT_CALL_STRING("externalCallId", CONTRACT_STRING_MAX, external_call_id),
};

/* The codes of the new events; all others are kept as they are. */
static const struct sources_code dispositions[] = {
    {"ANSWER", CALLHISTORY__V1__DISPOSITION__DISPOSITION_ANSWERED},
    {"ANSWERED", CALLHISTORY__V1__DISPOSITION__DISPOSITION_ANSWERED},
    {"NOANSWER", CALLHISTORY__V1__DISPOSITION__DISPOSITION_NO_ANSWER},
    {"BUSY", CALLHISTORY__V1__DISPOSITION__DISPOSITION_BUSY},
    {"CANCEL", CALLHISTORY__V1__DISPOSITION__DISPOSITION_CANCELLED},
};

/* typeCall; 3 is an inbound call that nobody answered, as an unanswered 1 is. */
static const struct direction {
	int64_t code;
	Callhistory__V1__CallDirection direction;
	bool missed;
} directions[] = {
    {1, CALLHISTORY__V1__CALL_DIRECTION__CALL_DIRECTION_INBOUND, false},
    {2, CALLHISTORY__V1__CALL_DIRECTION__CALL_DIRECTION_OUTBOUND, false},
    {3, CALLHISTORY__V1__CALL_DIRECTION__CALL_DIRECTION_INBOUND, true},
};

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

/* ---- Values ----------------------------------------------------------------------------------------------------- */

/* Reads a required id. */
static int check_id(const struct import_reader *reader, const Call *call)
{
	return *call->id ? 0 : contract_import_refuse(reader, "transId", "is missing");
}

/* Reads a moment: ms, or seconds, as one event has them: 100,000 million ms are in 1973. */
static int read_moment(const struct import_reader *reader, struct import_value value, int64_t *ms)
{
	const int recorded = contract_import_moment(reader, value, ms);
	if (recorded > 0 && *ms < INT64_C(100000000000))
		*ms *= 1000;
	return recorded;
}

/* Reads createAt, the start of the call. */
static int read_start(const struct import_reader *reader, const struct node *object, Call *call, int64_t *ms)
{
	const int recorded = read_moment(reader, import_member(object, "createAt"), ms);
	if (recorded <= 0)
		return recorded ? -1 : contract_import_refuse(reader, "createAt", "is missing");
	return contract_import_timestamp(reader, *ms, &call->start_time);
}

/* Reads when the callee's leg was answered, which is also the call's answer if it was answered at all. */
static int read_answer(const struct import_reader *reader, struct import_value value, int64_t start_ms, Call *call)
{
	int64_t ms;
	const int recorded = read_moment(reader, value, &ms);
	if (recorded <= 0)
		return recorded;
	Party *callee = call->callees[0];
	callee->optional_start_offset_ms_case = CALLHISTORY__V1__PARTY__OPTIONAL_START_OFFSET_MS_START_OFFSET_MS;
	callee->start_offset_ms = ms - start_ms;
	if (call->disposition != CALLHISTORY__V1__DISPOSITION__DISPOSITION_ANSWERED)
		return 0;
	return contract_import_timestamp(reader, ms, &call->answer_time);
}

static int read_disposition(const struct import_reader *reader, const struct node *object, Call *call)
{
	char *text = NULL;
	if (contract_import_string(reader, import_member(object, "disposition"), CONTRACT_STRING_MAX, &text))
		return -1;
	sources_disposition(dispositions, COUNT(dispositions), text, &call->disposition, &call->disposition_other);
	return 0;
}

/* A code that is none of the table's is kept as a text. */
static int read_direction(const struct import_reader *reader, const struct node *object, Call *call)
{
	const struct import_value type = import_member(object, "typeCall");
	const bool answered = call->disposition == CALLHISTORY__V1__DISPOSITION__DISPOSITION_ANSWERED;
	double number;
	char *text = NULL;
	if (contract_import_string(reader, type, CONTRACT_STRING_MAX, &text))
		return -1;
	if (!text)
		return 0;
	for (size_t i = 0; i < COUNT(directions); ++i) {
		if (!contract_node_number(type.node, &number) || number != (double)directions[i].code)
			continue;
		call->direction = directions[i].direction;
		call->missed = directions[i].missed ||
		               (call->direction == CALLHISTORY__V1__CALL_DIRECTION__CALL_DIRECTION_INBOUND && !answered);
		return 0;
	}
	call->direction_other = text;
	return 0;
}

/* The events report ringing and the whole call: talking is the difference, of an answered call. */
static void read_talk(Call *call)
{
	const bool has_ringing = call->optional_talk_seconds_case != 0,
	           has_duration = call->optional_duration_seconds_case != 0;
	const uint32_t ringing = call->talk_seconds;
	call->optional_talk_seconds_case = CALLHISTORY__V1__CALL__OPTIONAL_TALK_SECONDS_TALK_SECONDS;
	call->talk_seconds = 0;
	if (call->disposition != CALLHISTORY__V1__DISPOSITION__DISPOSITION_ANSWERED)
		return;
	if (has_ringing && has_duration && call->duration_seconds >= ringing)
		call->talk_seconds = call->duration_seconds - ringing;
	else
		call->optional_talk_seconds_case = 0;
}

/* ---- Events ----------------------------------------------------------------------------------------------------- */

/* Makes the first caller and the first callee, which these events always name. */
static int make_parties(const struct import_reader *reader, Call *call)
{
	if (sources_party_create(reader->arena, &call->n_callers, &call->callers) &&
	    sources_party_create(reader->arena, &call->n_callees, &call->callees))
		return 0;
	return contract_fault_memory(reader->error);
}

static int read_telco(const struct import_reader *reader, const struct node *object, Call *call)
{
	char *text = NULL;
	if (contract_import_string(reader, import_member(object, "telcoCode"), CONTRACT_STRING_MAX, &text))
		return -1;
	if (!text)
		return 0;
	if (!strcasecmp(call->callers[0]->type, external_type))
		call->callers[0]->telco_code = text;
	else if (!strcasecmp(call->callees[0]->type, external_type))
		call->callees[0]->telco_code = text;
	return 0;
}

static int read_log(const struct import_reader *reader, const struct node *object, Call *call)
{
	int64_t start_ms = 0;
	if (contract_import_record(reader, object, log_fields, COUNT(log_fields), call) || check_id(reader, call) ||
	    read_start(reader, object, call, &start_ms) || make_parties(reader, call) ||
	    contract_import_record(reader, object, caller_fields, COUNT(caller_fields), call->callers[0]) ||
	    contract_import_record(reader, object, callee_fields, COUNT(callee_fields), call->callees[0]) ||
	    read_telco(reader, object, call) || read_disposition(reader, object, call) ||
	    read_direction(reader, object, call) || read_answer(reader, import_member(object, "callAt"), start_ms, call))
		return -1;
	read_talk(call);
	return 0;
}

static int read_auto_log(const struct import_reader *reader, const struct node *object, Call *call)
{
	int64_t start_ms = 0;
	call->direction = CALLHISTORY__V1__CALL_DIRECTION__CALL_DIRECTION_OUTBOUND;
	if (contract_import_record(reader, object, auto_fields, COUNT(auto_fields), call) || check_id(reader, call) ||
	    read_start(reader, object, call, &start_ms) || make_parties(reader, call) ||
	    contract_import_record(reader, object, auto_caller_fields, COUNT(auto_caller_fields), call->callers[0]) ||
	    contract_import_record(reader, object, auto_callee_fields, COUNT(auto_callee_fields), call->callees[0]) ||
	    read_disposition(reader, object, call))
		return -1;
	return read_answer(reader, import_member(object, "answerAt"), start_ms, call);
}

/* Adds the URL of a recording, if it is given. */
static int add_url(const struct import_reader *reader, const struct node *node, Call *call)
{
	const struct import_value value = {.node = node, .field = "recordUrl"};
	char *url = NULL;
	if (contract_import_string(reader, value, CONTRACT_URL_MAX, &url))
		return -1;
	if (!url)
		return 0;
	if (call->n_recordings == CONTRACT_RECORDING_MAX)
		return contract_import_refuse(reader, value.field, "has too many recordings");
	call->recordings[call->n_recordings++] = url;
	call->audio_recorded = true;
	return 0;
}

/* Adds the URLs of an object with recordUrl, or of several: either may be an array. */
static int read_recordings(const struct import_reader *reader, const struct node *value, Call *call)
{
	const bool several = value && value->kind == NODE_ARRAY;
	if (!call->recordings)
		call->recordings = arena_alloc(reader->arena, CONTRACT_RECORDING_MAX * sizeof(*call->recordings));
	if (!call->recordings)
		return contract_fault_memory(reader->error);
	for (const struct node *each = several ? value->children : value; each; each = several ? each->next : NULL) {
		const struct node *urls = each->kind == NODE_OBJECT ? contract_node_member(each, "recordUrl") : each;
		const bool list = urls && urls->kind == NODE_ARRAY;
		for (const struct node *url = list ? urls->children : urls; url; url = list ? url->next : NULL)
			if (add_url(reader, url, call))
				return -1;
	}
	return 0;
}

/*
 * The id of an event that has none: of the fields that are the same when the event returns with a recording or another
 * length.
 */
static int make_id(const struct import_reader *reader, Call *call)
{
	Call known = CALLHISTORY__V1__CALL__INIT;
	known.hotline = call->hotline;
	known.start_time = call->start_time;
	known.direction = call->direction;
	known.missed = call->missed;
	known.direction_other = call->direction_other;
	known.external_call_id = call->external_call_id;
	const size_t counts[] = {call->n_callers, call->n_callees};
	Party **const sides[] = {call->callers, call->callees};
	Party **numbers[2];
	for (size_t side = 0; side < 2; ++side) {
		numbers[side] = arena_alloc(reader->arena, counts[side] * sizeof(Party *));
		Party *each = arena_alloc(reader->arena, counts[side] * sizeof(*each));
		if (!numbers[side] || !each)
			return contract_fault_memory(reader->error);
		for (size_t i = 0; i < counts[side]; ++i) {
			callhistory__v1__party__init(&each[i]);
			each[i].phone = sides[side][i]->phone;
			numbers[side][i] = &each[i];
		}
	}
	known.callers = numbers[0];
	known.n_callers = counts[0];
	known.callees = numbers[1];
	known.n_callees = counts[1];
	return call_id_make(reader->arena, "", "", &known.base, &call->id) ? contract_fault_memory(reader->error) : 0;
}

static int read_old_log(const struct import_reader *reader, const struct node *object, Call *call)
{
	if (contract_import_call(reader, object, call))
		return -1;
	return *call->id ? 0 : make_id(reader, call);
}

/* The member that a COMPLETE event has the log or the recording in; either name. NULL: none. */
static const struct node *member_of(const struct node *object, const char *manual, const char *automatic)
{
	const struct node *member = contract_node_member(object, manual);
	return member ? member : contract_node_member(object, automatic);
}

static int read_complete(const struct import_reader *reader, const struct node *object, Call *call)
{
	const struct node *log = member_of(object, "manualCallLog", "autoCallLog");
	const struct node *recording = member_of(object, "manualCallRecording", "autoCallRecording");
	const bool automatic = log && log == contract_node_member(object, "autoCallLog");
	const char *name = automatic ? "autoCallLog" : "manualCallLog";
	if (!log || log->kind != NODE_OBJECT)
		return contract_import_refuse(reader, name, "must be an object");
	if (recording && recording->kind != NODE_OBJECT && recording->kind != NODE_ARRAY && recording->kind != NODE_NULL)
		return contract_import_refuse(reader, automatic ? "autoCallRecording" : "manualCallRecording",
		                              "must be an object");
	if (automatic ? read_auto_log(reader, log, call) : read_log(reader, log, call))
		return -1;
	return read_recordings(reader, recording, call);
}

/* ---- Recognising ------------------------------------------------------------------------------------------------ */

static enum kind kind_of_shape(const struct node *object)
{
	const struct node *caller = contract_node_member(object, "caller");
	const bool type = contract_node_member(object, "typeCall"), start = contract_node_member(object, "createAt");
	if (member_of(object, "manualCallLog", "autoCallLog"))
		return COMPLETE;
	if ((caller && caller->kind == NODE_ARRAY) || contract_node_member(object, "date_create"))
		return OLD_LOG;
	if (contract_node_member(object, "phone") && (contract_node_member(object, "billsec") || (start && !type)))
		return AUTO_LOG;
	/* A call that lacks one of them is refused, by its name, and not acknowledged as no call. */
	if (contract_node_member(object, "transId") && (type || start))
		return LOG;
	return contract_node_member(object, "recordUrl") ? RECORDING : NO_CALL;
}

static int read_name(const struct import_reader *reader, const struct node *object, char **out)
{
	if (contract_import_string(reader, import_member(object, "event_data"), CONTRACT_STRING_MAX, out))
		return -1;
	return *out ? 0 : contract_import_string(reader, import_member(object, "eventData"), CONTRACT_STRING_MAX, out);
}

static enum kind kind_of(const struct node *object, const char *name)
{
	for (size_t i = 0; name && i < COUNT(events); ++i)
		if (!strcasecmp(events[i].name, name))
			return events[i].kind;
	return name ? NO_CALL : kind_of_shape(object);
}

/* The tenant's project is in the event or in the log that it contains. */
static int read_project(const struct import_reader *reader, const struct node *object, char **out)
{
	const struct node *const objects[] = {object, member_of(object, "manualCallLog", "autoCallLog")};
	static const char *const names[] = {"projectCode", "project_code"};
	for (size_t i = 0; i < COUNT(objects); ++i) {
		for (size_t j = 0; j < COUNT(names) && !*out; ++j)
			if (contract_import_plain_string(reader, import_member(objects[i], names[j]), CONTRACT_STRING_MAX, out))
				return -1;
	}
	return 0;
}

static int read_call(const struct import_reader *reader, const struct node *object, enum kind kind, Call *call)
{
	switch (kind) {
	case OLD_LOG:
		return read_old_log(reader, object, call);
	case LOG:
		return read_log(reader, object, call);
	case AUTO_LOG:
		return read_auto_log(reader, object, call);
	case COMPLETE:
		return read_complete(reader, object, call);
	default:
		if (contract_import_record(reader, object, recording_fields, COUNT(recording_fields), call) ||
		    check_id(reader, call))
			return -1;
		if (read_recordings(reader, object, call))
			return -1;
		return call->n_recordings ? 0 : contract_import_refuse(reader, "recordUrl", "is missing");
	}
}

int sources_vbot_read(const struct import_reader *reader, const char *body, size_t length, struct sources_record *out)
{
	const struct node *object;
	char *name = NULL, *project = NULL;
	struct sources_record record = {0};
	if (sources_object_read(reader, body, length, "body", &object) || read_name(reader, object, &name) ||
	    read_project(reader, object, &project))
		return -1;
	const enum kind kind = kind_of(object, name);
	record.project_code = project;
	if (kind != NO_CALL) {
		record.part = sources_part_create(reader->arena);
		if (!record.part)
			return contract_fault_memory(reader->error);
		record.part->supplement = kind == RECORDING;
		if (read_call(reader, object, kind, record.part->call))
			return -1;
		if (name && kind != RECORDING)
			record.part->call->event = name;
	}
	*out = record;
	return 0;
}
