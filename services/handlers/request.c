/* handlers/request: the steps that every method shares. */
#include "handlers/request.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/mix.h"
#include "handlers/auth.h"
#include "handlers/handlers.h"

/*
 * Time limits of reads and writes in the store. A read waits longer than the longest backoff of the Redis client, so
 * that the first read after an outage is answered. A write waits longer, because bursts of writes queue behind the
 * disk.
 */
#define READ_WAIT_US INT64_C(1500000)
#define WRITE_WAIT_US INT64_C(5000000)

enum { RETRY_AFTER_MS = 1000 };

static int64_t wait_until(const struct context *context, int64_t wait_us)
{
	int64_t until = clock_monotonic_us() + wait_us;
	return until < context->deadline_us ? until : context->deadline_us;
}

int64_t handlers_request_read_deadline(const struct request *request)
{
	int64_t wait_us = request->method->read_wait_us;
	return wait_until(request->context, wait_us ? wait_us : READ_WAIT_US);
}

int64_t handlers_request_write_deadline(const struct request *request)
{
	return wait_until(request->context, WRITE_WAIT_US);
}

int handlers_request_read_page_size(struct request *request, uint32_t *out, int32_t page_size)
{
	if (page_size < 0)
		return context_fail_field(request->context, "page_size", "is negative");
	*out = page_size ? (uint32_t)page_size : HANDLERS_PAGE_SIZE_DEFAULT;
	if (*out > HANDLERS_PAGE_SIZE_MAX)
		*out = HANDLERS_PAGE_SIZE_MAX;
	return 0;
}

void handlers_request_set_tenant(const struct request *request, char **project_code, char **vbot_id)
{
	if (!request->names_no_tenant)
		return;
	/* The message types have no const; nothing writes to the texts. */
	*project_code = (char *)request->project_code;
	*vbot_id = (char *)request->vbot_id;
}

void handlers_request_answer(struct request *request, const ProtobufCMessage *output)
{
	if (request->method->end)
		request->method->end(request);
	request->closure(output, request->context);
}

void handlers_request_end(struct request *request)
{
	/* A failure counts even if there is no memory for its message. */
	context_fail(request->context, STATUS_INTERNAL, NULL, "internal error");
	handlers_request_answer(request, NULL);
}

bool handlers_request_is_over(const struct request *request)
{
	return request->context->cancelled || clock_monotonic_us() >= request->context->deadline_us;
}

static bool fail_over(struct context *context)
{
	bool late = clock_monotonic_us() >= context->deadline_us;
	if (late)
		context_fail(context, STATUS_DEADLINE_EXCEEDED, NULL, "the deadline has passed");
	else if (context->cancelled)
		context_fail(context, STATUS_CANCELLED, NULL, "the request was cancelled");
	return late || context->cancelled;
}

bool handlers_request_end_over(struct request *request)
{
	if (!fail_over(request->context))
		return false;
	handlers_request_end(request);
	return true;
}

/* Messages to clients about failures of the store. The log has the details. */
static const struct store_failure {
	int store; /* 0: all others */
	enum status status;
	bool retry;
	const char *reason, *message;
} failures[] = {
    {-EBADMSG, STATUS_INTERNAL, false, "STORE_CORRUPT", "a stored record cannot be read"},
    {-EMEDIUMTYPE, STATUS_DATA_LOSS, false, "STORE_CORRUPT", "a stored key has an unexpected type"},
    {-EPROTO, STATUS_INTERNAL, false, "STORE_FAILED", "internal error of the store"},
    {-EACCES, STATUS_INTERNAL, false, "STORE_PERMISSION", "the service lacks a permission in the store"},
    {-ENOSYS, STATUS_UNIMPLEMENTED, false, "STORE_UNSUPPORTED", "the store does not support this operation"},
    {-EBUSY, STATUS_RESOURCE_EXHAUSTED, true, "STORE_BUSY", "too many requests wait for the store; retry later"},
    {-ENOMEM, STATUS_RESOURCE_EXHAUSTED, true, "OUT_OF_MEMORY", "the service is out of memory"},
    {-ENOSPC, STATUS_RESOURCE_EXHAUSTED, true, "STORE_FULL",
     "the store is out of memory; calls cannot be recorded until the operator adds some"},
    {-ENOLINK, STATUS_UNAVAILABLE, true, "NOT_REPLICATED",
     "the calls may not be on enough servers yet; repeat the request"},
    {-EAGAIN, STATUS_UNAVAILABLE, true, "STORE_UNAVAILABLE", "the store is being reconfigured; retry later"},
    {-EREMOTEIO, STATUS_UNAVAILABLE, true, "STORE_REFUSES", "the store is read-only or busy; retry later"},
    {0, STATUS_UNAVAILABLE, true, "STORE_UNAVAILABLE", "the store is unavailable; retry later"},
};

static int fail_store(struct context *context, int status)
{
	const struct store_failure *failure = failures;
	while (failure->store && failure->store != status)
		++failure;
	if (failure->retry)
		context->retry_after_ms = RETRY_AFTER_MS;
	return context_fail(context, failure->status, failure->reason, "%s", failure->message);
}

int handlers_request_fail_store(struct request *request, int status)
{
	return fail_store(request->context, status);
}

bool handlers_request_end_store(struct request *request, int status)
{
	if (handlers_request_end_over(request))
		return true;
	if (!status)
		return false;
	handlers_request_fail_store(request, status);
	handlers_request_end(request);
	return true;
}

/* A request costs a token, but RATE_LIMIT is reported only if nothing else is wrong. */
static int check_rate(struct request *request, int64_t wait_ms)
{
	if (!wait_ms)
		return 0;
	request->context->retry_after_ms = wait_ms;
	return context_fail(request->context, STATUS_RESOURCE_EXHAUSTED, "RATE_LIMIT",
	                    "the request rate of the token is exceeded; retry later");
}

/* Copies what the request needs of its tenant, because the token belongs to the store. */
static int keep_tenant(struct request *request, const struct store_tenant *tenant)
{
	struct arena *arena = request->context->arena;
	request->project_code = arena_copy(arena, tenant->project_code, strlen(tenant->project_code));
	request->vbot_id = arena_copy(arena, tenant->vbot_id, strlen(tenant->vbot_id));
	request->tag = arena_copy(arena, tenant->tag, strlen(tenant->tag));
	if (request->project_code && request->vbot_id && request->tag)
		return 0;
	return handlers_request_fail_store(request, -ENOMEM);
}

static int check_role(struct context *context, enum store_role has, enum store_role needed)
{
	static const char *const deeds[] = {
	    [STORE_ROLE_READER] = "read", [STORE_ROLE_WRITER] = "record", [STORE_ROLE_ERASER] = "delete"};
	if (has == needed || (has == STORE_ROLE_WRITER && needed == STORE_ROLE_READER))
		return 0;
	return context_fail(context, STATUS_PERMISSION_DENIED, "ROLE_DENIED", "the token may not %s calls", deeds[needed]);
}

/* All checks that need the token. */
static int check(struct request *request, const struct store_token *token)
{
	struct context *context = request->context;
	const struct store_tenant *tenant = NULL;
	context->token_id = arena_copy(context->arena, token->id, strlen(token->id));
	int64_t wait_ms = 0;
	if (!request->method->is_free || !request->method->is_free(request->input))
		wait_ms = handlers_bucket_take(request->shared->buckets, mix_hash(MIX_HASH, token->id, strlen(token->id)),
		                               token->rate, token->burst, clock_monotonic_us());
	int result = handlers_auth_check_tenant_names(context, request->project_code, request->vbot_id,
	                                              request->method->takes_project);
	if (!result)
		result = request->method->check(request, request->input);
	if (!result)
		result = handlers_auth_pick_tenant(context, token, request->project_code, request->vbot_id, &tenant);
	if (!result)
		result = check_role(context, token->role, request->method->role);
	if (!result)
		result = check_rate(request, wait_ms);
	return result ? result : keep_tenant(request, tenant);
}

/* A client whose token is being looked up. */
struct admission {
	struct context *context;
	void (*done)(void *done_data);
	void *done_data;
};

static void identify(const struct admission *admission, const struct store_token *token)
{
	struct context *context = admission->context;
	if (!fail_over(context) && !handlers_auth_check_token(context, token, clock_unix_ms()))
		context->identity = token;
	admission->done(admission->done_data);
}

static void token_found(void *data, int status, const struct store_token *token)
{
	struct admission *admission = data;
	if (status && status != -ENOENT && !fail_over(admission->context))
		fail_store(admission->context, status);
	identify(admission, token);
}

void handlers_request_admit(const struct handlers_shared *shared, struct context *context,
                            void (*done)(void *done_data), void *done_data)
{
	uint8_t digest[32];
	const struct store_token *token = NULL;
	struct admission *admission = arena_calloc(context->arena, sizeof(*admission));
	if (!admission)
		fail_store(context, -ENOMEM);
	if (!admission || handlers_auth_digest(context, digest)) {
		done(done_data);
		return;
	}
	*admission = (struct admission){context, done, done_data};
	int found =
	    store_token_find(shared->store, digest, wait_until(context, READ_WAIT_US), &token, token_found, admission);
	if (found)
		token_found(admission, found < 0 ? found : 0, token);
}

static void cancel(struct context *context, void *data)
{
	struct request *request = data;
	(void)context;
	if (request->method->cancel(request))
		handlers_request_end_over(request);
}

static int run(struct request *request)
{
	if (request->method->cancel) {
		request->context->on_cancel = cancel;
		request->context->on_cancel_data = request;
	}
	return request->method->run(request);
}

/* The client is identified, or the context has the failure. */
static void proceed(void *data)
{
	struct request *request = data;
	const struct store_token *token = request->context->identity;
	request->context->identity = NULL;
	if (!token || check(request, token) || run(request))
		handlers_request_end(request);
}

static void checked_again(void *data)
{
	struct request *request = data;
	const bool valid = request->context->identity;
	request->context->identity = NULL;
	if (!valid)
		handlers_request_end(request);
	else if (!handlers_request_end_over(request))
		request->go_on(request);
}

void handlers_request_check_again(struct request *request, void (*go_on)(struct request *request))
{
	request->go_on = go_on;
	handlers_request_admit(request->shared, request->context, checked_again, request);
}

void handlers_request_begin(const struct handlers_shared *shared, const struct method *method,
                            const ProtobufCMessage *input, const char *project_code, const char *vbot_id,
                            ProtobufCClosure closure, void *closure_data)
{
	struct context *context = closure_data;
	struct request *request = arena_calloc(context->arena, method->size);
	if (!request) {
		context_fail(context, STATUS_RESOURCE_EXHAUSTED, "OUT_OF_MEMORY", "the service is out of memory");
		closure(NULL, closure_data);
		return;
	}
	request->context = context;
	request->shared = shared;
	request->method = method;
	request->input = input;
	request->closure = closure;
	request->project_code = project_code;
	request->vbot_id = vbot_id;
	request->names_no_tenant = !*project_code && !*vbot_id;
	if (context->identity)
		proceed(request);
	else
		handlers_request_admit(shared, context, proceed, request);
}
