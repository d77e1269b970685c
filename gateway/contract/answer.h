/* contract/answer: the fields of a call as answers and exports have them. For the files of this module. */
#pragma once

#include "contract/contract.h"
#include "contract/view.h"

/* Writes a call's fields without the braces around them; `complete`: also those that no answer shows. 0 or -EBADMSG. */
int contract_answer_write_fields(struct buffer *out, struct contract_zone *zone, bool complete,
                                 const struct view_call *call);

/* Writes a call of generation 4: an object with its braces. 0 or -EBADMSG. */
int contract_flat_write_call(struct buffer *out, enum contract_route route, const ProtobufCBinaryData *packed);

/* Unix time in ms; 0 if it is out of range. */
int64_t contract_answer_milliseconds(const struct view_time *time);
