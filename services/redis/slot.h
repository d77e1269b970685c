/* redis/slot: which of a cluster's 16384 slots a key is in. Pure; thread-safe. */
#ifndef CALLHISTORY_REDIS_SLOT_H
#define CALLHISTORY_REDIS_SLOT_H

#include <stddef.h>
#include <stdint.h>

enum { SLOT_COUNT = 16384 };

/*
 * The slot of a key: CRC16 (XMODEM) of its hash tag, which is what stands between the first { and the next }, else of
 * all of it.
 */
uint16_t redis_slot_of(const char *key, size_t length);

#endif
