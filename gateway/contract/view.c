/*
 * contract/view: one table per message, indexed by the numbers that proto/callhistory/v1/call.proto gives its fields.
 * The last value of a repeated singular field counts, unknown fields are skipped; both as the wire format prescribes.
 */
#include "contract/view.h"

/* How a field is read, and the type of the member that its value goes to. */
enum kind {
	KIND_NONE, /* not at all: the field is unknown */
	KIND_TEXT,
	KIND_NUMBER, /* enum, uint32 or bool */
	KIND_OFFSET, /* sint64, of a party's start */
	KIND_MONEY,  /* callhistory.v1.Money */
	KIND_TIME,   /* google.protobuf.Timestamp */
	KIND_LIST,
};

/* What becomes of the field whose number is the index of the row. */
struct known_field {
	enum kind kind;
	size_t offset; /* of the member in struct view_call or struct view_party */
};

#define IN_CALL(member) offsetof(struct view_call, member)
#define IN_PARTY(member) offsetof(struct view_party, member)

static const struct known_field call_fields[] = {
    [1] = {KIND_TEXT, IN_CALL(id)},
    [2] = {KIND_TIME, IN_CALL(start_time)},
    [3] = {KIND_NUMBER, IN_CALL(direction)},
    [4] = {KIND_NUMBER, IN_CALL(disposition)},
    [5] = {KIND_TEXT, IN_CALL(hotline)},
    [6] = {KIND_LIST, IN_CALL(callers)},
    [7] = {KIND_LIST, IN_CALL(callees)},
    [8] = {KIND_NUMBER, IN_CALL(talk_seconds)},
    [9] = {KIND_NUMBER, IN_CALL(duration_seconds)},
    [10] = {KIND_LIST, IN_CALL(recordings)},
    [11] = {KIND_TEXT, IN_CALL(event)},
    [12] = {KIND_TEXT, IN_CALL(group_id)},
    [13] = {KIND_TEXT, IN_CALL(external_call_id)},
    [14] = {KIND_NUMBER, IN_CALL(missed)},
    [15] = {KIND_TIME, IN_CALL(answer_time)},
    [16] = {KIND_TIME, IN_CALL(create_time)},
    [17] = {KIND_TEXT, IN_CALL(ended_by)},
    [18] = {KIND_NUMBER, IN_CALL(audio_recorded)},
    [19] = {KIND_MONEY, IN_CALL(charge)},
    [20] = {KIND_TEXT, IN_CALL(customer_code)},
    [21] = {KIND_TEXT, IN_CALL(payment_channel)},
    [22] = {KIND_TEXT, IN_CALL(group_member_no)},
    [23] = {KIND_MONEY, IN_CALL(auto_dial_service_charge)},
    [24] = {KIND_TEXT, IN_CALL(hangup_cause)},
    [25] = {KIND_TEXT, IN_CALL(sip_code)},
    [26] = {KIND_TEXT, IN_CALL(conference_id)},
    [27] = {KIND_TEXT, IN_CALL(direction_other)},
    [28] = {KIND_TEXT, IN_CALL(disposition_other)},
    [29] = {KIND_NUMBER, IN_CALL(incomplete)},
};

static const struct known_field party_fields[] = {
    [1] = {KIND_TEXT, IN_PARTY(phone)},
    [2] = {KIND_TEXT, IN_PARTY(vbot_id)},
    [3] = {KIND_TEXT, IN_PARTY(member_no)},
    [4] = {KIND_NUMBER, IN_PARTY(disposition)},
    [5] = {KIND_NUMBER, IN_PARTY(talk_seconds)},
    [6] = {KIND_MONEY, IN_PARTY(charge)},
    [7] = {KIND_TEXT, IN_PARTY(source)},
    [8] = {KIND_OFFSET, IN_PARTY(start)},
    [9] = {KIND_NUMBER, IN_PARTY(duration_seconds)},
    [10] = {KIND_TEXT, IN_PARTY(disposition_other)},
    [11] = {KIND_TEXT, IN_PARTY(name)},
    [12] = {KIND_TEXT, IN_PARTY(channel)},
    [13] = {KIND_TEXT, IN_PARTY(type)},
    [14] = {KIND_TEXT, IN_PARTY(telco_code)},
    [15] = {KIND_TEXT, IN_PARTY(leg_id)},
    [16] = {KIND_NUMBER, IN_PARTY(supplemented)},
};

enum {
	CALL_FIELDS = sizeof(call_fields) / sizeof(call_fields[0]),
	PARTY_FIELDS = sizeof(party_fields) / sizeof(party_fields[0]),
};

static int read_time(struct view_time *time, struct wire wire)
{
	struct wire_field field;
	int result;
	while ((result = wire_next(&wire, &field)) > 0) {
		if (field.number > 2)
			continue;
		if (field.type != WIRE_VARINT)
			return -EBADMSG;
		if (field.number == 1)
			time->seconds = (int64_t)field.value;
		else
			time->nanos = (int32_t)field.value;
	}
	return result;
}

/* A second Money of a field is merged with the first, as the wire format prescribes. */
static int read_money(struct view_money *money, struct wire wire)
{
	struct wire_field field;
	int result;
	while ((result = wire_next(&wire, &field)) > 0) {
		if (field.number != 1)
			continue;
		if (field.type != WIRE_FIXED64)
			return -EBADMSG;
		memcpy(&money->amount, field.bytes.at, sizeof(money->amount));
	}
	money->given = true;
	return result;
}

/*
 * Counts an element of a list. Of the first one it keeps where the field begins (`from`): contract_view_next() reads on
 * from there.
 */
static void add_element(struct view_list *list, const struct wire_field *field, const uint8_t *from, const uint8_t *end)
{
	if (!list->count++) {
		list->rest = (struct wire){from, end};
		list->number = field->number;
	}
}

/* Reads the value of a known field into *place; a list's element begins at `from` and the message ends at `end`. */
static inline int read_known(enum kind kind, const struct wire_field *field, void *place, const uint8_t *from,
                             const uint8_t *end)
{
	static const enum wire_type types[] = {
	    [KIND_TEXT] = WIRE_BYTES,  [KIND_NUMBER] = WIRE_VARINT, [KIND_OFFSET] = WIRE_VARINT,
	    [KIND_MONEY] = WIRE_BYTES, [KIND_TIME] = WIRE_BYTES,    [KIND_LIST] = WIRE_BYTES,
	};
	if (kind == KIND_NONE)
		return 0;
	if (field->type != types[kind])
		return -EBADMSG;
	switch (kind) {
	case KIND_TEXT:
		*(struct view_text *)place = (struct view_text){(const char *)field->bytes.at, wire_length(field->bytes)};
		return 0;
	case KIND_NUMBER:
		*(struct view_number *)place = (struct view_number){true, (uint32_t)field->value};
		return 0;
	case KIND_OFFSET:
		*(struct view_offset *)place = (struct view_offset){true, (int64_t)((field->value >> 1) ^ -(field->value & 1))};
		return 0;
	case KIND_MONEY:
		return read_money(place, field->bytes);
	case KIND_TIME:
		return read_time(place, field->bytes);
	default:
		add_element(place, field, from, end);
		return 0;
	}
}

/* Reads the fields of one message, whose table has `count` rows. */
WIRE_INLINE int read_fields(struct wire wire, const struct known_field *fields, size_t count, void *message)
{
	struct wire_field field = {.number = 0};
	int result;
	for (const uint8_t *from = wire.at; (result = wire_next(&wire, &field)) > 0; from = wire.at) {
		const struct known_field *known = &fields[field.number < count ? field.number : 0];
		result = read_known(known->kind, &field, (char *)message + known->offset, from, wire.end);
		if (result)
			return result;
	}
	return result;
}

int contract_view_call(struct view_call *out, const uint8_t *data, size_t length)
{
	*out = (struct view_call){.length = length};
	return read_fields(wire_of(data, length), call_fields, CALL_FIELDS, out);
}

int contract_view_party(struct view_party *out, struct wire element)
{
	*out = (struct view_party){.charge = {false, 0}};
	return read_fields(element, party_fields, PARTY_FIELDS, out);
}

bool contract_view_next(struct view_list *list, struct wire *element)
{
	struct wire_field field;
	if (!list->count)
		return false;
	--list->count;
	/* Passes fields between two elements over. It cannot fail: contract_view_call() has read the same bytes. */
	while (wire_next(&list->rest, &field) > 0 && field.number != list->number)
		;
	*element = field.bytes;
	return true;
}
