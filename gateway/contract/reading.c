/* contract/reading: a field's name, type and the routes that know it are one row of a table. */
#include "contract/reading.h"

#include "base/decimal.h"
#include "base/hex.h"
#include "base/utf8.h"
#include "contract/fault.h"
#include "contract/object.h"

enum { TENANT_MAX = 64 };

/* Below it, a Unix time is in seconds. The other is the first moment that no answer can show. */
#define SECONDS_END INT64_C(100000000000)
#define YEAR_10000_MS INT64_C(253402300800000)

/* Every whole number below it is a double. */
#define REAL_END 0x1p53

#define BIT(route) (1u << (route))

/* Sets of routes. */
enum {
	LISTS = BIT(CONTRACT_GET_ALL),
	COUNTS = BIT(CONTRACT_COUNT_ALL),
	RECORDS = BIT(CONTRACT_RECORD),
	CHANGES = BIT(CONTRACT_CHANGES),
	FLAT_LISTS = BIT(CONTRACT_FLAT_LIST),
	FLAT_COUNTS = BIT(CONTRACT_FLAT_COUNT),
	DETAILS = BIT(CONTRACT_FLAT_DETAIL),
	OLD = LISTS | COUNTS | RECORDS,
	FLAT = FLAT_LISTS | FLAT_COUNTS,
	ALL = OLD | FLAT | DETAILS | CHANGES,
};

enum type { TYPE_TEXT, TYPE_ANY_TEXT, TYPE_WHOLE, TYPE_REAL };

/* A route ignores the fields that it knows and does not use, whatever their values. */
static const struct {
	const char *name;
	enum type type;
	unsigned used, known;
} table[READING_FIELDS] = {
    [READING_VBOT_ID] = {"vbot_id", TYPE_TEXT, ALL, ALL},
    [READING_PROJECT_CODE] = {"project_code", TYPE_TEXT, ALL, ALL},
    [READING_PHONE] = {"phone", TYPE_ANY_TEXT, LISTS | COUNTS, OLD},
    [READING_GROUP_ID] = {"group_id", TYPE_ANY_TEXT, DETAILS, DETAILS},
    [READING_PAGE] = {"page", TYPE_WHOLE, LISTS | FLAT_LISTS, OLD | FLAT},
    [READING_SIZE] = {"size", TYPE_WHOLE, LISTS | FLAT_LISTS | CHANGES, OLD | FLAT | CHANGES},
    [READING_FROM] = {"from", TYPE_WHOLE, LISTS | COUNTS | FLAT, OLD | FLAT},
    [READING_TO] = {"to", TYPE_WHOLE, LISTS | COUNTS | FLAT, OLD | FLAT},
    [READING_KEY_SEARCH] = {"key_search", TYPE_ANY_TEXT, FLAT, FLAT},
    [READING_HOTLINE] = {"hotline", TYPE_ANY_TEXT, FLAT, FLAT},
    [READING_DISPOSITION] = {"disposition", TYPE_ANY_TEXT, FLAT, FLAT},
    [READING_TYPE_CALL] = {"type_call", TYPE_WHOLE, FLAT, FLAT},
    [READING_MIN_POSTAGE] = {"min_postage", TYPE_REAL, FLAT, FLAT},
    [READING_MAX_POSTAGE] = {"max_postage", TYPE_REAL, FLAT, FLAT},
    [READING_CUSTOMER_CODE] = {"customer_code", TYPE_ANY_TEXT, FLAT, FLAT},
    [READING_GROUP_MEMBER_NO] = {"group_member_no", TYPE_ANY_TEXT, FLAT, FLAT},
    [READING_HAS_HOTLINE] = {"has_hotline", TYPE_WHOLE, FLAT, FLAT},
    [READING_MEMBER_NO] = {"member_no", TYPE_ANY_TEXT, FLAT, FLAT},
    [READING_CHANGE_TOKEN] = {"change_token", TYPE_TEXT, CHANGES, CHANGES},
};

/* ---- Gathering ---- */

static int add_unknown(struct reading *reading, const char *name)
{
	struct contract_request *request = &reading->request;
	size_t room = sizeof(request->unknown) / sizeof(request->unknown[0]);
	for (size_t i = 0; i < request->unknown_count; ++i)
		if (!strcmp(request->unknown[i], name))
			return 0;
	if (request->unknown_count == room)
		return 0;
	const char *copy = arena_copy(reading->arena, name, strlen(name));
	if (!copy)
		return contract_fault_memory(reading->error);
	request->unknown[request->unknown_count++] = copy;
	return 0;
}

/* The integer that a value stands for: a JSON number whose value is whole (2, 2.0, 2e0), or a decimal string. */
static bool integer_of(const struct node *value, int64_t *out)
{
	switch (value->kind) {
	case NODE_INTEGER:
		*out = value->integer;
		return true;
	case NODE_REAL:
		/* Within these bounds the conversion is exact; no field of whole numbers takes one beyond them. */
		*out = value->real > -REAL_END && value->real < REAL_END ? (int64_t)value->real : 0;
		return value->real == (double)*out;
	case NODE_TEXT:
		return decimal_read(value->text, value->length, out);
	default:
		return false;
	}
}

static bool same(enum reading_field field, const struct node *one, const struct node *other)
{
	int64_t left, right;
	double real_left, real_right;
	if (table[field].type == TYPE_WHOLE && integer_of(one, &left) && integer_of(other, &right))
		return left == right;
	if (table[field].type == TYPE_REAL && contract_node_number(one, &real_left) &&
	    contract_node_number(other, &real_right))
		return real_left == real_right;
	return one->kind == NODE_TEXT && other->kind == NODE_TEXT && one->length == other->length &&
	       !memcmp(one->text, other->text, one->length);
}

static int add_value(struct reading *reading, const char *name, const struct node *value)
{
	const unsigned route = BIT(reading->input->route);
	for (int i = 0; i < READING_FIELDS; ++i) {
		struct reading_given *field = &reading->fields[i];
		if (table[i].name[0] != name[0] || !(table[i].known & route) || strcmp(table[i].name, name))
			continue;
		if (contract_node_is_empty(value) || !(table[i].used & route))
			return 0;
		if (!field->value)
			field->value = value;
		else if (!same((enum reading_field)i, field->value, value))
			field->twice = true;
		return 0;
	}
	return add_unknown(reading, name);
}

/* Decodes to the arena. NULL with *fault_text set to what is wrong, or to NULL when out of memory. */
static char *decode(struct arena *arena, const char *text, size_t length, size_t *out_length, const char **fault_text)
{
	char *out = arena_alloc(arena, length + 1);
	size_t count = 0;
	*fault_text = NULL;
	if (!out)
		return NULL;
	for (size_t at = 0; at < length; ++at) {
		if (text[at] != '%') {
			out[count++] = text[at] == '+' ? ' ' : text[at];
			continue;
		}
		int byte = length - at > 2 ? hex_byte(text + at + 1) : -1;
		if (byte < 0) {
			*fault_text = "has a '%' in the query string without two hexadecimal digits after it";
			return NULL;
		}
		out[count++] = (char)byte;
		at += 2;
	}
	if (memchr(out, '\0', count))
		*fault_text = "has a NUL character";
	else if (!utf8_is_valid(out, count))
		*fault_text = "is not valid UTF-8";
	out[count] = '\0';
	*out_length = count;
	return *fault_text ? NULL : out;
}

/*
 * Adds a parameter of the query string, which is application/x-www-form-urlencoded. A '+' is a blank, but for the first
 * byte of `phone`, `key_search` and `hotline`: there it is the plus of an international number, which clients forget to
 * escape.
 */
static int add_parameter(struct reading *reading, const char *from, const char *end)
{
	struct arena *arena = reading->arena;
	struct contract_error *error = reading->error;
	const char *wrong, *equals = memchr(from, '=', (size_t)(end - from));
	const char *value = equals ? equals + 1 : end;
	size_t name_length, length;
	char *name = decode(arena, from, (size_t)((equals ? equals : end) - from), &name_length, &wrong);
	if (!name)
		return wrong ? contract_fault(arena, error, 400, NULL, "a parameter's name %s", wrong)
		             : contract_fault_memory(error);
	char *text = decode(arena, value, (size_t)(end - value), &length, &wrong);
	if (!text) {
		const char *shown = contract_object_key_shown(arena, name);
		return wrong && shown ? contract_fault(arena, error, 400, shown, "%s", wrong) : contract_fault_memory(error);
	}
	if (value < end && *value == '+' &&
	    (!strcmp(name, "phone") || !strcmp(name, "key_search") || !strcmp(name, "hotline")))
		*text = '+';
	struct node *node = arena_alloc(arena, sizeof(*node));
	if (!node)
		return contract_fault_memory(error);
	*node = (struct node){.kind = NODE_TEXT, .text = text, .length = length};
	return add_value(reading, name, node);
}

static int gather_query(struct reading *reading)
{
	const char *at = reading->input->query, *end = at ? at + reading->input->query_length : NULL;
	if (at && reading->input->query_length > CONTRACT_QUERY_MAX)
		return contract_fault(reading->arena, reading->error, 400, NULL, "query string is longer than %d bytes",
		                      CONTRACT_QUERY_MAX);
	while (at < end) {
		const char *ampersand = memchr(at, '&', (size_t)(end - at));
		const char *next = ampersand ? ampersand : end;
		if (next > at && add_parameter(reading, at, next))
			return -1;
		at = ampersand ? ampersand + 1 : end;
	}
	return 0;
}

static int add_member(struct reading *reading, const struct node *member)
{
	if (member->kind != NODE_ARRAY && member->kind != NODE_OBJECT)
		return add_value(reading, member->key, member);
	const char *key = contract_object_key_shown(reading->arena, member->key);
	return key ? contract_fault(reading->arena, reading->error, 400, key, "must not be an array or an object")
	           : contract_fault_memory(reading->error);
}

static int gather_body(struct reading *reading)
{
	const char *text = reading->input->body;
	size_t length = text ? reading->input->body_length : 0, blank = 0;
	const struct node *body;
	contract_object_skip_mark(&text, &length);
	while (blank < length && strchr(" \t\r\n", text[blank]) && text[blank])
		blank++;
	if (blank == length)
		return 0;
	if (contract_object_read(reading->arena, NODE_STRICT, text, length, "body", &body, reading->error))
		return -1;
	for (const struct node *member = body->children; member; member = member->next)
		if (add_member(reading, member))
			return -1;
	return 0;
}

int contract_reading_gather(struct reading *reading)
{
	return gather_query(reading) || gather_body(reading) ? -1 : 0;
}

/* ---- Checking ---- */

int contract_reading_refuse(struct reading *reading, enum reading_field field, const char *why)
{
	return contract_fault(reading->arena, reading->error, 400, table[field].name, "%s", why);
}

/* 1: the field was given, as *value; 0: it was not; -1: twice with different values, and the request is refused. */
static int check_given(struct reading *reading, enum reading_field field, const struct node **value)
{
	*value = reading->fields[field].value;
	if (reading->fields[field].twice)
		return contract_reading_refuse(reading, field, "is given twice with different values");
	return *value != NULL;
}

int contract_reading_text(struct reading *reading, enum reading_field field, size_t most, const char **out)
{
	const struct node *value;
	struct utf8_measure measure;
	int state = check_given(reading, field, &value);
	if (state <= 0)
		return state;
	if (value->kind != NODE_TEXT)
		return contract_reading_refuse(reading, field, "must be a string");
	if (utf8_measure(&measure, value->text))
		return contract_reading_refuse(reading, field, "is not valid UTF-8");
	if (measure.characters > most)
		return contract_fault(reading->arena, reading->error, 400, table[field].name,
		                      "must have at most %zu characters", most);
	/* Any text but ids may be recorded with them, and so can be asked for. */
	if (measure.control && table[field].type != TYPE_ANY_TEXT)
		return contract_reading_refuse(reading, field, "must have no control characters");
	*out = value->text;
	return 0;
}

int contract_reading_whole(struct reading *reading, enum reading_field field, int32_t least, int32_t most, int32_t *out)
{
	const struct node *value;
	int64_t number;
	int state = check_given(reading, field, &value);
	if (state <= 0)
		return state;
	if (!integer_of(value, &number) || number < least || number > most)
		return contract_fault(reading->arena, reading->error, 400, table[field].name,
		                      "must be a whole number from %d to %d", least, most);
	*out = (int32_t)number;
	return 0;
}

int contract_reading_number(struct reading *reading, enum reading_field field, bool *has, double *out)
{
	const struct node *value;
	int state = check_given(reading, field, &value);
	if (state <= 0)
		return state;
	if (!contract_node_number(value, out))
		return contract_reading_refuse(reading, field, "must be a number");
	*has = true;
	return 0;
}

static int check_time(struct reading *reading, enum reading_field field, bool *has, int64_t *out)
{
	const struct node *value;
	int64_t time;
	int state = check_given(reading, field, &value);
	if (state <= 0)
		return state;
	if (!integer_of(value, &time) || time < 0)
		return contract_reading_refuse(reading, field, "must be a Unix time, a whole number from 0");
	if (time < SECONDS_END)
		time *= 1000;
	if (time >= YEAR_10000_MS)
		return contract_reading_refuse(reading, field, "must be a Unix time before the year 10000");
	*out = time;
	*has = true;
	return 0;
}

int contract_reading_range(struct reading *reading)
{
	struct contract_request *request = &reading->request;
	if (check_time(reading, READING_FROM, &request->has_from, &request->from_ms) ||
	    check_time(reading, READING_TO, &request->has_to, &request->to_ms))
		return -1;
	if (request->has_from && request->has_to && request->to_ms < request->from_ms)
		return contract_reading_refuse(reading, READING_TO, "must not be before from");
	return 0;
}

int contract_reading_need(struct reading *reading, enum reading_field field)
{
	return reading->fields[field].value ? 0 : contract_reading_refuse(reading, field, "is missing");
}

int contract_reading_tenant(struct reading *reading, bool optional)
{
	const bool neither = !reading->fields[READING_VBOT_ID].value && !reading->fields[READING_PROJECT_CODE].value;
	struct contract_request *request = &reading->request;
	if (optional && neither)
		return 0;
	if (contract_reading_need(reading, READING_VBOT_ID) ||
	    contract_reading_text(reading, READING_VBOT_ID, TENANT_MAX, &request->vbot_id) ||
	    contract_reading_need(reading, READING_PROJECT_CODE))
		return -1;
	return contract_reading_text(reading, READING_PROJECT_CODE, TENANT_MAX, &request->project_code);
}
