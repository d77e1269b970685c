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

/* A row of a table. */
struct known_field {
	enum kind kind;
	size_t offset; /* of the member in struct view_call or struct view_party */
};

#define CALL(kind, member)                                                                                             \
	{                                                                                                                  \
		kind, offsetof(struct view_call, member)                                                                       \
	}
#define PARTY(kind, member)                                                                                            \
	{                                                                                                                  \
		kind, offsetof(struct view_party, member)                                                                      \
	}

static const struct known_field call_fields[] = {
    [1] = CALL(KIND_TEXT, id),
    [2] = CALL(KIND_TIME, start_time),
    [3] = CALL(KIND_NUMBER, direction),
    [4] = CALL(KIND_NUMBER, disposition),
    [5] = CALL(KIND_TEXT, hotline),
    [6] = CALL(KIND_LIST, callers),
    [7] = CALL(KIND_LIST, callees),
    [8] = CALL(KIND_NUMBER, talk_seconds),
    [9] = CALL(KIND_NUMBER, duration_seconds),
    [10] = CALL(KIND_LIST, recordings),
    [11] = CALL(KIND_TEXT, event),
    [12] = CALL(KIND_TEXT, group_id),
    [13] = CALL(KIND_TEXT, external_call_id),
    [14] = CALL(KIND_NUMBER, missed),
    [15] = CALL(KIND_TIME, answer_time),
    [16] = CALL(KIND_TIME, create_time),
    [17] = CALL(KIND_TEXT, ended_by),
    [18] = CALL(KIND_NUMBER, audio_recorded),
    [19] = CALL(KIND_MONEY, charge),
    [20] = CALL(KIND_TEXT, customer_code),
    [21] = CALL(KIND_TEXT, payment_channel),
    [22] = CALL(KIND_TEXT, group_member_no),
    [23] = CALL(KIND_MONEY, auto_dial_service_charge),
    [24] = CALL(KIND_TEXT, hangup_cause),
    [25] = CALL(KIND_TEXT, sip_code),
    [26] = CALL(KIND_TEXT, conference_id),
    [27] = CALL(KIND_TEXT, direction_other),
    [28] = CALL(KIND_TEXT, disposition_other),
    [29] = CALL(KIND_NUMBER, incomplete),
};

static const struct known_field party_fields[] = {
    [1] = PARTY(KIND_TEXT, phone),
    [2] = PARTY(KIND_TEXT, vbot_id),
    [3] = PARTY(KIND_TEXT, member_no),
    [4] = PARTY(KIND_NUMBER, disposition),
    [5] = PARTY(KIND_NUMBER, talk_seconds),
    [6] = PARTY(KIND_MONEY, charge),
    [7] = PARTY(KIND_TEXT, source),
    [8] = PARTY(KIND_OFFSET, start_offset_ms),
    [9] = PARTY(KIND_NUMBER, duration_seconds),
    [10] = PARTY(KIND_TEXT, disposition_other),
    [11] = PARTY(KIND_TEXT, name),
    [12] = PARTY(KIND_TEXT, channel),
    [13] = PARTY(KIND_TEXT, type),
    [14] = PARTY(KIND_TEXT, telco_code),
    [15] = PARTY(KIND_TEXT, leg_id),
    [16] = PARTY(KIND_NUMBER, supplemented),
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

/* Reads one field into *place. Of a list only the wire type is checked: add_element() does the rest. */
static inline int read_known(enum kind kind, const struct wire_field *field, void *place)
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
		*(int64_t *)place = (int64_t)((field->value >> 1) ^ -(field->value & 1));
		return 0;
	case KIND_MONEY:
		return read_money(place, field->bytes);
	case KIND_TIME:
		return read_time(place, field->bytes);
	default:
		return 0;
	}
}

int contract_view_call(struct view_call *out, const uint8_t *data, size_t length)
{
	struct view_call call = {0};
	struct wire wire = wire_of(data, length);
	struct wire_field field;
	int result;
	for (const uint8_t *from = wire.at; (result = wire_next(&wire, &field)) > 0; from = wire.at) {
		const struct known_field *known = &call_fields[field.number < CALL_FIELDS ? field.number : 0];
		void *place = (char *)&call + known->offset;
		result = read_known(known->kind, &field, place);
		if (result)
			return result;
		if (known->kind == KIND_LIST)
			add_element(place, &field, from, wire.end);
	}
	if (!result)
		*out = call;
	return result;
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

int contract_view_party(struct view_party *out, struct wire element)
{
	struct view_party party = {0};
	struct wire_field field;
	int result;
	while ((result = wire_next(&element, &field)) > 0) {
		const struct known_field *known = &party_fields[field.number < PARTY_FIELDS ? field.number : 0];
		result = read_known(known->kind, &field, (char *)&party + known->offset);
		if (result)
			return result;
		party.has_start = party.has_start || known->kind == KIND_OFFSET;
	}
	if (!result)
		*out = party;
	return result;
}
