/*
 * redis/slot: CRC16 with polynomial 0x1021, as the Redis Cluster specification defines slots; bit by bit, for tags are
 * short.
 */
#include "redis/slot.h"

#include <string.h>

static uint16_t crc16(const char *data, size_t length)
{
	uint16_t crc = 0;
	for (size_t i = 0; i < length; ++i) {
		crc ^= (uint16_t)((uint8_t)data[i] << 8);
		for (int bit = 0; bit < 8; ++bit)
			crc = (uint16_t)(crc << 1 ^ (crc & 0x8000 ? 0x1021 : 0));
	}
	return crc;
}

uint16_t redis_slot_of(const char *key, size_t length)
{
	const char *open = memchr(key, '{', length);
	if (open) {
		const char *tag = open + 1;
		const char *close = memchr(tag, '}', length - (size_t)(tag - key));
		if (close && close > tag)
			return crc16(tag, (size_t)(close - tag)) % SLOT_COUNT;
	}
	return crc16(key, length) % SLOT_COUNT;
}
