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

int contract_import_refuse(const struct import_reader *reader, const struct import_path *path, const char *why)
{
	const char *field = path->field;
	if (path->list)
		field =
		    arena_printf(reader->arena, "%s[%zu]%s%s", path->list, path->index, field ? "." : "", field ? field : "");
	return field ? contract_fault(reader->arena, reader->error, 400, field, "%s", why)
	             : contract_fault_memory(reader->error);
}

int contract_import_string(const struct import_reader *reader, const struct import_path *path, const struct node *value,
                           size_t most, char **out)
{
	if (contract_node_is_empty(value))
		return 0;
	char *text;
	if (value->kind == NODE_TEXT) {
		if (value->length > most) {
			const char *why = arena_printf(reader->arena, "must have at most %zu bytes", most);
			return why ? contract_import_refuse(reader, path, why) : contract_fault_memory(reader->error);
		}
		/* The node is in the reader's arena, and protobuf-c never writes to what its structs point at. */
		text = (char *)value->text;
	} else if (value->kind == NODE_INTEGER) {
		text = arena_printf(reader->arena, "%" PRId64, value->integer);
	} else {
		return contract_import_refuse(reader, path, "must be a string");
	}
	if (!text)
		return contract_fault_memory(reader->error);
	*out = text;
	return 0;
}

int contract_import_plain_string(const struct import_reader *reader, const struct import_path *path,
                                 const struct node *value, size_t most, char **out)
{
	char *text = NULL;
	struct utf8_measure measure;
	if (contract_import_string(reader, path, value, most, &text))
		return -1;
	if (!text)
		return 0;
	if (utf8_measure(&measure, text) || measure.control)
		return contract_import_refuse(reader, path, "must have no control characters");
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
static bool read_seconds(const struct node *value, int64_t *out)
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

int contract_import_seconds(const struct import_reader *reader, const struct import_path *path,
                            const struct node *value, bool *recorded, uint32_t *out)
{
	int64_t seconds;
	if (contract_node_is_empty(value))
		return 0;
	if (!read_seconds(value, &seconds))
		return contract_import_refuse(reader, path, "must be seconds, MM:SS or HH:MM:SS");
	if (seconds < 0 || seconds >= SECONDS_ABSURD)
		return 0;
	*out = (uint32_t)seconds;
	*recorded = true;
	return 0;
}

int contract_import_money(const struct import_reader *reader, const struct import_path *path, const struct node *value,
                          Callhistory__V1__Money **out)
{
	double amount;
	if (contract_node_is_empty(value))
		return 0;
	if (!contract_node_number(value, &amount))
		return contract_import_refuse(reader, path, "must be a number");
	Callhistory__V1__Money *money = arena_alloc(reader->arena, sizeof(*money));
	if (!money)
		return contract_fault_memory(reader->error);
	callhistory__v1__money__init(money);
	money->amount = amount;
	*out = money;
	return 0;
}

int contract_import_boolean(const struct import_reader *reader, const struct import_path *path,
                            const struct node *value, protobuf_c_boolean *out)
{
	if (contract_node_is_empty(value))
		return 0;
	const char *text = value->kind == NODE_TEXT ? value->text : "";
	const bool one = value->kind == NODE_INTEGER && value->integer == 1;
	const bool zero = value->kind == NODE_INTEGER && value->integer == 0;
	if (value->kind == NODE_TRUE || one || !strcmp(text, "1") || !strcasecmp(text, "true"))
		*out = true;
	else if (value->kind == NODE_FALSE || zero || !strcmp(text, "0") || !strcasecmp(text, "false"))
		*out = false;
	else
		return contract_import_refuse(reader, path, "must be true or false");
	return 0;
}

int contract_import_date(const struct import_reader *reader, const struct import_path *path, const struct node *value,
                         bool *recorded, int64_t *out)
{
	if (contract_node_is_empty(value))
		return 0;
	if (value->kind != NODE_TEXT || contract_zone_parse(reader->zone, value->text, value->length, out))
		return contract_import_refuse(reader, path, "must be a date from 1970 to 9999, MM/DD/YYYY HH:MM:SS");
	*recorded = true;
	return 0;
}

int contract_import_moment(const struct import_reader *reader, const struct import_path *path, const struct node *value,
                           bool *recorded, int64_t *out)
{
	double ms;
	if (contract_node_is_empty(value))
		return 0;
	if (!contract_node_number(value, &ms) || ms >= MOMENT_END_MS)
		return contract_import_refuse(reader, path, "must be Unix time in milliseconds, up to the year 9999");
	if (ms < 1)
		return 0;
	*out = (int64_t)ms;
	*recorded = true;
	return 0;
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

int contract_import_party_date(const struct import_reader *reader, const struct import_path *path,
                               const struct node *value, bool *recorded, int64_t *out)
{
	int64_t seconds;
	if (!contract_node_is_empty(value) && is_no_date(value) &&
	    contract_zone_parse(reader->zone, value->text, value->length, &seconds))
		return 0;
	return contract_import_date(reader, path, value, recorded, out);
}
