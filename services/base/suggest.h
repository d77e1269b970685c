/* suggest: the word that a person meant to type, for "did you mean". */
#pragma once

#include <stddef.h>

/*
 * Returns the candidate with the fewest typing errors (a letter left out, added, changed, or swapped with its
 * neighbour) from `text`: at most two errors, and at most one for every three letters. NULL: none is that close, or the
 * text is longer than 32 bytes. The result is one of the candidates. Thread-safe; allocates nothing.
 */
const char *suggest(const char *text, const char *const *candidates, size_t count);
