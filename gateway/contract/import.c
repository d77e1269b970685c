/*
 * contract/import: one NDJSON line to one Call (contract §3). Plain fields are read by table; the rest, in the order of
 * the document. An invalid line is refused as a whole, with the field at fault. If an exported line contains the packed
 * call, only that is read (import_exact.c).
 */
#include "contract/import.h"

#include <string.h>

#include "base/call_id.h"
#include "base/utf8.h"
#include "contract/fault.h"
#include "contract/names.h"
#include "contract/object.h"

enum { TENANT_MAX = 64 };

enum type { STRING, PLAIN_STRING, MONEY, BOOLEAN };

/* A field that is read by its type alone. */
struct plain_field {
	const char *name;
	enum type type;
	size_t most; /* bytes of a string */
	size_t offset;
};

#define CALL_FIELD(name, type, most, member)                                                                           \
	{                                                                                                                  \
		name, type, most, offsetof(Callhistory__V1__Call, member)                                                      \
	}
#define PARTY_FIELD(name, type, most, member)                                                                          \
	{                                                                                                                  \
		name, type, most, offsetof(Callhistory__V1__Party, member)                                                     \
	}

/* If two names set one member, the later row takes precedence. */
static const struct plain_field call_fields[] = {
    CALL_FIELD("hotline_number", STRING, CONTRACT_NUMBER_MAX, hotline),
    CALL_FIELD("event_data", STRING, CONTRACT_STRING_MAX, event),
    CALL_FIELD("group_id", STRING, CONTRACT_STRING_MAX, group_id),
    CALL_FIELD("external_call_id", STRING, CONTRACT_STRING_MAX, external_call_id),
    CALL_FIELD("end_call", STRING, CONTRACT_STRING_MAX, ended_by),
    CALL_FIELD("is_record", BOOLEAN, 0, audio_recorded),
    CALL_FIELD("postage", MONEY, 0, charge),
    CALL_FIELD("customer_code", STRING, CONTRACT_STRING_MAX, customer_code),
    CALL_FIELD("payment_channel", STRING, CONTRACT_STRING_MAX, payment_channel),
    CALL_FIELD("group_member_no", STRING, CONTRACT_STRING_MAX, group_member_no),
    CALL_FIELD("auto_dial_service_charge", MONEY, 0, auto_dial_service_charge),
    CALL_FIELD("hangup_cause", STRING, CONTRACT_STRING_MAX, hangup_cause),
    CALL_FIELD("sip_code", STRING, CONTRACT_STRING_MAX, sip_code),
    CALL_FIELD("conference_id", STRING, CONTRACT_STRING_MAX, conference_id),
    CALL_FIELD("trans_id", PLAIN_STRING, CONTRACT_ID_MAX, id),
    CALL_FIELD("id", PLAIN_STRING, CONTRACT_ID_MAX, id),
};

static const struct plain_field party_fields[] = {
    PARTY_FIELD("phone", STRING, CONTRACT_NUMBER_MAX, phone),
    PARTY_FIELD("vbot_id", STRING, CONTRACT_STRING_MAX, vbot_id),
    PARTY_FIELD("member_no", STRING, CONTRACT_STRING_MAX, member_no),
    PARTY_FIELD("postage", MONEY, 0, charge),
    PARTY_FIELD("source", STRING, CONTRACT_STRING_MAX, source),
    PARTY_FIELD("name", STRING, CONTRACT_STRING_MAX, name),
    PARTY_FIELD("channel", STRING, CONTRACT_STRING_MAX, channel),
    PARTY_FIELD("type", STRING, CONTRACT_STRING_MAX, type),
    PARTY_FIELD("telco_code", STRING, CONTRACT_STRING_MAX, telco_code),
};

/* Reads the fields of a table from `object` into `message`; path->field is left changed. */
static int read_plain_fields(const struct import_reader *reader, struct import_path *path, const struct node *object,
                             const struct plain_field *fields, size_t count, void *message)
{
	int result = 0;
	for (size_t i = 0; i < count && !result; ++i) {
		const struct plain_field *field = &fields[i];
		const struct node *value = contract_node_member(object, field->name);
		void *member = (char *)message + field->offset;
		path->field = field->name;
		switch (field->type) {
		case STRING:
			result = contract_import_string(reader, path, value, field->most, member);
			break;
		case PLAIN_STRING:
			result = contract_import_plain_string(reader, path, value, field->most, member);
			break;
		case MONEY:
			result = contract_import_money(reader, path, value, member);
			break;
		case BOOLEAN:
			result = contract_import_boolean(reader, path, value, member);
			break;
		}
	}
	return result;
}

static int read_disposition(const struct import_reader *reader, struct import_path *path, const struct node *object,
                            Callhistory__V1__Disposition *out, char **other)
{
	char *text = NULL;
	path->field = "disposition";
	if (contract_import_string(reader, path, contract_node_member(object, path->field), CONTRACT_STRING_MAX, &text))
		return -1;
	if (!text)
		return 0;
	*out = contract_names_disposition(text);
	if (!*out)
		*other = text;
	return 0;
}

static int read_call_type(const struct import_reader *reader, const struct node *object, Callhistory__V1__Call *call)
{
	const struct import_path path = {.field = "type_call"};
	char *text = NULL;
	if (contract_import_string(reader, &path, contract_node_member(object, path.field), CONTRACT_STRING_MAX, &text))
		return -1;
	if (!text)
		return 0;
	const struct names_call_type type = contract_names_call_type(text);
	call->direction = type.direction;
	call->missed = type.missed;
	if (!type.direction)
		call->direction_other = text;
	return 0;
}

/* Reads time_call and duration_call, of a call or a party. */
static int read_durations(const struct import_reader *reader, struct import_path *path, const struct node *object,
                          bool *has_talk, uint32_t *talk, bool *has_duration, uint32_t *duration)
{
	path->field = "time_call";
	if (contract_import_seconds(reader, path, contract_node_member(object, path->field), has_talk, talk))
		return -1;
	path->field = "duration_call";
	return contract_import_seconds(reader, path, contract_node_member(object, path->field), has_duration, duration);
}

/* Reads a party's own start: from `create_at`, or else from its date, which shares the call's fraction of a second. */
static int read_party_start(const struct import_reader *reader, struct import_path *path, const struct node *object,
                            int64_t call_ms, Callhistory__V1__Party *party)
{
	const struct node *date = contract_node_member(object, "date_create");
	bool recorded = false;
	int64_t start = 0, offset_ms = 0;
	path->field = "create_at";
	if (contract_import_moment(reader, path, contract_node_member(object, path->field), &recorded, &start))
		return -1;
	if (recorded) {
		offset_ms = start - call_ms;
	} else {
		path->field = "date_create";
		if (contract_import_party_date(reader, path, date, &recorded, &start))
			return -1;
		offset_ms = (start - call_ms / 1000) * 1000;
	}
	if (!recorded)
		return 0;
	party->optional_start_offset_ms_case = CALLHISTORY__V1__PARTY__OPTIONAL_START_OFFSET_MS_START_OFFSET_MS;
	party->start_offset_ms = offset_ms;
	return 0;
}

static int read_party(const struct import_reader *reader, struct import_path *path, const struct node *object,
                      int64_t call_ms, Callhistory__V1__Party *party)
{
	bool has_talk = false, has_duration = false;
	size_t count = sizeof(party_fields) / sizeof(party_fields[0]);
	if (object->kind != NODE_OBJECT)
		return contract_import_refuse(reader, path, "must be an object");
	if (read_plain_fields(reader, path, object, party_fields, count, party) ||
	    read_disposition(reader, path, object, &party->disposition, &party->disposition_other) ||
	    read_durations(reader, path, object, &has_talk, &party->talk_seconds, &has_duration,
	                   &party->duration_seconds) ||
	    read_party_start(reader, path, object, call_ms, party))
		return -1;
	if (has_talk)
		party->optional_talk_seconds_case = CALLHISTORY__V1__PARTY__OPTIONAL_TALK_SECONDS_TALK_SECONDS;
	if (has_duration)
		party->optional_duration_seconds_case = CALLHISTORY__V1__PARTY__OPTIONAL_DURATION_SECONDS_DURATION_SECONDS;
	return 0;
}

/* Reads a list of parties; one object alone is a list of one. */
static int read_parties(const struct import_reader *reader, const struct node *object, const char *name,
                        int64_t call_ms, size_t *out_count, Callhistory__V1__Party ***out)
{
	const struct node *list = contract_node_member(object, name);
	if (contract_import_is_empty(list))
		return 0;
	const size_t count = list->kind == NODE_OBJECT ? 1 : list->count;
	if (list->kind != NODE_OBJECT && list->kind != NODE_ARRAY)
		return contract_fault(reader->arena, reader->error, 400, name, "must be an array of objects");
	if (count > CONTRACT_PARTY_MAX)
		return contract_fault(reader->arena, reader->error, 400, name, "must have at most %d parties",
		                      CONTRACT_PARTY_MAX);
	Callhistory__V1__Party **parties = arena_alloc(reader->arena, count * sizeof(*parties));
	Callhistory__V1__Party *each = arena_alloc(reader->arena, count * sizeof(*each));
	if (!parties || !each)
		return contract_fault_memory(reader->error);
	const struct node *element = list->kind == NODE_OBJECT ? list : list->children;
	for (size_t i = 0; i < count; ++i, element = element->next) {
		struct import_path path = {.list = name, .index = i};
		callhistory__v1__party__init(&each[i]);
		parties[i] = &each[i];
		if (read_party(reader, &path, element, call_ms, &each[i]))
			return -1;
	}
	*out = parties;
	*out_count = count;
	return 0;
}

/* Reads record_file; one string alone is a list of one, and empty elements are left out. */
static int read_recordings(const struct import_reader *reader, const struct node *object, Callhistory__V1__Call *call)
{
	static const char name[] = "record_file";
	const struct node *list = contract_node_member(object, name);
	if (contract_import_is_empty(list))
		return 0;
	const size_t count = list->kind == NODE_TEXT ? 1 : list->count;
	if (list->kind != NODE_TEXT && list->kind != NODE_ARRAY)
		return contract_fault(reader->arena, reader->error, 400, name, "must be an array of strings");
	if (count > CONTRACT_RECORDING_MAX)
		return contract_fault(reader->arena, reader->error, 400, name, "must have at most %d recordings",
		                      CONTRACT_RECORDING_MAX);
	call->recordings = arena_alloc(reader->arena, count * sizeof(*call->recordings));
	if (!call->recordings)
		return contract_fault_memory(reader->error);
	const struct node *element = list->kind == NODE_TEXT ? list : list->children;
	for (size_t i = 0; i < count; ++i, element = element->next) {
		const struct import_path path = {.list = name, .index = i};
		char *url = NULL;
		if (contract_import_string(reader, &path, element, CONTRACT_URL_MAX, &url))
			return -1;
		if (url)
			call->recordings[call->n_recordings++] = url;
	}
	return 0;
}

/* Reads a required field of the tenant. */
static int read_tenant(const struct import_reader *reader, const struct node *object, const char *name,
                       const char **out)
{
	const struct import_path path = {.field = name};
	char *text = NULL;
	struct utf8_measure measure;
	if (contract_import_plain_string(reader, &path, contract_node_member(object, name), CONTRACT_STRING_MAX, &text))
		return -1;
	if (!text)
		return contract_import_refuse(reader, &path, "is missing");
	if (utf8_measure(&measure, text) || measure.characters > TENANT_MAX)
		return contract_fault(reader->arena, reader->error, 400, name, "must have at most %d characters", TENANT_MAX);
	*out = text;
	return 0;
}

/* A new timestamp; NULL when out of memory. */
static Google__Protobuf__Timestamp *timestamp(struct arena *arena, int64_t ms)
{
	Google__Protobuf__Timestamp *time = arena_alloc(arena, sizeof(*time));
	if (!time)
		return NULL;
	google__protobuf__timestamp__init(time);
	time->seconds = ms / 1000;
	time->nanos = (int32_t)(ms % 1000) * 1000000;
	return time;
}

/*
 * Reads when the call began: `create_at` takes precedence over the date, which has whole seconds and is ambiguous in
 * one hour of the year.
 */
static int read_start(const struct import_reader *reader, const struct node *object, Callhistory__V1__Call *call,
                      int64_t *ms)
{
	struct import_path path = {.field = "create_at"};
	bool recorded = false;
	if (contract_import_moment(reader, &path, contract_node_member(object, path.field), &recorded, ms))
		return -1;
	if (!recorded) {
		path.field = "date_create";
		if (contract_import_date(reader, &path, contract_node_member(object, path.field), &recorded, ms))
			return -1;
		*ms *= 1000;
	}
	if (!recorded)
		return contract_import_refuse(reader, &path, "is missing");
	call->start_time = timestamp(reader->arena, *ms);
	return call->start_time ? 0 : contract_fault_memory(reader->error);
}

/* Reads a time of the call that may be missing. */
static int read_time(const struct import_reader *reader, const struct node *object, const char *name,
                     Google__Protobuf__Timestamp **out)
{
	const struct import_path path = {.field = name};
	bool recorded = false;
	int64_t ms;
	if (contract_import_moment(reader, &path, contract_node_member(object, name), &recorded, &ms))
		return -1;
	if (recorded)
		*out = timestamp(reader->arena, ms);
	return recorded && !*out ? contract_fault_memory(reader->error) : 0;
}

int contract_import_call(const struct import_reader *reader, const struct node *object, Callhistory__V1__Call *call)
{
	struct import_path path = {0};
	bool has_talk = false, has_duration = false;
	size_t count = sizeof(call_fields) / sizeof(call_fields[0]);
	int64_t start = 0;
	if (read_start(reader, object, call, &start) || read_time(reader, object, "answer_time", &call->answer_time) ||
	    read_time(reader, object, "create_time", &call->create_time))
		return -1;
	if (read_plain_fields(reader, &path, object, call_fields, count, call) ||
	    read_parties(reader, object, "caller", start, &call->n_callers, &call->callers) ||
	    read_parties(reader, object, "callee", start, &call->n_callees, &call->callees) ||
	    read_durations(reader, &path, object, &has_talk, &call->talk_seconds, &has_duration, &call->duration_seconds) ||
	    read_call_type(reader, object, call) ||
	    read_disposition(reader, &path, object, &call->disposition, &call->disposition_other) ||
	    read_recordings(reader, object, call))
		return -1;
	if (has_talk)
		call->optional_talk_seconds_case = CALLHISTORY__V1__CALL__OPTIONAL_TALK_SECONDS_TALK_SECONDS;
	if (has_duration)
		call->optional_duration_seconds_case = CALLHISTORY__V1__CALL__OPTIONAL_DURATION_SECONDS_DURATION_SECONDS;
	return 0;
}

static int read_record(const struct import_reader *reader, const struct node *object, struct contract_import *out)
{
	struct contract_import import = {.call = arena_alloc(reader->arena, sizeof(*import.call))};
	if (!import.call)
		return contract_fault_memory(reader->error);
	callhistory__v1__call__init(import.call);
	if (read_tenant(reader, object, "project_code", &import.project_code) ||
	    read_tenant(reader, object, "vbot_id", &import.vbot_id))
		return -1;
	const struct node *exact = contract_node_member(object, "exact");
	if (contract_import_is_empty(exact) ? contract_import_call(reader, object, import.call)
	                                    : contract_import_exact(reader, exact, &import.call))
		return -1;
	if (!*import.call->id &&
	    call_id_make(reader->arena, import.project_code, import.vbot_id, &import.call->base, &import.call->id))
		return contract_fault_memory(reader->error);
	*out = import;
	return 0;
}

int contract_read_import(struct arena *arena, struct contract_zone *zone, const char *line, size_t length,
                         struct contract_import *out, struct contract_error *error)
{
	const struct import_reader reader = {.arena = arena, .zone = zone, .error = error};
	const struct node *object;
	if (length > CONTRACT_LINE_MAX)
		return contract_fault(arena, error, 413, NULL, "line is larger than %d bytes", CONTRACT_LINE_MAX);
	if (contract_object_read(arena, line, length, "line", &object, error))
		return -1;
	return read_record(&reader, object, out);
}
