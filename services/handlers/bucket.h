/*
 * handlers/bucket: a token bucket per credential, in a table of fixed size that
 * all workers share, so that a rate holds however a client's connections fall.
 *
 * Thread-safe without locks: a bucket is one moment, moved by compare-and-swap.
 * Time is passed in. When the table is crowded, a bucket that is full again
 * gives way, else the fullest: its owner starts with a full one.
 */
#ifndef CALLHISTORY_HANDLERS_BUCKET_H
#define CALLHISTORY_HANDLERS_BUCKET_H

#include <stddef.h>
#include <stdint.h>

struct bucket_table;

/* Makes a table of `size` buckets, a power of two and at least 8. 0, -EINVAL or -ENOMEM. */
int handlers_bucket_table_create(struct bucket_table **out, size_t size);

/* Takes NULL. */
void handlers_bucket_table_destroy(struct bucket_table *table);

/*
 * Takes one request out of the bucket of `key`. `rate`: requests a second; 0: unlimited. `burst`: requests that may
 * come at once; 0: a second's worth. Returns 0 when the request may go on, else the milliseconds until one may.
 */
int64_t handlers_bucket_take(struct bucket_table *table, uint64_t key, uint32_t rate, uint32_t burst, int64_t now_us);

#endif
