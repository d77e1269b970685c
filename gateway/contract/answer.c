/*
 * contract/answer: answers, written straight to bytes in the documented
 * order of keys (contract §1). Fields of later generations follow the
 * documented ones, and only where the record has them. A line for import is
 * the same with what only imports know besides.
 */

#include "contract/contract.h"
#include "contract/write.h"

/* Bytes of a call and of a party that are not their strings, rounded up. */
enum { DATE_LENGTH = 19, CALL_ROOM = 512, PARTY_ROOM = 512 };

/* The call's own date, which most parties share, and how much of the record is wanted. */
struct moment {
	struct contract_zone *zone;
	bool complete; /* fields that no answer shows are written, too */
	int64_t milliseconds;
	char date[DATE_LENGTH];
};

/* A string and its length, which the room and the writing both need. */
struct span {
	const char *text;
	size_t length;
};

static struct span span_of(const char *text)
{
	return text ? (struct span){text, strlen(text)} : (struct span){"", 0};
}

static char *put_span(char *at, struct span span)
{
	return span.length ? put_string(at, span.text, span.length) : put_literal(at, "\"\"");
}

/* A code's own name, in which there is nothing to escape, or else what was recorded. */
static char *put_code(char *at, const char *name, struct span other)
{
	if (!name)
		return put_span(at, other);
	at = put_literal(at, "\"");
	at = put_bytes(at, name, strlen(name));
	return put_literal(at, "\"");
}

/* Seconds as a string; an empty one when they were not recorded. */
static char *put_seconds(char *at, bool recorded, uint32_t seconds)
{
	at = put_literal(at, "\"");
	if (recorded)
		at = put_number(at, seconds);
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

static char *put_party_date(char *at, const struct moment *moment, const Callhistory__V1__Party *party)
{
	char date[DATE_LENGTH];
	int64_t own;
	if (party->start_case != CALLHISTORY__V1__PARTY__START_START_OFFSET_MS)
		return put_literal(at, "\"\"");
	if (!party->start_offset_ms || __builtin_add_overflow(moment->milliseconds, party->start_offset_ms, &own))
		return put_date(at, moment->date);
	contract_zone_format(moment->zone, floor_seconds(own), date);
	return put_date(at, date);
}

static void write_text(struct buffer *out, const char *text)
{
	contract_write_string(out, text ? text : "");
}

/* Writes `,"name":"text"`, where there is a text. `key` is `,"name":`. */
static void write_optional(struct buffer *out, const char *key, const char *text)
{
	if (!text || !*text)
		return;
	write_bytes(out, key, strlen(key));
	contract_write_string(out, text);
}

static void write_optional_double(struct buffer *out, const char *key, double value)
{
	if (value == 0)
		return;
	write_bytes(out, key, strlen(key));
	contract_write_double(out, value);
}

/* The fields that every answer has. */
static void write_party_fields(struct buffer *out, const struct moment *moment, const Callhistory__V1__Party *party)
{
	const struct span number = span_of(party->number), vbot_id = span_of(party->vbot_id);
	const struct span source = span_of(party->source), member_no = span_of(party->member_no);
	const struct span other = span_of(party->disposition_other);
	const size_t length = number.length + vbot_id.length + source.length + member_no.length + other.length;
	char *at = write_start(out, PUT_STRING_MAX(length) + PARTY_ROOM);
	if (!at)
		return;
	at = put_literal(at, "{\"phone\":");
	at = put_span(at, number);
	at = put_literal(at, ",\"vbot_id\":");
	at = put_span(at, vbot_id);
	at = put_literal(at, ",\"date_create\":");
	at = put_party_date(at, moment, party);
	at = put_literal(at, ",\"disposition\":");
	at = put_code(at, contract_disposition_name(party->disposition), other);
	at = put_literal(at, ",\"time_call\":");
	at = put_seconds(at, party->talk_time_case == CALLHISTORY__V1__PARTY__TALK_TIME_TALK_SECONDS, party->talk_seconds);
	at = put_literal(at, ",\"postage\":");
	at = put_double(at, party->postage);
	at = put_literal(at, ",\"source\":");
	at = put_span(at, source);
	at = put_literal(at, ",\"member_no\":");
	at = put_span(at, member_no);
	if (party->duration_case == CALLHISTORY__V1__PARTY__DURATION_DURATION_SECONDS) {
		at = put_literal(at, ",\"duration_call\":");
		at = put_number(at, party->duration_seconds);
	}
	write_end(out, at);
}

static void write_parties(struct buffer *out, const struct moment *moment, Callhistory__V1__Party *const *parties,
                          size_t count)
{
	write_literal(out, "[");
	for (size_t i = 0; i < count; ++i) {
		if (i)
			write_literal(out, ",");
		write_party_fields(out, moment, parties[i]);
		if (moment->complete) {
			write_optional(out, ",\"name\":", parties[i]->name);
			write_optional(out, ",\"channel\":", parties[i]->channel);
			write_optional(out, ",\"type\":", parties[i]->type);
			write_optional(out, ",\"telco_code\":", parties[i]->telco_code);
		}
		write_literal(out, "}");
	}
	write_literal(out, "]");
}

static void write_later_fields(struct buffer *out, const Callhistory__V1__Call *call)
{
	write_optional(out, ",\"event_data\":", call->event);
	if (call->duration_case == CALLHISTORY__V1__CALL__DURATION_DURATION_SECONDS) {
		char *at = write_start(out, PUT_NUMBER_MAX * 2);
		if (!at)
			return;
		at = put_literal(at, ",\"duration_call\":");
		write_end(out, put_seconds(at, true, call->duration_seconds));
	}
	write_optional(out, ",\"group_id\":", call->group_id);
	write_optional(out, ",\"external_call_id\":", call->external_call_id);
}

static void write_import_fields(struct buffer *out, const Callhistory__V1__Call *call)
{
	write_optional(out, ",\"end_call\":", call->end_call);
	if (call->recorded)
		write_literal(out, ",\"is_record\":true");
	write_optional_double(out, ",\"postage\":", call->postage);
	write_optional(out, ",\"customer_code\":", call->customer_code);
	write_optional(out, ",\"payment_channel\":", call->payment_channel);
	write_optional(out, ",\"group_member_no\":", call->group_member_no);
	write_optional_double(out, ",\"auto_dial_service_charge\":", call->auto_dial_service_charge);
	write_optional(out, ",\"hangup_cause\":", call->hangup_cause);
	write_optional(out, ",\"sip_code\":", call->sip_code);
	write_optional(out, ",\"conference_id\":", call->conference_id);
}

static struct moment moment_of(struct contract_zone *zone, const Callhistory__V1__Call *call, bool complete)
{
	struct moment moment = {.zone = zone, .complete = complete};
	int64_t seconds = call->start_time ? call->start_time->seconds : 0;
	int64_t fraction = call->start_time ? call->start_time->nanos / 1000000 : 0;
	contract_zone_format(zone, seconds, moment.date);
	if (__builtin_mul_overflow(seconds, 1000, &moment.milliseconds) ||
	    __builtin_add_overflow(moment.milliseconds, fraction, &moment.milliseconds))
		moment.milliseconds = 0;
	return moment;
}

/* The call's own fields between its parties and its recordings. */
static void write_outcome(struct buffer *out, const Callhistory__V1__Call *call)
{
	const struct span type = span_of(call->type_other), disposition = span_of(call->disposition_other);
	char *at = write_start(out, PUT_STRING_MAX(type.length + disposition.length) + CALL_ROOM);
	if (!at)
		return;
	at = put_literal(at, ",\"time_call\":");
	at = put_seconds(at, call->talk_time_case == CALLHISTORY__V1__CALL__TALK_TIME_TALK_SECONDS, call->talk_seconds);
	at = put_literal(at, ",\"type_call\":");
	at = put_code(at, contract_call_type_name(call->type), type);
	at = put_literal(at, ",\"disposition\":");
	at = put_code(at, contract_disposition_name(call->disposition), disposition);
	write_end(out, at);
}

/* Writes a call's fields without the braces around them. */
static void write_fields(struct buffer *out, struct contract_zone *zone, bool complete,
                         const Callhistory__V1__Call *call)
{
	const struct moment moment = moment_of(zone, call, complete);
	write_literal(out, "\"hotline_number\":");
	write_text(out, call->hotline);
	write_literal(out, ",\"date_create\":\"");
	write_bytes(out, moment.date, DATE_LENGTH);
	write_literal(out, "\",\"caller\":");
	write_parties(out, &moment, call->callers, call->n_callers);
	write_literal(out, ",\"callee\":");
	write_parties(out, &moment, call->callees, call->n_callees);
	write_outcome(out, call);
	write_literal(out, ",\"record_file\":[");
	for (size_t i = 0; i < call->n_recordings; ++i) {
		if (i)
			write_literal(out, ",");
		write_text(out, call->recordings[i]);
	}
	write_literal(out, "]");
	write_later_fields(out, call);
	if (complete)
		write_import_fields(out, call);
}

void contract_write_list(struct buffer *out, struct contract_zone *zone, Callhistory__V1__Call *const *calls,
                         size_t count)
{
	write_literal(out, "{\"status\":1,\"error\":0,\"message\":\"success\",\"data\":[");
	for (size_t i = 0; i < count; ++i) {
		if (i)
			write_literal(out, ",");
		write_literal(out, "{");
		write_fields(out, zone, false, calls[i]);
		write_literal(out, "}");
	}
	write_literal(out, "]}");
}

void contract_write_import(struct buffer *out, struct contract_zone *zone, const char *project_code,
                           const char *vbot_id, const Callhistory__V1__Call *call)
{
	write_literal(out, "{");
	if (project_code) {
		write_literal(out, "\"project_code\":");
		write_text(out, project_code);
		write_literal(out, ",\"vbot_id\":");
		write_text(out, vbot_id);
		write_literal(out, ",");
	}
	write_literal(out, "\"id\":");
	write_text(out, call->id);
	write_literal(out, ",");
	write_fields(out, zone, true, call);
	write_literal(out, "}");
}

void contract_write_count(struct buffer *out, int64_t count)
{
	write_literal(out, "{\"status\":1,\"error\":0,\"message\":\"success\",\"data\":");
	char *at = write_start(out, PUT_NUMBER_MAX);
	if (at)
		write_end(out, put_number(at, count > 0 ? (uint64_t)count : 0));
	write_literal(out, "}");
}

void contract_write_error(struct buffer *out, int code, const char *message)
{
	write_literal(out, "{\"status\":0,\"error\":");
	char *at = write_start(out, PUT_NUMBER_MAX);
	if (at)
		write_end(out, put_number(at, code > 0 ? (uint64_t)code : 0));
	write_literal(out, ",\"message\":");
	write_text(out, message);
	write_literal(out, "}");
}
