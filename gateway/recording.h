/*
 * recording: /record/{trans_id}: sends the client to the recording of a call,
 * if its host is in --recording-hosts. The gateway fetches nothing itself.
 */
#pragma once

#include "base/option.h"
#include "request.h"

/* Handler of the route. */
void recording_handle(struct request *request);

/*
 * The URL as a Location header, percent-encoded, in the arena; NULL if it is not allowed: it is not http or https,
 * is longer than 4096 bytes, or its host is not listed (which also refuses a user name). A port that is the scheme's
 * default equals none.
 */
const char *recording_location(struct arena *arena, const struct option_list *hosts, const char *url);
