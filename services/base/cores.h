/*
 * cores: how many cores this process may use.
 */
#ifndef CALLHISTORY_BASE_CORES_H
#define CALLHISTORY_BASE_CORES_H

#include <stdint.h>

/* The number of cores in the process's affinity mask, 1 to `most`. */
int64_t cores_count(int64_t most);

#endif
