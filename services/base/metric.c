/* metric: sums, and lines of text. */
#include "base/metric.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/status.h"

enum { LABELS_SIZE = 768, CELL = sizeof(_Atomic uint64_t) };

static const int64_t durations_us[METRIC_DURATION_CELLS - 2] = {
    100, 250, 500, 1000, 2500, 5000, 10000, 25000, 50000, 100000, 250000, 500000, 1000000, 2500000, 5000000, 10000000,
};
static const int64_t sizes[METRIC_SIZE_CELLS - 2] = {
    16, 64, 128, 256, 512, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216, 67108864,
};

const struct metric_scale metric_durations = {durations_us, METRIC_DURATION_CELLS - 1, 1e-6};
const struct metric_scale metric_sizes = {sizes, METRIC_SIZE_CELLS - 1, 1};

void metric_observe(_Atomic uint64_t *histogram, const struct metric_scale *scale, int64_t value)
{
	unsigned bucket = 0;
	while (bucket < scale->buckets - 1 && value > scale->bounds[bucket])
		bucket++;
	metric_add(&histogram[bucket], 1);
	metric_add(&histogram[scale->buckets], value > 0 ? (uint64_t)value : 0);
}

size_t metric_method(const char *const *methods, size_t count, const char *method)
{
	size_t m = 0;
	while (m < count - 1 && strcmp(methods[m], method) != 0)
		m++;
	return m;
}

size_t metric_status(int status)
{
	return status < 0 || status >= METRIC_STATUSES ? STATUS_UNKNOWN : (size_t)status;
}

static uint64_t value_of(const struct metric_page *page, size_t thread, size_t offset)
{
	return atomic_load_explicit((const _Atomic uint64_t *)((const char *)page->threads[thread] + offset),
	                            memory_order_relaxed);
}

uint64_t metric_sum(const struct metric_page *page, size_t offset)
{
	uint64_t sum = 0;
	for (size_t i = 0; i < page->count; i++)
		sum += value_of(page, i, offset);
	return sum;
}

uint64_t metric_count(const struct metric_page *page, size_t offset, const struct metric_scale *scale)
{
	uint64_t count = 0;
	for (unsigned b = 0; b < scale->buckets; b++)
		count += metric_sum(page, offset + b * CELL);
	return count;
}

void metric_head(const struct metric_page *page, const char *name, const char *type, const char *help)
{
	buffer_printf(page->out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

void metric_value(const struct metric_page *page, const char *name, const char *type, const char *help, uint64_t value)
{
	metric_head(page, name, type, help);
	buffer_printf(page->out, "%s %" PRIu64 "\n", name, value);
}

void metric_members(const struct metric_page *page, const struct metric_member *members, size_t count)
{
	for (const struct metric_member *at = members; at < members + count; at++) {
		if (at->help)
			metric_head(page, at->name, at->type, at->help);
		buffer_printf(page->out, "%s%s %" PRIu64 "\n", at->name, at->labels, metric_sum(page, at->offset));
	}
}

void metric_each(const struct metric_page *page, const char *name, const char *help, size_t offset)
{
	metric_head(page, name, "gauge", help);
	for (size_t i = 0; i < page->count; i++)
		buffer_printf(page->out, "%s{worker=\"%zu\"} %" PRIu64 "\n", name, i, value_of(page, i, offset));
}

void metric_histogram(const struct metric_page *page, const char *name, const char *labels, size_t offset,
                      const struct metric_scale *scale)
{
	const bool bare = !*labels;
	const char *comma = bare ? "" : ",", *open = bare ? "" : "{", *close = bare ? "" : "}";
	uint64_t count = 0;
	for (unsigned b = 0; b < scale->buckets; b++) {
		count += metric_sum(page, offset + b * CELL);
		if (b < scale->buckets - 1)
			buffer_printf(page->out, "%s_bucket{%s%sle=\"%.9g\"} %" PRIu64 "\n", name, labels, comma,
			              (double)scale->bounds[b] * scale->unit, count);
		else
			buffer_printf(page->out, "%s_bucket{%s%sle=\"+Inf\"} %" PRIu64 "\n", name, labels, comma, count);
	}
	double sum = (double)metric_sum(page, offset + scale->buckets * CELL) * scale->unit;
	buffer_printf(page->out, "%s_sum%s%s%s %.6f\n", name, open, labels, close, sum);
	buffer_printf(page->out, "%s_count%s%s%s %" PRIu64 "\n", name, open, labels, close, count);
}

void metric_write_calls(const struct metric_page *page, const struct metric_calls *calls, const char *const *methods,
                        size_t n_methods, const char *labels)
{
	char all[LABELS_SIZE];
	metric_head(page, calls->name, "histogram", calls->help);
	for (size_t i = 0; i < n_methods * METRIC_STATUSES; i++) {
		size_t offset = calls->offset + i * (calls->scale->buckets + 1) * CELL;
		if (!metric_count(page, offset, calls->scale))
			continue;
		snprintf(all, sizeof(all), "grpc_method=\"%s\",%sgrpc_status=\"%s\"", methods[i / METRIC_STATUSES], labels,
		         status_name((int)(i % METRIC_STATUSES)));
		metric_histogram(page, calls->name, all, offset, calls->scale);
	}
}

void metric_write_build(const struct metric_page *page, const char *program, const char *version)
{
	metric_head(page, "callhistory_build_info", "gauge", "Version of the program.");
	buffer_printf(page->out, "callhistory_build_info{program=\"%s\",version=\"%s\"} 1\n", program, version);
}
