/* call_id: makes the id of a call that was recorded without one. */
#pragma once

#include <protobuf-c/protobuf-c.h>

#include "base/arena.h"

/*
 * Makes an id of 22 characters, in the arena, from the tenant and all fields of the call, so that recording the same
 * call again changes nothing. The call's own id is empty. 0 or -ENOMEM.
 */
int call_id_make(struct arena *arena, const char *project_code, const char *vbot_id, const ProtobufCMessage *call,
                 char **out);

/* Makes an id of 22 characters, in the arena, from all bytes of a record as its source wrote it. 0 or -ENOMEM. */
int call_id_digest(struct arena *arena, const void *record, size_t length, char **out);
