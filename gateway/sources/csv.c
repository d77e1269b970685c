/* sources/csv: cells are unquoted where they are, in one copy of the row. */
#include "sources/csv.h"

#include <errno.h>

#include "sources/source.h"

/* Removes the quotes of the cell at `from`; two quotes are one. Returns where it ends; *end is behind it in the row. */
static char *unquote(char *from, char **end)
{
	char *to = from, *at = from + 1;
	for (; *at && (*at != '"' || at[1] == '"'); ++at) {
		at += *at == '"';
		*to++ = *at;
	}
	*end = at + (*at == '"');
	return to;
}

int sources_csv_split(struct arena *arena, const char *row, size_t length, struct node **cells, size_t *count)
{
	struct node *list = arena_calloc(arena, SOURCES_CSV_CELLS_MAX * sizeof(*list));
	char *at = sources_clean(arena, row, &length);
	/* All separators at first, then the one that was found. */
	char separators[] = ",;\t|";
	size_t filled = 0;
	if (!list || !at)
		return -ENOMEM;
	for (bool more = true; more;) {
		char *from = at, *behind, *end;
		if (filled == SOURCES_CSV_CELLS_MAX)
			return -E2BIG;
		if (*at == '"')
			end = unquote(at, &behind);
		else
			end = behind = at + strcspn(at, separators);
		more = *behind;
		if (more && !filled) {
			separators[0] = *behind;
			separators[1] = '\0';
		}
		at = behind + more;
		*end = '\0';
		list[filled].kind = NODE_TEXT;
		list[filled].text = from;
		list[filled].length = (size_t)(end - from);
		if (filled)
			list[filled - 1].next = &list[filled];
		++filled;
	}
	*cells = list;
	*count = filled;
	return 0;
}
