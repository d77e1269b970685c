/*
 * measure: what the load clients share: latencies in a histogram, the lines
 * of a file to choose from, and the outcome as one JSON object.
 *
 * The histogram keeps microseconds in buckets that are 1/32 wide at most, so
 * a percentile is within 3 %. Nothing here is thread-safe.
 */
#ifndef CALLHISTORY_BENCH_MEASURE_H
#define CALLHISTORY_BENCH_MEASURE_H

#include <stddef.h>
#include <stdint.h>

enum { HISTOGRAM_SUB = 32, HISTOGRAM_BUCKETS = HISTOGRAM_SUB * 40 };

struct histogram {
	uint64_t counts[HISTOGRAM_BUCKETS];
	uint64_t total;
};

void histogram_add(struct histogram *histogram, int64_t microseconds);

/* The latency that the share `quantile` (0 to 1) of all stays within. */
int64_t histogram_quantile(const struct histogram *histogram, double quantile);

/* Lines of a text file, without their ends. */
struct lines {
	char *text;
	char **line;
	size_t count;
};

/* Reads a file whole; ends the program with a sentence where it can't. */
void lines_read(struct lines *lines, const char *path);
void lines_free(struct lines *lines);

/* A fast generator of numbers that are random enough to choose lines by; the state must not be 0. */
uint64_t random_next(uint64_t *state);

/* Prints {"requests":…,"seconds":…,"rate":…,"errors":…,"p50_us":…,"p99_us":…,"bytes":…} on standard output. */
void measure_print(const struct histogram *histogram, uint64_t errors, uint64_t bytes, int64_t elapsed_us);

/* Ends the program with a sentence and status 1. */
void die(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

#endif
