/*
 * cores: how many threads that share nothing are worth having.
 */
#ifndef CALLHISTORY_BASE_CORES_H
#define CALLHISTORY_BASE_CORES_H

#include <stdint.h>

/* The cores that this process may use, fewer than the machine has where some are withheld from it; 1 to `most`. */
int64_t cores_count(int64_t most);

#endif
