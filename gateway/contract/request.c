/*
 * contract/request: requests of generations 1 to 3. The query string and the
 * body are gathered into one table of fields; then each field is checked, in
 * the order of the table, so that a message names the first at fault.
 */
#include <string.h>

#include "base/decimal.h"
#include "base/utf8.h"
#include "contract/contract.h"
#include "contract/fault.h"
#include "contract/object.h"
#include "contract/query.h"

enum { TENANT_MAX = 64, PHONE_MAX = 128 };

/* Below it, a Unix time is in seconds. The other is the first moment that no answer can show. */
#define SECONDS_END INT64_C(100000000000)
#define YEAR_10000_MS INT64_C(253402300800000)

/* Every whole number below it is a double. */
#define REAL_END 0x1p53

enum field { VBOT_ID, PROJECT_CODE, PHONE, PAGE, SIZE, FROM, TO, FIELD_COUNT };

static const char *const field_names[FIELD_COUNT] = {
    [VBOT_ID] = "vbot_id", [PROJECT_CODE] = "project_code",
    [PHONE] = "phone",     [PAGE] = "page",
    [SIZE] = "size",       [FROM] = "from",
    [TO] = "to",
};

/* What a field was given as. An empty string and null count as not given. */
enum kind { NOT_GIVEN, TEXT, INTEGER, OTHER };

struct given {
	enum kind kind;
	bool twice; /* given again with a different value */
	const char *text;
	size_t length;
	int64_t integer;
};

struct reading {
	struct arena *arena;
	const struct contract_input *input;
	struct contract_error *error;
	struct given fields[FIELD_COUNT];
	struct contract_request request;
};

static bool is_integer_field(enum field field)
{
	return field >= PAGE;
}

/* What a route doesn't use is ignored there, whatever it holds. */
static bool route_uses(enum contract_route route, enum field field)
{
	switch (route) {
	case CONTRACT_COUNT_ALL:
		return field != PAGE && field != SIZE;
	case CONTRACT_RECORD:
		return field == VBOT_ID || field == PROJECT_CODE;
	default:
		return true;
	}
}

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
static bool integer_of(const struct given *given, int64_t *out)
{
	*out = given->integer;
	return given->kind == INTEGER || (given->kind == TEXT && decimal_read(given->text, given->length, out));
}

static bool same(enum field field, const struct given *one, const struct given *other)
{
	int64_t left, right;
	if (is_integer_field(field) && integer_of(one, &left) && integer_of(other, &right))
		return left == right;
	return one->kind == TEXT && other->kind == TEXT && one->length == other->length &&
	       !memcmp(one->text, other->text, one->length);
}

static int add_value(struct reading *reading, const char *name, const struct given *given)
{
	for (int i = 0; i < FIELD_COUNT; ++i) {
		struct given *field = &reading->fields[i];
		if (strcmp(field_names[i], name))
			continue;
		if (given->kind == NOT_GIVEN || !route_uses(reading->input->route, (enum field)i))
			return 0;
		if (field->kind == NOT_GIVEN)
			*field = *given;
		else if (!same((enum field)i, field, given))
			field->twice = true;
		return 0;
	}
	return add_unknown(reading, name);
}

static int gather_query(struct reading *reading)
{
	const struct contract_input *input = reading->input;
	struct query_parameter parameter;
	int found;
	if (!input->query)
		return 0;
	if (input->query_length > CONTRACT_QUERY_MAX)
		return contract_fault(reading->arena, reading->error, 400, NULL, "query string is longer than %d bytes",
		                      CONTRACT_QUERY_MAX);
	struct query_cursor cursor = {input->query, input->query + input->query_length};
	while ((found = contract_query_next(reading->arena, &cursor, &parameter, reading->error)) > 0) {
		struct given given = {.text = parameter.value, .length = parameter.value_length};
		given.kind = given.length ? TEXT : NOT_GIVEN;
		if (add_value(reading, parameter.name, &given))
			return -1;
	}
	return found;
}

static int add_member(struct reading *reading, const struct node *member)
{
	struct given given = {.kind = OTHER};
	const char *key;
	switch (member->kind) {
	case NODE_ARRAY:
	case NODE_OBJECT:
		key = contract_object_key_shown(reading->arena, member->key);
		return key ? contract_fault(reading->arena, reading->error, 400, key, "must not be an array or an object")
		           : contract_fault_memory(reading->error);
	case NODE_TEXT:
		given =
		    (struct given){.kind = member->length ? TEXT : NOT_GIVEN, .text = member->text, .length = member->length};
		break;
	case NODE_INTEGER:
		given.kind = INTEGER;
		given.integer = member->integer;
		break;
	case NODE_REAL:
		/* Within these bounds the conversion is exact; no field takes a number beyond them. */
		if (member->real > -REAL_END && member->real < REAL_END && member->real == (double)(int64_t)member->real) {
			given.kind = INTEGER;
			given.integer = (int64_t)member->real;
		}
		break;
	case NODE_NULL:
		given.kind = NOT_GIVEN;
		break;
	default:
		break;
	}
	return add_value(reading, member->key, &given);
}

static int gather_body(struct reading *reading)
{
	static const char byte_order_mark[] = "\xef\xbb\xbf";
	const size_t mark = sizeof(byte_order_mark) - 1;
	const char *text = reading->input->body;
	size_t length = text ? reading->input->body_length : 0, blank = 0;
	const struct node *body;
	if (length >= mark && !memcmp(text, byte_order_mark, mark)) {
		text += mark;
		length -= mark;
	}
	while (blank < length && strchr(" \t\r\n", text[blank]) && text[blank])
		blank++;
	if (blank == length)
		return 0;
	if (contract_object_read(reading->arena, text, length, "body", &body, reading->error))
		return -1;
	for (const struct node *member = body->children; member; member = member->next)
		if (add_member(reading, member))
			return -1;
	return 0;
}

/* ---- Checking ---- */

static int refuse(struct reading *reading, enum field field, const char *why)
{
	return contract_fault(reading->arena, reading->error, 400, field_names[field], "%s", why);
}

static int check_text(struct reading *reading, enum field field, size_t most, bool needed, const char **out)
{
	const struct given *given = &reading->fields[field];
	struct utf8_measure measure;
	if (given->kind == NOT_GIVEN)
		return needed ? refuse(reading, field, "is missing") : 0;
	if (given->twice)
		return refuse(reading, field, "is given twice with different values");
	if (given->kind != TEXT)
		return refuse(reading, field, "must be a string");
	if (utf8_measure(&measure, given->text))
		return refuse(reading, field, "is not valid UTF-8");
	if (measure.characters > most)
		return contract_fault(reading->arena, reading->error, 400, field_names[field],
		                      "must have at most %zu characters", most);
	if (measure.control)
		return refuse(reading, field, "must have no control characters");
	*out = given->text;
	return 0;
}

static int check_page(struct reading *reading, enum field field, int32_t most, int32_t *out)
{
	const struct given *given = &reading->fields[field];
	int64_t value;
	if (given->twice)
		return refuse(reading, field, "is given twice with different values");
	if (!integer_of(given, &value) || value < 1 || value > most)
		return contract_fault(reading->arena, reading->error, 400, field_names[field],
		                      "must be a whole number from 1 to %d", most);
	*out = (int32_t)value;
	return 0;
}

static int check_time(struct reading *reading, enum field field, bool *has, int64_t *out)
{
	const struct given *given = &reading->fields[field];
	int64_t value;
	if (given->kind == NOT_GIVEN)
		return 0;
	if (given->twice)
		return refuse(reading, field, "is given twice with different values");
	if (!integer_of(given, &value) || value < 0)
		return refuse(reading, field, "must be a Unix time, a whole number from 0");
	if (value < SECONDS_END)
		value *= 1000;
	if (value >= YEAR_10000_MS)
		return refuse(reading, field, "must be a Unix time before the year 10000");
	*out = value;
	*has = true;
	return 0;
}

static int check_tenant_and_phone(struct reading *reading)
{
	const bool api_key = reading->input->api_key;
	const bool has_vbot_id = reading->fields[VBOT_ID].kind != NOT_GIVEN;
	const bool has_project_code = reading->fields[PROJECT_CODE].kind != NOT_GIVEN;
	const bool needs_phone = !api_key && reading->input->route != CONTRACT_RECORD;
	struct contract_request *request = &reading->request;
	int result = check_text(reading, VBOT_ID, TENANT_MAX, !api_key || has_project_code, &request->vbot_id);
	if (!result)
		result = check_text(reading, PROJECT_CODE, TENANT_MAX, !api_key || has_vbot_id, &request->project_code);
	if (!result)
		result = check_text(reading, PHONE, PHONE_MAX, needs_phone, &request->phone);
	return result;
}

static int check_pages_and_times(struct reading *reading)
{
	struct contract_request *request = &reading->request;
	const bool has_page = reading->fields[PAGE].kind != NOT_GIVEN;
	const bool has_size = reading->fields[SIZE].kind != NOT_GIVEN;
	if (has_page != has_size)
		return contract_fault(reading->arena, reading->error, 400, field_names[has_page ? SIZE : PAGE],
		                      "is missing: a list needs it");
	request->is_list = has_page;
	int result = 0;
	if (request->is_list) {
		result = check_page(reading, PAGE, INT32_MAX, &request->page);
		if (!result)
			result = check_page(reading, SIZE, CONTRACT_SIZE_MAX, &request->size);
	}
	if (!result)
		result = check_time(reading, FROM, &request->has_from, &request->from_ms);
	if (!result)
		result = check_time(reading, TO, &request->has_to, &request->to_ms);
	if (!result && request->has_from && request->has_to && request->to_ms < request->from_ms)
		result = refuse(reading, TO, "must not be before from");
	return result;
}

int contract_read_request(struct arena *arena, const struct contract_input *input, struct contract_request *out,
                          struct contract_error *error)
{
	struct reading reading = {.arena = arena, .input = input, .error = error};
	if (input->body && input->body_length > CONTRACT_BODY_MAX)
		return contract_fault(arena, error, 413, NULL, "body is larger than %d bytes", CONTRACT_BODY_MAX);
	if (gather_query(&reading) || gather_body(&reading))
		return -1;
	if (check_tenant_and_phone(&reading) || check_pages_and_times(&reading))
		return -1;
	*out = reading.request;
	return 0;
}
