/*
 * sources/freeswitch: mod_json_cdr writes a leg as `variables` (strings, percent-encoded by default) and `callflow`, an
 * array of the leg's profiles, the newest first. The oldest one has who called and what was dialled.
 */
#include "sources/freeswitch.h"

#include <ctype.h>
#include <strings.h>

#include "base/base64url.h"
#include "base/hex.h"
#include "contract/fault.h"
#include "contract/object.h"

typedef Callhistory__V1__Call Call;
typedef Callhistory__V1__Party Party;

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

/* ---- Tables ----------------------------------------------------------------------------------------------------- */

/* hangup_cause of a leg that was not answered; all others are kept as they are. */
static const struct sources_code causes[] = {
    {"USER_BUSY", CALLHISTORY__V1__DISPOSITION__DISPOSITION_BUSY},
    {"BUSY_EVERYWHERE", CALLHISTORY__V1__DISPOSITION__DISPOSITION_BUSY},
    {"NO_ANSWER", CALLHISTORY__V1__DISPOSITION__DISPOSITION_NO_ANSWER},
    {"NO_USER_RESPONSE", CALLHISTORY__V1__DISPOSITION__DISPOSITION_NO_ANSWER},
    {"ALLOTTED_TIMEOUT", CALLHISTORY__V1__DISPOSITION__DISPOSITION_NO_ANSWER},
    {"PROGRESS_TIMEOUT", CALLHISTORY__V1__DISPOSITION__DISPOSITION_NO_ANSWER},
    {"NO_PICKUP", CALLHISTORY__V1__DISPOSITION__DISPOSITION_NO_ANSWER},
    {"RECOVERY_ON_TIMER_EXPIRE", CALLHISTORY__V1__DISPOSITION__DISPOSITION_NO_ANSWER},
    {"ORIGINATOR_CANCEL", CALLHISTORY__V1__DISPOSITION__DISPOSITION_CANCELLED},
    {"LOSE_RACE", CALLHISTORY__V1__DISPOSITION__DISPOSITION_ANSWERED_ELSEWHERE},
    {"PICKED_OFF", CALLHISTORY__V1__DISPOSITION__DISPOSITION_ANSWERED_ELSEWHERE},
    {"NORMAL_CLEARING", CALLHISTORY__V1__DISPOSITION__DISPOSITION_NORMAL_CLEARING},
    {"NORMAL_CIRCUIT_CONGESTION", CALLHISTORY__V1__DISPOSITION__DISPOSITION_CONGESTION},
    {"SWITCH_CONGESTION", CALLHISTORY__V1__DISPOSITION__DISPOSITION_CONGESTION},
    {"NORMAL_TEMPORARY_FAILURE", CALLHISTORY__V1__DISPOSITION__DISPOSITION_CONGESTION},
    {"NETWORK_OUT_OF_ORDER", CALLHISTORY__V1__DISPOSITION__DISPOSITION_CONGESTION},
    {"UNALLOCATED_NUMBER", CALLHISTORY__V1__DISPOSITION__DISPOSITION_CHANNEL_UNAVAILABLE},
    {"NO_ROUTE_DESTINATION", CALLHISTORY__V1__DISPOSITION__DISPOSITION_CHANNEL_UNAVAILABLE},
    {"SUBSCRIBER_ABSENT", CALLHISTORY__V1__DISPOSITION__DISPOSITION_CHANNEL_UNAVAILABLE},
    {"USER_NOT_REGISTERED", CALLHISTORY__V1__DISPOSITION__DISPOSITION_CHANNEL_UNAVAILABLE},
    {"DESTINATION_OUT_OF_ORDER", CALLHISTORY__V1__DISPOSITION__DISPOSITION_CHANNEL_UNAVAILABLE},
    {"REQUESTED_CHAN_UNAVAIL", CALLHISTORY__V1__DISPOSITION__DISPOSITION_CHANNEL_UNAVAILABLE},
    {"GATEWAY_DOWN", CALLHISTORY__V1__DISPOSITION__DISPOSITION_CHANNEL_UNAVAILABLE},
    {"INVALID_GATEWAY", CALLHISTORY__V1__DISPOSITION__DISPOSITION_CHANNEL_UNAVAILABLE},
    {"CALL_REJECTED", CALLHISTORY__V1__DISPOSITION__DISPOSITION_REJECTED},
    {"DECLINE", CALLHISTORY__V1__DISPOSITION__DISPOSITION_REJECTED},
    {"INVALID_NUMBER_FORMAT", CALLHISTORY__V1__DISPOSITION__DISPOSITION_INVALID_ARGUMENTS},
    {"MANDATORY_IE_MISSING", CALLHISTORY__V1__DISPOSITION__DISPOSITION_INVALID_ARGUMENTS},
};

/* call_direction, which FusionPBX sets. */
static const struct direction {
	const char *name;
	Callhistory__V1__CallDirection direction;
} directions[] = {
    {"inbound", CALLHISTORY__V1__CALL_DIRECTION__CALL_DIRECTION_INBOUND},
    {"outbound", CALLHISTORY__V1__CALL_DIRECTION__CALL_DIRECTION_OUTBOUND},
    {"local", CALLHISTORY__V1__CALL_DIRECTION__CALL_DIRECTION_INTERNAL},
};

/* sip_hangup_disposition of the leg that began the call: who ended it. */
static const struct ending {
	const char *name, *by;
} endings[] = {
    {"recv_bye", "CALLER"},
    {"recv_cancel", "CALLER"},
    {"send_bye", "CALLEE"},
    {"send_refuse", "CALLEE"},
};

/* Applications that answer although nobody talks. */
static const char *const machines[] = {"voicemail", "callcenter", "fifo"};

enum { HINT_MAX = 1 << 20 };

/* The first one that the leg has is used. */
static const char *const sip_codes[] = {"sip_term_status", "sip_invite_failure_status"};
static const char *const hotlines[] = {"effective_caller_id_number", "outbound_caller_id_number"};
static const char *const dialled_channels[] = {"bridge_channel", "last_arg"};

static const struct import_field call_seconds[] = {
    IMPORT_CALL_TALK("billsec"),
    IMPORT_CALL_DURATION("duration"),
};
static const struct import_field party_seconds[] = {
    IMPORT_PARTY_TALK("billsec"),
    IMPORT_PARTY_DURATION("duration"),
};

/* ---- Bodies ----------------------------------------------------------------------------------------------------- */

struct text {
	char *at;
	size_t length;
};

/* Decodes %XX once, and never a plus. `text` is NUL-terminated. */
static void decode_percent(struct text *text)
{
	char *out = text->at;
	for (size_t i = 0; i < text->length; ++i) {
		int byte = text->at[i] == '%' ? hex_byte(text->at + i + 1) : -1;
		*out++ = byte < 0 ? text->at[i] : (char)byte;
		i += byte < 0 ? 0 : 2;
	}
	text->length = (size_t)(out - text->at);
	*out = '\0';
}

static int decode_base64(struct text *text)
{
	while (text->length && isspace((unsigned char)text->at[text->length - 1]))
		--text->length;
	int bytes = base64url_decode_standard(text->at, text->length);
	if (bytes < 0)
		return -1;
	text->length = (size_t)bytes;
	text->at[bytes] = '\0';
	return 0;
}

/* Finds the JSON object of a body. */
static int read_body(const struct import_reader *reader, const char *body, size_t length, const struct node **out)
{
	contract_object_skip_mark(&body, &length);
	const size_t skipped = length >= 4 && !memcmp(body, "cdr=", 4) ? 4 : 0;
	struct text text = {arena_copy(reader->arena, body + skipped, length - skipped), length - skipped};
	if (!text.at)
		return contract_fault_memory(reader->error);
	while (text.length && isspace((unsigned char)*text.at)) {
		++text.at;
		--text.length;
	}
	const bool percent = *text.at == '%';
	if (percent)
		decode_percent(&text);
	else if (*text.at != '{' && decode_base64(&text))
		return contract_fault(reader->arena, reader->error, 400, NULL,
		                      "body is neither JSON nor cdr= with percent-encoded JSON or base64");
	if (!sources_object_read(reader, text.at, text.length, "body", out))
		return 0;
	if (percent && reader->error->code == 400)
		return contract_fault(reader->arena, reader->error, 400, NULL,
		                      "%s: FreeSWITCH before September 2026 encodes some values wrongly, set encode=false",
		                      reader->error->message);
	return -1;
}

/* ---- Values ----------------------------------------------------------------------------------------------------- */

/* A leg: its containers, and what is needed of them more than once. */
struct leg {
	const struct import_reader *reader;
	const struct sources_freeswitch_options *options;
	const struct node *variables;
	const struct node *profiles; /* callflow; NULL: none */
	const struct node *oldest;   /* its caller_profile; NULL: none */
	char *uuid;
	int64_t start_ms;
	bool answered;
};

/* Reads the text of a member; *out stays as it is where there is none. */
static int read_text(const struct leg *leg, const struct node *object, const char *name, size_t most, char **out)
{
	return contract_import_string(leg->reader, import_member(object, name), most, out);
}

/* The same of a variable, decoded. */
static int read_variable(const struct leg *leg, const char *name, size_t most, char **out)
{
	char *encoded = NULL;
	if (read_text(leg, leg->variables, name, 3 * most, &encoded))
		return -1;
	if (!encoded)
		return 0;
	struct text text = {arena_copy(leg->reader->arena, encoded, strlen(encoded)), strlen(encoded)};
	if (!text.at)
		return contract_fault_memory(leg->reader->error);
	decode_percent(&text);
	text.at = sources_clean(leg->reader->arena, text.at, &text.length);
	if (!text.at)
		return contract_fault_memory(leg->reader->error);
	if (text.length > most)
		return contract_import_refuse(leg->reader, name, "is too long");
	if (text.length)
		*out = text.at;
	return 0;
}

/* Reads the first of some variables that the leg has. */
static int read_first(const struct leg *leg, const char *const *names, size_t count, size_t most, char **out)
{
	char *text = NULL;
	for (size_t i = 0; i < count && !text; ++i)
		if (read_variable(leg, names[i], most, &text))
			return -1;
	if (text)
		*out = text;
	return 0;
}

/* A number of a member, in units of `ms` milliseconds, as a Unix time in ms; 0: none. */
static int64_t moment_of(const struct node *object, const char *name, double ms)
{
	const struct node *value = contract_node_member(object, name);
	double number;
	if (!value || !contract_node_number(value, &number) || !(number > 0) || number * ms >= 253402300800000.0)
		return 0;
	return (int64_t)(number * ms);
}

/*
 * The object of a list after another one; NULL: the first. An object where FreeSWITCH writes an array is its only
 * element, as encoders write it that know no arrays of one; what is no object is skipped.
 */
static const struct node *next_object(const struct node *list, const struct node *after)
{
	if (!list || list->kind != NODE_ARRAY)
		return !after && list && list->kind == NODE_OBJECT ? list : NULL;
	const struct node *next = after ? after->next : list->children;
	while (next && next->kind != NODE_OBJECT)
		next = next->next;
	return next;
}

static const struct node *last_object(const struct node *list)
{
	const struct node *last = NULL;
	for (const struct node *each = next_object(list, NULL); each; each = next_object(list, each))
		last = each;
	return last;
}

/* The profiles of the legs that made a profile's leg ("originator"), or that it made ("originatee"). */
static const struct node *others_of(const struct node *profile, const char *kind, const char *list)
{
	const struct node *caller = contract_node_member(profile, "caller_profile");
	const struct node *other = contract_node_member(caller, kind);
	return contract_node_member(other ? other : contract_node_member(profile, kind), list);
}

/* The profile of the leg that made this one; NULL: it began the call. */
static const struct node *originator_of(const struct leg *leg)
{
	for (const struct node *profile = NULL; (profile = next_object(leg->profiles, profile));) {
		const struct node *originator =
		    next_object(others_of(profile, "originator", "originator_caller_profiles"), NULL);
		if (originator)
			return originator;
	}
	return NULL;
}

static int read_start(struct leg *leg)
{
	const struct node *times = contract_node_member(last_object(leg->profiles), "times");
	const int64_t moments[] = {moment_of(leg->variables, "start_uepoch", 0.001),
	                           moment_of(times, "created_time", 0.001), moment_of(leg->variables, "start_epoch", 1000)};
	for (size_t i = 0; i < COUNT(moments) && !leg->start_ms; ++i)
		leg->start_ms = moments[i];
	return leg->start_ms ? 0 : contract_import_refuse(leg->reader, "variables.start_uepoch", "is missing");
}

static int read_leg(struct leg *leg, const struct node *object)
{
	leg->variables = contract_node_member(object, "variables");
	leg->profiles = contract_node_member(object, "callflow");
	leg->oldest = contract_node_member(last_object(leg->profiles), "caller_profile");
	const struct node *times = contract_node_member(last_object(leg->profiles), "times");
	if (contract_import_plain_string(leg->reader, import_member(leg->variables, "uuid"), CONTRACT_ID_MAX, &leg->uuid))
		return -1;
	if (!leg->uuid)
		return contract_import_refuse(leg->reader, "variables.uuid", "is missing");
	leg->answered = moment_of(leg->variables, "answer_epoch", 1000) ||
	                (!contract_node_member(leg->variables, "answer_epoch") && moment_of(times, "answered_time", 0.001));
	return read_start(leg);
}

/* ---- Parts ------------------------------------------------------------------------------------------------------ */

static int read_disposition(const struct leg *leg, Callhistory__V1__Disposition *out, char **other)
{
	char *cause = NULL;
	if (leg->answered) {
		*out = CALLHISTORY__V1__DISPOSITION__DISPOSITION_ANSWERED;
		return 0;
	}
	if (read_variable(leg, "hangup_cause", CONTRACT_STRING_MAX, &cause))
		return -1;
	sources_disposition(causes, COUNT(causes), cause, out, other);
	return 0;
}

/* Adds a recording unless the call has it; `variable` names it. */
static int add_recording(const struct leg *leg, const char *variable, char *name, Call *call)
{
	for (size_t i = 0; i < call->n_recordings; ++i)
		if (!strcmp(call->recordings[i], name))
			return 0;
	if (call->n_recordings == CONTRACT_RECORDING_MAX)
		return contract_import_refuse(leg->reader, variable, "has too many recordings");
	call->recordings[call->n_recordings++] = name;
	call->audio_recorded = true;
	return 0;
}

/* Adds what a variable names: a recording, or, where FreeSWITCH has put several values together, ARRAY::a|:b. */
static int add_recordings(const struct leg *leg, const char *variable, Call *call)
{
	static const char array[] = "ARRAY::", between[] = "|:";
	char *text = NULL;
	if (read_variable(leg, variable, CONTRACT_URL_MAX, &text))
		return -1;
	if (text && !strncmp(text, array, sizeof(array) - 1))
		text += sizeof(array) - 1;
	for (char *next; text; text = next) {
		next = strstr(text, between);
		if (next) {
			*next = '\0';
			next += sizeof(between) - 1;
		}
		if (*text && add_recording(leg, variable, text, call))
			return -1;
	}
	return 0;
}

/* There is no standard variable: recording_file, FusionPBX's path and name, and those of the options. */
static int read_recordings(const struct leg *leg, Call *call)
{
	const struct sources_freeswitch_options *options = leg->options;
	char *path = NULL, *name = NULL;
	call->recordings = arena_alloc(leg->reader->arena, CONTRACT_RECORDING_MAX * sizeof(*call->recordings));
	if (!call->recordings)
		return contract_fault_memory(leg->reader->error);
	if (add_recordings(leg, "recording_file", call))
		return -1;
	for (size_t i = 0; i < options->recording_variable_count; ++i)
		if (add_recordings(leg, options->recording_variables[i], call))
			return -1;
	if (read_variable(leg, "record_path", CONTRACT_URL_MAX, &path) ||
	    read_variable(leg, "record_name", CONTRACT_URL_MAX, &name))
		return -1;
	if (!name)
		return 0;
	char *whole = path ? arena_printf(leg->reader->arena, "%s/%s", path, name) : name;
	if (!whole)
		return contract_fault_memory(leg->reader->error);
	return strlen(whole) > CONTRACT_URL_MAX ? contract_import_refuse(leg->reader, "record_name", "is too long")
	                                        : add_recording(leg, "record_name", whole, call);
}

static int read_direction(const struct leg *leg, Call *call)
{
	char *name = NULL, *context = NULL, *profile = NULL, *channel = NULL;
	if (read_variable(leg, "call_direction", CONTRACT_STRING_MAX, &name))
		return -1;
	/* Hints, which are not stored and so may be as long as a body: a ring group's last_arg has thousands of bytes. */
	if (!name && (read_text(leg, leg->oldest, "context", HINT_MAX, &context) ||
	              read_variable(leg, "sofia_profile_name", HINT_MAX, &profile) ||
	              read_first(leg, dialled_channels, COUNT(dialled_channels), HINT_MAX, &channel)))
		return -1;
	for (size_t i = 0; name && i < COUNT(directions); ++i)
		if (!strcasecmp(directions[i].name, name))
			call->direction = directions[i].direction;
	if (name && !call->direction)
		call->direction_other = name;
	else if (!name && ((context && !strcmp(context, "public")) || (profile && !strcmp(profile, "external"))))
		call->direction = CALLHISTORY__V1__CALL_DIRECTION__CALL_DIRECTION_INBOUND;
	else if (!name && channel && strstr(channel, "sofia/gateway/"))
		call->direction = CALLHISTORY__V1__CALL_DIRECTION__CALL_DIRECTION_OUTBOUND;
	return 0;
}

/* Whether a machine answered and nobody else did. */
static int is_missed(const struct leg *leg, const Call *call, bool *out)
{
	char *application = NULL;
	*out = false;
	if (call->direction != CALLHISTORY__V1__CALL_DIRECTION__CALL_DIRECTION_INBOUND)
		return 0;
	*out = !leg->answered;
	if (*out || moment_of(leg->variables, "bridge_epoch", 1000))
		return 0;
	if (read_variable(leg, "last_app", HINT_MAX, &application))
		return -1;
	for (size_t i = 0; application && i < COUNT(machines); ++i)
		*out = *out || !strcmp(machines[i], application);
	return 0;
}

static int read_ending(const struct leg *leg, Call *call)
{
	char *name = NULL;
	if (read_variable(leg, "hangup_cause", CONTRACT_STRING_MAX, &call->hangup_cause) ||
	    read_first(leg, sip_codes, COUNT(sip_codes), CONTRACT_STRING_MAX, &call->sip_code) ||
	    read_variable(leg, "sip_hangup_disposition", CONTRACT_STRING_MAX, &name))
		return -1;
	if (name)
		call->ended_by = name;
	for (size_t i = 0; name && i < COUNT(endings); ++i)
		if (!strcmp(endings[i].name, name))
			call->ended_by = (char *)endings[i].by;
	return 0;
}

/* What happened to the call, as the leg that began it tells. */
static int read_outcome(const struct leg *leg, Call *call)
{
	bool missed;
	int64_t answer_ms = moment_of(leg->variables, "answer_uepoch", 0.001);
	if (!answer_ms)
		answer_ms = moment_of(leg->variables, "answer_epoch", 1000);
	if (contract_import_record(leg->reader, leg->variables, call_seconds, COUNT(call_seconds), call) ||
	    read_ending(leg, call) || read_direction(leg, call) || is_missed(leg, call, &missed) ||
	    read_disposition(leg, &call->disposition, &call->disposition_other))
		return -1;
	call->missed = missed;
	if (missed && leg->answered) {
		call->disposition = CALLHISTORY__V1__DISPOSITION__DISPOSITION_NO_ANSWER;
		call->talk_seconds = 0;
	} else if (leg->answered && answer_ms) {
		return contract_import_timestamp(leg->reader, answer_ms, &call->answer_time);
	}
	return 0;
}

static int read_caller(const struct leg *leg, const struct node *profile, char *uuid, Call *call)
{
	Party *caller = sources_party_create(leg->reader->arena, &call->n_callers, &call->callers);
	if (!caller)
		return contract_fault_memory(leg->reader->error);
	caller->leg_id = uuid;
	if (read_text(leg, profile, "caller_id_number", CONTRACT_NUMBER_MAX, &caller->phone))
		return -1;
	return read_text(leg, profile, "caller_id_name", CONTRACT_STRING_MAX, &caller->name);
}

static bool has_leg(const Call *call, const char *uuid)
{
	for (size_t i = 0; i < call->n_callees; ++i)
		if (!strcmp(call->callees[i]->leg_id, uuid))
			return true;
	return false;
}

/* Adds a callee for a leg that this one made; `number` NULL: the one that the other leg's profile has. */
static int add_callee(const struct leg *leg, const struct node *profile, char *number, Call *call)
{
	char *uuid = NULL;
	if (read_text(leg, profile, "uuid", CONTRACT_STRING_MAX, &uuid) ||
	    (!number && read_text(leg, profile, "destination_number", CONTRACT_NUMBER_MAX, &number)))
		return -1;
	if (!uuid || has_leg(call, uuid))
		return 0;
	if (call->n_callees == CONTRACT_PARTY_MAX)
		return contract_import_refuse(leg->reader, "originatee_caller_profiles", "has too many legs");
	Party *party = arena_alloc(leg->reader->arena, sizeof(*party));
	if (!party)
		return contract_fault_memory(leg->reader->error);
	callhistory__v1__party__init(party);
	party->leg_id = uuid;
	if (number)
		party->phone = number;
	call->callees[call->n_callees++] = party;
	return 0;
}

/* The legs that this one made; of an outbound call the number that was dialled, whatever the gateways made of it. */
static int read_callees(const struct leg *leg, Call *call)
{
	const bool outbound = call->direction == CALLHISTORY__V1__CALL_DIRECTION__CALL_DIRECTION_OUTBOUND;
	const bool inbound = call->direction == CALLHISTORY__V1__CALL_DIRECTION__CALL_DIRECTION_INBOUND;
	char *dialled = NULL;
	if (read_text(leg, leg->oldest, "destination_number", CONTRACT_NUMBER_MAX, &dialled))
		return -1;
	if (inbound && dialled)
		call->hotline = dialled;
	call->callees = arena_alloc(leg->reader->arena, CONTRACT_PARTY_MAX * sizeof(Party *));
	if (!call->callees)
		return contract_fault_memory(leg->reader->error);
	for (const struct node *profile = NULL; (profile = next_object(leg->profiles, profile));) {
		const struct node *others = others_of(profile, "originatee", "originatee_caller_profiles");
		for (const struct node *other = NULL; (other = next_object(others, other));)
			if (add_callee(leg, other, outbound ? dialled : NULL, call))
				return -1;
	}
	if (call->n_callees || inbound || !dialled)
		return 0;
	Party *party = sources_party_create(leg->reader->arena, &call->n_callees, &call->callees);
	if (!party)
		return contract_fault_memory(leg->reader->error);
	party->phone = dialled;
	return read_variable(leg, "bridge_uuid", CONTRACT_STRING_MAX, &party->leg_id);
}

/* The leg that began the call. */
static int read_main(const struct leg *leg, Call *call)
{
	call->id = leg->uuid;
	if (read_outcome(leg, call) || read_caller(leg, leg->oldest, leg->uuid, call) || read_callees(leg, call))
		return -1;
	if (read_variable(leg, "channel_name", CONTRACT_STRING_MAX, &call->callers[0]->channel))
		return -1;
	if (call->direction != CALLHISTORY__V1__CALL_DIRECTION__CALL_DIRECTION_OUTBOUND)
		return 0;
	return read_first(leg, hotlines, COUNT(hotlines), CONTRACT_NUMBER_MAX, &call->hotline);
}

/* A leg that another one made: a callee of its call. */
static int read_supplement(const struct leg *leg, const struct node *originator, Call *call)
{
	struct import_value id = import_member(originator, "uuid");
	char *uuid = NULL;
	id.field = "originator_caller_profiles.uuid";
	if (contract_import_plain_string(leg->reader, id, CONTRACT_ID_MAX, &uuid))
		return -1;
	if (!uuid)
		return contract_import_refuse(leg->reader, id.field, "is missing");
	call->id = uuid;
	Party *callee = sources_party_create(leg->reader->arena, &call->n_callees, &call->callees);
	if (!callee)
		return contract_fault_memory(leg->reader->error);
	callee->leg_id = leg->uuid;
	callee->optional_start_offset_ms_case = CALLHISTORY__V1__PARTY__OPTIONAL_START_OFFSET_MS_START_OFFSET_MS;
	if (read_text(leg, leg->oldest, "destination_number", CONTRACT_NUMBER_MAX, &callee->phone) ||
	    read_variable(leg, "channel_name", CONTRACT_STRING_MAX, &callee->channel) ||
	    contract_import_record(leg->reader, leg->variables, party_seconds, COUNT(party_seconds), callee) ||
	    read_disposition(leg, &callee->disposition, &callee->disposition_other))
		return -1;
	return read_caller(leg, originator, uuid, call);
}

int sources_freeswitch_read(const struct sources_freeswitch_options *options, const struct import_reader *reader,
                            const char *body, size_t length, struct sources_record *out)
{
	struct leg leg = {.reader = reader, .options = options};
	struct sources_record record = {0};
	const struct node *object;
	if (read_body(reader, body, length, &object) || read_leg(&leg, object))
		return -1;
	const struct node *originator = originator_of(&leg);
	record.part = sources_part_create(reader->arena);
	if (!record.part)
		return contract_fault_memory(reader->error);
	Call *call = record.part->call;
	record.part->supplement = originator != NULL;
	if (contract_import_timestamp(reader, leg.start_ms, &call->start_time))
		return -1;
	if (originator ? read_supplement(&leg, originator, call) : read_main(&leg, call))
		return -1;
	call->group_id = call->id;
	if (read_recordings(&leg, call))
		return -1;
	*out = record;
	return 0;
}
