/* sources/vbot: the webhook events of the vendor's console (VBot), old and new. deploy/docs/vbot.md describes them. */
#pragma once

#include "sources/source.h"

/*
 * Reads one event. Logs are main parts, recordings supplements; out->part is NULL for events that are no call (ringing,
 * texts of AI) and for unknown ones. out->vbot_id is always NULL.
 */
int sources_vbot_read(const struct import_reader *reader, const char *body, size_t length, struct sources_record *out);
