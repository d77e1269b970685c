/* redis/slot: which of a cluster's 16384 slots a key is in. Pure; thread-safe. */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum { SLOT_COUNT = 16384 };

/*
 * The slot of a key: CRC16 (XMODEM) of its hash tag, the text between the first { and the next }, or of the whole key
 * if there is none.
 */
uint16_t redis_slot_of(const char *key, size_t length);
