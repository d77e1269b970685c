/*
 * contract/reading: reads the parameters of requests, for all generations of the API (contract §1, §2). The query
 * string and the body are gathered into one table of fields; then each field is checked. Private to this module.
 */
#pragma once

#include "contract/contract.h"
#include "contract/node.h"

/* In the order in which they are checked: the error message is about the first invalid field. */
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

/* A parameter of the request. */
struct reading_given {
	const struct node *value; /* NULL: absent, null or an empty text */
	bool twice;               /* repeated with a different value */
};

struct reading {
	struct arena *arena;
	const struct contract_input *input;
	struct contract_error *error;
	struct reading_given fields[READING_FIELDS];
	struct contract_request request;
};

/* Gathers the fields that the route has. Returns 0, or -1 with the error. */
int contract_reading_gather(struct reading *reading);

/* Refuses the request if it lacks a required field. Returns 0, or -1 with the error. */
int contract_reading_need(struct reading *reading, enum reading_field field);

/* Fills in the error: the field's name, a blank, and `why`. Returns -1. */
int contract_reading_refuse(struct reading *reading, enum reading_field field, const char *why);

/*
 * Each of the following checks one field. They return 0, or -1 with the error; *out is unchanged if the field is
 * absent.
 *
 * A text of at most `most` characters. Control characters are refused, except in phone numbers, whose comparison
 * ignores them.
 */
int contract_reading_text(struct reading *reading, enum reading_field field, size_t most, const char **out);

/* An integer from `least` to `most`. */
int contract_reading_whole(struct reading *reading, enum reading_field field, int32_t least, int32_t most,
                           int32_t *out);

/* Any number. *has: whether the field is present. */
int contract_reading_number(struct reading *reading, enum reading_field field, bool *has, double *out);

/* The tenant: vbot_id and project_code are both required; if `optional`, both may be absent. */
int contract_reading_tenant(struct reading *reading, bool optional);

/* The fields `from` and `to`, a half-open time range. */
int contract_reading_range(struct reading *reading);

/* Checks the fields of GET /m-cdr/api/call/... (flat_request.c). */
int contract_reading_flat(struct reading *reading);
