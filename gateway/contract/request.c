/* contract/request: requests of generations 1 to 3; flat_request.c has those of the fourth. */
#include "contract/fault.h"
#include "contract/reading.h"

enum { PHONE_MAX = 128, TOKEN_MAX = 128, CHANGES_DEFAULT = 50 };

static int check_phone(struct reading *reading)
{
	if (!reading->input->api_key && reading->input->route != CONTRACT_RECORD &&
	    contract_reading_need(reading, READING_PHONE))
		return -1;
	return contract_reading_text(reading, READING_PHONE, PHONE_MAX, &reading->request.phone);
}

static int check_page(struct reading *reading)
{
	struct contract_request *request = &reading->request;
	const bool has_page = reading->fields[READING_PAGE].value, has_size = reading->fields[READING_SIZE].value;
	if (has_page != has_size)
		return contract_reading_refuse(reading, has_page ? READING_SIZE : READING_PAGE, "is missing: a list needs it");
	request->is_list = has_page;
	if (contract_reading_whole(reading, READING_PAGE, 1, INT32_MAX, &request->page))
		return -1;
	return contract_reading_whole(reading, READING_SIZE, 1, CONTRACT_SIZE_MAX, &request->size);
}

/* Changes: the tenant may be left out, whatever the credentials came as. */
static int check_changes(struct reading *reading)
{
	struct contract_request *request = &reading->request;
	request->is_list = true;
	request->size = CHANGES_DEFAULT;
	if (contract_reading_tenant(reading, true) ||
	    contract_reading_whole(reading, READING_SIZE, 1, CONTRACT_SIZE_MAX, &request->size))
		return -1;
	return contract_reading_text(reading, READING_CHANGE_TOKEN, TOKEN_MAX, &request->change_token);
}

static int check_fields(struct reading *reading)
{
	if (contract_route_is_flat(reading->input->route))
		return contract_reading_flat(reading);
	if (reading->input->route == CONTRACT_CHANGES)
		return check_changes(reading);
	if (contract_reading_tenant(reading, reading->input->api_key) || check_phone(reading) || check_page(reading))
		return -1;
	return contract_reading_range(reading);
}

int contract_read_request(struct arena *arena, const struct contract_input *input, struct contract_request *out,
                          struct contract_error *error)
{
	struct reading reading = {.arena = arena, .input = input, .error = error};
	if (input->body && input->body_length > CONTRACT_BODY_MAX)
		return contract_fault(arena, error, 413, NULL, "body is larger than %d bytes", CONTRACT_BODY_MAX);
	if (contract_reading_gather(&reading) || check_fields(&reading))
		return -1;
	*out = reading.request;
	return 0;
}
