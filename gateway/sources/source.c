/* sources: what the sources share. */
#include "sources/source.h"

#include <strings.h>

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
