/* suggest: edit distance with swaps (optimal string alignment), by three rows of its table. */
#include "base/suggest.h"

#include <string.h>
#include <sys/param.h>

enum { LENGTH_MAX = 32, ERRORS_MAX = 2 };

static size_t distance(const char *a, const char *b)
{
	size_t rows[3][LENGTH_MAX + 1];
	size_t *before = rows[0], *last = rows[1], *row = rows[2];
	size_t width = strlen(b);
	for (size_t j = 0; j <= width; ++j)
		last[j] = j;
	for (size_t i = 1; a[i - 1]; ++i) {
		row[0] = i;
		for (size_t j = 1; j <= width; ++j) {
			size_t change = last[j - 1] + (a[i - 1] != b[j - 1]);
			row[j] = MIN(change, MIN(last[j], row[j - 1]) + 1);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				row[j] = MIN(row[j], before[j - 2] + 1);
		}
		size_t *spare = before;
		before = last;
		last = row;
		row = spare;
	}
	return last[width];
}

const char *suggest(const char *text, const char *const *candidates, size_t count)
{
	size_t length = strlen(text);
	size_t best = MIN(ERRORS_MAX, length / 3) + 1;
	const char *result = NULL;
	if (length > LENGTH_MAX)
		return NULL;
	for (size_t i = 0; i < count; ++i) {
		if (strlen(candidates[i]) > LENGTH_MAX)
			continue;
		size_t errors = distance(text, candidates[i]);
		if (errors < best) {
			best = errors;
			result = candidates[i];
		}
	}
	return result;
}
