/* store/key: names of keys, and which numbers are homes. Pure; thread-safe. See store/layout.md. */
#ifndef CALLHISTORY_STORE_KEY_H
#define CALLHISTORY_STORE_KEY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "store/store.h"

/* Calls without any outside number share a set per hour. */
enum { KEY_HOUR_MS = 3600000 };

/* Whether a canonical number belongs to the outside world: seven characters or more, digits, perhaps a + in front. */
bool key_is_outside(const char *number);

/* Whether the text can be a number in a key: 1 to STORE_NUMBER_MAX bytes, no control characters. */
bool key_number_valid(const char *number);

/* Whether the text can be a tag: 1 to STORE_TAG_MAX letters and digits. */
bool key_tag_valid(const char *tag);

/* The home that the store gives a call: `home` if it is outside, else the first outside one of `others`, else "". */
const char *key_home(const char *home, const char *const *others, size_t count);

/* Keys below a tenant's tag, NUL-terminated, in the arena. NULL when out of memory. */
char *key_simple(struct arena *arena, const char *tag, char letter);                     /* {tag}<letter> */
char *key_number(struct arena *arena, const char *tag, char letter, const char *number); /* {tag}<letter><number> */
char *key_home_set(struct arena *arena, const char *tag, const char *home, size_t home_length, int64_t ms);

/* An index in chunks; number NULL: the tenant's time line. */
char *key_directory(struct arena *arena, const char *tag, const char *number);
char *key_chunk_prefix(struct arena *arena, const char *tag, const char *number);

#endif
