/* trace_parent: version-trace-parent-flags, in lower-case hex digits. */
#include "base/trace_parent.h"

#include <stddef.h>
#include <string.h>

enum { TRACE = 3, PARENT = 36, FLAGS = 53, LENGTH = 55 };

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
