/* trace: splitmix64 from a random seed; ids need to be unique, not secret. */
#include "trace.h"

#include <stddef.h>
#include <string.h>
#include <sys/random.h>

#include "base/clock.h"

enum { REQUEST_ID_MAX = 128, PARENT_LENGTH = 55 };

void trace_source_init(struct trace_source *source)
{
	if (getrandom(&source->state, sizeof(source->state), 0) != (ssize_t)sizeof(source->state))
		source->state = (uint64_t)clock_unix_ms() ^ (uint64_t)(uintptr_t)source;
}

uint64_t trace_next(struct trace_source *source)
{
	uint64_t value = source->state += UINT64_C(0x9e3779b97f4a7c15);
	value = (value ^ (value >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	value = (value ^ (value >> 27)) * UINT64_C(0x94d049bb133111eb);
	return value ^ (value >> 31);
}

bool trace_request_id_is_sane(const char *id)
{
	size_t length = 0;
	if (!id)
		return false;
	for (; id[length]; length++)
		if (id[length] <= ' ' || id[length] > '~' || length == REQUEST_ID_MAX)
			return false;
	return length > 0;
}

static void put_hex(char *out, uint64_t value)
{
	for (int i = 15; i >= 0; i--, value >>= 4)
		out[i] = "0123456789abcdef"[value & 15];
}

const char *trace_request_id_make(struct trace_source *source, struct arena *arena)
{
	char *id = arena_alloc(arena, 33);
	if (!id)
		return NULL;
	put_hex(id, trace_next(source));
	put_hex(id + 16, trace_next(source));
	id[32] = '\0';
	return id;
}

const char *trace_parent_make(struct trace_source *source, struct arena *arena)
{
	char *parent = arena_alloc(arena, PARENT_LENGTH + 1);
	if (!parent)
		return NULL;
	memcpy(parent, "00-", 3);
	put_hex(parent + 3, trace_next(source) | 1);
	put_hex(parent + 19, trace_next(source));
	parent[35] = '-';
	put_hex(parent + 36, trace_next(source) | 1);
	memcpy(parent + 52, "-00", 4);
	return parent;
}
