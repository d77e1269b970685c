/* contract/object: error messages for invalid JSON. */
#include "contract/object.h"

#include "base/utf8.h"
#include "contract/fault.h"

enum { KEY_SHOWN_MAX = 64 };

const char *contract_object_key_shown(struct arena *arena, const char *key)
{
	return arena_copy(arena, key, utf8_prefix(key, strnlen(key, KEY_SHOWN_MAX + 1), KEY_SHOWN_MAX));
}

/* A duplicate key. The message does not name an empty one. */
static int fault_twice(struct arena *arena, struct contract_error *error, const char *what, const char *key)
{
	if (!*key)
		return contract_fault(arena, error, 400, NULL, "%s has a duplicate key", what);
	key = contract_object_key_shown(arena, key);
	return key ? contract_fault(arena, error, 400, key, "is given twice") : contract_fault_memory(error);
}

static int fault_json(struct arena *arena, struct contract_error *error, const char *what,
                      const struct node_fault *json)
{
	static const char *const faults[] = {
	    [NODE_FAULT_UTF8] = "is not valid UTF-8",
	    [NODE_FAULT_NUL] = "has a NUL character",
	    [NODE_FAULT_TRAILING] = "has text after its JSON object",
	    [NODE_FAULT_DEPTH] = "is nested too deeply",
	    [NODE_FAULT_MEMBERS] = "has an object with too many keys",
	};
	if (json->kind == NODE_FAULT_MEMORY)
		return contract_fault_memory(error);
	if (json->kind == NODE_FAULT_TWICE)
		return fault_twice(arena, error, what, json->key);
	if (json->kind == NODE_FAULT_SYNTAX)
		return contract_fault(arena, error, 400, NULL, "%s is not valid JSON (at byte %zu)", what, json->position);
	return contract_fault(arena, error, 400, NULL, "%s %s", what, faults[json->kind]);
}

int contract_object_read(struct arena *arena, enum node_rules rules, const char *text, size_t length, const char *what,
                         const struct node **out, struct contract_error *error)
{
	const struct node *value = NULL;
	struct node_fault json;
	if (contract_node_read(arena, rules, text, length, &value, &json))
		return fault_json(arena, error, what, &json);
	if (value->kind != NODE_OBJECT)
		return contract_fault(arena, error, 400, NULL, "%s is not a JSON object", what);
	*out = value;
	return 0;
}

void contract_object_skip_mark(const char **text, size_t *length)
{
	static const char mark[] = "\xef\xbb\xbf";
	const size_t bytes = sizeof(mark) - 1;
	if (*length < bytes || memcmp(*text, mark, bytes) != 0)
		return;
	*text += bytes;
	*length -= bytes;
}
