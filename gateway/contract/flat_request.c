/*
 * contract/flat_request: requests of generation 4. Everything may be left out; -1 for a filter is the same as nothing,
 * but for has_hotline, where nothing means calls with a hotline.
 */
#include <callhistory/v1/call_history_service.pb-c.h>

#include "contract/fault.h"
#include "contract/names.h"
#include "contract/reading.h"

enum {
	NUMBER_MAX = 128,
	TEXT_MAX = 1024, /* the service takes as many bytes */
	SIZE_DEFAULT = 20,
	/* A key_search with as many digits is a whole number and not a part of one, so that the index finds its calls. */
	WHOLE_NUMBER_DIGITS = 10,
};

/* type_call of a request and of an answer. */
enum { TYPE_ALL = -1, TYPE_IN = 1, TYPE_OUT = 2, TYPE_MISSED = 3 };

typedef Callhistory__V1__CallFilter call_filter;

/* A filter and the values of its lists. */
struct conditions {
	call_filter filter;
	Callhistory__V1__CallDirection directions[2];
	Callhistory__V1__Disposition disposition;
};

static void drop_unfiltered(struct reading *reading)
{
	for (enum reading_field field = READING_FROM; field <= READING_MEMBER_NO; ++field) {
		struct reading_given *given = &reading->fields[field];
		double number;
		if (given->value && !given->twice && contract_node_number(given->value, &number) && number == TYPE_ALL)
			given->value = NULL;
	}
}

/* A text condition. The message type has no const; nothing writes to it. */
static int read_text(struct reading *reading, enum reading_field field, size_t most, char **out)
{
	const char *text = NULL;
	if (contract_reading_text(reading, field, most, &text))
		return -1;
	if (text)
		*out = (char *)text;
	return 0;
}

static bool is_whole_number(const char *text)
{
	size_t digits = 0;
	for (; *text; ++text)
		digits += *text >= '0' && *text <= '9';
	return digits >= WHOLE_NUMBER_DIGITS;
}

static int read_key_search(struct reading *reading, call_filter *filter)
{
	const char *text = NULL;
	if (contract_reading_text(reading, READING_KEY_SEARCH, NUMBER_MAX, &text))
		return -1;
	if (text && is_whole_number(text))
		reading->request.phone = text;
	else if (text)
		filter->phone_contains = (char *)text;
	return 0;
}

/* A code in whatever case, also where a source has kept the text of one that the contract knows. */
static int read_disposition(struct reading *reading, struct conditions *conditions)
{
	const char *text = NULL;
	if (contract_reading_text(reading, READING_DISPOSITION, TEXT_MAX, &text))
		return -1;
	if (!text)
		return 0;
	conditions->disposition = contract_names_disposition(text);
	conditions->filter.dispositions = &conditions->disposition;
	conditions->filter.n_dispositions = conditions->disposition != 0;
	conditions->filter.disposition_other = (char *)text;
	return 0;
}

/* The calls whose type an answer shows as this one (names.h). */
static int read_type(struct reading *reading, struct conditions *conditions)
{
	static const Callhistory__V1__CallDirection directions[][2] = {
	    [TYPE_IN] = {CALLHISTORY__V1__CALL_DIRECTION__CALL_DIRECTION_INBOUND},
	    [TYPE_OUT] = {CALLHISTORY__V1__CALL_DIRECTION__CALL_DIRECTION_OUTBOUND,
	                  CALLHISTORY__V1__CALL_DIRECTION__CALL_DIRECTION_INTERNAL},
	    [TYPE_MISSED] = {CALLHISTORY__V1__CALL_DIRECTION__CALL_DIRECTION_INBOUND,
	                     CALLHISTORY__V1__CALL_DIRECTION__CALL_DIRECTION_UNSPECIFIED},
	};
	int32_t type = TYPE_ALL;
	if (contract_reading_whole(reading, READING_TYPE_CALL, TYPE_IN, TYPE_MISSED, &type))
		return -1;
	if (type == TYPE_ALL)
		return 0;
	memcpy(conditions->directions, directions[type], sizeof(conditions->directions));
	conditions->filter.directions = conditions->directions;
	conditions->filter.n_directions = type == TYPE_IN ? 1 : 2;
	if (type != TYPE_OUT) {
		conditions->filter.optional_missed_case = CALLHISTORY__V1__CALL_FILTER__OPTIONAL_MISSED_MISSED;
		conditions->filter.missed = type == TYPE_MISSED;
	}
	return 0;
}

static int read_postage(struct reading *reading, call_filter *filter)
{
	bool has_min = false, has_max = false;
	if (contract_reading_number(reading, READING_MIN_POSTAGE, &has_min, &filter->min_charge) ||
	    contract_reading_number(reading, READING_MAX_POSTAGE, &has_max, &filter->max_charge))
		return -1;
	if (has_min)
		filter->optional_min_charge_case = CALLHISTORY__V1__CALL_FILTER__OPTIONAL_MIN_CHARGE_MIN_CHARGE;
	if (has_max)
		filter->optional_max_charge_case = CALLHISTORY__V1__CALL_FILTER__OPTIONAL_MAX_CHARGE_MAX_CHARGE;
	if (has_min && has_max && filter->max_charge < filter->min_charge)
		return contract_reading_refuse(reading, READING_MAX_POSTAGE, "must not be below min_postage");
	return 0;
}

static int read_has_hotline(struct reading *reading, call_filter *filter)
{
	enum { WITH = -1, WITHOUT, BOTH };
	int32_t wanted = WITH;
	if (contract_reading_whole(reading, READING_HAS_HOTLINE, WITH, BOTH, &wanted))
		return -1;
	if (wanted == BOTH)
		return 0;
	filter->optional_has_hotline_case = CALLHISTORY__V1__CALL_FILTER__OPTIONAL_HAS_HOTLINE_HAS_HOTLINE;
	filter->has_hotline = wanted == WITH;
	return 0;
}

static int read_filter(struct reading *reading, struct conditions *conditions)
{
	call_filter *filter = &conditions->filter;
	if (read_key_search(reading, filter) || read_text(reading, READING_HOTLINE, NUMBER_MAX, &filter->hotline) ||
	    read_disposition(reading, conditions) || read_type(reading, conditions) || read_postage(reading, filter) ||
	    read_text(reading, READING_CUSTOMER_CODE, TEXT_MAX, &filter->customer_code) ||
	    read_text(reading, READING_GROUP_MEMBER_NO, TEXT_MAX, &filter->group_member_no) ||
	    read_has_hotline(reading, filter))
		return -1;
	return read_text(reading, READING_MEMBER_NO, TEXT_MAX, &filter->member_no);
}

static int read_page(struct reading *reading)
{
	struct contract_request *request = &reading->request;
	request->is_list = true;
	request->size = SIZE_DEFAULT;
	if (contract_reading_whole(reading, READING_PAGE, 0, INT32_MAX - 1, &request->page) ||
	    contract_reading_whole(reading, READING_SIZE, 1, CONTRACT_SIZE_MAX, &request->size))
		return -1;
	++request->page;
	return 0;
}

/* All legs, whatever their hotline. */
static int read_group(struct reading *reading, call_filter *filter)
{
	reading->request.is_list = true;
	reading->request.page = 1;
	reading->request.size = CONTRACT_SIZE_MAX;
	if (contract_reading_need(reading, READING_GROUP_ID))
		return -1;
	return read_text(reading, READING_GROUP_ID, TEXT_MAX, &filter->group_id);
}

int contract_reading_flat(struct reading *reading)
{
	struct conditions *conditions = arena_calloc(reading->arena, sizeof(*conditions));
	if (!conditions)
		return contract_fault_memory(reading->error);
	callhistory__v1__call_filter__init(&conditions->filter);
	reading->request.filter = &conditions->filter;
	drop_unfiltered(reading);
	if (contract_reading_tenant(reading, true))
		return -1;
	if (reading->input->route == CONTRACT_FLAT_DETAIL)
		return read_group(reading, &conditions->filter);
	if (reading->input->route == CONTRACT_FLAT_LIST && read_page(reading))
		return -1;
	return contract_reading_range(reading) || read_filter(reading, conditions) ? -1 : 0;
}
