/* measure: see measure.h. Linked into the load clients; memory is the program's own. */
#include "measure.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The first two doublings of HISTOGRAM_SUB are exact; above them each power of two has HISTOGRAM_SUB buckets. */
static size_t bucket_of(uint64_t value)
{
	if (value < 2 * HISTOGRAM_SUB)
		return value;
	int shift = 63 - __builtin_clzll(value) - 5;
	size_t bucket = (size_t)shift * HISTOGRAM_SUB + (size_t)(value >> shift);
	return bucket < HISTOGRAM_BUCKETS ? bucket : HISTOGRAM_BUCKETS - 1;
}

static uint64_t bucket_top(size_t bucket)
{
	if (bucket < 2 * HISTOGRAM_SUB)
		return bucket;
	int shift = (int)(bucket / HISTOGRAM_SUB) - 1;
	return ((uint64_t)(bucket % HISTOGRAM_SUB + HISTOGRAM_SUB + 1) << shift) - 1;
}

void histogram_add(struct histogram *histogram, int64_t microseconds)
{
	histogram->counts[bucket_of(microseconds < 0 ? 0 : (uint64_t)microseconds)]++;
	histogram->total++;
}

int64_t histogram_quantile(const struct histogram *histogram, double quantile)
{
	uint64_t wanted = (uint64_t)((double)histogram->total * quantile), seen = 0;
	for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
		seen += histogram->counts[i];
		if (seen > wanted || (seen == histogram->total && seen > 0))
			return (int64_t)bucket_top(i);
	}
	return 0;
}

static char *read_all(const char *path)
{
	size_t size = 0, room = 1 << 16;
	char *text = NULL;
	FILE *file = fopen(path, "re");
	if (!file)
		die("%s: %s", path, strerror(errno));
	for (;;) {
		char *larger = realloc(text, room + 1);
		if (!larger)
			die("out of memory");
		text = larger;
		size_t got = fread(text + size, 1, room - size, file);
		size += got;
		if (size < room)
			break;
		room *= 2;
	}
	if (ferror(file))
		die("%s: can't be read", path);
	fclose(file);
	text[size] = '\0';
	return text;
}

void lines_read(struct lines *lines, const char *path)
{
	lines->text = read_all(path);
	lines->count = 0;
	size_t room = 1;
	for (const char *c = lines->text; *c; c++)
		room += *c == '\n';
	lines->line = calloc(room, sizeof(*lines->line));
	if (!lines->line)
		die("out of memory");
	char *rest = lines->text, *line;
	while ((line = strsep(&rest, "\n")))
		if (*line)
			lines->line[lines->count++] = line;
	if (lines->count == 0)
		die("%s: no lines", path);
}

void lines_free(struct lines *lines)
{
	free(lines->line);
	free(lines->text);
}

uint64_t random_next(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

void measure_print(const struct histogram *histogram, uint64_t errors, uint64_t bytes, int64_t elapsed_us)
{
	double seconds = (double)elapsed_us / 1e6;
	printf("{\"requests\":%" PRIu64 ",\"seconds\":%.6f,\"rate\":%.1f,\"errors\":%" PRIu64 ",\"p50_us\":%" PRId64
	       ",\"p99_us\":%" PRId64 ",\"bytes\":%" PRIu64 "}\n",
	       histogram->total, seconds, seconds > 0 ? (double)histogram->total / seconds : 0.0, errors,
	       histogram_quantile(histogram, 0.5), histogram_quantile(histogram, 0.99), bytes);
}

void die(const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputc('\n', stderr);
	exit(1);
}
