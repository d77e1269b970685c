/* prefer: names of unknown fields, encoded for a header. */
#include "prefer.h"

#include <strings.h>

#include "base/hex.h"

enum { NAMES_MAX = 1024 };

enum prefer_handling prefer_read(const char *header)
{
	static const char name[] = "handling";
	if (!header)
		return PREFER_NOTHING;
	while (*header) {
		header += strspn(header, " \t,;");
		size_t item = strcspn(header, ",;");
		const char *value = header + sizeof(name) - 1;
		if (item > sizeof(name) && !strncasecmp(header, name, sizeof(name) - 1)) {
			value += strspn(value, " \t");
			if (*value == '=') {
				value += 1 + strspn(value + 1, " \t\"");
				if (!strncasecmp(value, "strict", 6))
					return PREFER_STRICT;
				if (!strncasecmp(value, "lenient", 7))
					return PREFER_LENIENT;
			}
		}
		header += item;
	}
	return PREFER_NOTHING;
}

/*
 * The names, separated by commas. Characters that are not allowed in a token are percent-encoded, so that no name
 * breaks the header.
 */
static const char *join(struct request *request)
{
	char *text = arena_alloc(request->arena, NAMES_MAX + 8), *at = text;
	if (!text)
		return NULL;
	for (size_t i = 0; i < request->contract.unknown_count; i++) {
		const char *name = request->contract.unknown[i];
		if (at > text && at < text + NAMES_MAX)
			at = stpcpy(at, ", ");
		/* An empty value would remove the header, so an empty name is written as two quotes. */
		if (!*name && at < text + NAMES_MAX)
			at = stpcpy(at, "\"\"");
		for (; *name && at < text + NAMES_MAX; name++) {
			unsigned char byte = (unsigned char)*name;
			if (byte > ' ' && byte < 0x7f && !strchr("\",%\\", byte))
				*at++ = (char)byte;
			else
				at = hex_escape(at, byte);
		}
	}
	*at = '\0';
	return text;
}

const char *prefer_apply(struct request *request)
{
	if (!request->contract.unknown_count || !request->headers.prefer)
		return NULL;
	enum prefer_handling handling = prefer_read(request->headers.prefer);
	if (handling == PREFER_NOTHING)
		return NULL;
	const char *names = join(request);
	if (handling == PREFER_LENIENT) {
		request_answer_header(request, "X-Unknown-Fields", names);
		return NULL;
	}
	const char *message = names ? arena_printf(request->arena, "%s is not known (handling=strict)", names) : NULL;
	return message ? message : "a field is not known (handling=strict)";
}
