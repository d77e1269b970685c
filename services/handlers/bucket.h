/*
 * handlers/bucket: a token bucket per credential, in a table of fixed size that all workers share, so that a rate
 * applies however a client's connections are distributed. Thread-safe without locks: a bucket is one time, updated by
 * compare-and-swap. Time is passed in. A crowded table evicts the bucket with the most tokens; its owner restarts with
 * a full bucket.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct bucket_table;

/* Makes a table of `size` buckets, a power of two and at least 8. 0, -EINVAL or -ENOMEM. */
int handlers_bucket_table_create(struct bucket_table **out, size_t size);

/* Takes NULL. */
void handlers_bucket_table_destroy(struct bucket_table *table);

/*
 * Takes one request out of the bucket of `key`. `rate`: requests a second; 0: unlimited. `burst`: requests that may
 * come at once; 0: a second's worth. Returns 0 if the request is allowed, else the milliseconds until one is.
 */
int64_t handlers_bucket_take(struct bucket_table *table, uint64_t key, uint32_t rate, uint32_t burst, int64_t now_us);
