/* contract/export: writes a call as a line that imports read as the same call. */

#include "base/base64url.h"
#include "contract/answer.h"
#include "contract/import.h"
#include "contract/object.h"

enum { ARENA_BLOCK = 32768, FIRST_DAYS = 2 * 86400 };

/* Writes the whole line but for its closing brace. False for what is no call. */
static bool write_line(struct buffer *out, struct contract_zone *zone, const char *project_code, const char *vbot_id,
                       const struct view_call *call)
{
	write_literal(out, "{");
	if (project_code) {
		write_literal(out, "\"project_code\":");
		contract_write_string(out, project_code);
		write_literal(out, ",\"vbot_id\":");
		contract_write_string(out, vbot_id);
		write_literal(out, ",");
	}
	write_literal(out, "\"id\":");
	contract_answer_write_text(out, call->id);
	write_literal(out, ",");
	return !contract_answer_write_fields(out, zone, true, call);
}

/*
 * Whether the line reads as something else than the packed call: it is read as an import would read it, and compared
 * byte for byte. So a field that is added to Call is exported without loss even before it has a key. True when out
 * of memory.
 */
static bool exact_is_needed(struct arena *arena, struct contract_zone *zone, const char *line, size_t length,
                            const uint8_t *packed, size_t packed_length)
{
	struct contract_error error;
	const struct import_reader reader = {.arena = arena, .zone = zone, .error = &error};
	const struct node *object;
	Callhistory__V1__Call call = CALLHISTORY__V1__CALL__INIT;
	if (contract_object_read(arena, NODE_STRICT, line, length, "line", &object, &error) ||
	    contract_import_call(&reader, object, &call))
		return true;
	uint8_t *again = arena_alloc(arena, callhistory__v1__call__get_packed_size(&call));
	return !again || callhistory__v1__call__pack(&call, again) != packed_length ||
	       memcmp(again, packed, packed_length) != 0;
}

static void write_exact(struct buffer *out, const uint8_t *packed, size_t length)
{
	write_literal(out, ",\"exact\":\"");
	char *at = write_start(out, BASE64URL_LENGTH(length) + 1);
	if (at)
		write_end(out, at + base64url_encode(at, packed, length));
	write_literal(out, "\"");
}

static bool write_packed(struct arena *arena, struct buffer *out, struct contract_zone *zone, const char *project_code,
                         const char *vbot_id, const Callhistory__V1__Call *call)
{
	struct view_call view;
	size_t start = out->length, length = callhistory__v1__call__get_packed_size(call);
	uint8_t *packed = arena_alloc(arena, length);
	if (!packed)
		return false;
	callhistory__v1__call__pack(call, packed);
	if (contract_view_call(&view, packed, length) || !write_line(out, zone, project_code, vbot_id, &view))
		return false;
	write_literal(out, "}");
	if (out->failed)
		return true;
	/*
	 * Imports do not accept Unix times of the first days, and the local date would be read differently in another zone.
	 */
	if (view.start_time.seconds > FIRST_DAYS &&
	    !exact_is_needed(arena, zone, out->data + start, out->length - start, packed, length))
		return true;
	--out->length;
	write_exact(out, packed, length);
	write_literal(out, "}");
	return true;
}

void contract_write_import(struct buffer *out, struct contract_zone *zone, const char *project_code,
                           const char *vbot_id, const Callhistory__V1__Call *call)
{
	struct arena *arena = NULL;
	if (arena_create(&arena, ARENA_BLOCK) || !write_packed(arena, out, zone, project_code, vbot_id, call))
		out->failed = true;
	arena_destroy(arena);
}
