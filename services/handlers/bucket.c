/*
 * handlers/bucket: the generic cell rate algorithm. A bucket is the time at which it will be full again. A request adds
 * its cost to that time, and is allowed if the result is at most the cost of a burst in the future. So a bucket is one
 * word, and a time in the past equals a bucket that was never used.
 */
#include "handlers/bucket.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

enum { PROBES = 8 };

#define SECOND_NS INT64_C(1000000000)
/* The highest cost of a burst, about 31 years, so that sums of nanoseconds fit 64 bits. */
#define BURST_MAX_NS (SECOND_NS * SECOND_NS)
#define TIME_MAX_US ((INT64_MAX - BURST_MAX_NS) / 1000 - 10 * 1000000)

struct bucket {
	_Atomic uint64_t key; /* 0: free */
	_Atomic int64_t full_ns;
};

struct bucket_table {
	size_t mask;
	struct bucket buckets[];
};

int handlers_bucket_table_create(struct bucket_table **out, size_t size)
{
	if (size < PROBES || (size & (size - 1)))
		return -EINVAL;
	struct bucket_table *table = calloc(1, sizeof(*table) + size * sizeof(table->buckets[0]));
	if (!table)
		return -ENOMEM;
	table->mask = size - 1;
	*out = table;
	return 0;
}

void handlers_bucket_table_destroy(struct bucket_table *table)
{
	free(table);
}

/* Finds the bucket of a key or claims a slot for it. If two threads claim one slot, the loser searches again. */
static struct bucket *find(struct bucket_table *table, uint64_t key, int64_t now_ns)
{
	for (;;) {
		struct bucket *fullest = NULL;
		for (size_t i = 0; i < PROBES; ++i) {
			struct bucket *bucket = &table->buckets[(key + i) & table->mask];
			if (atomic_load(&bucket->key) == key)
				return bucket;
			if (!fullest || atomic_load(&bucket->full_ns) < atomic_load(&fullest->full_ns))
				fullest = bucket;
		}
		uint64_t owner = atomic_load(&fullest->key);
		if (owner != key && !atomic_compare_exchange_strong(&fullest->key, &owner, key))
			continue;
		if (atomic_load(&fullest->full_ns) > now_ns)
			atomic_store(&fullest->full_ns, now_ns);
		return fullest;
	}
}

int64_t handlers_bucket_take(struct bucket_table *table, uint64_t key, uint32_t rate, uint32_t burst, int64_t now_us)
{
	if (!rate)
		return 0;
	int64_t now_ns = (now_us < TIME_MAX_US ? now_us : TIME_MAX_US) * 1000;
	int64_t cost_ns = SECOND_NS / rate;
	int64_t burst_ns = burst ? cost_ns * burst : SECOND_NS;
	if (burst_ns > BURST_MAX_NS)
		burst_ns = BURST_MAX_NS;
	struct bucket *bucket = find(table, key ? key : 1, now_ns);
	int64_t full_ns = atomic_load(&bucket->full_ns);
	for (;;) {
		int64_t next_ns = (full_ns > now_ns ? full_ns : now_ns) + cost_ns;
		int64_t wait_ns = next_ns - now_ns - burst_ns;
		if (wait_ns > 0)
			return (wait_ns + 999999) / 1000000;
		if (atomic_compare_exchange_weak(&bucket->full_ns, &full_ns, next_ns))
			return 0;
	}
}
