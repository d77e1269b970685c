/*
 * callhistoryd/metrics: a small HTTP listener, on a thread of its own, for /metrics (Prometheus), /healthz (all workers
 * make progress) and /readyz (all workers serve). It is plain HTTP even if gRPC requires client certificates.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct counters;
struct metrics;

struct log;
struct memory_budget;

/* What is served; must outlive the listener. `alive` and `ready` may be called from any thread. */
struct metrics_source {
	const struct counters *const *workers;
	size_t worker_count;
	int64_t start_unix_ms;
	const struct log *log;
	const struct memory_budget *memory;
	bool (*alive)(void *data);
	bool (*ready)(void *data);
	void *data;
};

/* Listens on "host:port". 0, -EINVAL for an invalid address, -EADDRINUSE, -ENOMEM. */
int metrics_start(struct metrics **out, const char *address, const struct metrics_source *source);

/* Stops and frees it. Takes NULL. */
void metrics_stop(struct metrics *metrics);
