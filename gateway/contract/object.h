/* contract/object: reads a JSON object; its error messages say what is invalid. */
#pragma once

#include "contract/contract.h"
#include "contract/node.h"

/*
 * Reads one JSON object and nothing after it, into the arena. `what` names the text in messages ("body"). 0, or -1 with
 * *error filled in.
 */
int contract_object_read(struct arena *arena, enum node_rules rules, const char *text, size_t length, const char *what,
                         const struct node **out, struct contract_error *error);

/* Skips a byte order mark at the beginning of a text. */
void contract_object_skip_mark(const char **text, size_t *length);

/* A copy of a key for a message: cut to 64 bytes, at a character boundary. NULL when out of memory. */
const char *contract_object_key_shown(struct arena *arena, const char *key);
