/*
 * contract/answer: answers, written straight to bytes in the documented
 * order of keys (contract §1). Fields of later generations follow the
 * documented ones, and only where the record has them. A line for import is
 * the same with what only imports know besides.
 */

#include "contract/contract.h"
#include "contract/text.h"
#include "contract/write.h"

/* Bytes of a call that are not its strings, rounded up: one reservation then covers most calls. */
enum { CALL_ROOM = 1024, DATE_LENGTH = 19 };

/* The call's own date, which most parties share, and how much of it is wanted. */
struct moment {
	struct contract_zone *zone;
	bool complete; /* fields that no answer shows are written, too */
	int64_t milliseconds;
	char date[DATE_LENGTH];
};

static void write_text(struct buffer *out, const char *text)
{
	if (text && *text)
		write_string(out, text, strlen(text));
	else
		write_literal(out, "\"\"");
}

static void write_number(struct buffer *out, uint64_t value)
{
	if (write_room(out, 20))
		out->length += text_digits(out->data + out->length, value);
}

/* Seconds as a string; an empty one when they were not recorded. */
static void write_seconds(struct buffer *out, bool recorded, uint32_t seconds)
{
	write_literal(out, "\"");
	if (recorded)
		write_number(out, seconds);
	write_literal(out, "\"");
}

static void write_date(struct buffer *out, const char date[DATE_LENGTH])
{
	write_literal(out, "\"");
	write_bytes(out, date, DATE_LENGTH);
	write_literal(out, "\"");
}

static void write_disposition(struct buffer *out, Callhistory__V1__Disposition disposition, const char *other)
{
	const char *name = contract_disposition_name(disposition);
	write_text(out, name ? name : other);
}

static int64_t floor_seconds(int64_t milliseconds)
{
	return milliseconds / 1000 - (milliseconds % 1000 < 0);
}

static void write_party_date(struct buffer *out, const struct moment *moment, const Callhistory__V1__Party *party)
{
	char date[DATE_LENGTH];
	int64_t own;
	if (party->start_case != CALLHISTORY__V1__PARTY__START_START_OFFSET_MS) {
		write_literal(out, "\"\"");
		return;
	}
	if (!party->start_offset_ms || __builtin_add_overflow(moment->milliseconds, party->start_offset_ms, &own)) {
		write_date(out, moment->date);
		return;
	}
	contract_zone_format(moment->zone, floor_seconds(own), date);
	write_date(out, date);
}

/* Writes `,"name":"text"`, where there is a text. `key` is `,"name":`. */
static void write_optional(struct buffer *out, const char *key, const char *text)
{
	if (!text || !*text)
		return;
	write_bytes(out, key, strlen(key));
	write_string(out, text, strlen(text));
}

static void write_optional_double(struct buffer *out, const char *key, double value)
{
	if (value == 0)
		return;
	write_bytes(out, key, strlen(key));
	contract_write_double(out, value);
}

static void write_party(struct buffer *out, const struct moment *moment, const Callhistory__V1__Party *party)
{
	write_literal(out, "{\"phone\":");
	write_text(out, party->number);
	write_literal(out, ",\"vbot_id\":");
	write_text(out, party->vbot_id);
	write_literal(out, ",\"date_create\":");
	write_party_date(out, moment, party);
	write_literal(out, ",\"disposition\":");
	write_disposition(out, party->disposition, party->disposition_other);
	write_literal(out, ",\"time_call\":");
	write_seconds(out, party->talk_time_case == CALLHISTORY__V1__PARTY__TALK_TIME_TALK_SECONDS, party->talk_seconds);
	write_literal(out, ",\"postage\":");
	contract_write_double(out, party->postage);
	write_literal(out, ",\"source\":");
	write_text(out, party->source);
	write_literal(out, ",\"member_no\":");
	write_text(out, party->member_no);
	if (party->duration_case == CALLHISTORY__V1__PARTY__DURATION_DURATION_SECONDS) {
		write_literal(out, ",\"duration_call\":");
		write_number(out, party->duration_seconds);
	}
	if (moment->complete) {
		write_optional(out, ",\"name\":", party->name);
		write_optional(out, ",\"channel\":", party->channel);
		write_optional(out, ",\"type\":", party->type);
		write_optional(out, ",\"telco_code\":", party->telco_code);
	}
	write_literal(out, "}");
}

static void write_parties(struct buffer *out, const struct moment *moment, Callhistory__V1__Party *const *parties,
                          size_t count)
{
	write_literal(out, "[");
	for (size_t i = 0; i < count; ++i) {
		if (i)
			write_literal(out, ",");
		write_party(out, moment, parties[i]);
	}
	write_literal(out, "]");
}

static void write_later_fields(struct buffer *out, const Callhistory__V1__Call *call)
{
	write_optional(out, ",\"event_data\":", call->event);
	if (call->duration_case == CALLHISTORY__V1__CALL__DURATION_DURATION_SECONDS) {
		write_literal(out, ",\"duration_call\":");
		write_seconds(out, true, call->duration_seconds);
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

/* Writes a call's fields without the braces around them. */
static void write_fields(struct buffer *out, struct contract_zone *zone, bool complete,
                         const Callhistory__V1__Call *call)
{
	struct moment moment = {.zone = zone, .complete = complete};
	const char *type = contract_call_type_name(call->type);
	int64_t seconds = call->start_time ? call->start_time->seconds : 0;
	int64_t fraction = call->start_time ? call->start_time->nanos / 1000000 : 0;
	contract_zone_format(zone, seconds, moment.date);
	if (__builtin_mul_overflow(seconds, 1000, &moment.milliseconds) ||
	    __builtin_add_overflow(moment.milliseconds, fraction, &moment.milliseconds))
		moment.milliseconds = 0;
	if (!write_room(out, CALL_ROOM))
		return;
	write_literal(out, "\"hotline_number\":");
	write_text(out, call->hotline);
	write_literal(out, ",\"date_create\":");
	write_date(out, moment.date);
	write_literal(out, ",\"caller\":");
	write_parties(out, &moment, call->callers, call->n_callers);
	write_literal(out, ",\"callee\":");
	write_parties(out, &moment, call->callees, call->n_callees);
	write_literal(out, ",\"time_call\":");
	write_seconds(out, call->talk_time_case == CALLHISTORY__V1__CALL__TALK_TIME_TALK_SECONDS, call->talk_seconds);
	write_literal(out, ",\"type_call\":");
	write_text(out, type ? type : call->type_other);
	write_literal(out, ",\"disposition\":");
	write_disposition(out, call->disposition, call->disposition_other);
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
	write_literal(out, "{\"project_code\":");
	write_text(out, project_code);
	write_literal(out, ",\"vbot_id\":");
	write_text(out, vbot_id);
	write_literal(out, ",\"id\":");
	write_text(out, call->id);
	write_literal(out, ",");
	write_fields(out, zone, true, call);
	write_literal(out, "}");
}

void contract_write_count(struct buffer *out, int64_t count)
{
	write_literal(out, "{\"status\":1,\"error\":0,\"message\":\"success\",\"data\":");
	write_number(out, count > 0 ? (uint64_t)count : 0);
	write_literal(out, "}");
}

void contract_write_error(struct buffer *out, int code, const char *message)
{
	write_literal(out, "{\"status\":0,\"error\":");
	write_number(out, code > 0 ? (uint64_t)code : 0);
	write_literal(out, ",\"message\":");
	write_text(out, message);
	write_literal(out, "}");
}
