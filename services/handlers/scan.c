/*
 * handlers/scan: memory stays bounded however many batches there are: one arena has the current batch, another the call
 * that is tested. The store uses the arena of a batch only until its callback, so the callback may reset it for the
 * next batch.
 */
#include "handlers/scan.h"

#include <errno.h>

#include "base/unpack.h"
#include "handlers/handlers.h"

enum { BATCH = 500, ARENA_SIZE = 16384 };

struct scan {
	struct request *request;
	const struct selection *selection;
	struct store_position after; /* where the next batch begins: after the last call of the one before */
	bool has_after;              /* false: at the first call of the selection */
	uint32_t tested;
	bool group_too_large;          /* for its index: all calls are read instead */
	struct arena *batch, *scratch; /* of the current batch, and of the call that is tested */
	int (*match)(void *data, const struct store_record *record);
	void (*done)(void *data, const struct store_position *rest);
	bool limited; /* HANDLERS_SCAN_MAX ended the scan; `after` is the last call that was tested */
	void *data;
};

static void scan_free(struct scan *scan)
{
	arena_destroy(scan->batch);
	arena_destroy(scan->scratch);
	scan->batch = scan->scratch = NULL;
}

static void batch_read(void *data, int status, const struct store_page *page);

/* The group if its calls are read by the index of groups; NULL: by the index of the number, or all calls. */
static const char *group_of(const struct scan *scan)
{
	const char *group = scan->selection->filter.texts[FILTER_GROUP_ID];
	return *group && !*scan->selection->number && !scan->group_too_large ? group : NULL;
}

/* Reads the next batch. Near the limit it is one call longer than may be tested: that one shows that there are more. */
static int read_batch(struct scan *scan)
{
	struct request *request = scan->request;
	struct store_range range = handlers_selection_range(scan->selection, request->tag);
	const struct store_position *after = scan->has_after ? &scan->after : NULL;
	uint32_t left = HANDLERS_SCAN_MAX + 1 - scan->tested;
	uint32_t wanted = left < BATCH ? left : BATCH;
	arena_reset(scan->batch);
	range.group = group_of(scan);
	return store_list(request->shared->store, &range, after, 0, wanted, scan->batch,
	                  handlers_request_read_deadline(request), batch_read, scan);
}

/* Tests one call. 0: continue, 1: stop, negative: failed. */
static int test_record(struct scan *scan, const struct store_record *record)
{
	ProtobufCMessage *call;
	++scan->tested;
	arena_reset(scan->scratch);
	int result = unpack_own(&callhistory__v1__call__descriptor, record->data, record->length, scan->scratch, &call);
	if (result)
		return handlers_request_fail_store(scan->request, result);
	if (!handlers_filter_matches(&scan->selection->filter, (const Callhistory__V1__Call *)call))
		return 0;
	return scan->match(scan->data, record);
}

/*
 * Ends the scan because HANDLERS_SCAN_MAX calls were tested and there are more. `last` is the last one tested; NULL: it
 * was the last one of the batch before, and `after` is its position already.
 */
static int end_at_limit(struct scan *scan, const struct store_record *last)
{
	int result = last ? store_record_position(last, &scan->after) : 0;
	if (result)
		return handlers_request_fail_store(scan->request, result);
	scan->limited = true;
	return 1;
}

/* Tests a batch. 0: continue, 1: the scan has ended, negative: failed. */
static int test_batch(struct scan *scan, const struct store_page *page)
{
	int result = 0;
	for (size_t i = 0; i < page->count && !result; ++i) {
		if (scan->tested == HANDLERS_SCAN_MAX)
			return end_at_limit(scan, i ? &page->records[i - 1] : NULL);
		result = test_record(scan, &page->records[i]);
	}
	if (result)
		return result;
	scan->has_after = true;
	scan->after = page->last;
	return !page->more;
}

static void batch_read(void *data, int status, const struct store_page *page)
{
	struct scan *scan = data;
	struct request *request = scan->request;
	if (status == -EOVERFLOW && !scan->group_too_large && !handlers_request_is_over(request)) {
		scan->group_too_large = true;
		status = read_batch(scan);
		if (!status)
			return;
	}
	if (status || handlers_request_is_over(request)) {
		scan_free(scan);
		handlers_request_end_store(request, status);
		return;
	}
	int result = test_batch(scan, page);
	if (!result) {
		status = read_batch(scan);
		if (!status)
			return;
		result = handlers_request_fail_store(request, status);
	}
	scan_free(scan);
	if (result > 0)
		scan->done(scan->data, scan->limited ? &scan->after : NULL);
	else
		handlers_request_end(request);
}

int handlers_scan_start(struct request *request, const struct selection *selection, const struct store_position *after,
                        int (*match)(void *data, const struct store_record *record),
                        void (*done)(void *data, const struct store_position *rest), void *data)
{
	struct scan *scan = arena_calloc(request->context->arena, sizeof(*scan));
	if (!scan)
		return handlers_request_fail_store(request, -ENOMEM);
	scan->request = request;
	scan->selection = selection;
	scan->match = match;
	scan->done = done;
	scan->data = data;
	if (after) {
		scan->after = *after;
		scan->has_after = true;
	}
	int status = arena_create(&scan->batch, ARENA_SIZE);
	if (!status)
		status = arena_create(&scan->scratch, ARENA_SIZE);
	if (!status)
		status = read_batch(scan);
	if (!status)
		return 0;
	scan_free(scan);
	return handlers_request_fail_store(request, status);
}
