/* sources: what the sources share. */
#include "sources/source.h"

#include <strings.h>

#include "base/hex.h"
#include "base/utf8.h"
#include "contract/fault.h"
#include "contract/object.h"

#define REPLACEMENT "\xef\xbf\xbd"

char *sources_clean(struct arena *arena, const char *text, size_t *length)
{
	uint32_t code;
	size_t left = *length;
	if (utf8_is_valid(text, left) && !memchr(text, '\0', left))
		return arena_copy(arena, text, left);
	/* A byte becomes three at most. */
	char *copy = arena_alloc(arena, 3 * left + 1), *to = copy;
	if (!copy)
		return NULL;
	while (left) {
		size_t size = *text ? utf8_sequence(text, left, &code) : 0;
		size_t taken = size ? size : 1;
		memcpy(to, size ? text : REPLACEMENT, size ? size : strlen(REPLACEMENT));
		to += size ? size : strlen(REPLACEMENT);
		text += taken;
		left -= taken;
	}
	*to = '\0';
	*length = (size_t)(to - copy);
	return copy;
}

/* The code of the escape \uXXXX at `text`; -1: there is none. */
static int32_t escaped_code(const char *text)
{
	if (text[0] != '\\' || text[1] != 'u')
		return -1;
	int high = hex_byte(text + 2), low = high < 0 ? -1 : hex_byte(text + 4);
	return low < 0 ? -1 : high << 8 | low;
}

/* Replaces escapes of JSON that are no character. */
static void clean_escapes(char *text)
{
	while ((text = strchr(text, '\\'))) {
		const int32_t code = escaped_code(text);
		if (code < 0) {
			text += text[1] ? 2 : 1;
			continue;
		}
		const int32_t next = code >= 0xd800 && code <= 0xdbff ? escaped_code(text + 6) : -1;
		const bool pair = next >= 0xdc00 && next <= 0xdfff;
		if (!code || (code >= 0xd800 && code <= 0xdfff && !pair))
			memcpy(text + 2, "fffd", 4);
		text += pair ? 12 : 6;
	}
}

int sources_object_read(const struct import_reader *reader, const char *text, size_t length, const char *what,
                        const struct node **out)
{
	contract_object_skip_mark(&text, &length);
	char *clean = sources_clean(reader->arena, text, &length);
	if (!clean)
		return contract_fault_memory(reader->error);
	clean_escapes(clean);
	return contract_object_read(reader->arena, NODE_LOOSE, clean, length, what, out, reader->error);
}

void sources_disposition(const struct sources_code *codes, size_t count, char *text,
                         Callhistory__V1__Disposition *disposition, char **other)
{
	if (!text || !*text)
		return;
	for (size_t i = 0; i < count; ++i) {
		if (!strcasecmp(codes[i].code, text)) {
			*disposition = codes[i].disposition;
			return;
		}
	}
	*other = text;
}

Callhistory__V1__CallPart *sources_part_create(struct arena *arena)
{
	Callhistory__V1__CallPart *part = arena_alloc(arena, sizeof(*part));
	Callhistory__V1__Call *call = arena_alloc(arena, sizeof(*call));
	if (!part || !call)
		return NULL;
	callhistory__v1__call_part__init(part);
	callhistory__v1__call__init(call);
	part->call = call;
	return part;
}

Callhistory__V1__Party *sources_party_create(struct arena *arena, size_t *count, Callhistory__V1__Party ***parties)
{
	Callhistory__V1__Party *party = arena_alloc(arena, sizeof(*party));
	Callhistory__V1__Party **list = arena_alloc(arena, sizeof(Callhistory__V1__Party *));
	if (!party || !list)
		return NULL;
	callhistory__v1__party__init(party);
	*list = party;
	*parties = list;
	*count = 1;
	return party;
}
