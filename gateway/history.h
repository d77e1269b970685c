/*
 * history: lists, counts and changes: the contract's request → ListCalls, CountCalls or ListCallChanges → its answer.
 */
#pragma once

#include "request.h"

/* Handler of getAll and countAll, and of the routes of generation 4. */
void history_handle(struct request *request);

/* Handler of /api/v1/calls/changes: what was recorded, replaced or deleted since a token. */
void history_changes(struct request *request);

/*
 * The first step of every handler of the contract: reads request->contract and prepares a call of the service. Returns
 * false if the request has been answered or will be: because of its credentials, its fields, or the load.
 */
bool history_begin(struct request *request);
