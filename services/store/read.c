/* store/read: what listing and counting share: the range in scores, and the script for indexes in chunks. */
#include <errno.h>

#include "store/internal.h"
#include "store/key.h"

int store_span_init(struct store_span *span, const struct store_range *range)
{
	if (!store_tag_valid(range->tag) || (range->number && !store_number_valid(range->number)))
		return -EINVAL;
	/* Cut to the times that a call can have, so that products do not overflow. */
	int64_t first_ms = range->from_ms > 0 ? range->from_ms : 0, last_ms = range->to_ms > 0 ? range->to_ms - 1 : -1;
	if (last_ms > STORE_MS_MAX)
		last_ms = STORE_MS_MAX;
	span->open = first_ms == 0 && last_ms == STORE_MS_MAX;
	static const uint8_t zero[STORE_DIGEST_SIZE];
	span->low_score = store_score(last_ms, zero);
	decimal_text(span->low, span->low_score);
	/* An empty range: nothing has a score between these. */
	decimal_text(span->high, first_ms > last_ms ? span->low_score - 1 : store_score_last(first_ms));
	return 0;
}

bool store_span_begin_at(struct store_span *span, int64_t score)
{
	if (score < span->low_score)
		return false;
	span->open = false;
	span->low_score = score;
	decimal_text(span->low, score);
	return true;
}

int store_eval_read(struct store *store, const char *tag, const char *place, const struct store_span *span,
                    uint64_t offset, uint32_t limit, const uint8_t *after, struct arena *arena, int64_t deadline_us,
                    redis_callback *callback, void *data)
{
	char skip[DECIMAL_TEXT], want[DECIMAL_TEXT] = "";
	const char *meta = store_key(arena, tag, "m"), *phantom = store_key(arena, tag, "!");
	if (!meta || !phantom)
		return -ENOMEM;
	decimal_text(skip, (int64_t)offset);
	if (limit)
		decimal_text(want, limit);
	const char *const argv[] = {meta, phantom, place, span->low, span->high, skip, want, (const char *)after};
	size_t lengths[8] = {0};
	for (size_t i = 0; i < 7; ++i)
		lengths[i] = strlen(argv[i]);
	lengths[7] = after ? STORE_DIGEST_SIZE : 0;
	return redis_eval(store->redis, &store->read, 2, 8, argv, lengths, deadline_us, callback, data);
}
