/*
 * contract/import_value: the single values of an imported record. Imports are
 * lenient about how a value is spelled, never about what it means.
 */
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

bool import_is_empty(const json_t *value)
{
	return !value || json_is_null(value) || (json_is_string(value) && !json_string_length(value));
}

int import_string(const struct import_reader *reader, const struct import_path *path, const json_t *value, size_t most,
                  char **out)
{
	if (import_is_empty(value))
		return 0;
	char *text;
	if (json_is_string(value)) {
		if (json_string_length(value) > most) {
			const char *why = arena_printf(reader->arena, "must have at most %zu bytes", most);
			return why ? import_refuse(reader, path, why) : fault_memory(reader->error);
		}
		text = arena_copy(reader->arena, json_string_value(value), json_string_length(value));
	} else if (json_is_integer(value)) {
		text = arena_printf(reader->arena, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
	} else {
		return import_refuse(reader, path, "must be a string");
	}
	if (!text)
		return fault_memory(reader->error);
	*out = text;
	return 0;
}

int import_plain_string(const struct import_reader *reader, const struct import_path *path, const json_t *value,
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

int import_seconds(const struct import_reader *reader, const struct import_path *path, const json_t *value,
                   bool *recorded, uint32_t *out)
{
	bool read = false;
	if (import_is_empty(value))
		return 0;
	if (json_is_integer(value)) {
		json_int_t seconds = json_integer_value(value);
		read = seconds >= 0 && seconds <= UINT32_MAX;
		if (read)
			*out = (uint32_t)seconds;
	} else if (json_is_string(value)) {
		const char *text = json_string_value(value);
		read = strlen(text) == json_string_length(value) && parse_seconds(text, out);
	}
	if (!read)
		return import_refuse(reader, path, "must be seconds, MM:SS or HH:MM:SS");
	*recorded = true;
	return 0;
}

int import_double(const struct import_reader *reader, const struct import_path *path, const json_t *value, double *out)
{
	if (import_is_empty(value))
		return 0;
	if (json_is_number(value)) {
		*out = json_number_value(value);
		return 0;
	}
	/* The JSON reader takes exactly JSON's numbers, whatever the locale's decimal point. */
	json_t *number = NULL;
	json_error_t json_error = {.text = "not a string"};
	if (json_is_string(value))
		number = json_loadb(json_string_value(value), json_string_length(value), JSON_DECODE_ANY, &json_error);
	int result = 0;
	if (json_is_number(number))
		*out = json_number_value(number);
	else if (!number && !json_error.text[0])
		result = fault_memory(reader->error);
	else
		result = import_refuse(reader, path, "must be a number");
	json_decref(number);
	return result;
}

int import_boolean(const struct import_reader *reader, const struct import_path *path, const json_t *value,
                   protobuf_c_boolean *out)
{
	if (import_is_empty(value))
		return 0;
	const char *text = json_is_string(value) ? json_string_value(value) : "";
	const bool one = json_is_integer(value) && json_integer_value(value) == 1;
	const bool zero = json_is_integer(value) && json_integer_value(value) == 0;
	if (json_is_true(value) || one || !strcmp(text, "1") || !strcasecmp(text, "true"))
		*out = true;
	else if (json_is_false(value) || zero || !strcmp(text, "0") || !strcasecmp(text, "false"))
		*out = false;
	else
		return import_refuse(reader, path, "must be true or false");
	return 0;
}

int import_date(const struct import_reader *reader, const struct import_path *path, const json_t *value, bool *recorded,
                int64_t *out)
{
	if (import_is_empty(value))
		return 0;
	if (!json_is_string(value) ||
	    contract_zone_parse(reader->zone, json_string_value(value), json_string_length(value), out))
		return import_refuse(reader, path, "must be a date from 1970 to 9999, MM/DD/YYYY HH:MM:SS");
	*recorded = true;
	return 0;
}
