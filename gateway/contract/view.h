/*
 * contract/view: a packed Call as its fields, read in place. Answers are written from these, since making structs of a
 * page costs more than all of its JSON (tests/bench/README.md). Pure; thread-safe.
 *
 * Texts point into the packed bytes, are not NUL-terminated and may be anything: the writer checks UTF-8.
 */
#pragma once

#include "base/wire.h"

struct view_text {
	const char *text; /* NULL where length is 0 */
	size_t length;
};

/* An enum, or a number that may be absent. */
struct view_number {
	bool given;
	uint32_t value;
};

/* When a party's part began, counted from the call's start; it may be absent. */
struct view_offset {
	bool given;
	int64_t milliseconds;
};

/* An amount that may be absent. The currency is not read: no answer shows it. */
struct view_money {
	bool given;
	double amount;
};

struct view_party {
	struct view_text phone, vbot_id, member_no, source, disposition_other;
	struct view_text name, channel, type, telco_code, leg_id;
	struct view_number disposition, talk_seconds, duration_seconds, supplemented;
	struct view_offset start;
	struct view_money charge;
};

struct view_time {
	int64_t seconds;
	int32_t nanos;
};

/* The elements of a repeated field that are still to come. */
struct view_list {
	struct wire rest; /* from the next element's tag on */
	size_t count;
	uint32_t number; /* the field's */
};

struct view_call {
	size_t length;                     /* of the packed call: its texts have no more bytes together */
	struct view_list callers, callees; /* of contract_view_party() */
	struct view_list recordings;       /* texts */
	struct view_time start_time, answer_time, create_time;
	struct view_number direction, missed, disposition, talk_seconds, duration_seconds, audio_recorded, incomplete;
	struct view_text id, hotline, direction_other, disposition_other;
	struct view_text event, group_id, external_call_id, ended_by, customer_code, payment_channel, group_member_no;
	struct view_text hangup_cause, sip_code, conference_id;
	struct view_money charge, auto_dial_service_charge;
};

/* Reads all but the lists' elements. 0, or -EBADMSG for bytes that are no Call; *out is incomplete then. */
int contract_view_call(struct view_call *out, const uint8_t *data, size_t length);

/* Takes the next element off a list, in its order. False at its end. */
bool contract_view_next(struct view_list *list, struct wire *element);

/* Reads an element of callers or callees. 0 or -EBADMSG; *out is incomplete then. */
int contract_view_party(struct view_party *out, struct wire element);
