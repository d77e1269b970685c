/*
 * history: lists and counts: the contract's request → ListCalls or CountCalls
 * → the contract's answer.
 */
#pragma once

#include <stdbool.h>

#include "request.h"

/* Handler of getAll and countAll. */
void history_handle(struct request *request);

/*
 * The first step of every handler of the contract: reads the credentials, then the fields, in the order of precedence
 * of their errors. Returns true if request->contract is valid; otherwise the request has been answered or will be.
 */
bool history_read(struct request *request);
