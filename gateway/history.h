/*
 * history: lists and counts: the contract's request → ListCalls or CountCalls
 * → the contract's answer.
 */
#ifndef CALLHISTORY_GATEWAY_HISTORY_H
#define CALLHISTORY_GATEWAY_HISTORY_H

#include <stdbool.h>

#include "request.h"

/* Handler of getAll and countAll. */
void history_handle(struct request *request);

/*
 * What every handler of the contract does first: credentials, then the request's fields, in the order in which errors
 * win. True when request->contract is good; otherwise the request has been answered or will be.
 */
bool history_read(struct request *request);

#endif
