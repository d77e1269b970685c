/* CountCalls: the store's own count, or, where there is a filter, a scan. */
#include <errno.h>

#include "handlers/handlers.h"
#include "handlers/scan.h"

struct count {
	struct request *request;
	struct selection selection;
	int64_t matches;
};

static int check(struct request *request, const ProtobufCMessage *message)
{
	const Callhistory__V1__CountCallsRequest *input = (const Callhistory__V1__CountCallsRequest *)message;
	struct count *count = arena_calloc(request->context->arena, sizeof(*count));
	if (!count)
		return handlers_request_fail_store(request, -ENOMEM);
	count->request = request;
	request->arguments = count;
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
	struct request *request = data;
	if (!handlers_request_end_store(request, status))
		answer(request, matches);
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
		answer(count->request, count->matches);
		return;
	}
	context_fail(count->request->context, STATUS_FAILED_PRECONDITION, "SCAN_LIMIT",
	             "filter: more than %d calls would have to be read; use a narrower time range", HANDLERS_SCAN_MAX);
	handlers_request_end(count->request);
}

static int run(struct request *request)
{
	struct count *count = request->arguments;
	const struct selection *selection = &count->selection;
	if (handlers_selection_is_empty(selection)) {
		answer(request, 0);
		return 0;
	}
	if (handlers_filter_is_set(&selection->filter))
		return handlers_scan_start(request, selection, NULL, take_match, scanned, count);
	struct store_range range = handlers_selection_range(selection, request->tag);
	int status = store_count(request->shared->store, &range, request->context->arena,
	                         handlers_request_read_deadline(request), counted, request);
	return status ? handlers_request_fail_store(request, status) : 0;
}

const struct method handlers_count_calls = {.role = STORE_ROLE_READER, .check = check, .run = run};
