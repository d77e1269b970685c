/*
 * sources: records of telephone systems as parts of calls (CallPart). One file per system, each with its mapping as
 * tables: fields (struct import_field) and codes (struct sources_code). Pure: no HTTP, no gRPC, no file, no clock.
 *
 * A record is a JSON object (contract/node.h). A source whose records are rows (CSV) makes an object of a row: a
 * NODE_TEXT member per column. All memory is the reader's arena's; strings point into the record, which must live as
 * long as the part. Functions return 0, or -1 with *reader->error filled in (it names the field). Thread-safe where
 * each thread has its own arena.
 */
#pragma once

#include <callhistory/v1/call_ingest_service.pb-c.h>

#include "contract/import.h"

/* What was read of one record. */
struct sources_record {
	const char *project_code;        /* tenant that the record names; NULL: none */
	const char *vbot_id;             /* the same */
	Callhistory__V1__CallPart *part; /* NULL: the record is no call; it is acknowledged and not stored */
};

/* A code of a source and what it means. A table's codes are compared without case. */
struct sources_code {
	const char *code;
	Callhistory__V1__Disposition disposition;
};

/* Looks a code up: sets *disposition, or *other to the text where the table lacks it. NULL or "": leaves both alone. */
void sources_disposition(const struct sources_code *codes, size_t count, char *text,
                         Callhistory__V1__Disposition *disposition, char **other);

/*
 * Copies a text; each byte of it that is not UTF-8, and each NUL, becomes U+FFFD: text in another charset is no reason
 * to refuse a call. NULL when out of memory.
 */
char *sources_clean(struct arena *arena, const char *text, size_t *length);

/*
 * Reads a record that is a JSON object, with or without a byte order mark. Its texts are cleaned; so are escapes of NUL
 * and of halves of surrogate pairs. Of a key that is given twice the first one counts. `what` names the text in
 * messages.
 */
int sources_object_read(const struct import_reader *reader, const char *text, size_t length, const char *what,
                        const struct node **out);

/* A new part with an initialised call; NULL when out of memory. */
Callhistory__V1__CallPart *sources_part_create(struct arena *arena);

/* Appends an initialised party to a side, which has room for one only: its first. NULL when out of memory. */
Callhistory__V1__Party *sources_party_create(struct arena *arena, size_t *count, Callhistory__V1__Party ***parties);
