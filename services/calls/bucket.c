/*
 * calls/bucket: levels are kept in millionths of a request, so that a
 * microsecond of a rate of one is one unit and no fraction is lost.
 */
#include "calls/bucket.h"

#include <errno.h>
#include <stdlib.h>

enum { PROBES = 8 };

#define ONE_REQUEST INT64_C(1000000)
/* Longer idle times fill any bucket; the bound keeps the product within 64 bits. */
#define IDLE_MAX_US INT64_C(1000000000)

struct bucket {
	uint64_t key;
	int64_t level;
	int64_t last_us; /* 0: never used */
};

struct bucket_table {
	size_t mask;
	uint32_t share;
	struct bucket buckets[];
};

int bucket_table_create(struct bucket_table **out, size_t size, uint32_t share)
{
	if (!share || size < PROBES || (size & (size - 1)))
		return -EINVAL;
	struct bucket_table *table = calloc(1, sizeof(*table) + size * sizeof(table->buckets[0]));
	if (!table)
		return -ENOMEM;
	table->mask = size - 1;
	table->share = share;
	*out = table;
	return 0;
}

void bucket_table_destroy(struct bucket_table *table)
{
	free(table);
}

static struct bucket *find(struct bucket_table *table, uint64_t key)
{
	struct bucket *oldest = NULL;
	for (size_t i = 0; i < PROBES; ++i) {
		struct bucket *bucket = &table->buckets[(key + i) & table->mask];
		if (bucket->last_us && bucket->key == key)
			return bucket;
		if (!oldest || bucket->last_us < oldest->last_us)
			oldest = bucket;
	}
	*oldest = (struct bucket){.key = key};
	return oldest;
}

int64_t bucket_take(struct bucket_table *table, uint64_t key, uint32_t rate, int64_t now_us)
{
	if (!rate)
		return 0;
	struct bucket *bucket = find(table, key);
	int64_t full = ONE_REQUEST * rate / table->share;
	if (full < ONE_REQUEST)
		full = ONE_REQUEST;
	int64_t idle = bucket->last_us ? now_us - bucket->last_us : IDLE_MAX_US;
	int64_t earned = idle <= 0 ? 0 : (idle < IDLE_MAX_US ? idle : IDLE_MAX_US) * rate / table->share;
	if (!bucket->last_us || earned >= full - bucket->level)
		bucket->level = full;
	else
		bucket->level += earned;
	/* Time that has earned less than one unit is not spent: many quick requests must not stop the clock. */
	if (earned || !bucket->last_us)
		bucket->last_us = now_us ? now_us : 1;
	if (bucket->level >= ONE_REQUEST) {
		bucket->level -= ONE_REQUEST;
		return 0;
	}
	int64_t missing_us = (ONE_REQUEST - bucket->level) * table->share / rate;
	return missing_us / 1000 + 1;
}
