/*
 * CountCalls: the store's own count, or, where there is a filter, a scan. All calls with a hotline, which the newest
 * generation of the contract counts by default, are the time line less the index of the others.
 */
#include "handlers/call_store.h"
#include "handlers/handlers.h"
#include "handlers/scan.h"

struct count {
	struct request request;
	struct selection selection;
	int64_t matches;
	int64_t without; /* calls of the range that have no hotline and are not to be counted */
};

static int check(struct request *request, const ProtobufCMessage *message)
{
	const Callhistory__V1__CountCallsRequest *input = (const Callhistory__V1__CountCallsRequest *)message;
	struct count *count = (struct count *)request;
	return handlers_arguments_read_selection(request->context, &count->selection, input->phone, input->start_time,
	                                         input->end_time, input->filter, request->shared->country_code);
}

static void answer(struct request *request, int64_t matches)
{
	Callhistory__V1__CountCallsResponse response = CALLHISTORY__V1__COUNT_CALLS_RESPONSE__INIT;
	response.count = matches;
	handlers_request_answer(request, &response.base);
}

static void counted(void *data, int status, int64_t matches)
{
	struct count *count = data;
	if (handlers_request_end_store(&count->request, status))
		return;
	/* Calls may have been deleted between both counts. */
	answer(&count->request, matches > count->without ? matches - count->without : 0);
}

static int count_range(struct count *count, const char *number, store_count_callback *callback)
{
	struct request *request = &count->request;
	struct store_range range = handlers_selection_range(&count->selection, request->tag);
	range.number = number;
	return store_count(request->shared->store, &range, request->context->arena, handlers_request_read_deadline(request),
	                   callback, count);
}

static void counted_without(void *data, int status, int64_t matches)
{
	struct count *count = data;
	if (handlers_request_end_store(&count->request, status))
		return;
	count->without = matches;
	status = count_range(count, NULL, counted);
	if (status)
		handlers_request_end_store(&count->request, status);
}

/* Whether all calls with a hotline are to be counted, and the range limits them alone. */
static bool is_with_hotline(const struct selection *selection)
{
	struct filter others = selection->filter;
	others.has_has_hotline = false;
	return selection->filter.has_has_hotline && selection->filter.has_hotline && !*selection->number &&
	       !handlers_filter_is_set(&others);
}

static int take_match(void *data, const struct store_record *record)
{
	struct count *count = data;
	(void)record;
	++count->matches;
	return 0;
}

static void scanned(void *data, const struct store_position *rest)
{
	struct count *count = data;
	if (!rest) {
		answer(&count->request, count->matches);
		return;
	}
	context_fail(count->request.context, STATUS_FAILED_PRECONDITION, "SCAN_LIMIT",
	             "filter: more than %d calls would have to be read; use a narrower time range", HANDLERS_SCAN_MAX);
	handlers_request_end(&count->request);
}

static int run(struct request *request)
{
	struct count *count = (struct count *)request;
	const struct selection *selection = &count->selection;
	if (handlers_selection_is_empty(selection)) {
		answer(request, 0);
		return 0;
	}
	int status;
	if (is_with_hotline(selection))
		status = count_range(count, HANDLERS_NO_HOTLINE, counted_without);
	else if (handlers_filter_is_set(&selection->filter))
		return handlers_scan_start(request, selection, NULL, take_match, scanned, count);
	else
		status = count_range(count, *selection->number ? selection->number : NULL, counted);
	return status ? handlers_request_fail_store(request, status) : 0;
}

const struct method handlers_count_calls = {
    .size = sizeof(struct count), .role = STORE_ROLE_READER, .check = check, .run = run};
