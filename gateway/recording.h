/*
 * recording: /record/{trans_id}: sends the client to the recording of a call,
 * if it lies on a host that --recording-hosts names. The gateway fetches
 * nothing itself.
 */
#ifndef CALLHISTORY_GATEWAY_RECORDING_H
#define CALLHISTORY_GATEWAY_RECORDING_H

#include <stdbool.h>

#include "base/option.h"
#include "request.h"

/* Handler of the route. */
void recording_handle(struct request *request);

/* Whether a URL is http or https, plain (no user, no control or odd characters) and on a listed host. */
bool recording_is_allowed(const struct option_list *hosts, const char *url);

#endif
