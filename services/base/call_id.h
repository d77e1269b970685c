/*
 * call_id: the id of a call that has none of its own.
 */
#ifndef CALLHISTORY_BASE_CALL_ID_H
#define CALLHISTORY_BASE_CALL_ID_H

#include <protobuf-c/protobuf-c.h>

#include "base/arena.h"

/*
 * Makes an id of 22 characters, in the arena, from the tenant and all that the call says: the same call has the same id
 * however it was spelled, so that recording it again changes nothing. The call's own id is empty. 0 or -ENOMEM.
 */
int call_id_make(struct arena *arena, const char *project_code, const char *vbot_id, const ProtobufCMessage *call,
                 char **out);

#endif
