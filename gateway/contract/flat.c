/*
 * contract/flat: answers of generation 4. A call is a flat object with one caller and one callee; a table has its keys,
 * in the documented order, with what writes each value (contract/README.md has the same table in words).
 */
#include <errno.h>

#include "contract/answer.h"
#include "contract/names.h"

/* A call, with what is found in its parties. */
struct flat {
	struct view_call call;
	struct view_party caller, callee; /* empty where there is none */
	struct view_money charge;         /* the call's own, or else the highest of its parties */
};

/* A key and where its value is in struct flat; `put` knows the type that is there. */
struct key {
	const char *name;
	size_t offset;
	char *(*put)(char *at, const void *value);
};

/* ---- Values ---- */

static char *put_string(char *at, const void *value)
{
	return put_text(at, *(const struct view_text *)value);
}

static char *put_seconds(char *at, const void *value)
{
	return put_number(at, ((const struct view_number *)value)->value);
}

static char *put_money(char *at, const void *value)
{
	return contract_put_double(at, ((const struct view_money *)value)->amount);
}

static char *put_moment(char *at, int64_t milliseconds)
{
	return put_number(at, milliseconds > 0 ? (uint64_t)milliseconds : 0);
}

static char *put_create_at(char *at, const void *value)
{
	return put_moment(at, contract_answer_milliseconds(value));
}

static bool is_answered(const struct view_call *call)
{
	return call->disposition.value == CALLHISTORY__V1__DISPOSITION__DISPOSITION_ANSWERED || call->talk_seconds.value;
}

/*
 * When the talk began: the time of the answer or, where that was not recorded, the start of the leg of the callee of an
 * answered call, which is where earlier generations and the vendor's events have it.
 */
static char *put_call_at(char *at, const void *value)
{
	const struct flat *flat = value;
	const struct view_offset *start = &flat->callee.start;
	int64_t milliseconds = contract_answer_milliseconds(&flat->call.answer_time);
	if (!milliseconds && is_answered(&flat->call) && start->given &&
	    __builtin_add_overflow(contract_answer_milliseconds(&flat->call.start_time), start->milliseconds,
	                           &milliseconds))
		milliseconds = 0;
	return put_moment(at, milliseconds);
}

static char *put_party(char *at, const void *value)
{
	const struct view_party *party = value;
	at = put_literal(at, "{\"member_no\":");
	at = put_text(at, party->member_no);
	at = put_literal(at, ",\"number\":");
	at = put_text(at, party->phone);
	at = put_literal(at, ",\"name\":");
	at = put_text(at, party->name);
	at = put_literal(at, ",\"channel\":");
	at = put_text(at, party->channel);
	at = put_literal(at, ",\"type\":");
	at = put_text(at, party->type);
	at = put_literal(at, ",\"telco_code\":");
	at = put_text(at, party->telco_code);
	return put_literal(at, "}");
}

static char *put_type(char *at, const void *value)
{
	const struct view_call *call = value;
	return put_number(at, contract_names_number_of_call_type(call->direction.value, call->missed.value));
}

static char *put_disposition(char *at, const void *value)
{
	const struct view_call *call = value;
	const char *name = contract_names_of_disposition(call->disposition.value);
	return put_text(at, name ? (struct view_text){name, strlen(name)} : call->disposition_other);
}

static char *put_is_record(char *at, const void *value)
{
	const struct view_call *call = value;
	return stpcpy(at, call->audio_recorded.value || call->recordings.count ? "true" : "false");
}

/* ---- Keys ---- */

#define AT(member) offsetof(struct flat, member)

static const struct key list_keys[] = {
    {"trans_id", AT(call.id), put_string},
    {"group_id", AT(call.group_id), put_string},
    {"create_at", AT(call.start_time), put_create_at},
    {"call_at", 0, put_call_at},
    {"caller_info", AT(caller), put_party},
    {"callee_info", AT(callee), put_party},
    {"hotline", AT(call.hotline), put_string},
    {"type_call", AT(call), put_type},
    {"end_call", AT(call.ended_by), put_string},
    {"postage", AT(charge), put_money},
    {"time_call", AT(call.talk_seconds), put_seconds},
    {"duration", AT(call.duration_seconds), put_seconds},
    {"disposition", AT(call), put_disposition},
    {"is_record", AT(call), put_is_record},
    {"customer_code", AT(call.customer_code), put_string},
    {"payment_channel", AT(call.payment_channel), put_string},
    {"group_member_no", AT(call.group_member_no), put_string},
    {"external_call_id", AT(call.external_call_id), put_string},
    {"auto_dial_service_charge", AT(call.auto_dial_service_charge), put_money},
    {NULL, 0, NULL},
};

static const struct key detail_keys[] = {
    {"trans_id", AT(call.id), put_string},
    {"group_id", AT(call.group_id), put_string},
    {"create_at", AT(call.start_time), put_create_at},
    {"call_at", 0, put_call_at},
    {"time_call", AT(call.talk_seconds), put_seconds},
    {"duration", AT(call.duration_seconds), put_seconds},
    {"caller_info", AT(caller), put_party},
    {"callee_info", AT(callee), put_party},
    {"disposition", AT(call), put_disposition},
    {"hangup_cause", AT(call.hangup_cause), put_string},
    {"sip_code", AT(call.sip_code), put_string},
    {"end_call", AT(call.ended_by), put_string},
    {"hotline", AT(call.hotline), put_string},
    {"is_record", AT(call), put_is_record},
    {"postage", AT(charge), put_money},
    {"conference_id", AT(call.conference_id), put_string},
    {"payment_channel", AT(call.payment_channel), put_string},
    {"auto_dial_service_charge", AT(call.auto_dial_service_charge), put_money},
    {"customer_code", AT(call.customer_code), put_string},
    {"type_call", AT(call), put_type},
    {"external_call_id", AT(call.external_call_id), put_string},
    {"group_member_no", AT(call.group_member_no), put_string},
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
	char *at = contract_answer_start(out, &flat.call);
	if (!at)
		return 0;
	for (const struct key *key = keys; key->name; ++key) {
		at = key == keys ? put_literal(at, "{\"") : put_literal(at, ",\"");
		at = stpcpy(at, key->name);
		at = put_literal(at, "\":");
		at = key->put(at, (const char *)&flat + key->offset);
	}
	write_end(out, put_literal(at, "}"));
	return 0;
}
