/* table: rows are a list in the caller's arena; printing is one pass. */
#include "callhistoryctl/table.h"

#include <errno.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "callhistoryctl/say.h"

enum { GAP = 2, CUT_MIN = 4 /* columns that a cut cell keeps, the ellipsis included */ };

struct row {
	struct row *next;
	const char *texts[TABLE_COLUMNS_MAX];
};

struct table {
	size_t columns, whole;
	bool headed;
	size_t widths[TABLE_COLUMNS_MAX];
	const char *headings[TABLE_COLUMNS_MAX];
	struct row *first, **last;
};

struct table *table_create(struct arena *arena, const char *const *headings, size_t columns, size_t whole)
{
	struct table *table = arena_calloc(arena, sizeof(*table));
	if (!table || columns > TABLE_COLUMNS_MAX)
		return NULL;
	table->columns = columns;
	table->whole = whole;
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

/* Columns of the terminal; 0: standard output is none. */
static size_t terminal_width(void)
{
	struct winsize size;
	return isatty(STDOUT_FILENO) && !ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) ? size.ws_col : 0;
}

/* Narrows the widest cell, a column at a time, until a row fits or nothing more can be cut. */
static void fit(const struct table *table, size_t widths[TABLE_COLUMNS_MAX])
{
	size_t limit = terminal_width(), total = GAP * (table->columns - 1);
	for (size_t i = 0; i < table->columns; ++i)
		total += widths[i] = table->widths[i];
	for (; limit && total > limit; --total) {
		size_t widest = table->columns;
		for (size_t i = 0; i < table->columns; ++i)
			if (i != table->whole && widths[i] > CUT_MIN && (widest == table->columns || widths[i] > widths[widest]))
				widest = i;
		if (widest == table->columns)
			return;
		--widths[widest];
	}
}

static void print_row(const struct table *table, const size_t *widths, const char *const *texts)
{
	for (size_t i = 0; i < table->columns; ++i) {
		size_t width = say_width(texts[i]);
		if (width > widths[i]) {
			size_t length = say_prefix(texts[i], widths[i] - 1, &width);
			printf("%.*s…", (int)length, texts[i]);
			++width;
		} else {
			fputs(texts[i], stdout);
		}
		/* The last column has no blanks after it. */
		if (i + 1 < table->columns)
			printf("%*s", (int)(widths[i] - width + GAP), "");
	}
	putchar('\n');
}

void table_flush(struct table *table)
{
	size_t widths[TABLE_COLUMNS_MAX];
	fit(table, widths);
	if (!table->headed && table->first)
		print_row(table, widths, table->headings);
	table->headed |= table->first != NULL;
	for (const struct row *row = table->first; row; row = row->next)
		print_row(table, widths, row->texts);
	table->first = NULL;
	table->last = &table->first;
}
