/*
 * contract/import: converts one NDJSON line to one Call (contract §3). Fields that need nothing but their type are
 * read by the tables call_fields and party_fields, the others by a function each. An invalid field refuses the whole
 * line; the error names it. If an exported line has the key "exact", which is the packed call, only that and the tenant
 * are read.
 */
#include "contract/import.h"

#include <errno.h>

#include "base/base64url.h"
#include "base/call_id.h"
#include "base/unpack.h"
#include "base/utf8.h"
#include "contract/fault.h"
#include "contract/names.h"
#include "contract/object.h"

enum { TENANT_MAX = 64 /* characters */ };

static const struct import_field call_fields[] = {
    IMPORT_CALL_STRING("hotline_number", CONTRACT_NUMBER_MAX, hotline),
    IMPORT_CALL_STRING("event_data", CONTRACT_STRING_MAX, event),
    IMPORT_CALL_STRING("group_id", CONTRACT_STRING_MAX, group_id),
    IMPORT_CALL_STRING("external_call_id", CONTRACT_STRING_MAX, external_call_id),
    IMPORT_CALL_STRING("end_call", CONTRACT_STRING_MAX, ended_by),
    IMPORT_CALL_FIELD("is_record", IMPORT_BOOLEAN, audio_recorded),
    IMPORT_CALL_FIELD("postage", IMPORT_MONEY, charge),
    IMPORT_CALL_STRING("customer_code", CONTRACT_STRING_MAX, customer_code),
    IMPORT_CALL_STRING("payment_channel", CONTRACT_STRING_MAX, payment_channel),
    IMPORT_CALL_STRING("group_member_no", CONTRACT_STRING_MAX, group_member_no),
    IMPORT_CALL_FIELD("auto_dial_service_charge", IMPORT_MONEY, auto_dial_service_charge),
    IMPORT_CALL_STRING("hangup_cause", CONTRACT_STRING_MAX, hangup_cause),
    IMPORT_CALL_STRING("sip_code", CONTRACT_STRING_MAX, sip_code),
    IMPORT_CALL_STRING("conference_id", CONTRACT_STRING_MAX, conference_id),
    IMPORT_CALL_TALK("time_call"),
    IMPORT_CALL_DURATION("duration_call"),
    IMPORT_CALL_FIELD("incomplete", IMPORT_BOOLEAN, incomplete),
    /* Both are the call's id; `id` takes precedence, as the later row. */
    IMPORT_CALL_ID("trans_id"),
    IMPORT_CALL_ID("id"),
};

static const struct import_field party_fields[] = {
    IMPORT_PARTY_STRING("phone", CONTRACT_NUMBER_MAX, phone),
    IMPORT_PARTY_STRING("vbot_id", CONTRACT_STRING_MAX, vbot_id),
    IMPORT_PARTY_STRING("member_no", CONTRACT_STRING_MAX, member_no),
    IMPORT_PARTY_FIELD("postage", IMPORT_MONEY, charge),
    IMPORT_PARTY_STRING("source", CONTRACT_STRING_MAX, source),
    IMPORT_PARTY_STRING("name", CONTRACT_STRING_MAX, name),
    IMPORT_PARTY_STRING("channel", CONTRACT_STRING_MAX, channel),
    IMPORT_PARTY_STRING("type", CONTRACT_STRING_MAX, type),
    IMPORT_PARTY_STRING("telco_code", CONTRACT_STRING_MAX, telco_code),
    IMPORT_PARTY_STRING("leg_id", CONTRACT_STRING_MAX, leg_id),
    IMPORT_PARTY_FIELD("supplemented", IMPORT_BOOLEAN, supplemented),
    IMPORT_PARTY_TALK("time_call"),
    IMPORT_PARTY_DURATION("duration_call"),
};

static int read_disposition(const struct import_reader *reader, struct import_value value,
                            Callhistory__V1__Disposition *out, char **other)
{
	char *text = NULL;
	if (contract_import_string(reader, value, CONTRACT_STRING_MAX, &text))
		return -1;
	if (!text)
		return 0;
	*out = contract_names_disposition(text);
	if (!*out)
		*other = text;
	return 0;
}

static int read_call_type(const struct import_reader *reader, struct import_value value, Callhistory__V1__Call *call)
{
	char *text = NULL;
	if (contract_import_string(reader, value, CONTRACT_STRING_MAX, &text))
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

/*
 * Reads a party's own start: from `create_at`, or else from its date. A date has no fraction of a second, so the
 * party's is taken to be the call's.
 */
static int read_party_start(const struct import_reader *reader, struct import_value object, int64_t call_ms,
                            Callhistory__V1__Party *party)
{
	int64_t start = 0;
	int recorded = contract_import_moment(reader, import_member_of(object, "create_at"), &start);
	int64_t offset_ms = start - call_ms;
	if (!recorded) {
		recorded = contract_import_party_date(reader, import_member_of(object, "date_create"), &start);
		offset_ms = (start - call_ms / 1000) * 1000;
	}
	if (recorded <= 0)
		return recorded;
	party->optional_start_offset_ms_case = CALLHISTORY__V1__PARTY__OPTIONAL_START_OFFSET_MS_START_OFFSET_MS;
	party->start_offset_ms = offset_ms;
	return 0;
}

static int read_party(const struct import_reader *reader, struct import_value object, int64_t call_ms,
                      Callhistory__V1__Party *party)
{
	size_t count = sizeof(party_fields) / sizeof(party_fields[0]);
	if (object.node->kind != NODE_OBJECT)
		return contract_import_refuse_value(reader, object, "must be an object");
	if (contract_import_fields(reader, object, party_fields, count, party) ||
	    read_disposition(reader, import_member_of(object, "disposition"), &party->disposition,
	                     &party->disposition_other))
		return -1;
	return read_party_start(reader, object, call_ms, party);
}

/* Reads a list of parties, or one party. */
static int read_parties(const struct import_reader *reader, const struct node *object, const char *name,
                        int64_t call_ms, size_t *out_count, Callhistory__V1__Party ***out)
{
	const struct node *list = contract_node_member(object, name);
	if (contract_node_is_empty(list))
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
		const struct import_value value = {.node = element, .list = name, .index = i};
		callhistory__v1__party__init(&each[i]);
		parties[i] = &each[i];
		if (read_party(reader, value, call_ms, &each[i]))
			return -1;
	}
	*out = parties;
	*out_count = count;
	return 0;
}

/* Reads record_file: a list of strings, or one string. Empty elements are skipped. */
static int read_recordings(const struct import_reader *reader, const struct node *object, Callhistory__V1__Call *call)
{
	static const char name[] = "record_file";
	const struct node *list = contract_node_member(object, name);
	if (contract_node_is_empty(list))
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
		const struct import_value value = {.node = element, .list = name, .index = i};
		char *url = NULL;
		if (contract_import_string(reader, value, CONTRACT_URL_MAX, &url))
			return -1;
		if (url)
			call->recordings[call->n_recordings++] = url;
	}
	return 0;
}

/* Reads one of the two fields that name the tenant. Both are required. */
static int read_tenant(const struct import_reader *reader, const struct node *object, const char *name,
                       const char **out)
{
	char *text = NULL;
	struct utf8_measure measure;
	if (contract_import_plain_string(reader, import_member(object, name), CONTRACT_STRING_MAX, &text))
		return -1;
	if (!text)
		return contract_import_refuse(reader, name, "is missing");
	if (utf8_measure(&measure, text) || measure.characters > TENANT_MAX)
		return contract_fault(reader->arena, reader->error, 400, name, "must have at most %d characters", TENANT_MAX);
	*out = text;
	return 0;
}

int contract_import_timestamp(const struct import_reader *reader, int64_t ms, Google__Protobuf__Timestamp **out)
{
	Google__Protobuf__Timestamp *time = arena_alloc(reader->arena, sizeof(*time));
	if (!time)
		return contract_fault_memory(reader->error);
	google__protobuf__timestamp__init(time);
	time->seconds = ms / 1000;
	time->nanos = (int32_t)(ms % 1000) * 1000000;
	*out = time;
	return 0;
}

/*
 * Reads when the call began: `create_at` takes precedence over the date, which has whole seconds and is ambiguous in
 * one hour of the year.
 */
static int read_start(const struct import_reader *reader, const struct node *object, Callhistory__V1__Call *call,
                      int64_t *ms)
{
	int recorded = contract_import_moment(reader, import_member(object, "create_at"), ms);
	if (!recorded) {
		recorded = contract_import_date(reader, import_member(object, "date_create"), ms);
		*ms *= 1000;
	}
	if (!recorded)
		return contract_import_refuse(reader, "date_create", "is missing");
	return recorded < 0 ? -1 : contract_import_timestamp(reader, *ms, &call->start_time);
}

/* Reads an optional time of the call. */
static int read_time(const struct import_reader *reader, struct import_value value, Google__Protobuf__Timestamp **out)
{
	int64_t ms;
	const int recorded = contract_import_moment(reader, value, &ms);
	return recorded > 0 ? contract_import_timestamp(reader, ms, out) : recorded;
}

int contract_import_call(const struct import_reader *reader, const struct node *object, Callhistory__V1__Call *call)
{
	size_t count = sizeof(call_fields) / sizeof(call_fields[0]);
	int64_t start = 0;
	if (read_start(reader, object, call, &start) ||
	    read_time(reader, import_member(object, "answer_time"), &call->answer_time) ||
	    read_time(reader, import_member(object, "create_time"), &call->create_time))
		return -1;
	if (contract_import_record(reader, object, call_fields, count, call) ||
	    read_parties(reader, object, "caller", start, &call->n_callers, &call->callers) ||
	    read_parties(reader, object, "callee", start, &call->n_callees, &call->callees) ||
	    read_call_type(reader, import_member(object, "type_call"), call) ||
	    read_disposition(reader, import_member(object, "disposition"), &call->disposition, &call->disposition_other))
		return -1;
	return read_recordings(reader, object, call);
}

/* Reads a call that is packed, in base64url: the key "exact" of an exported line. */
static int read_exact(const struct import_reader *reader, const struct node *value, Callhistory__V1__Call **out)
{
	ProtobufCMessage *message = NULL;
	if (value->kind == NODE_TEXT) {
		uint8_t *packed = arena_alloc(reader->arena, value->length);
		int length = packed ? base64url_decode(packed, value->length, value->text, value->length) : -ENOMEM;
		int result = length < 0 ? length
		                        : unpack_message(&callhistory__v1__call__descriptor, packed, (size_t)length,
		                                         reader->arena, &message);
		if (result == -ENOMEM)
			return contract_fault_memory(reader->error);
	}
	Callhistory__V1__Call *call = (Callhistory__V1__Call *)message;
	if (!call || !call->start_time)
		return contract_import_refuse(reader, "exact", "must be what an export has written");
	*out = call;
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
	if (contract_node_is_empty(exact) ? contract_import_call(reader, object, import.call)
	                                  : read_exact(reader, exact, &import.call))
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
	if (contract_object_read(arena, NODE_STRICT, line, length, "line", &object, error))
		return -1;
	return read_record(&reader, object, out);
}
