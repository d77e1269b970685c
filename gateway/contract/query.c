/* contract/query: application/x-www-form-urlencoded, read strictly. */
#include "contract/query.h"

#include "base/hex.h"
#include "base/utf8.h"
#include "contract/fault.h"
#include "contract/object.h"

/* Decodes to the arena. NULL with *fault_text set to what is wrong, or to NULL when out of memory. */
static char *decode(struct arena *arena, const char *text, size_t length, size_t *out_length, const char **fault_text)
{
	char *out = arena_alloc(arena, length + 1);
	size_t count = 0;
	*fault_text = NULL;
	if (!out)
		return NULL;
	for (size_t at = 0; at < length; ++at) {
		if (text[at] != '%') {
			out[count++] = text[at] == '+' ? ' ' : text[at];
			continue;
		}
		int byte = length - at > 2 ? hex_byte(text + at + 1) : -1;
		if (byte < 0) {
			*fault_text = "has a '%' in the query string without two hexadecimal digits after it";
			return NULL;
		}
		out[count++] = (char)byte;
		at += 2;
	}
	if (memchr(out, '\0', count))
		*fault_text = "has a NUL character";
	else if (!utf8_is_valid(out, count))
		*fault_text = "is not valid UTF-8";
	out[count] = '\0';
	*out_length = count;
	return *fault_text ? NULL : out;
}

int contract_query_next(struct arena *arena, struct query_cursor *cursor, const struct node **out,
                        struct contract_error *error)
{
	const char *wrong;
	while (cursor->at < cursor->end && *cursor->at == '&')
		++cursor->at;
	if (cursor->at == cursor->end)
		return 0;
	const char *from = cursor->at;
	const char *end = memchr(from, '&', (size_t)(cursor->end - from));
	if (!end)
		end = cursor->end;
	const char *equals = memchr(from, '=', (size_t)(end - from));
	const char *value = equals ? equals + 1 : end;
	size_t name_length, value_length;
	char *name = decode(arena, from, (size_t)((equals ? equals : end) - from), &name_length, &wrong);
	if (!name)
		return wrong ? contract_fault(arena, error, 400, NULL, "a parameter's name %s", wrong)
		             : contract_fault_memory(error);
	char *decoded = decode(arena, value, (size_t)(end - value), &value_length, &wrong);
	if (!decoded) {
		const char *shown = contract_object_key_shown(arena, name);
		return wrong && shown ? contract_fault(arena, error, 400, shown, "%s", wrong) : contract_fault_memory(error);
	}
	if (value < end && *value == '+' &&
	    (!strcmp(name, "phone") || !strcmp(name, "key_search") || !strcmp(name, "hotline")))
		decoded[0] = '+';
	cursor->at = end;
	struct node *parameter = arena_alloc(arena, sizeof(*parameter));
	if (!parameter)
		return contract_fault_memory(error);
	*parameter = (struct node){.key = name, .kind = NODE_TEXT, .text = decoded, .length = value_length};
	*out = parameter;
	return 1;
}
