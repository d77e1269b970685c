/*
 * call_id: makes the id of a call that was recorded without one.
 */
#ifndef CALLHISTORY_BASE_CALL_ID_H
#define CALLHISTORY_BASE_CALL_ID_H

#include <protobuf-c/protobuf-c.h>

#include "base/arena.h"

/*
 * Makes an id of 22 characters, in the arena, from the tenant and all fields of the call, so that recording the same
 * call again changes nothing. The call's own id is empty. 0 or -ENOMEM.
 */
int call_id_make(struct arena *arena, const char *project_code, const char *vbot_id, const ProtobufCMessage *call,
                 char **out);

#endif
