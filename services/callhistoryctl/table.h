/*
 * table: rows of text in aligned columns on standard output. On a terminal,
 * columns are cut so that a row fits on a line; elsewhere nothing is cut.
 *
 * Rows are kept until table_flush(); columns only grow from one flush to the
 * next, so that page after page stays under one heading.
 */
#pragma once

#include "base/arena.h"

enum { TABLE_COLUMNS_MAX = 8 };

struct table;

/*
 * Makes a table of `columns` headings. Column `whole` is never cut (an id, to be copied from the screen). The table
 * without its rows lives in the arena. NULL when out of memory.
 */
struct table *table_create(struct arena *arena, const char *const *headings, size_t columns, size_t whole);

/* Adds a row of as many texts as there are columns; they are copied to `arena` and cleaned. 0 or -ENOMEM. */
int table_add(struct table *table, struct arena *arena, const char *const *texts);

/*
 * Writes the heading, once and before the first row, and all rows, and forgets the rows: their arena may be reset
 * afterwards.
 */
void table_flush(struct table *table);
