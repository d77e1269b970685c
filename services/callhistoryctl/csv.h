/*
 * csv: calls as rows for a spreadsheet, by RFC 4180: commas, quotes where needed, CR LF. Not lossless: NDJSON is. Pure.
 */
#pragma once

#include "contract/contract.h"

/* Appends the row of headings. */
void csv_heading(struct buffer *out);

/*
 * Appends a call, times local to `zone`. Parties are separated by semicolons. A text that a spreadsheet would execute
 * as a formula gets an apostrophe in front; a phone number is none.
 */
void csv_call(struct buffer *out, struct contract_zone *zone, const Callhistory__V1__Call *call);
