/* mix: pseudo-random numbers and hashes that are cheap, not secret. Pure; thread-safe. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Spreads the bits of a number: the output function of splitmix64. */
static inline uint64_t mix_bits(uint64_t value)
{
	value = (value ^ value >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	value = (value ^ value >> 27) * UINT64_C(0x94d049bb133111eb);
	return value ^ value >> 31;
}

/* The next number of splitmix64. Any state is a seed. */
static inline uint64_t mix_next(uint64_t *state)
{
	return mix_bits(*state += UINT64_C(0x9e3779b97f4a7c15));
}

/* FNV-1a of more bytes; begin with MIX_HASH. */
#define MIX_HASH UINT64_C(14695981039346656037)
static inline uint64_t mix_hash(uint64_t hash, const void *data, size_t length)
{
	for (size_t i = 0; i < length; i++)
		hash = (hash ^ ((const unsigned char *)data)[i]) * UINT64_C(1099511628211);
	return hash;
}
