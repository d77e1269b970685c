/*
 * contract/object: reading a JSON object with faults that an integrator can act
 * on. Wraps jansson, whose own messages name no key.
 */
#ifndef CALLHISTORY_CONTRACT_OBJECT_H
#define CALLHISTORY_CONTRACT_OBJECT_H

#include <jansson.h>

#include "contract/contract.h"

/*
 * Reads one JSON object and nothing after it: no duplicate keys, no invalid UTF-8, no NUL. `what` names the text in messages
 * ("body"). A number that no C type holds is read as `oversize`, a short JSON value that the caller refuses under every key it
 * knows; so it does no harm under other keys. *out is the caller's to json_decref(). 0, or -1 with *error filled in.
 */
int object_read(struct arena *arena, const char *text, size_t length, const char *what, const char *oversize,
                json_t **out, struct contract_error *error);

/* A key as it can stand in a message: cut to 64 bytes at a character's border. NULL when out of memory. */
const char *object_key_shown(struct arena *arena, const char *key);

#endif
