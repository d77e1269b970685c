/* ListCalls: a page of stored calls, spliced into the answer as bytes. */
#include <spliced.pb-c.h>

#include "handlers/handlers.h"
#include "handlers/page.h"

struct list {
	struct request request;
	struct page page;
	struct selection selection;
	const char *page_token;
};

static int check_paging(struct context *context, struct list *list, const Callhistory__V1__ListCallsRequest *input)
{
	if (handlers_request_read_page_size(&list->request, &list->page.size, input->page_size))
		return -(int)context->status;
	if (input->page < 0)
		return context_fail_field(context, "page", "is negative");
	if (input->page && *input->page_token)
		return context_fail_field(context, "page_token", "and page exclude each other");
	list->page.offset = input->page ? ((uint64_t)input->page - 1) * list->page.size : 0;
	list->page_token = input->page_token;
	return 0;
}

static void answer(struct request *request)
{
	struct list *list = (struct list *)request;
	Callhistory__Spliced__ListCallsResponse response = CALLHISTORY__SPLICED__LIST_CALLS_RESPONSE__INIT;
	response.next_page_token = list->page.token;
	response.n_calls = list->page.count;
	response.calls = list->page.calls;
	handlers_request_set_tenant(request, &response.project_code, &response.vbot_id);
	handlers_request_answer(request, &response.base);
}

static int check(struct request *request, const ProtobufCMessage *message)
{
	const Callhistory__V1__ListCallsRequest *input = (const Callhistory__V1__ListCallsRequest *)message;
	struct list *list = (struct list *)request;
	list->page = (struct page){
	    .request = request, .selection = &list->selection, .bytes_max = HANDLERS_PAGE_BYTES_MAX, .done = answer};
	int result = handlers_arguments_read_selection(request->context, &list->selection, input->phone, input->start_time,
	                                               input->end_time, input->filter, request->shared->country_code);
	return result ? result : check_paging(request->context, list, input);
}

static int run(struct request *request)
{
	struct list *list = (struct list *)request;
	return handlers_page_read(&list->page, list->page_token);
}

const struct method handlers_list_calls = {
    .size = sizeof(struct list), .role = STORE_ROLE_READER, .check = check, .run = run};
