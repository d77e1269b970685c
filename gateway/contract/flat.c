/*
 * contract/flat: answers of generation 4. A call is a flat object with one caller and one callee; a table has its keys,
 * in the documented order, with what writes each value (contract/README.md has the same table in words).
 */
#include <errno.h>

#include "contract/answer.h"
#include "contract/names.h"
#include "contract/write.h"

/* A call, with what is found in its parties. */
struct flat {
	struct view_call call;
	struct view_party caller, callee; /* empty where there is none */
	struct view_money charge;         /* the call's own, or else the highest of its parties */
};

/* A key and where its value is in struct flat; `write` knows the type that is there. */
struct key {
	const char *name;
	size_t offset;
	void (*write)(struct buffer *out, const void *value);
};

/* ---- Values ---- */

static void write_text(struct buffer *out, const void *value)
{
	const struct view_text *text = value;
	char *at = write_start(out, PUT_STRING_MAX(text->length));
	if (at)
		write_end(out, contract_put_string(at, text->text ? text->text : "", text->length));
}

static void write_seconds(struct buffer *out, const void *value)
{
	write_number(out, ((const struct view_number *)value)->value);
}

static void write_money(struct buffer *out, const void *value)
{
	contract_write_double(out, ((const struct view_money *)value)->amount);
}

static void write_create_at(struct buffer *out, const void *value)
{
	const int64_t milliseconds = contract_answer_milliseconds(value);
	write_number(out, milliseconds > 0 ? (uint64_t)milliseconds : 0);
}

static bool is_answered(const struct view_call *call)
{
	return call->disposition.value == CALLHISTORY__V1__DISPOSITION__DISPOSITION_ANSWERED || call->talk_seconds.value;
}

/*
 * When the talk began: the time of the answer or, where that was not recorded, the start of the leg of the callee of an
 * answered call, which is where earlier generations and the vendor's events have it.
 */
static void write_call_at(struct buffer *out, const void *value)
{
	const struct flat *flat = value;
	int64_t milliseconds = contract_answer_milliseconds(&flat->call.answer_time);
	if (!milliseconds && is_answered(&flat->call) && flat->callee.has_start &&
	    __builtin_add_overflow(contract_answer_milliseconds(&flat->call.start_time), flat->callee.start_offset_ms,
	                           &milliseconds))
		milliseconds = 0;
	write_number(out, milliseconds > 0 ? (uint64_t)milliseconds : 0);
}

static void write_party(struct buffer *out, const void *value)
{
	const struct view_party *party = value;
	write_literal(out, "{\"member_no\":");
	write_text(out, &party->member_no);
	write_literal(out, ",\"number\":");
	write_text(out, &party->phone);
	write_literal(out, ",\"name\":");
	write_text(out, &party->name);
	write_literal(out, ",\"channel\":");
	write_text(out, &party->channel);
	write_literal(out, ",\"type\":");
	write_text(out, &party->type);
	write_literal(out, ",\"telco_code\":");
	write_text(out, &party->telco_code);
	write_literal(out, "}");
}

static void write_type(struct buffer *out, const void *value)
{
	const struct view_call *call = value;
	write_number(out, contract_names_number_of_call_type((Callhistory__V1__CallDirection)call->direction.value,
	                                                     call->missed.value));
}

static void write_disposition(struct buffer *out, const void *value)
{
	const struct view_call *call = value;
	const char *name = contract_names_of_disposition((Callhistory__V1__Disposition)call->disposition.value);
	write_text(out, name ? &(struct view_text){name, strlen(name)} : &call->disposition_other);
}

static void write_is_record(struct buffer *out, const void *value)
{
	const struct view_call *call = value;
	const bool recorded = call->audio_recorded.value || call->recordings.count;
	write_bytes(out, recorded ? "true" : "false", recorded ? 4 : 5);
}

/* ---- Keys ---- */

#define AT(member) offsetof(struct flat, member)

static const struct key list_keys[] = {
    {"trans_id", AT(call.id), write_text},
    {"group_id", AT(call.group_id), write_text},
    {"create_at", AT(call.start_time), write_create_at},
    {"call_at", 0, write_call_at},
    {"caller_info", AT(caller), write_party},
    {"callee_info", AT(callee), write_party},
    {"hotline", AT(call.hotline), write_text},
    {"type_call", AT(call), write_type},
    {"end_call", AT(call.ended_by), write_text},
    {"postage", AT(charge), write_money},
    {"time_call", AT(call.talk_seconds), write_seconds},
    {"duration", AT(call.duration_seconds), write_seconds},
    {"disposition", AT(call), write_disposition},
    {"is_record", AT(call), write_is_record},
    {"customer_code", AT(call.customer_code), write_text},
    {"payment_channel", AT(call.payment_channel), write_text},
    {"group_member_no", AT(call.group_member_no), write_text},
    {"external_call_id", AT(call.external_call_id), write_text},
    {"auto_dial_service_charge", AT(call.auto_dial_service_charge), write_money},
    {NULL, 0, NULL},
};

static const struct key detail_keys[] = {
    {"trans_id", AT(call.id), write_text},
    {"group_id", AT(call.group_id), write_text},
    {"create_at", AT(call.start_time), write_create_at},
    {"call_at", 0, write_call_at},
    {"time_call", AT(call.talk_seconds), write_seconds},
    {"duration", AT(call.duration_seconds), write_seconds},
    {"caller_info", AT(caller), write_party},
    {"callee_info", AT(callee), write_party},
    {"disposition", AT(call), write_disposition},
    {"hangup_cause", AT(call.hangup_cause), write_text},
    {"sip_code", AT(call.sip_code), write_text},
    {"end_call", AT(call.ended_by), write_text},
    {"hotline", AT(call.hotline), write_text},
    {"is_record", AT(call), write_is_record},
    {"postage", AT(charge), write_money},
    {"conference_id", AT(call.conference_id), write_text},
    {"payment_channel", AT(call.payment_channel), write_text},
    {"auto_dial_service_charge", AT(call.auto_dial_service_charge), write_money},
    {"customer_code", AT(call.customer_code), write_text},
    {"type_call", AT(call), write_type},
    {"external_call_id", AT(call.external_call_id), write_text},
    {"group_member_no", AT(call.group_member_no), write_text},
    {NULL, 0, NULL},
};

/* ---- Calls ---- */

/* Reads parties: *chosen is the first one or, where there is one, the first that answered; *charge grows to theirs. */
static int read_parties(struct view_list parties, bool prefer_answered, struct view_party *chosen,
                        struct view_money *charge)
{
	struct wire element;
	bool answered = false;
	for (size_t i = 0; contract_view_next(&parties, &element); ++i) {
		struct view_party party;
		if (contract_view_party(&party, element))
			return -EBADMSG;
		const bool answers = party.disposition.value == CALLHISTORY__V1__DISPOSITION__DISPOSITION_ANSWERED;
		if (!i || (prefer_answered && answers && !answered))
			*chosen = party;
		answered = answered || answers;
		if (party.charge.given && (!charge->given || party.charge.amount > charge->amount))
			*charge = party.charge;
	}
	return 0;
}

static int read_flat(struct flat *flat, const ProtobufCBinaryData *packed)
{
	*flat = (struct flat){.charge = {false, 0}};
	if (contract_view_call(&flat->call, packed->data, packed->len) ||
	    read_parties(flat->call.callers, false, &flat->caller, &flat->charge) ||
	    read_parties(flat->call.callees, true, &flat->callee, &flat->charge))
		return -EBADMSG;
	if (flat->call.charge.given)
		flat->charge = flat->call.charge;
	return 0;
}

int contract_flat_write_call(struct buffer *out, enum contract_route route, const ProtobufCBinaryData *packed)
{
	const struct key *keys = route == CONTRACT_FLAT_DETAIL ? detail_keys : list_keys;
	struct flat flat;
	if (read_flat(&flat, packed))
		return -EBADMSG;
	for (const struct key *key = keys; key->name; ++key) {
		write_bytes(out, key == keys ? "{\"" : ",\"", 2);
		write_bytes(out, key->name, strlen(key->name));
		write_literal(out, "\":");
		key->write(out, (const char *)&flat + key->offset);
	}
	write_literal(out, "}");
	return 0;
}
