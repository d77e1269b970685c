/*
 * sources/freeswitch: records of FreeSWITCH's mod_json_cdr, one per leg. deploy/docs/freeswitch.md describes what is
 * read of them.
 */
#pragma once

#include "sources/source.h"

/* Largest body or file. */
enum { SOURCES_FREESWITCH_MAX = 1 << 20 };

struct sources_freeswitch_options {
	/* Variables that name recordings, besides recording_file and record_path with record_name. */
	const char *const *recording_variables;
	size_t recording_variable_count;
};

/*
 * Reads one record as it was posted, or as the module's backup file has it: JSON, or `cdr=` (which backup files leave
 * out) and JSON that is percent-encoded or in base64. The bytes decide, not a label. Invalid UTF-8 becomes U+FFFD. The
 * leg that began the call is the main part, each other leg a supplement of it.
 */
int sources_freeswitch_read(const struct sources_freeswitch_options *options, const struct import_reader *reader,
                            const char *body, size_t length, struct sources_record *out);
