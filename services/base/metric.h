/*
 * metric: per-thread counters and their Prometheus text format. Each thread has a struct of its own whose members are
 * _Atomic uint64_t: it alone writes, any thread reads. All structs of a page are of one type, so a member is named by
 * its offset, and what is written is the sum over threads. A histogram is an array of such members: one for each
 * bucket, then the sum.
 */
#pragma once

#include <stdatomic.h>
#include <stdint.h>

#include "base/buffer.h"

/* The buckets of a histogram. */
struct metric_scale {
	const int64_t *bounds; /* upper bounds of all buckets but the last, which has none */
	unsigned buckets;
	double unit; /* of bounds and sum, in the metric's own unit */
};

/* Durations, observed in microseconds, and sizes of messages in bytes; and how many members their histograms have. */
extern const struct metric_scale metric_durations, metric_sizes;
enum { METRIC_DURATION_CELLS = 18, METRIC_SIZE_CELLS = 16 };

/* The statuses of enum status: the second index of a table for metric_write_calls(). */
enum { METRIC_STATUSES = 17 };

/* Sets a gauge. There is one writer: no locked instruction is needed. */
static inline void metric_set(_Atomic uint64_t *member, uint64_t value)
{
	atomic_store_explicit(member, value, memory_order_relaxed);
}

/* Adds to a counter. */
static inline void metric_add(_Atomic uint64_t *member, uint64_t more)
{
	metric_set(member, atomic_load_explicit(member, memory_order_relaxed) + more);
}

/* Counts a value in a histogram. */
void metric_observe(_Atomic uint64_t *histogram, const struct metric_scale *scale, int64_t value);

/*
 * Index of a method among `count` names, of which the last one counts all others; of a status: STATUS_UNKNOWN for
 * no status.
 */
size_t metric_method(const char *const *methods, size_t count, const char *method);
size_t metric_status(int status);

/* A text that is being written, and the threads' structs. */
struct metric_page {
	struct buffer *out;
	const void *const *threads;
	size_t count;
};

/* The sum of a member over all threads. */
uint64_t metric_sum(const struct metric_page *page, size_t offset);

/* The number of values in a histogram with this scale. */
uint64_t metric_count(const struct metric_page *page, size_t offset, const struct metric_scale *scale);

/* Writes the lines before a metric's values; `type` is counter, gauge or histogram. */
void metric_head(const struct metric_page *page, const char *name, const char *type, const char *help);

/* Writes a metric with one value: head and line. */
void metric_value(const struct metric_page *page, const char *name, const char *type, const char *help, uint64_t value);

/* Counters and gauges with a member each. Rows of one metric follow each other; the head is that of the first one. */
struct metric_member {
	const char *name, *labels; /* labels in braces, or empty */
	const char *type, *help;   /* NULL: the row above is of the same metric */
	size_t offset;
};
void metric_members(const struct metric_page *page, const struct metric_member *members, size_t count);

/* Writes a gauge with a value of each thread, which the label `worker` counts from 0. */
void metric_each(const struct metric_page *page, const char *name, const char *help, size_t offset);

/* Writes a histogram's lines without its head; `labels` may be empty. */
void metric_histogram(const struct metric_page *page, const char *name, const char *labels, size_t offset,
                      const struct metric_scale *scale);

/* A metric with a histogram for each method and status: `offset` is that of histogram[methods][METRIC_STATUSES]. */
struct metric_calls {
	const char *name, *help;
	const struct metric_scale *scale;
	size_t offset;
};

/*
 * Writes the metric, head included, for the methods and statuses that have values. `labels` are more labels, each
 * followed by a comma; may be empty.
 */
void metric_write_calls(const struct metric_page *page, const struct metric_calls *calls, const char *const *methods,
                        size_t n_methods, const char *labels);

/* Writes callhistory_build_info. */
void metric_write_build(const struct metric_page *page, const char *program, const char *version);
