/*
 * sources/asterisk: the columns of a row become members of an object, which the tables below map to a call.
 *
 * | column | unit | ours |
 * |---|---|---|
 * | start, calldate; if not recorded, the time in uniqueid | time | start_time |
 * | answer | time | answer_time |
 * | duration, billsec | s, fractions are cut off | duration_seconds, talk_seconds |
 * | clid: "name" <number> | | callers[0].name; .phone where src is empty |
 * | src; cnum (the extension, if the caller id was replaced) | | callers[0].phone |
 * | cnam | | callers[0].name |
 * | channel, dstchannel | | callers[0].channel, callees[0].channel; member_no if its name is an extension |
 * | dst; dst_cnam | | callees[0].phone; .name |
 * | did; outbound_cnum | | hotline |
 * | recordingfile, and those of the options | file name | recordings |
 * | linkedid, else uniqueid | | group_id |
 * | uniqueid and sequence; without one of them a digest of the row | | id |
 * | disposition; dialstatus, which is more precise, where the dial plan writes it | codes | disposition, missed |
 * | dcontext, channel, dstchannel, by the options | | direction |
 * | hangupcause | | hangup_cause |
 * Other columns have no field of ours: lastapp and lastdata, accountcode, amaflags, end, peeraccount.
 */
#include "sources/asterisk.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <time.h>

#include "base/call_id.h"
#include "base/decimal.h"
#include "contract/fault.h"
#include "sources/csv.h"

enum { HEADER_BYTES = 65536, UNIQUEID_MAX = 150, SEQUENCE_MAX = 32, TIME_MAX = 64 };

struct sources_asterisk {
	struct sources_asterisk_options options;
	size_t column_count; /* of the header line; 0: there was none */
	const char *columns[SOURCES_CSV_CELLS_MAX];
	char header[HEADER_BYTES]; /* their names */
};

/* One row. */
struct row {
	const struct sources_asterisk *asterisk;
	const struct import_reader *reader;
	const struct node *object;
	int64_t start_ms;
	Callhistory__V1__Call *call;
	Callhistory__V1__Party *caller, *callee;
};

/* ---- Tables ----------------------------------------------------------------------------------------------------- */

/* If two rows set one member, the later one takes precedence. */
static const struct import_field call_fields[] = {
    IMPORT_CALL_STRING("outbound_cnum", CONTRACT_NUMBER_MAX, hotline),
    IMPORT_CALL_STRING("did", CONTRACT_NUMBER_MAX, hotline),
    IMPORT_CALL_STRING("uniqueid", CONTRACT_STRING_MAX, group_id),
    IMPORT_CALL_STRING("linkedid", CONTRACT_STRING_MAX, group_id),
    IMPORT_CALL_STRING("hangupcause", CONTRACT_STRING_MAX, hangup_cause),
    IMPORT_CALL_TALK("billsec"),
    IMPORT_CALL_DURATION("duration"),
};

static const struct import_field caller_fields[] = {
    IMPORT_PARTY_STRING("src", CONTRACT_NUMBER_MAX, phone),
    IMPORT_PARTY_STRING("cnum", CONTRACT_NUMBER_MAX, phone),
    IMPORT_PARTY_STRING("cnam", CONTRACT_STRING_MAX, name),
    IMPORT_PARTY_STRING("channel", CONTRACT_STRING_MAX, channel),
};

static const struct import_field callee_fields[] = {
    IMPORT_PARTY_STRING("dst", CONTRACT_NUMBER_MAX, phone),
    IMPORT_PARTY_STRING("dst_cnam", CONTRACT_STRING_MAX, name),
    IMPORT_PARTY_STRING("dstchannel", CONTRACT_STRING_MAX, channel),
};

/* Dispositions of a CDR, as texts and as numbers, and values of DIALSTATUS. */
static const struct sources_code codes[] = {
    {"ANSWERED", CALLHISTORY__V1__DISPOSITION__DISPOSITION_ANSWERED},
    {"ANSWER", CALLHISTORY__V1__DISPOSITION__DISPOSITION_ANSWERED},
    {"NO ANSWER", CALLHISTORY__V1__DISPOSITION__DISPOSITION_NO_ANSWER},
    {"NOANSWER", CALLHISTORY__V1__DISPOSITION__DISPOSITION_NO_ANSWER},
    {"BUSY", CALLHISTORY__V1__DISPOSITION__DISPOSITION_BUSY},
    {"CONGESTION", CALLHISTORY__V1__DISPOSITION__DISPOSITION_CONGESTION},
    {"CANCEL", CALLHISTORY__V1__DISPOSITION__DISPOSITION_CANCELLED},
    {"CHANUNAVAIL", CALLHISTORY__V1__DISPOSITION__DISPOSITION_CHANNEL_UNAVAILABLE},
    {"DONTCALL", CALLHISTORY__V1__DISPOSITION__DISPOSITION_REJECTED},
    {"TORTURE", CALLHISTORY__V1__DISPOSITION__DISPOSITION_TORTURE},
    {"INVALIDARGS", CALLHISTORY__V1__DISPOSITION__DISPOSITION_INVALID_ARGUMENTS},
    {"0", CALLHISTORY__V1__DISPOSITION__DISPOSITION_NO_ANSWER},
    {"1", CALLHISTORY__V1__DISPOSITION__DISPOSITION_NO_ANSWER}, /* none yet, which Asterisk writes as NO ANSWER */
    {"4", CALLHISTORY__V1__DISPOSITION__DISPOSITION_BUSY},
    {"8", CALLHISTORY__V1__DISPOSITION__DISPOSITION_ANSWERED},
    {"16", CALLHISTORY__V1__DISPOSITION__DISPOSITION_CONGESTION},
    {"32", CALLHISTORY__V1__DISPOSITION__DISPOSITION_CANCELLED},
};

/* Applications that answer a caller who has not reached anybody yet. */
static const char *const waiting_applications[] = {"Queue", "VoiceMail"};

static const char *const csv_columns[] = {
    "accountcode", "src",   "dst",    "dcontext", "clid",     "channel", "dstchannel",  "lastapp",
    "lastdata",    "start", "answer", "end",      "duration", "billsec", "disposition", "amaflags",
};

static const char *const custom_columns[] = {
    "clid",     "src",         "dst",      "dcontext",  "channel",  "dstchannel", "lastapp",
    "lastdata", "start",       "answer",   "end",       "duration", "billsec",    "disposition",
    "amaflags", "accountcode", "uniqueid", "userfield", "sequence",
};

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

/* The columns after the fixed ones of cdr_csv, by their number, which depends on three settings. */
static const struct {
	size_t count;
	const char *names[5];
} csv_tails[] = {
    {0, {NULL}},
    {1, {"uniqueid"}}, /* or userfield */
    {2, {"uniqueid", "userfield"}},
    {3, {"peeraccount", "linkedid", "sequence"}},
    {4, {"uniqueid", "peeraccount", "linkedid", "sequence"}}, /* or userfield in front */
    {5, {"uniqueid", "userfield", "peeraccount", "linkedid", "sequence"}},
};

enum {
	CSV_START = 9,
	CUSTOM_START = 8,
	CUSTOM_MIN = 14 /* up to the disposition */
};

/* ---- Which column is what --------------------------------------------------------------------------------------- */

static bool is_date(const char *text)
{
	return decimal_begins_like(text, "0000-00-00 00:00:00") || decimal_begins_like(text, "0000-00-00T00:00:00");
}

/* The Unix time in a uniqueid, [system-]seconds.counter; -1: the text is none. */
static int64_t uniqueid_time(const char *text)
{
	const char *point = strrchr(text, '.');
	const char *from = point;
	if (!point || !point[1] || point[1 + strspn(point + 1, "0123456789")])
		return -1;
	while (from > text && from[-1] >= '0' && from[-1] <= '9')
		--from;
	if (point - from < 9 || point - from > 11 || (from > text && from[-1] != '-'))
		return -1;
	return strtoll(from, NULL, 10);
}

/* Takes the cells as a header line, if they are one: names of columns, among them that of the start and of a number. */
static bool take_header(struct sources_asterisk *asterisk, const struct node *cells, size_t count)
{
	bool start = false, number = false;
	for (size_t i = 0; i < count; ++i) {
		start |= !strcasecmp(cells[i].text, "start") || !strcasecmp(cells[i].text, "calldate");
		number |= !strcasecmp(cells[i].text, "src") || !strcasecmp(cells[i].text, "dst");
	}
	if (!start || !number)
		return false;
	char *to = asterisk->header;
	for (size_t i = 0; i < count; ++i) {
		size_t left = HEADER_BYTES - (size_t)(to - asterisk->header);
		if (cells[i].length + 1 > left)
			return false;
		asterisk->columns[i] = to;
		for (const char *from = cells[i].text; *from; ++from)
			*to++ = *from >= 'A' && *from <= 'Z' ? (char)(*from | 0x20) : *from;
		*to++ = '\0';
	}
	asterisk->column_count = count;
	return true;
}

static void name_cells(struct node *cells, const char *const *names, size_t count)
{
	for (size_t i = 0; i < count; ++i)
		cells[i].key = names[i];
}

/* Whether the text is Unix time as start(int64) and start(double) write it; 0: the time never was. */
static bool is_epoch(const char *text)
{
	const size_t digits = strspn(text, "0123456789");
	const char *rest = text + digits;
	const bool fraction = *rest == '.' && rest[1] && !rest[1 + strspn(rest + 1, "0123456789")];
	return ((digits >= 9 && digits <= 11) || (digits == 1 && *text == '0')) && (!*rest || fraction);
}

/* Names the cells of a row without a header line. Returns how many have names; 0: it is none of the known orders. */
static size_t name_by_position(struct node *cells, size_t count)
{
	/* Start, answer and end. Where the start is in the other order, these are texts, the start and the answer. */
	const bool epochs = count >= CUSTOM_MIN && is_epoch(cells[CUSTOM_START].text) &&
	                    is_epoch(cells[CUSTOM_START + 1].text) && is_epoch(cells[CUSTOM_START + 2].text);
	if (epochs || (count >= CUSTOM_MIN && is_date(cells[CUSTOM_START].text))) {
		size_t named = count < COUNT(custom_columns) ? count : COUNT(custom_columns);
		name_cells(cells, custom_columns, named);
		return named;
	}
	size_t tail = count - COUNT(csv_columns);
	if (count < COUNT(csv_columns) || tail >= COUNT(csv_tails) || !is_date(cells[CSV_START].text))
		return 0;
	name_cells(cells, csv_columns, COUNT(csv_columns));
	name_cells(cells + COUNT(csv_columns), csv_tails[tail].names, tail);
	struct node *first = &cells[COUNT(csv_columns)];
	if ((tail == 1 || tail == 4) && uniqueid_time(first->text) < 0)
		first->key = "userfield";
	return count;
}

/* Makes an object of the row. *out is NULL for a header line. */
static int read_cells(struct sources_asterisk *asterisk, const struct import_reader *reader, const char *text,
                      size_t length, const struct node **out)
{
	struct node *cells;
	size_t count;
	int result = sources_csv_split(reader->arena, text, length, &cells, &count);
	if (result == -ENOMEM)
		return contract_fault_memory(reader->error);
	if (result)
		return contract_import_refuse(reader, "row", "has too many columns");
	*out = NULL;
	if (take_header(asterisk, cells, count))
		return 0;
	size_t named = asterisk->column_count;
	if (named && count != named)
		return contract_fault(reader->arena, reader->error, 400, "row", "has %zu columns, but the header line %zu",
		                      count, named);
	if (named)
		name_cells(cells, asterisk->columns, named);
	else
		named = name_by_position(cells, count);
	if (!named)
		return contract_fault(reader->arena, reader->error, 400, "row",
		                      "has %zu columns and no start time in column 9 or 10; other orders need a header line",
		                      count);
	struct node *object = arena_calloc(reader->arena, sizeof(*object));
	if (!object)
		return contract_fault_memory(reader->error);
	object->kind = NODE_OBJECT;
	object->children = cells;
	object->count = named;
	cells[named - 1].next = NULL;
	*out = object;
	return 0;
}

/* ---- Times ------------------------------------------------------------------------------------------------------ */

/* In an hour that clocks show twice, the moment that is nearer to `near`, in seconds; -1: the first one. */
static int64_t nearest(struct contract_zone *zone, const char date[19], int64_t first, int64_t near)
{
	char again[19];
	/* Clocks are set back by an hour, on Lord Howe Island by half of one. */
	for (int64_t step = 1800; step <= 3600 && near >= 0; step += 1800) {
		contract_zone_format(zone, first + step, again);
		if (!memcmp(again, date, sizeof(again)))
			return llabs(first + step - near) < llabs(first - near) ? first + step : first;
	}
	return first;
}

/* Reads the offset at the end of a time: Z, +HH:MM or +HHMM. Returns false for other text. */
static bool read_offset(const char *text, int *seconds)
{
	*seconds = 0;
	if (!strcmp(text, "Z"))
		return true;
	if (strlen(text) > 6 || (!decimal_begins_like(text + 1, "00:00") && !decimal_begins_like(text + 1, "0000")))
		return false;
	const char *minutes = text + (text[3] == ':' ? 4 : 3);
	if ((*text != '+' && *text != '-') || strlen(minutes) != 2)
		return false;
	*seconds = (atoi(text + 1) / (text[3] == ':' ? 1 : 100)) * 3600 + atoi(minutes) * 60;
	*seconds = *text == '-' ? -*seconds : *seconds;
	return true;
}

/* Reads YYYY-MM-DD HH:MM:SS, with an optional fraction and offset from UTC. Returns false for other text. */
static bool read_date(const struct import_reader *reader, const char *text, int64_t near, int64_t *ms)
{
	char date[20];
	int64_t seconds, fraction = 0;
	if (!is_date(text))
		return false;
	snprintf(date, sizeof(date), "%.2s/%.2s/%.4s %.8s", text + 5, text + 8, text, text + 11);
	if (contract_zone_parse(reader->zone, date, 19, &seconds))
		return false;
	const char *rest = text + 19;
	if (*rest == '.') {
		size_t digits = strspn(rest + 1, "0123456789");
		for (size_t i = 0; i < 3; ++i)
			fraction = fraction * 10 + (i < digits ? rest[1 + i] - '0' : 0);
		rest += 1 + digits;
	}
	if (*rest) {
		int offset;
		struct tm utc = {.tm_year = atoi(text) - 1900, .tm_mon = atoi(text + 5) - 1, .tm_mday = atoi(text + 8)};
		if (!read_offset(rest, &offset))
			return false;
		utc.tm_hour = atoi(text + 11);
		utc.tm_min = atoi(text + 14);
		utc.tm_sec = atoi(text + 17);
		seconds = timegm(&utc) - offset;
	} else {
		seconds = nearest(reader->zone, date, seconds, near);
	}
	*ms = seconds * 1000 + fraction;
	return seconds >= 0;
}

/* Reads Unix time: seconds with an optional fraction, or ms or µs. Returns false for other text. */
static bool read_epoch(const char *text, int64_t *ms)
{
	size_t digits = strspn(text, "0123456789");
	const char *rest = text + digits;
	bool fraction = *rest == '.' && rest[1] && !rest[1 + strspn(rest + 1, "0123456789")];
	int64_t value = strtoll(text, NULL, 10);
	if (*rest && !fraction)
		return false;
	if (digits == 13 || digits == 16)
		*ms = digits == 13 ? value : value / 1000;
	else if (digits >= 9 && digits <= 11)
		*ms = value * 1000 + (fraction ? (int64_t)(strtod(rest, NULL) * 1000) : 0);
	else
		return false;
	return *ms < INT64_C(253402300800000);
}

/* Reads a time; *ms is 0 if it is not recorded. `near` is explained at nearest(). */
static int read_time(const struct row *row, const char *name, int64_t near, int64_t *ms)
{
	const struct import_reader *reader = row->reader;
	const struct import_value value = import_member(row->object, name);
	char *text = NULL;
	if (value.node && value.node->kind == NODE_REAL)
		text = arena_printf(reader->arena, "%.6f", value.node->real);
	else if (contract_import_string(reader, value, TIME_MAX, &text))
		return -1;
	*ms = 0;
	/* A number of zeros is how Asterisk writes a time that never was; databases write the other one. */
	if (!text || (*text && !text[strspn(text, "0.")]) || !strncmp(text, "0000-00-00", 10))
		return 0;
	if (read_date(reader, text, near, ms) || read_epoch(text, ms))
		return 0;
	return contract_import_refuse(reader, name, "must be YYYY-MM-DD HH:MM:SS or Unix time");
}

/* The text of a column; "" if it is not recorded. */
static const char *text_of(const struct row *row, const char *name)
{
	const struct node *value = contract_node_member(row->object, name);
	return value && value->kind == NODE_TEXT ? value->text : "";
}

static int read_times(struct row *row)
{
	Callhistory__V1__Call *call = row->call;
	const char *name = contract_node_member(row->object, "start") ? "start" : "calldate";
	int64_t created = uniqueid_time(text_of(row, "uniqueid")), answer_ms;
	if (read_time(row, name, created, &row->start_ms))
		return -1;
	/* A call that never started has no other time. */
	if (!row->start_ms && created > 0)
		row->start_ms = created * 1000;
	if (!row->start_ms)
		return contract_import_refuse(row->reader, name, "is missing");
	if (read_time(row, "answer", row->start_ms / 1000, &answer_ms))
		return -1;
	if (answer_ms && contract_import_timestamp(row->reader, answer_ms, &call->answer_time))
		return -1;
	return contract_import_timestamp(row->reader, row->start_ms, &call->start_time);
}

/* ---- Who, where and how ----------------------------------------------------------------------------------------- */

/* Removes the backslashes that Asterisk writes before a quote and a backslash in a quoted name. */
static void unescape(char *text)
{
	char *to = text;
	for (const char *from = text; *from; ++from) {
		if (*from == '\\' && (from[1] == '"' || from[1] == '\\'))
			++from;
		*to++ = *from;
	}
	*to = '\0';
}

/* Reads `"name" <number>`, where quotes and either part may be missing. */
static int read_caller_id(const struct row *row)
{
	struct arena *arena = row->reader->arena;
	char *text = NULL;
	if (contract_import_string(row->reader, import_member(row->object, "clid"), CONTRACT_STRING_MAX, &text))
		return -1;
	if (!text)
		return 0;
	const char *number = strrchr(text, '<');
	size_t length = number ? (size_t)(number - text) : 0;
	while (length && text[length - 1] == ' ')
		--length;
	const bool quoted = length >= 2 && *text == '"' && text[length - 1] == '"';
	if (quoted) {
		++text;
		length -= 2;
	}
	char *name = length ? arena_copy(arena, text, length) : row->caller->name;
	if (name && quoted && length)
		unescape(name);
	row->caller->name = name;
	length = number ? strcspn(number + 1, ">") : strlen(text);
	if (length > CONTRACT_NUMBER_MAX)
		return contract_import_refuse(row->reader, "clid", "has a number of more than 512 bytes");
	row->caller->phone = arena_copy(arena, number ? number + 1 : text, length);
	return row->caller->name && row->caller->phone ? 0 : contract_fault_memory(row->reader->error);
}

static bool is_any_of(const char *text, const char *const *list, size_t count, bool beginning)
{
	for (size_t i = 0; i < count; ++i)
		if (beginning ? !strncmp(text, list[i], strlen(list[i])) : !strcmp(text, list[i]))
			return true;
	return false;
}

static bool is_trunk(const struct row *row, const char *channel)
{
	const struct sources_asterisk_options *options = &row->asterisk->options;
	return is_any_of(channel, options->trunk_channels, options->trunk_channel_count, true);
}

/*
 * The row has no direction: a call from a trunk or in a context for such calls is inbound, any other call to a trunk is
 * outbound, and between two channels that are no trunks it is internal. Without trunks that are known it is open
 * whether it was internal.
 */
static Callhistory__V1__CallDirection direction_of(const struct row *row)
{
	const struct sources_asterisk_options *options = &row->asterisk->options;
	const char *from = row->caller->channel, *to = row->callee->channel;
	if (is_trunk(row, from) ||
	    is_any_of(text_of(row, "dcontext"), options->inbound_contexts, options->inbound_context_count, false))
		return CALLHISTORY__V1__CALL_DIRECTION__CALL_DIRECTION_INBOUND;
	if (is_trunk(row, to))
		return CALLHISTORY__V1__CALL_DIRECTION__CALL_DIRECTION_OUTBOUND;
	if (options->trunk_channel_count && *from && *to)
		return CALLHISTORY__V1__CALL_DIRECTION__CALL_DIRECTION_INTERNAL;
	return CALLHISTORY__V1__CALL_DIRECTION__CALL_DIRECTION_UNSPECIFIED;
}

/* The extension in a channel's name, such as PJSIP/101-0000002a or Local/101@queue-00000001;2, if it is one. */
static int read_extension(const struct row *row, Callhistory__V1__Party *party)
{
	const char *name = strchr(party->channel, '/');
	size_t length = name ? strspn(++name, "0123456789") : 0;
	if (!length || (name[length] != '-' && name[length] != '@') || is_trunk(row, party->channel))
		return 0;
	party->member_no = arena_copy(row->reader->arena, name, length);
	return party->member_no ? 0 : contract_fault_memory(row->reader->error);
}

static int read_parties(struct row *row)
{
	const struct import_reader *reader = row->reader;
	Callhistory__V1__Call *call = row->call;
	row->caller = sources_party_create(reader->arena, &call->n_callers, &call->callers);
	row->callee = sources_party_create(reader->arena, &call->n_callees, &call->callees);
	if (!row->caller || !row->callee)
		return contract_fault_memory(reader->error);
	if (read_caller_id(row) ||
	    contract_import_record(reader, row->object, caller_fields, COUNT(caller_fields), row->caller) ||
	    contract_import_record(reader, row->object, callee_fields, COUNT(callee_fields), row->callee))
		return -1;
	call->direction = direction_of(row);
	/* The party outside is no member. */
	if (call->direction != CALLHISTORY__V1__CALL_DIRECTION__CALL_DIRECTION_INBOUND && read_extension(row, row->caller))
		return -1;
	return call->direction == CALLHISTORY__V1__CALL_DIRECTION__CALL_DIRECTION_OUTBOUND
	           ? 0
	           : read_extension(row, row->callee);
}

static int read_disposition(struct row *row)
{
	Callhistory__V1__Call *call = row->call;
	char *text = NULL;
	if (contract_import_string(row->reader, import_member(row->object, "dialstatus"), CONTRACT_STRING_MAX, &text))
		return -1;
	if (!text &&
	    contract_import_string(row->reader, import_member(row->object, "disposition"), CONTRACT_STRING_MAX, &text))
		return -1;
	if (text && !strcmp(text, "2"))
		text = (char *)"FAILED";
	sources_disposition(codes, COUNT(codes), text, &call->disposition, &call->disposition_other);
	if (call->direction != CALLHISTORY__V1__CALL_DIRECTION__CALL_DIRECTION_INBOUND || !text)
		return 0;
	/* The channel was answered, but by the PBX alone. */
	bool waiting = contract_node_member(row->object, "dstchannel") && !*row->callee->channel &&
	               is_any_of(text_of(row, "lastapp"), waiting_applications, COUNT(waiting_applications), false);
	if (call->disposition == CALLHISTORY__V1__DISPOSITION__DISPOSITION_ANSWERED && waiting) {
		call->disposition = CALLHISTORY__V1__DISPOSITION__DISPOSITION_NO_ANSWER;
		call->talk_seconds = 0;
	}
	call->missed = call->disposition != CALLHISTORY__V1__DISPOSITION__DISPOSITION_ANSWERED;
	return 0;
}

static int add_recording(struct row *row, const char *column)
{
	Callhistory__V1__Call *call = row->call;
	char *name = NULL;
	if (contract_import_string(row->reader, import_member(row->object, column), CONTRACT_URL_MAX, &name))
		return -1;
	for (size_t i = 0; name && i < call->n_recordings; ++i)
		if (!strcmp(call->recordings[i], name))
			name = NULL;
	if (name)
		call->recordings[call->n_recordings++] = name;
	return 0;
}

static int read_recordings(struct row *row)
{
	const struct sources_asterisk_options *options = &row->asterisk->options;
	row->call->recordings =
	    arena_alloc(row->reader->arena, (1 + options->recording_column_count) * sizeof(*row->call->recordings));
	if (!row->call->recordings)
		return contract_fault_memory(row->reader->error);
	if (add_recording(row, "recordingfile"))
		return -1;
	for (size_t i = 0; i < options->recording_column_count; ++i)
		if (add_recording(row, options->recording_columns[i]))
			return -1;
	return 0;
}

/* ---- Ids -------------------------------------------------------------------------------------------------------- */

/*
 * A uniqueid names a channel, which may have several rows; the sequence counts rows, but begins again with the PBX.
 * Only both together name a row.
 */
static int read_id(struct row *row, const char *text, size_t length)
{
	const struct import_reader *reader = row->reader;
	char *uniqueid = NULL, *sequence = NULL, *id = NULL;
	if (contract_import_plain_string(reader, import_member(row->object, "uniqueid"), UNIQUEID_MAX, &uniqueid) ||
	    contract_import_plain_string(reader, import_member(row->object, "sequence"), SEQUENCE_MAX, &sequence))
		return -1;
	if (uniqueid && sequence)
		id = arena_printf(reader->arena, "%s-%s", uniqueid, sequence);
	else if (call_id_digest(reader->arena, text, length, &id))
		id = NULL;
	if (!id)
		return contract_fault_memory(reader->error);
	row->call->id = id;
	return 0;
}

static int read_external_id(struct row *row)
{
	const char *column = row->asterisk->options.external_id_column;
	if (!column)
		return 0;
	return contract_import_string(row->reader, import_member(row->object, column), CONTRACT_STRING_MAX,
	                              &row->call->external_call_id);
}

/* ---- Rows ------------------------------------------------------------------------------------------------------- */

/* Doubles the backslashes that are not in front of a quote. NULL when out of memory. */
static char *escape_backslashes(struct arena *arena, const char *text, size_t *length)
{
	char *out = arena_alloc(arena, 2 * *length + 1), *to = out;
	if (!out)
		return NULL;
	for (size_t i = 0; i < *length; ++i) {
		*to++ = text[i];
		if (text[i] == '\\' && i + 1 < *length && text[i + 1] == '"')
			*to++ = text[++i];
		else if (text[i] == '\\')
			*to++ = '\\';
	}
	*to = '\0';
	*length = (size_t)(to - out);
	return out;
}

/*
 * Reads a row of JSON. Asterisk 22 escapes quotes alone, so that the backslash before a quote in a caller's name makes
 * the row invalid: if it is, it is read once more as Asterisk means it.
 */
static int read_json(const struct import_reader *reader, const char *text, size_t length, const struct node **out)
{
	struct contract_error again;
	const struct import_reader second = {reader->arena, reader->zone, &again};
	if (!sources_object_read(reader, text, length, "row", out))
		return 0;
	if (reader->error->code != 400 || !memchr(text, '\\', length))
		return -1;
	text = escape_backslashes(reader->arena, text, &length);
	if (!text)
		return contract_fault_memory(reader->error);
	return sources_object_read(&second, text, length, "row", out);
}

static int read_object(struct sources_asterisk *asterisk, const struct import_reader *reader, const char *text,
                       size_t length, const struct node **out)
{
	return *text == '{' ? read_json(reader, text, length, out) : read_cells(asterisk, reader, text, length, out);
}

int sources_asterisk_read(struct sources_asterisk *asterisk, const struct import_reader *reader, const char *text,
                          size_t length, struct sources_record *out)
{
	struct row row = {.asterisk = asterisk, .reader = reader};
	Callhistory__V1__CallPart *part = NULL;
	if (length && read_object(asterisk, reader, text, length, &row.object))
		return -1;
	if (row.object) {
		part = sources_part_create(reader->arena);
		if (!part)
			return contract_fault_memory(reader->error);
		row.call = part->call;
		if (read_times(&row) || contract_import_record(reader, row.object, call_fields, COUNT(call_fields), row.call) ||
		    read_parties(&row) || read_disposition(&row) || read_recordings(&row) || read_external_id(&row) ||
		    read_id(&row, text, length))
			return -1;
	}
	*out = (struct sources_record){.part = part};
	return 0;
}

int sources_asterisk_create(struct sources_asterisk **out, const struct sources_asterisk_options *options)
{
	struct sources_asterisk *asterisk = malloc(sizeof(*asterisk));
	if (!asterisk)
		return -ENOMEM;
	asterisk->options = *options;
	sources_asterisk_reset(asterisk);
	*out = asterisk;
	return 0;
}

void sources_asterisk_destroy(struct sources_asterisk *asterisk)
{
	free(asterisk);
}

void sources_asterisk_reset(struct sources_asterisk *asterisk)
{
	asterisk->column_count = 0;
}

bool sources_asterisk_has_header(const struct sources_asterisk *asterisk)
{
	return asterisk->column_count;
}
