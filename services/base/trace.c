/* trace: a traceparent is version-trace-parent-flags, in lower-case hex digits. */
#include "base/trace.h"

#include <string.h>

#include "base/mix.h"

enum { TRACE = 3, PARENT = 36, FLAGS = 53, LENGTH = 55, REQUEST_ID_MAX = 128 };

static bool is_hex(const char *text, size_t length, bool *zero)
{
	*zero = true;
	for (size_t i = 0; i < length; i++) {
		if (!((text[i] >= '0' && text[i] <= '9') || (text[i] >= 'a' && text[i] <= 'f')))
			return false;
		if (text[i] != '0')
			*zero = false;
	}
	return true;
}

bool trace_parent_is_valid(const char *parent)
{
	bool first, trace_zero, parent_zero, flags_zero;
	if (!parent || strlen(parent) < LENGTH || !is_hex(parent, 2, &first) || !strncmp(parent, "ff", 2))
		return false;
	/* A later version may add parts; version 00 has none. */
	if (parent[LENGTH] && (first || parent[LENGTH] != '-'))
		return false;
	return parent[TRACE - 1] == '-' && is_hex(parent + TRACE, 32, &trace_zero) && parent[PARENT - 1] == '-' &&
	       is_hex(parent + PARENT, 16, &parent_zero) && parent[FLAGS - 1] == '-' &&
	       is_hex(parent + FLAGS, 2, &flags_zero) && !trace_zero && !parent_zero;
}

const char *trace_parent_id(char out[TRACE_ID_SIZE], const char *parent)
{
	if (!trace_parent_is_valid(parent))
		return NULL;
	memcpy(out, parent + TRACE, TRACE_ID_SIZE - 1);
	out[TRACE_ID_SIZE - 1] = '\0';
	return out;
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

const char *trace_request_id_make(uint64_t *state, struct arena *arena)
{
	char *id = arena_alloc(arena, 33);
	if (!id)
		return NULL;
	put_hex(id, mix_next(state));
	put_hex(id + 16, mix_next(state));
	id[32] = '\0';
	return id;
}

const char *trace_parent_make(uint64_t *state, struct arena *arena)
{
	char *parent = arena_alloc(arena, LENGTH + 1);
	if (!parent)
		return NULL;
	memcpy(parent, "00-", 3);
	put_hex(parent + 3, mix_next(state) | 1);
	put_hex(parent + 19, mix_next(state));
	parent[35] = '-';
	put_hex(parent + 36, mix_next(state) | 1);
	memcpy(parent + 52, "-00", 4);
	return parent;
}
