/*
 * contract/reading: what all generations' requests have in common. The query string and the body are gathered into one
 * table of fields; then each field is checked. For the files of this module.
 */
#pragma once

#include "contract/contract.h"
#include "contract/node.h"

/* In the order of their checks, so that a message names the first one at fault. */
enum reading_field {
	READING_VBOT_ID,
	READING_PROJECT_CODE,
	READING_PHONE,
	READING_GROUP_ID,
	READING_PAGE,
	READING_SIZE,
	READING_FROM,
	READING_TO,
	READING_KEY_SEARCH,
	READING_HOTLINE,
	READING_DISPOSITION,
	READING_TYPE_CALL,
	READING_MIN_POSTAGE,
	READING_MAX_POSTAGE,
	READING_CUSTOMER_CODE,
	READING_GROUP_MEMBER_NO,
	READING_HAS_HOTLINE,
	READING_MEMBER_NO,
	READING_CHANGE_TOKEN,
	READING_FIELDS,
};

struct reading_given {
	const struct node *value; /* NULL: not given, or as null or an empty text */
	bool twice;               /* given again with a different value */
};

struct reading {
	struct arena *arena;
	const struct contract_input *input;
	struct contract_error *error;
	struct reading_given fields[READING_FIELDS];
	struct contract_request request;
};

/* Gathers the fields that the route knows. 0 or -1 with the error. */
int contract_reading_gather(struct reading *reading);

/* Refuses a field that was not given. 0 or -1. */
int contract_reading_need(struct reading *reading, enum reading_field field);

/* Fills in the error: the field's name, a blank, and `why`. Returns -1. */
int contract_reading_refuse(struct reading *reading, enum reading_field field, const char *why);

/*
 * Each checks one field. 0, or -1 with the error; *out is untouched where the field was not given.
 * A text has at most `most` characters, none of them a control character but in numbers, where comparison ignores them.
 */
int contract_reading_text(struct reading *reading, enum reading_field field, size_t most, const char **out);

/* A whole number. */
int contract_reading_whole(struct reading *reading, enum reading_field field, int32_t least, int32_t most,
                           int32_t *out);

/* Any number. *has: whether it was given. */
int contract_reading_number(struct reading *reading, enum reading_field field, bool *has, double *out);

/* The tenant: both fields, or neither where `optional`. */
int contract_reading_tenant(struct reading *reading, bool optional);

/* The time range, half-open: from and to. */
int contract_reading_range(struct reading *reading);

/* Checks the fields of GET /m-cdr/api/call/... (flat_request.c). */
int contract_reading_flat(struct reading *reading);
