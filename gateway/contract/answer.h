/*
 * contract/answer: the fields of a call as answers and exports have them. For the files of this module.
 */
#ifndef CALLHISTORY_CONTRACT_ANSWER_H
#define CALLHISTORY_CONTRACT_ANSWER_H

#include "contract/contract.h"
#include "contract/view.h"

/* Writes a call's fields without the braces around them; `complete`: also those that no answer shows. 0 or -EBADMSG. */
int contract_answer_write_fields(struct buffer *out, struct contract_zone *zone, bool complete,
                                 const struct view_call *call);

#endif
