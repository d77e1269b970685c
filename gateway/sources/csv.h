/*
 * sources/csv: a row of comma-separated values (RFC 4180) as a list of nodes. Pure; thread-safe where each thread has
 * its own arena.
 */
#pragma once

#include "contract/node.h"

enum { SOURCES_CSV_CELLS_MAX = 256 };

/*
 * Splits a row without its line end into cells: NODE_TEXT nodes in a row, linked by `next`, without keys. The separator
 * is the one after the first cell: a comma, semicolon, tab or vertical bar. Bytes that are not UTF-8, and NUL, become
 * U+FFFD. 0, -ENOMEM, or -E2BIG: more than SOURCES_CSV_CELLS_MAX cells.
 */
int sources_csv_split(struct arena *arena, const char *row, size_t length, struct node **cells, size_t *count);
