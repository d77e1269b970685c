/*
 * contract/exact: the packed call that an exported line carries where its other keys cannot express the call. Pure;
 * thread-safe.
 */
#ifndef CALLHISTORY_CONTRACT_EXACT_H
#define CALLHISTORY_CONTRACT_EXACT_H

#include "contract/import.h"

/* Reads the value of "exact" (base64url). Everything goes to the reader's arena. 0, or -1 with the error filled in. */
int exact_read(const struct import_reader *reader, const struct node *value, Callhistory__V1__Call **out);

/*
 * Whether the line reads as something else than the packed call. `length` bytes of `line` are one JSON object. Memory comes from
 * the arena; if there is none, the answer is true.
 */
bool exact_is_needed(struct arena *arena, struct contract_zone *zone, const char *line, size_t length,
                     const uint8_t *packed, size_t packed_length);

#endif
