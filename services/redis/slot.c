/* redis/slot: CRC16 with polynomial 0x1021, by a table of 16 entries, as the Redis Cluster specification defines slots. */
#include "redis/slot.h"

#include <string.h>

static uint16_t crc16(const char *data, size_t length)
{
	static const uint16_t table[16] = {0x0000, 0x1021, 0x2042, 0x3063, 0x4084, 0x50a5, 0x60c6, 0x70e7,
	                                   0x8108, 0x9129, 0xa14a, 0xb16b, 0xc18c, 0xd1ad, 0xe1ce, 0xf1ef};
	uint16_t crc = 0;
	for (size_t i = 0; i < length; ++i) {
		uint8_t byte = (uint8_t)data[i];
		crc = (uint16_t)(crc << 4) ^ table[(crc >> 12) ^ (byte >> 4)];
		crc = (uint16_t)(crc << 4) ^ table[(crc >> 12) ^ (byte & 15)];
	}
	return crc;
}

uint16_t slot_of(const char *key, size_t length)
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
