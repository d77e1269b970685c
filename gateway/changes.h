/* changes: what was recorded, replaced or deleted since a token: ListCallChanges over HTTP. */
#pragma once

#include "request.h"

/* Handler of /api/v1/calls/changes. */
void changes_handle(struct request *request);
