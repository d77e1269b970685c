/*
 * contract/import_value: the single values of an imported record. Imports are
 * lenient about how a value is spelled, never about what it means.
 */
#include <inttypes.h>
#include <string.h>
#include <strings.h>

#include "base/utf8.h"
#include "contract/fault.h"
#include "contract/import.h"

int import_refuse(const struct import_reader *reader, const struct import_path *path, const char *why)
{
	const char *field = path->field;
	if (path->list)
		field =
		    arena_printf(reader->arena, "%s[%zu]%s%s", path->list, path->index, field ? "." : "", field ? field : "");
	return field ? fault(reader->arena, reader->error, 400, field, "%s", why) : fault_memory(reader->error);
}

bool import_is_empty(const struct node *value)
{
	return !value || value->kind == NODE_NULL || (value->kind == NODE_TEXT && !value->length);
}

int import_string(const struct import_reader *reader, const struct import_path *path, const struct node *value,
                  size_t most, char **out)
{
	if (import_is_empty(value))
		return 0;
	char *text;
	if (value->kind == NODE_TEXT) {
		if (value->length > most) {
			const char *why = arena_printf(reader->arena, "must have at most %zu bytes", most);
			return why ? import_refuse(reader, path, why) : fault_memory(reader->error);
		}
		/* The node is in the reader's arena, and protobuf-c never writes to what its structs point at. */
		text = (char *)value->text;
	} else if (value->kind == NODE_INTEGER) {
		text = arena_printf(reader->arena, "%" PRId64, value->integer);
	} else {
		return import_refuse(reader, path, "must be a string");
	}
	if (!text)
		return fault_memory(reader->error);
	*out = text;
	return 0;
}

int import_plain_string(const struct import_reader *reader, const struct import_path *path, const struct node *value,
                        size_t most, char **out)
{
	char *text = NULL;
	struct utf8_measure measure;
	if (import_string(reader, path, value, most, &text))
		return -1;
	if (!text)
		return 0;
	if (utf8_measure(&measure, text) || measure.control)
		return import_refuse(reader, path, "must have no control characters");
	*out = text;
	return 0;
}

/* Reads digits, then maybe groups of a colon and two digits below 60. */
static bool parse_seconds(const char *text, uint32_t *out)
{
	uint64_t seconds = 0;
	size_t groups = 0, digits = strspn(text, "0123456789");
	if (!digits || digits > 10)
		return false;
	for (size_t i = 0; i < digits; ++i)
		seconds = seconds * 10 + (uint64_t)(text[i] - '0');
	for (text += digits; *text; text += 3) {
		if (++groups > 2 || *text != ':' || strspn(text + 1, "0123456789") != 2 || text[1] > '5')
			return false;
		seconds = seconds * 60 + (uint64_t)(text[1] - '0') * 10 + (uint64_t)(text[2] - '0');
	}
	if (seconds > UINT32_MAX)
		return false;
	*out = (uint32_t)seconds;
	return true;
}

int import_seconds(const struct import_reader *reader, const struct import_path *path, const struct node *value,
                   bool *recorded, uint32_t *out)
{
	bool read = false;
	if (import_is_empty(value))
		return 0;
	if (value->kind == NODE_INTEGER) {
		read = value->integer >= 0 && value->integer <= UINT32_MAX;
		if (read)
			*out = (uint32_t)value->integer;
	} else if (value->kind == NODE_TEXT) {
		read = parse_seconds(value->text, out);
	}
	if (!read)
		return import_refuse(reader, path, "must be seconds, MM:SS or HH:MM:SS");
	*recorded = true;
	return 0;
}

int import_double(const struct import_reader *reader, const struct import_path *path, const struct node *value,
                  double *out)
{
	if (import_is_empty(value) || node_number(value, out))
		return 0;
	return import_refuse(reader, path, "must be a number");
}

int import_boolean(const struct import_reader *reader, const struct import_path *path, const struct node *value,
                   protobuf_c_boolean *out)
{
	if (import_is_empty(value))
		return 0;
	const char *text = value->kind == NODE_TEXT ? value->text : "";
	const bool one = value->kind == NODE_INTEGER && value->integer == 1;
	const bool zero = value->kind == NODE_INTEGER && value->integer == 0;
	if (value->kind == NODE_TRUE || one || !strcmp(text, "1") || !strcasecmp(text, "true"))
		*out = true;
	else if (value->kind == NODE_FALSE || zero || !strcmp(text, "0") || !strcasecmp(text, "false"))
		*out = false;
	else
		return import_refuse(reader, path, "must be true or false");
	return 0;
}

int import_date(const struct import_reader *reader, const struct import_path *path, const struct node *value,
                bool *recorded, int64_t *out)
{
	if (import_is_empty(value))
		return 0;
	if (value->kind != NODE_TEXT || contract_zone_parse(reader->zone, value->text, value->length, out))
		return import_refuse(reader, path, "must be a date from 1970 to 9999, MM/DD/YYYY HH:MM:SS");
	*recorded = true;
	return 0;
}
