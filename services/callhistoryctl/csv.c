/* csv: a row of texts. */
#include "callhistoryctl/csv.h"

#include "callhistoryctl/enum_name.h"
#include "callhistoryctl/moment.h"

static void end_row(struct buffer *out)
{
	buffer_append_string(out, "\r\n");
}

/* Appends a field; a comma in front of all but the first. */
static void add_text(struct buffer *out, const char *text)
{
	bool formula = *text && strchr("=+-@\t\r", *text) && text[strspn(text, "+-0123456789 ().;")];
	bool quoted = strpbrk(text, ",\"\r\n") || formula;
	if (out->length && out->data[out->length - 1] != '\n')
		buffer_append_byte(out, ',');
	if (quoted)
		buffer_append_byte(out, '"');
	if (formula)
		buffer_append_byte(out, '\'');
	for (; *text; ++text) {
		if (*text == '"')
			buffer_append_byte(out, '"');
		buffer_append_byte(out, *text);
	}
	if (quoted)
		buffer_append_byte(out, '"');
}

static void add_joined(struct buffer *out, struct buffer *joined)
{
	buffer_append_byte(joined, '\0');
	if (!joined->failed)
		add_text(out, joined->data);
	out->failed |= joined->failed;
	buffer_free(joined);
}

static void add_parties(struct buffer *out, Callhistory__V1__Party *const *parties, size_t count)
{
	struct buffer joined = {0};
	for (size_t i = 0; i < count; ++i)
		buffer_printf(&joined, "%s%s", i ? ";" : "", parties[i]->phone);
	add_joined(out, &joined);
}

static void add_recordings(struct buffer *out, const Callhistory__V1__Call *call)
{
	struct buffer joined = {0};
	for (size_t i = 0; i < call->n_recordings; ++i)
		buffer_printf(&joined, "%s%s", i ? " " : "", call->recordings[i]);
	add_joined(out, &joined);
}

static void add_seconds(struct buffer *out, bool recorded, uint32_t seconds)
{
	struct buffer text = {0};
	if (recorded)
		buffer_printf(&text, "%u", seconds);
	add_joined(out, &text);
}

static void add_charge(struct buffer *out, const Callhistory__V1__Money *charge)
{
	struct buffer text = {0};
	if (charge)
		contract_write_double(&text, charge->amount);
	add_joined(out, &text);
	add_text(out, charge ? charge->currency_code : "");
}

void csv_heading(struct buffer *out)
{
	static const char *const headings[] = {"id",           "start_time", "direction", "missed",  "disposition",
	                                       "talk_seconds", "hotline",    "callers",   "callees", "duration_seconds",
	                                       "charge",       "currency",   "recordings"};
	for (size_t i = 0; i < sizeof(headings) / sizeof(headings[0]); ++i)
		add_text(out, headings[i]);
	end_row(out);
}

void csv_call(struct buffer *out, struct contract_zone *zone, const Callhistory__V1__Call *call)
{
	char time[MOMENT_SIZE], direction[ENUM_NAME_SIZE], disposition[ENUM_NAME_SIZE];
	const Google__Protobuf__Timestamp *start = call->start_time;
	enum_name(&callhistory__v1__call_direction__descriptor, (int)call->direction, direction);
	enum_name(&callhistory__v1__disposition__descriptor, (int)call->disposition, disposition);
	add_text(out, call->id);
	add_text(out, start ? moment_format(zone, start->seconds * 1000 + start->nanos / 1000000, true, time) : "");
	add_text(out, *direction ? direction : call->direction_other);
	add_text(out, call->missed ? "yes" : "no");
	add_text(out, *disposition ? disposition : call->disposition_other);
	add_seconds(out, call->optional_talk_seconds_case == CALLHISTORY__V1__CALL__OPTIONAL_TALK_SECONDS_TALK_SECONDS,
	            call->talk_seconds);
	add_text(out, call->hotline);
	add_parties(out, call->callers, call->n_callers);
	add_parties(out, call->callees, call->n_callees);
	add_seconds(
	    out, call->optional_duration_seconds_case == CALLHISTORY__V1__CALL__OPTIONAL_DURATION_SECONDS_DURATION_SECONDS,
	    call->duration_seconds);
	add_charge(out, call->charge);
	add_recordings(out, call);
	end_row(out);
}
