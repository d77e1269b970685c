/*
 * contract/flat: answers of generation 4. A call is a flat object with one caller and one callee; a table has its keys,
 * in the documented order, with what writes each value (contract/README.md has the same table in words).
 */
#include <errno.h>

#include "contract/answer.h"
#include "contract/contract.h"
#include "contract/names.h"
#include "contract/view.h"
#include "contract/write.h"

/* A call, with what is found in its parties. */
struct flat {
	struct view_call call;
	struct view_party caller, callee; /* empty where there is none */
	double charge;
};

enum value { VALUE_TEXT, VALUE_SECONDS, VALUE_MONEY, VALUE_OTHER };

struct key {
	const char *name; /* with the comma before it and the colon behind it */
	enum value value;
	size_t offset; /* in struct flat */
	void (*write)(struct buffer *out, const struct flat *flat);
};

/* ---- Values ---- */

static void write_view(struct buffer *out, struct view_text text)
{
	char *at = write_start(out, PUT_STRING_MAX(text.length));
	if (at)
		write_end(out, contract_put_string(at, text.text ? text.text : "", text.length));
}

static void write_code(struct buffer *out, const char *name, struct view_text other)
{
	if (name)
		other = (struct view_text){name, strlen(name)};
	write_view(out, other);
}

static void write_create_at(struct buffer *out, const struct flat *flat)
{
	const int64_t milliseconds = contract_answer_milliseconds(&flat->call.start_time);
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
static void write_call_at(struct buffer *out, const struct flat *flat)
{
	int64_t milliseconds = contract_answer_milliseconds(&flat->call.answer_time);
	if (!milliseconds && is_answered(&flat->call) && flat->callee.has_start &&
	    __builtin_add_overflow(contract_answer_milliseconds(&flat->call.start_time), flat->callee.start_offset_ms,
	                           &milliseconds))
		milliseconds = 0;
	write_number(out, milliseconds > 0 ? (uint64_t)milliseconds : 0);
}

static void write_party(struct buffer *out, const struct view_party *party)
{
	write_literal(out, "{\"member_no\":");
	write_view(out, party->member_no);
	write_literal(out, ",\"number\":");
	write_view(out, party->phone);
	write_literal(out, ",\"name\":");
	write_view(out, party->name);
	write_literal(out, ",\"channel\":");
	write_view(out, party->channel);
	write_literal(out, ",\"type\":");
	write_view(out, party->type);
	write_literal(out, ",\"telco_code\":");
	write_view(out, party->telco_code);
	write_literal(out, "}");
}

static void write_caller(struct buffer *out, const struct flat *flat)
{
	write_party(out, &flat->caller);
}

static void write_callee(struct buffer *out, const struct flat *flat)
{
	write_party(out, &flat->callee);
}

static void write_type(struct buffer *out, const struct flat *flat)
{
	const struct view_call *call = &flat->call;
	write_number(out, contract_names_number_of_call_type((Callhistory__V1__CallDirection)call->direction.value,
	                                                     call->missed.value));
}

static void write_charge(struct buffer *out, const struct flat *flat)
{
	contract_write_double(out, flat->charge);
}

static void write_disposition(struct buffer *out, const struct flat *flat)
{
	const Callhistory__V1__Disposition disposition = (Callhistory__V1__Disposition)flat->call.disposition.value;
	write_code(out, contract_names_of_disposition(disposition), flat->call.disposition_other);
}

static void write_is_record(struct buffer *out, const struct flat *flat)
{
	if (flat->call.audio_recorded.value || flat->call.recordings.count)
		write_literal(out, "true");
	else
		write_literal(out, "false");
}

/* ---- Keys ---- */

#define TEXT(key, member)                                                                                              \
	{                                                                                                                  \
		",\"" key "\":", VALUE_TEXT, offsetof(struct flat, call.member), NULL                                          \
	}
#define SECONDS(key, member)                                                                                           \
	{                                                                                                                  \
		",\"" key "\":", VALUE_SECONDS, offsetof(struct flat, call.member), NULL                                       \
	}
#define MONEY(key, member)                                                                                             \
	{                                                                                                                  \
		",\"" key "\":", VALUE_MONEY, offsetof(struct flat, call.member), NULL                                         \
	}
#define OTHER(key, write)                                                                                              \
	{                                                                                                                  \
		",\"" key "\":", VALUE_OTHER, 0, write                                                                         \
	}

static const struct key list_keys[] = {
    TEXT("trans_id", id),
    TEXT("group_id", group_id),
    OTHER("create_at", write_create_at),
    OTHER("call_at", write_call_at),
    OTHER("caller_info", write_caller),
    OTHER("callee_info", write_callee),
    TEXT("hotline", hotline),
    OTHER("type_call", write_type),
    TEXT("end_call", ended_by),
    OTHER("postage", write_charge),
    SECONDS("time_call", talk_seconds),
    SECONDS("duration", duration_seconds),
    OTHER("disposition", write_disposition),
    OTHER("is_record", write_is_record),
    TEXT("customer_code", customer_code),
    TEXT("payment_channel", payment_channel),
    TEXT("group_member_no", group_member_no),
    TEXT("external_call_id", external_call_id),
    MONEY("auto_dial_service_charge", auto_dial_service_charge),
    {NULL, VALUE_OTHER, 0, NULL},
};

static const struct key detail_keys[] = {
    TEXT("trans_id", id),
    TEXT("group_id", group_id),
    OTHER("create_at", write_create_at),
    OTHER("call_at", write_call_at),
    SECONDS("time_call", talk_seconds),
    SECONDS("duration", duration_seconds),
    OTHER("caller_info", write_caller),
    OTHER("callee_info", write_callee),
    OTHER("disposition", write_disposition),
    TEXT("hangup_cause", hangup_cause),
    TEXT("sip_code", sip_code),
    TEXT("end_call", ended_by),
    TEXT("hotline", hotline),
    OTHER("is_record", write_is_record),
    OTHER("postage", write_charge),
    TEXT("conference_id", conference_id),
    TEXT("payment_channel", payment_channel),
    MONEY("auto_dial_service_charge", auto_dial_service_charge),
    TEXT("customer_code", customer_code),
    OTHER("type_call", write_type),
    TEXT("external_call_id", external_call_id),
    TEXT("group_member_no", group_member_no),
    {NULL, VALUE_OTHER, 0, NULL},
};

static void write_value(struct buffer *out, const struct key *key, const struct flat *flat)
{
	const void *member = (const char *)flat + key->offset;
	switch (key->value) {
	case VALUE_TEXT:
		write_view(out, *(const struct view_text *)member);
		break;
	case VALUE_SECONDS:
		write_number(out, ((const struct view_number *)member)->value);
		break;
	case VALUE_MONEY:
		contract_write_double(out, ((const struct view_money *)member)->amount);
		break;
	default:
		key->write(out, flat);
	}
}

static void write_call(struct buffer *out, const struct key *keys, const struct flat *flat)
{
	write_literal(out, "{");
	for (const struct key *key = keys; key->name; ++key) {
		const char *name = key->name + (key == keys);
		write_bytes(out, name, strlen(name));
		write_value(out, key, flat);
	}
	write_literal(out, "}");
}

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
	struct view_money charge = {false, 0};
	*flat = (struct flat){.charge = 0};
	if (contract_view_call(&flat->call, packed->data, packed->len) ||
	    read_parties(flat->call.callers, false, &flat->caller, &charge) ||
	    read_parties(flat->call.callees, true, &flat->callee, &charge))
		return -EBADMSG;
	flat->charge = flat->call.charge.given ? flat->call.charge.amount : charge.amount;
	return 0;
}

int contract_write_flat_part(struct buffer *out, enum contract_route route, const ProtobufCBinaryData *calls,
                             size_t count, bool first, bool last)
{
	const struct key *keys = route == CONTRACT_FLAT_DETAIL ? detail_keys : list_keys;
	const size_t start = out->length;
	struct flat flat;
	if (first) {
		contract_answer_begin(out, route);
		write_literal(out, "[");
	}
	for (size_t i = 0; i < count; ++i) {
		if (read_flat(&flat, &calls[i])) {
			out->length = start;
			return -EBADMSG;
		}
		if (!first || i)
			write_literal(out, ",");
		write_call(out, keys, &flat);
	}
	if (last)
		write_literal(out, "]}");
	return 0;
}
