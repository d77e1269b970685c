/*
 * contract/answer: answers, from packed calls straight to bytes in the documented order of keys (contract §1). Fields
 * of later generations follow the documented ones, and only where the record has them. A line for import (export.c) has
 * the same fields, and those that only imports know.
 */

#include "contract/answer.h"
#include "contract/names.h"

enum { DATE_LENGTH = 19 };

/* The call's own date, which most parties share, and how much of the record is wanted. */
struct moment {
	struct contract_zone *zone;
	bool complete; /* fields that no answer shows are written, too */
	int64_t milliseconds;
	char date[DATE_LENGTH];
};

/* Writes the name of a code, which needs no escaping, or else the recorded text. */
static char *put_code(char *at, const char *name, struct view_text other)
{
	if (!name)
		return put_text(at, other);
	at = put_literal(at, "\"");
	at = stpcpy(at, name);
	return put_literal(at, "\"");
}

/* Seconds as a string; an empty one when they were not recorded. */
static char *put_seconds(char *at, struct view_number seconds)
{
	at = put_literal(at, "\"");
	if (seconds.given)
		at = put_number(at, seconds.value);
	return put_literal(at, "\"");
}

static char *put_date(char *at, const char date[DATE_LENGTH])
{
	at = put_literal(at, "\"");
	at = put_bytes(at, date, DATE_LENGTH);
	return put_literal(at, "\"");
}

static int64_t floor_seconds(int64_t milliseconds)
{
	return milliseconds / 1000 - (milliseconds % 1000 < 0);
}

static char *put_party_date(char *at, const struct moment *moment, const struct view_party *party)
{
	char date[DATE_LENGTH];
	int64_t own;
	if (!party->start.given)
		return put_literal(at, "\"\"");
	if (!party->start.milliseconds || __builtin_add_overflow(moment->milliseconds, party->start.milliseconds, &own))
		return put_date(at, moment->date);
	contract_zone_format(moment->zone, floor_seconds(own), date);
	return put_date(at, date);
}

/* Writes `,"name":"text"`, where there is a text. `key` is `,"name":`. */
static char *put_optional(char *at, const char *key, struct view_text text)
{
	return text.length ? put_text(stpcpy(at, key), text) : at;
}

static char *put_optional_money(char *at, const char *key, struct view_money money)
{
	return money.given ? contract_put_double(stpcpy(at, key), money.amount) : at;
}

static char *put_optional_flag(char *at, const char *key, struct view_number flag)
{
	return flag.value ? put_literal(stpcpy(at, key), "true") : at;
}

/* Writes a Unix time in ms if imports accept it. */
static char *put_optional_moment(char *at, const char *key, int64_t milliseconds)
{
	return milliseconds > 0 ? put_number(stpcpy(at, key), (uint64_t)milliseconds) : at;
}

/* Without a recorded charge an answer has 0, and a line for import null. */
static char *put_charge(char *at, const struct moment *moment, struct view_money charge)
{
	return charge.given || !moment->complete ? contract_put_double(at, charge.amount) : put_literal(at, "null");
}

/* The fields that every answer has. */
static char *put_party_fields(char *at, const struct moment *moment, const struct view_party *party)
{
	at = put_literal(at, "\"phone\":");
	at = put_text(at, party->phone);
	at = put_literal(at, ",\"vbot_id\":");
	at = put_text(at, party->vbot_id);
	at = put_literal(at, ",\"date_create\":");
	at = put_party_date(at, moment, party);
	at = put_literal(at, ",\"disposition\":");
	at = put_code(at, contract_names_of_disposition(party->disposition.value), party->disposition_other);
	at = put_literal(at, ",\"time_call\":");
	at = put_seconds(at, party->talk_seconds);
	at = put_literal(at, ",\"postage\":");
	at = put_charge(at, moment, party->charge);
	at = put_literal(at, ",\"source\":");
	at = put_text(at, party->source);
	at = put_literal(at, ",\"member_no\":");
	at = put_text(at, party->member_no);
	if (!party->duration_seconds.given)
		return at;
	at = put_literal(at, ",\"duration_call\":");
	return put_number(at, party->duration_seconds.value);
}

static char *put_import_party_fields(char *at, const struct moment *moment, const struct view_party *party)
{
	int64_t own;
	if (party->start.given && !__builtin_add_overflow(moment->milliseconds, party->start.milliseconds, &own))
		at = put_optional_moment(at, ",\"create_at\":", own);
	at = put_optional(at, ",\"name\":", party->name);
	at = put_optional(at, ",\"channel\":", party->channel);
	at = put_optional(at, ",\"type\":", party->type);
	at = put_optional(at, ",\"telco_code\":", party->telco_code);
	at = put_optional(at, ",\"leg_id\":", party->leg_id);
	return put_optional_flag(at, ",\"supplemented\":", party->supplemented);
}

/* NULL if a party is malformed. */
static char *put_parties(char *at, const struct moment *moment, struct view_list parties)
{
	struct view_party party;
	struct wire element;
	at = put_literal(at, "[");
	for (size_t i = 0; contract_view_next(&parties, &element); ++i) {
		if (contract_view_party(&party, element))
			return NULL;
		at = i ? put_literal(at, ",{") : put_literal(at, "{");
		at = put_party_fields(at, moment, &party);
		if (moment->complete)
			at = put_import_party_fields(at, moment, &party);
		at = put_literal(at, "}");
	}
	return put_literal(at, "]");
}

static char *put_recordings(char *at, struct view_list recordings)
{
	struct wire element;
	at = put_literal(at, "[");
	for (size_t i = 0; contract_view_next(&recordings, &element); ++i) {
		if (i)
			at = put_literal(at, ",");
		at = put_text(at, (struct view_text){(const char *)element.at, wire_length(element)});
	}
	return put_literal(at, "]");
}

static char *put_later_fields(char *at, const struct view_call *call)
{
	at = put_optional(at, ",\"event_data\":", call->event);
	if (call->duration_seconds.given) {
		at = put_literal(at, ",\"duration_call\":");
		at = put_seconds(at, call->duration_seconds);
	}
	at = put_optional(at, ",\"group_id\":", call->group_id);
	return put_optional(at, ",\"external_call_id\":", call->external_call_id);
}

static char *put_import_fields(char *at, const struct moment *moment, const struct view_call *call)
{
	at = put_optional_moment(at, ",\"create_at\":", moment->milliseconds);
	at = put_optional_moment(at, ",\"answer_time\":", contract_answer_milliseconds(&call->answer_time));
	at = put_optional_moment(at, ",\"create_time\":", contract_answer_milliseconds(&call->create_time));
	at = put_optional(at, ",\"end_call\":", call->ended_by);
	at = put_optional_flag(at, ",\"is_record\":", call->audio_recorded);
	at = put_optional_money(at, ",\"postage\":", call->charge);
	at = put_optional(at, ",\"customer_code\":", call->customer_code);
	at = put_optional(at, ",\"payment_channel\":", call->payment_channel);
	at = put_optional(at, ",\"group_member_no\":", call->group_member_no);
	at = put_optional_money(at, ",\"auto_dial_service_charge\":", call->auto_dial_service_charge);
	at = put_optional(at, ",\"hangup_cause\":", call->hangup_cause);
	at = put_optional(at, ",\"sip_code\":", call->sip_code);
	at = put_optional(at, ",\"conference_id\":", call->conference_id);
	return put_optional_flag(at, ",\"incomplete\":", call->incomplete);
}

/* The call's own fields between its parties and its recordings. */
static char *put_outcome(char *at, const struct view_call *call)
{
	at = put_literal(at, ",\"time_call\":");
	at = put_seconds(at, call->talk_seconds);
	at = put_literal(at, ",\"type_call\":");
	at = put_code(at, contract_names_of_call_type(call->direction.value, call->missed.value), call->direction_other);
	at = put_literal(at, ",\"disposition\":");
	at = put_code(at, contract_names_of_disposition(call->disposition.value), call->disposition_other);
	return put_literal(at, ",\"record_file\":");
}

int64_t contract_answer_milliseconds(const struct view_time *time)
{
	int64_t milliseconds;
	if (__builtin_mul_overflow(time->seconds, 1000, &milliseconds) ||
	    __builtin_add_overflow(milliseconds, time->nanos / 1000000, &milliseconds))
		return 0;
	return milliseconds;
}

static struct moment moment_of(struct contract_zone *zone, const struct view_call *call, bool complete)
{
	struct moment moment = {
	    .zone = zone, .complete = complete, .milliseconds = contract_answer_milliseconds(&call->start_time)};
	contract_zone_format(zone, call->start_time.seconds, moment.date);
	return moment;
}

char *contract_answer_start(struct buffer *out, const struct view_call *call)
{
	/* The most bytes of a call's and of a party's keys, numbers and quotes. */
	enum { CALL_ROOM = 1024, PARTY_ROOM = 512 };
	const size_t parties = call->callers.count + call->callees.count;
	return write_start(out, PUT_STRING_MAX(call->length) + CALL_ROOM + parties * PARTY_ROOM);
}

void contract_answer_write_text(struct buffer *out, struct view_text text)
{
	char *at = write_start(out, PUT_STRING_MAX(text.length));
	if (at)
		write_end(out, put_text(at, text));
}

void contract_write_string(struct buffer *out, const char *text)
{
	contract_answer_write_text(out, (struct view_text){text, strlen(text)});
}

int contract_answer_write_fields(struct buffer *out, struct contract_zone *zone, bool complete,
                                 const struct view_call *call)
{
	const struct moment moment = moment_of(zone, call, complete);
	char *at = contract_answer_start(out, call);
	if (!at)
		return 0;
	at = put_literal(at, "\"hotline_number\":");
	at = put_text(at, call->hotline);
	at = put_literal(at, ",\"date_create\":");
	at = put_date(at, moment.date);
	at = put_literal(at, ",\"caller\":");
	at = put_parties(at, &moment, call->callers);
	if (!at)
		return -EBADMSG;
	at = put_literal(at, ",\"callee\":");
	at = put_parties(at, &moment, call->callees);
	if (!at)
		return -EBADMSG;
	at = put_outcome(at, call);
	at = put_recordings(at, call->recordings);
	at = put_later_fields(at, call);
	if (complete)
		at = put_import_fields(at, &moment, call);
	write_end(out, at);
	return 0;
}

/* Writes the beginning of a success, up to its data. */
static void write_begin(struct buffer *out, enum contract_route route)
{
	const char *message = contract_route_is_flat(route) ? "SUCCESS" : "success";
	write_literal(out, "{\"status\":1,\"error\":0,\"message\":\"");
	write_bytes(out, message, strlen(message));
	write_literal(out, "\",\"data\":");
}

static int write_call(struct buffer *out, enum contract_route route, struct contract_zone *zone,
                      const ProtobufCBinaryData *packed)
{
	struct view_call call;
	if (contract_route_is_flat(route))
		return contract_flat_write_call(out, route, packed);
	write_literal(out, "{");
	if (contract_view_call(&call, packed->data, packed->len) || contract_answer_write_fields(out, zone, false, &call))
		return -EBADMSG;
	write_literal(out, "}");
	return 0;
}

int contract_write_list_part(struct buffer *out, enum contract_route route, struct contract_zone *zone,
                             const ProtobufCBinaryData *calls, size_t count, bool first, bool last)
{
	const size_t start = out->length;
	if (first) {
		write_begin(out, route);
		write_literal(out, "[");
	}
	for (size_t i = 0; i < count; ++i) {
		if (!first || i)
			write_literal(out, ",");
		if (write_call(out, route, zone, &calls[i])) {
			out->length = start;
			return -EBADMSG;
		}
	}
	if (last)
		write_literal(out, "]}");
	return 0;
}

static int write_change(struct buffer *out, struct contract_zone *zone, const struct contract_change *change)
{
	struct view_call call;
	write_literal(out, "{\"trans_id\":");
	if (change->deleted_id) {
		contract_write_string(out, change->deleted_id);
		write_literal(out, ",\"deleted\":true}");
		return 0;
	}
	if (contract_view_call(&call, change->call->data, change->call->len))
		return -EBADMSG;
	contract_answer_write_text(out, call.id);
	write_literal(out, ",");
	if (contract_answer_write_fields(out, zone, false, &call))
		return -EBADMSG;
	write_literal(out, "}");
	return 0;
}

int contract_write_changes(struct buffer *out, struct contract_zone *zone, const struct contract_change *changes,
                           size_t count, const char *next, bool more)
{
	const size_t start = out->length;
	write_begin(out, CONTRACT_CHANGES);
	write_literal(out, "{\"changes\":[");
	for (size_t i = 0; i < count; ++i) {
		if (i)
			write_literal(out, ",");
		if (write_change(out, zone, &changes[i])) {
			out->length = start;
			return -EBADMSG;
		}
	}
	write_literal(out, "],\"next_change_token\":");
	contract_write_string(out, next);
	write_literal(out, ",\"more\":");
	write_bytes(out, more ? "true" : "false", more ? 4 : 5);
	write_literal(out, "}}");
	return 0;
}

void contract_write_count(struct buffer *out, enum contract_route route, int64_t count)
{
	write_begin(out, route);
	write_number(out, count > 0 ? (uint64_t)count : 0);
	write_literal(out, "}");
}

void contract_write_error(struct buffer *out, int code, const char *message)
{
	write_literal(out, "{\"status\":0,\"error\":");
	write_number(out, code > 0 ? (uint64_t)code : 0);
	write_literal(out, ",\"message\":");
	contract_write_string(out, message ? message : "");
	write_literal(out, "}");
}

int contract_error_code(enum contract_route route, int code)
{
	return contract_route_is_flat(route) && (code == 401 || code == 403) ? 409 : code;
}
