/*
 * show: a call on standard output: as a row of a table, as a list of its
 * fields, or as a line of NDJSON. Phone numbers are not masked.
 */
#pragma once

#include "contract/contract.h"

struct show;

/* The zone must live as long. 0 or -ENOMEM. */
int show_create(struct show **out, struct contract_zone *zone);
void show_destroy(struct show *show);

/*
 * The tenant of the calls that follow, for lines of NDJSON; NULL: they name none. The texts must live until the next
 * one is set.
 */
void show_set_tenant(struct show *show, const char *project_code, const char *vbot_id);

/* Adds a row to the table; it is printed by show_flush(), until when `arena` must be kept. 0 or -ENOMEM. */
int show_row(struct show *show, struct arena *arena, const Callhistory__V1__Call *call);

/* Prints the rows that were added, under a heading the first time. */
void show_flush(struct show *show);

/* Prints a line of NDJSON that import takes. 0 or -ENOMEM. */
int show_json(struct show *show, const Callhistory__V1__Call *call);

/*
 * Prints all recorded fields, one a line, with their names in the API: a new field of the API needs no change here. 0
 * or -ENOMEM.
 */
int show_call(struct show *show, const Callhistory__V1__Call *call);
