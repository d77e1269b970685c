/*
 * contract/import_value: the single values of an imported record. Imports are
 * lenient about how a value is spelled, never about what it means.
 */
#include <inttypes.h>
#include <strings.h>

#include "base/decimal.h"
#include "base/utf8.h"
#include "contract/fault.h"
#include "contract/import.h"

/* The year 10000. */
#define MOMENT_END_MS 253402300800000.0

int contract_import_refuse(const struct import_reader *reader, const char *field, const char *why)
{
	return contract_fault(reader->arena, reader->error, 400, field, "%s", why);
}

int contract_import_refuse_value(const struct import_reader *reader, struct import_value value, const char *why)
{
	const char *field = value.field;
	if (value.list)
		field =
		    arena_printf(reader->arena, "%s[%zu]%s%s", value.list, value.index, field ? "." : "", field ? field : "");
	return field ? contract_import_refuse(reader, field, why) : contract_fault_memory(reader->error);
}

int contract_import_string(const struct import_reader *reader, struct import_value value, size_t most, char **out)
{
	if (contract_node_is_empty(value.node))
		return 0;
	char *text;
	if (value.node->kind == NODE_TEXT) {
		if (value.node->length > most) {
			const char *why = arena_printf(reader->arena, "must have at most %zu bytes", most);
			return why ? contract_import_refuse_value(reader, value, why) : contract_fault_memory(reader->error);
		}
		/* The node is in the reader's arena, and protobuf-c never writes to what its structs point at. */
		text = (char *)value.node->text;
	} else if (value.node->kind == NODE_INTEGER) {
		text = arena_printf(reader->arena, "%" PRId64, value.node->integer);
	} else {
		return contract_import_refuse_value(reader, value, "must be a string");
	}
	if (!text)
		return contract_fault_memory(reader->error);
	*out = text;
	return 0;
}

int contract_import_plain_string(const struct import_reader *reader, struct import_value value, size_t most, char **out)
{
	char *text = NULL;
	struct utf8_measure measure;
	if (contract_import_string(reader, value, most, &text))
		return -1;
	if (!text)
		return 0;
	if (utf8_measure(&measure, text) || measure.control)
		return contract_import_refuse_value(reader, value, "must have no control characters");
	*out = text;
	return 0;
}

/* Longer than any call: a clock that was set back, or -1 cast to unsigned. */
enum { SECONDS_ABSURD = 366 * 86400 + 1 };

/* Whether the text is a decimal fraction, such as ".25". */
static bool is_fraction(const char *text)
{
	return *text == '.' && text[1] && text[1 + strspn(text + 1, "0123456789")] == '\0';
}

/* Reads digits, up to two groups of a colon and two digits below 60, and an optional fraction, which is ignored. */
static bool parse_seconds(const char *text, int64_t *out)
{
	int64_t seconds = 0;
	size_t groups = 0, digits = strspn(text, "0123456789");
	if (!digits)
		return false;
	for (size_t i = 0; i < digits && seconds < SECONDS_ABSURD; ++i)
		seconds = seconds * 10 + (text[i] - '0');
	for (text += digits; *text && !is_fraction(text); text += 3) {
		if (++groups > 2 || *text != ':' || strspn(text + 1, "0123456789") < 2 || text[1] > '5')
			return false;
		seconds = seconds * 60 + (text[1] - '0') * 10 + (text[2] - '0');
	}
	*out = seconds;
	return true;
}

/* Reads a length; one out of range becomes -1. Returns false for any other text. */
static bool read_length(const struct node *value, int64_t *out)
{
	double number;
	if (value->kind == NODE_TEXT && parse_seconds(value->text, out))
		return true;
	if (value->kind == NODE_TEXT && *value->text != '-' && (*value->text < '0' || *value->text > '9'))
		return false;
	*out = -1;
	if (value->kind == NODE_OVERSIZE)
		return true;
	if (!contract_node_number(value, &number))
		return false;
	if (number > -1 && number < SECONDS_ABSURD)
		*out = (int64_t)number;
	return true;
}

static int read_seconds(const struct import_reader *reader, struct import_value value, const struct import_field *field,
                        char *message)
{
	int64_t length;
	if (contract_node_is_empty(value.node))
		return 0;
	if (!read_length(value.node, &length))
		return contract_import_refuse_value(reader, value, "must be seconds, MM:SS or HH:MM:SS");
	if (length < 0 || length >= SECONDS_ABSURD)
		return 0;
	const uint32_t seconds = (uint32_t)length;
	memcpy(message + field->offset, &seconds, sizeof(seconds));
	memcpy(message + field->case_offset, &field->case_value, sizeof(field->case_value));
	return 0;
}

static int read_money(const struct import_reader *reader, struct import_value value, Callhistory__V1__Money **out)
{
	double amount;
	if (contract_node_is_empty(value.node))
		return 0;
	if (!contract_node_number(value.node, &amount))
		return contract_import_refuse_value(reader, value, "must be a number");
	Callhistory__V1__Money *money = arena_alloc(reader->arena, sizeof(*money));
	if (!money)
		return contract_fault_memory(reader->error);
	callhistory__v1__money__init(money);
	money->amount = amount;
	*out = money;
	return 0;
}

static int read_boolean(const struct import_reader *reader, struct import_value value, protobuf_c_boolean *out)
{
	if (contract_node_is_empty(value.node))
		return 0;
	const char *text = value.node->kind == NODE_TEXT ? value.node->text : "";
	const bool one = value.node->kind == NODE_INTEGER && value.node->integer == 1;
	const bool zero = value.node->kind == NODE_INTEGER && value.node->integer == 0;
	if (value.node->kind == NODE_TRUE || one || !strcmp(text, "1") || !strcasecmp(text, "true"))
		*out = true;
	else if (value.node->kind == NODE_FALSE || zero || !strcmp(text, "0") || !strcasecmp(text, "false"))
		*out = false;
	else
		return contract_import_refuse_value(reader, value, "must be true or false");
	return 0;
}

int contract_import_fields(const struct import_reader *reader, struct import_value object,
                           const struct import_field *fields, size_t count, void *message)
{
	int result = 0;
	for (const struct import_field *field = fields; field < fields + count && !result; ++field) {
		const struct import_value value = import_member_of(object, field->name);
		void *member = (char *)message + field->offset;
		switch (field->type) {
		case IMPORT_STRING:
			result = contract_import_string(reader, value, field->most, member);
			break;
		case IMPORT_PLAIN_STRING:
			result = contract_import_plain_string(reader, value, field->most, member);
			break;
		case IMPORT_MONEY:
			result = read_money(reader, value, member);
			break;
		case IMPORT_BOOLEAN:
			result = read_boolean(reader, value, member);
			break;
		case IMPORT_SECONDS:
			result = read_seconds(reader, value, field, message);
			break;
		}
	}
	return result;
}

int contract_import_date(const struct import_reader *reader, struct import_value value, int64_t *out)
{
	if (contract_node_is_empty(value.node))
		return 0;
	if (value.node->kind != NODE_TEXT || contract_zone_parse(reader->zone, value.node->text, value.node->length, out))
		return contract_import_refuse_value(reader, value, "must be a date from 1970 to 9999, MM/DD/YYYY HH:MM:SS");
	return 1;
}

int contract_import_moment(const struct import_reader *reader, struct import_value value, int64_t *out)
{
	double ms;
	if (contract_node_is_empty(value.node))
		return 0;
	if (!contract_node_number(value.node, &ms) || ms >= MOMENT_END_MS)
		return contract_import_refuse_value(reader, value, "must be Unix time in milliseconds, up to the year 9999");
	if (ms < 1)
		return 0;
	*out = (int64_t)ms;
	return 1;
}

/* Whether this is a placeholder that databases write for a missing date. */
static bool is_no_date(const struct node *value)
{
	if (value->kind != NODE_TEXT)
		return false;
	/* Years compare as text. Dates of 1970 that fail to parse are before the epoch, in zones east of Greenwich. */
	if (decimal_begins_like(value->text, "00/00/0000"))
		return memcmp(value->text + 6, "1970", 4) <= 0;
	return decimal_begins_like(value->text, "0000-00-00") && memcmp(value->text, "1970", 4) < 0;
}

int contract_import_party_date(const struct import_reader *reader, struct import_value value, int64_t *out)
{
	int64_t seconds;
	if (!contract_node_is_empty(value.node) && is_no_date(value.node) &&
	    contract_zone_parse(reader->zone, value.node->text, value.node->length, &seconds))
		return 0;
	return contract_import_date(reader, value, out);
}
