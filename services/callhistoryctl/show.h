/*
 * show: a call on standard output: as a row of a table, as a list of its
 * fields, or as a line of NDJSON. Phone numbers are not masked.
 */
#pragma once

#include "contract/contract.h"

struct show;

/*
 * The values of the API's enums are words of the command line: DISPOSITION_NO_ANSWER is "no-answer". Writes the word
 * for a value, "unknown value N" for one without a name, and "" for 0, UNSPECIFIED. Returns `out`.
 */
enum { SHOW_ENUM_SIZE = 48 };
const char *show_enum(const ProtobufCEnumDescriptor *type, int value, char out[SHOW_ENUM_SIZE]);

/* The value that a word stands for, in any case and with '_' or '-'; 0, UNSPECIFIED, for any other text. */
int show_enum_value(const ProtobufCEnumDescriptor *type, const char *text);

/* The zone must live as long. 0 or -ENOMEM. */
int show_create(struct show **out, struct contract_zone *zone);
void show_destroy(struct show *show);

/* Adds a row to the table; it is printed by show_flush(), until when `arena` must be kept. 0 or -ENOMEM. */
int show_row(struct show *show, struct arena *arena, const Callhistory__V1__Call *call);

/* Prints the rows that were added, under a heading the first time. */
void show_flush(struct show *show);

/* Prints a line of NDJSON that import takes; without a tenant, NULL, it names none. 0 or -ENOMEM. */
int show_json(struct show *show, const char *project_code, const char *vbot_id, const Callhistory__V1__Call *call);

/*
 * Prints all recorded fields, one a line, with their names in the API: a new field of the API needs no change here. 0
 * or -ENOMEM.
 */
int show_call(struct show *show, const Callhistory__V1__Call *call);
