/*
 * store/delete: deletions are recordings that have no new version: the same script, queue and deadline (record.c). A
 * range is read page by page, and each of a page's calls deleted if its record is still the one that was read.
 */
#include <errno.h>

#include "store/internal.h"

enum { BYTES_MAX = 4 << 20, ID_FIELD_MAX = 3 + STORE_ID_MAX };

static void end(struct store_deletion *deletion, int status)
{
	deletion->callback(deletion->data, status, status ? NULL : deletion);
}

static void deleted(void *data, int status, const enum store_outcome *outcomes, size_t count)
{
	struct store_deletion *deletion = data;
	for (size_t i = 0; i < count; ++i)
		deletion->deleted += outcomes[i] == STORE_DELETED;
	end(deletion, status);
}

static int delete_calls(struct store_deletion *deletion, const struct store_call *calls, size_t count)
{
	return store_record(deletion->store, deletion->tag, calls, count, deletion->arena, deletion->deadline_us, deleted,
	                    deletion);
}

/* ---- By id ---- */

/* Packs the id as a Call's first field. */
static int pack_id(struct store_record *out, struct arena *arena, const char *id)
{
	size_t length = strlen(id), used = 0;
	if (!length || length > STORE_ID_MAX)
		return -EINVAL;
	uint8_t *packed = arena_alloc(arena, ID_FIELD_MAX);
	if (!packed)
		return -ENOMEM;
	packed[used++] = STORE_RECORD_MARK;
	packed[used++] = (uint8_t)(length > 0x7f ? (length & 0x7f) | 0x80 : length);
	if (length > 0x7f)
		packed[used++] = (uint8_t)(length >> 7);
	memcpy(packed + used, id, length);
	*out = (struct store_record){packed, used + length};
	return 0;
}

static void begin(struct store_deletion *deletion, struct store *store, const char *tag, struct arena *arena,
                  int64_t deadline_us, store_delete_callback *callback, void *data)
{
	*deletion = (struct store_deletion){
	    .store = store,
	    .tag = arena_copy(arena, tag, strlen(tag)),
	    .arena = arena,
	    .deadline_us = deadline_us,
	    .callback = callback,
	    .data = data,
	};
}

int store_delete_ids(struct store *store, struct store_deletion *deletion, const char *tag, const char *const *ids,
                     size_t count, struct arena *arena, int64_t deadline_us, store_delete_callback *callback,
                     void *data)
{
	begin(deletion, store, tag, arena, deadline_us, callback, data);
	struct store_call *calls = arena_calloc(arena, count * sizeof(*calls));
	if (!deletion->tag || !calls)
		return -ENOMEM;
	for (size_t i = 0; i < count; ++i) {
		calls[i].deletion = true;
		int result = pack_id(&calls[i].record, arena, ids[i]);
		if (result)
			return result;
	}
	return delete_calls(deletion, calls, count);
}

/* ---- By range ---- */

/* Copies the calls of a page, as many as may be deleted at once; sets where the rest begins. */
static int take_page(struct store_deletion *deletion, const struct store_page *page, struct store_call **out,
                     size_t *count)
{
	size_t bytes = 0, taken = 0;
	struct store_call *calls = arena_calloc(deletion->arena, page->count * sizeof(*calls));
	if (!calls)
		return -ENOMEM;
	for (; taken < page->count && (!taken || bytes + page->records[taken].length <= BYTES_MAX); ++taken) {
		const struct store_record *record = &page->records[taken];
		const char *copy = arena_copy(deletion->arena, (const char *)record->data, record->length);
		if (!copy)
			return -ENOMEM;
		calls[taken] = (struct store_call){.record = {(const uint8_t *)copy, record->length}, .deletion = true};
		bytes += record->length;
	}
	deletion->more = page->more || taken < page->count;
	deletion->last = page->last;
	*out = calls;
	*count = taken;
	return taken < page->count ? store_record_position(&page->records[taken - 1], &deletion->last) : 0;
}

static void page_read(void *data, int status, const struct store_page *page)
{
	struct store_deletion *deletion = data;
	struct store_call *calls = NULL;
	size_t count = 0;
	if (deletion->cancelled)
		status = -ECANCELED;
	if (!status)
		status = take_page(deletion, page, &calls, &count);
	if (!status && count)
		status = delete_calls(deletion, calls, count);
	if (status || !count)
		end(deletion, status);
}

int store_delete_range(struct store *store, struct store_deletion *deletion, const struct store_range *range,
                       const struct store_position *after, uint32_t limit, struct arena *arena, int64_t deadline_us,
                       store_delete_callback *callback, void *data)
{
	begin(deletion, store, range->tag, arena, deadline_us, callback, data);
	if (!deletion->tag)
		return -ENOMEM;
	return store_list(store, range, after, 0, limit, arena, deadline_us, page_read, deletion);
}

bool store_delete_cancel(struct store_deletion *deletion)
{
	deletion->cancelled = true;
	return store_record_cancel(deletion->store, deletion);
}
