/* contract/answer: the fields of a call as answers and exports have them. For the files of this module. */
#pragma once

#include "contract/contract.h"
#include "contract/view.h"
#include "contract/write.h"

/* The same as contract_answer_write_text() where there is enough memory. */
static inline char *put_text(char *at, struct view_text text)
{
	return text.length ? contract_put_string(at, text.text, text.length) : put_literal(at, "\"\"");
}

/*
 * The end of the buffer, where all fields of the call can be written once, in whatever form; NULL when out of memory.
 */
char *contract_answer_start(struct buffer *out, const struct view_call *call);

/* Writes a text as a JSON string. */
void contract_answer_write_text(struct buffer *out, struct view_text text);

/* Writes a call's fields without the braces around them; `complete`: also those that no answer shows. 0 or -EBADMSG. */
int contract_answer_write_fields(struct buffer *out, struct contract_zone *zone, bool complete,
                                 const struct view_call *call);

/* Writes a call of generation 4: an object with its braces. 0 or -EBADMSG. */
int contract_flat_write_call(struct buffer *out, enum contract_route route, const ProtobufCBinaryData *packed);

/* Unix time in ms; 0 if it is out of range. */
int64_t contract_answer_milliseconds(const struct view_time *time);
