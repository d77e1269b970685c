/*
 * sources/asterisk: rows of Asterisk's call detail records as calls. Each row is a call of its own: a pair of channels
 * in one phase of a call. Rows of one call share their group_id. Pure; one reader belongs to one thread.
 *
 * Which columns a row has is recognised row by row: by the names of a header line, else by the position of the start
 * time: the ninth column in the order of cdr_custom's sample, the tenth in that of cdr_csv. A row may also be an object
 * of JSON, with the columns' names as keys.
 */
#pragma once

#include "sources/source.h"

struct sources_asterisk_options {
	/* For the direction: contexts that receive calls from outside, and how names of trunks' channels begin. */
	const char *const *inbound_contexts, *const *trunk_channels;
	size_t inbound_context_count, trunk_channel_count;
	/* Columns that name recordings, besides recordingfile. */
	const char *const *recording_columns;
	size_t recording_column_count;
	/* The column with the id of the call in the customer's own system (external_call_id); NULL: none. */
	const char *external_id_column;
};

struct sources_asterisk;

/* `options` is copied, what it points to must live on. 0 or -ENOMEM. */
int sources_asterisk_create(struct sources_asterisk **out, const struct sources_asterisk_options *options);
void sources_asterisk_destroy(struct sources_asterisk *asterisk);

/* Begins with another file: forgets the header line. */
void sources_asterisk_reset(struct sources_asterisk *asterisk);

/*
 * Reads one row without its line end. Local times are read in the reader's zone. out->part is NULL for a header line or
 * a blank one. 0, or -1 with *reader->error filled in.
 */
int sources_asterisk_read(struct sources_asterisk *asterisk, const struct import_reader *reader, const char *row,
                          size_t length, struct sources_record *out);

/* Whether the rows since sources_asterisk_reset() followed a header line. */
bool sources_asterisk_has_header(const struct sources_asterisk *asterisk);
