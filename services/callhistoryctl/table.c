/* table: rows are a list in the caller's arena; printing is one pass. */
#include "callhistoryctl/table.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "callhistoryctl/say.h"

struct row {
	struct row *next;
	const char *texts[TABLE_COLUMNS_MAX];
};

struct table {
	size_t columns;
	bool headed;
	size_t widths[TABLE_COLUMNS_MAX];
	const char *headings[TABLE_COLUMNS_MAX];
	struct row *first, **last;
};

struct table *table_create(struct arena *arena, const char *const *headings, size_t columns)
{
	struct table *table = arena_calloc(arena, sizeof(*table));
	if (!table || columns > TABLE_COLUMNS_MAX)
		return NULL;
	table->columns = columns;
	table->last = &table->first;
	for (size_t i = 0; i < columns; ++i) {
		table->headings[i] = headings[i];
		table->widths[i] = say_width(headings[i]);
	}
	return table;
}

int table_add(struct table *table, struct arena *arena, const char *const *texts)
{
	struct row *row = arena_calloc(arena, sizeof(*row));
	if (!row)
		return -ENOMEM;
	for (size_t i = 0; i < table->columns; ++i) {
		char *text = arena_copy(arena, texts[i], strlen(texts[i]));
		if (!text)
			return -ENOMEM;
		row->texts[i] = say_clean(text);
		size_t width = say_width(text);
		if (width > table->widths[i])
			table->widths[i] = width;
	}
	*table->last = row;
	table->last = &row->next;
	return 0;
}

static void print_row(const struct table *table, const char *const *texts)
{
	for (size_t i = 0; i < table->columns; ++i) {
		fputs(texts[i], stdout);
		/* The last column has no blanks after it. */
		if (i + 1 < table->columns)
			printf("%*s", (int)(table->widths[i] - say_width(texts[i]) + 2), "");
	}
	putchar('\n');
}

void table_flush(struct table *table)
{
	if (!table->headed)
		print_row(table, table->headings);
	table->headed = true;
	for (const struct row *row = table->first; row; row = row->next)
		print_row(table, row->texts);
	table->first = NULL;
	table->last = &table->first;
}
