/*
 * remote: token and certificates are read once, here. The token is stored only in the header value, and never printed.
 */
#include "callhistoryctl/remote.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/address.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/pem_files.h"
#include "callhistory/v1/call_history_service.pb-c.h"
#include "callhistory/v1/call_ingest_service.pb-c.h"
#include "callhistoryctl/say.h"
#include "rpc/channel.h"

/* Longest wait between two checks of the stop flag. */
#define STOP_CHECK_US INT64_C(50000)

#define BACKOFF_MIN_US INT64_C(50000)
#define BACKOFF_MAX_US INT64_C(2000000)
#define ASKED_MAX_MS INT64_C(60000)

enum { TRIES_MAX = 6 /* number of tries after which the wait no longer grows */ };

/* Whether a text can be a token, so that it can go into a header. */
static bool token_valid(const char *token, size_t length)
{
	for (size_t i = 0; i < length; ++i)
		if (token[i] <= ' ' || token[i] > '~')
			return false;
	return length > 0 && length <= 512;
}

/* Whether an option's value points into the environment. */
static bool from_environment(const char *value, const char *name)
{
	const char *text = getenv(name);
	return value && text && (value == text || !strcmp(value, text));
}

/* The file takes precedence, unless only --token is on the command line and the file is from the environment. */
static bool file_counts(const struct settings *settings)
{
	bool named = settings->token && !from_environment(settings->token, "CALLHISTORY_TOKEN");
	return settings->token_file && !(named && from_environment(settings->token_file, "CALLHISTORY_TOKEN_FILE"));
}

/* How long a token is without the blanks and line ends after it: editors, `echo` and secret stores add them. */
static size_t token_length(const char *token)
{
	size_t length = strlen(token);
	while (length && strchr(" \t\r\n", token[length - 1]))
		--length;
	return length;
}

static int use_token(struct remote *remote, const char *token)
{
	size_t length = token_length(token);
	if (!token_valid(token, length))
		return settings_usage(remote->settings, "the token is empty, too long or contains characters that a token "
		                                        "cannot have");
	if (asprintf(&remote->authorization, "Bearer %.*s", (int)length, token) >= 0)
		return EXIT_DONE;
	remote->authorization = NULL;
	return say_error("out of memory");
}

static int read_token(struct remote *remote)
{
	const struct settings *settings = remote->settings;
	const char *path = settings->token_file;
	char *text = NULL;
	if (!file_counts(settings) && !settings->token)
		return settings_usage(settings, "missing token: use --token-file FILE, CALLHISTORY_TOKEN or --token");
	if (!file_counts(settings))
		return use_token(remote, settings->token);
	int result = file_read(path, true, &text);
	if (result == -EPERM)
		say_error("--token-file: all users of this machine have access to %s; use chmod 600, and a new token if that "
		          "matters",
		          path);
	else if (result)
		say_error("--token-file: can't read %s: %s", path, strerror(-result));
	if (result)
		return EXIT_FAILED;
	int code = use_token(remote, text);
	file_wipe(text);
	return code;
}

static int read_pem_files(struct remote *remote)
{
	const struct settings *settings = remote->settings;
	const struct {
		const char *option, *path;
	} files[] = {{"--service-ca", settings->service_ca},
	             {"--service-cert", settings->service_cert},
	             {"--service-key", settings->service_key}};
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); ++i) {
		int result = files[i].path ? file_read(files[i].path, false, &remote->pem[i]) : 0;
		if (!result)
			continue;
		return say_error("%s: can't read %s: %s", files[i].option, files[i].path, strerror(-result));
	}
	return EXIT_DONE;
}

static int connect_channel(struct remote *remote)
{
	const struct settings *settings = remote->settings;
	struct rpc_channel_options options;
	rpc_channel_options_init(&options);
	options.tls_ca = remote->pem[0];
	options.tls_cert = remote->pem[1];
	options.tls_key = remote->pem[2];
	options.attempts = 1;
	int result = rpc_queue_create(&remote->queue);
	if (!result)
		result = rpc_channel_create(&remote->channel, remote->queue, settings->service, &options);
	if (result == -EINVAL)
		return settings_usage(settings, "--service: %s is not an address (HOST:PORT or unix:PATH)", settings->service);
	if (!result)
		result = rpc_channel_service(remote->channel, &callhistory__v1__call_history_service__descriptor, NULL,
		                             &remote->history);
	if (!result)
		result = rpc_channel_service(remote->channel, &callhistory__v1__call_ingest_service__descriptor, NULL,
		                             &remote->ingest);
	if (!result)
		return EXIT_DONE;
	if (result == -ENOKEY)
		return say_error("--service-key: " PEM_FILES_ENCRYPTED);
	return say_error("cannot create a channel to the service: %s", strerror(-result));
}

int remote_open(struct remote *remote, const struct settings *settings)
{
	if ((settings->service_cert || settings->service_key) && !settings->service_ca)
		return settings_usage(settings, "--service-cert and --service-key require --service-ca");
	if (!settings->service_cert != !settings->service_key)
		return settings_usage(settings, "--service-cert and --service-key must be given together");
	*remote = (struct remote){.settings = settings};
	int code = read_token(remote);
	if (!code)
		code = read_pem_files(remote);
	return code ? code : connect_channel(remote);
}

void remote_close(struct remote *remote)
{
	rpc_channel_destroy(remote->channel);
	rpc_queue_destroy(remote->queue);
	file_wipe(remote->authorization);
	for (size_t i = 0; i < sizeof(remote->pem) / sizeof(remote->pem[0]); ++i)
		file_wipe(remote->pem[i]);
}

/* One call under way. */
struct request {
	struct context context; /* first: it is the closure's data */
	bool done;
	const void *response; /* NULL: failed */
	int64_t silent_us;    /* of a stream: when it has been silent for too long; else CLOCK_NEVER */
};

static void on_response(const ProtobufCMessage *response, void *data)
{
	struct request *request = data;
	request->done = true;
	request->response = response;
}

int64_t remote_wait_us(const struct context *context, unsigned tries)
{
	enum status status = context->status;
	if (status != STATUS_UNAVAILABLE && status != STATUS_RESOURCE_EXHAUSTED && status != STATUS_ABORTED)
		return -1;
	int64_t wait_us = tries < TRIES_MAX ? BACKOFF_MIN_US << (tries - 1) : BACKOFF_MAX_US;
	wait_us = wait_us < BACKOFF_MAX_US ? wait_us : BACKOFF_MAX_US;
	/* Jitter, so that batches or clients that failed together do not retry together. */
	wait_us = wait_us / 2 + (int64_t)arc4random_uniform((uint32_t)(wait_us / 2 + 1));
	int64_t asked_ms = context->retry_after_ms < ASKED_MAX_MS ? context->retry_after_ms : ASKED_MAX_MS;
	return wait_us > asked_ms * 1000 ? wait_us : asked_ms * 1000;
}

/* Runs the queue until the request is done; a signal ends it early, closure included, and so does silence. */
static void wait_for(struct remote *remote, struct request *request)
{
	struct context *context = &request->context;
	bool cancelled = false;
	while (!request->done) {
		bool silent = clock_monotonic_us() >= request->silent_us;
		if ((*remote->settings->stop || silent) && !cancelled && context->cancel) {
			cancelled = true;
			if (silent)
				context_fail(context, STATUS_DEADLINE_EXCEEDED, NULL, "the deadline has passed");
			context->cancel(context);
			continue;
		}
		rpc_queue_run(remote->queue, clock_monotonic_us() + STOP_CHECK_US);
	}
}

/*
 * Whether gRPC has reported an error that is not the connection's. It reads errno some calls after connect(), and
 * abseil, which looks once in a process for a file of /sys that most machines lack, may have put ENOENT there.
 */
static bool is_spurious(const struct remote *remote, const struct context *context)
{
	return context->message && strstr(context->message, strerror(ENOENT)) &&
	       !address_is_unix(remote->settings->service);
}

/*
 * After attempt number `tries` has failed: waits for the backoff or as long as the service demands. Returns whether to
 * try again: not if the same request would fail again, if the deadline comes first, after a signal, or if there has
 * been no connection yet: the address may be mistyped.
 */
static bool wait_to_retry(struct remote *remote, const struct context *context, int64_t deadline_us, unsigned tries)
{
	int64_t wait_us = remote_wait_us(context, tries);
	int64_t end_us = clock_monotonic_us() + wait_us;
	bool unreachable =
	    context->status == STATUS_UNAVAILABLE && !rpc_channel_reached(remote->channel) && !is_spurious(remote, context);
	if (wait_us < 0 || end_us >= deadline_us || unreachable)
		return false;
	for (int64_t now_us; (now_us = clock_monotonic_us()) < end_us && !*remote->settings->stop;) {
		int64_t until_us = now_us + STOP_CHECK_US;
		rpc_queue_run(remote->queue, until_us < end_us ? until_us : end_us);
	}
	return !*remote->settings->stop;
}

static void report_failure(const struct remote *remote, const struct context *context)
{
	const char *message = context->message ? context->message : "no reason given";
	const bool unavailable = context->status == STATUS_UNAVAILABLE;
	if (*remote->settings->stop)
		say_error("interrupted");
	else if (unavailable || context->status == STATUS_DEADLINE_EXCEEDED)
		say_error("%s the service at %s: %s (%s)",
		          unavailable && !rpc_channel_reached(remote->channel) ? "can't connect to" : "no answer from",
		          remote->settings->service, message, status_name(context->status));
	else
		say_error("%s (%s)", message, status_name(context->status));
}

/* Calls a method by its name, and waits until the request, which the caller has set up, is done. */
static void call(struct remote *remote, ProtobufCService *service, const char *method, const ProtobufCMessage *message,
                 struct request *request)
{
	const ProtobufCMethodDescriptor *found =
	    protobuf_c_service_descriptor_get_method_by_name(service->descriptor, method);
	request->context.authorization = remote->authorization;
	service->invoke(service, (unsigned)(found - service->descriptor->methods), message, on_response, request);
	wait_for(remote, request);
}

const void *remote_ask(struct remote *remote, ProtobufCService *service, const char *method,
                       const ProtobufCMessage *message, struct arena *arena)
{
	struct request request;
	int64_t deadline_us = clock_monotonic_us() + remote->settings->timeout_ms * 1000;
	unsigned tries = 0;
	do {
		arena_reset(arena);
		request = (struct request){.silent_us = CLOCK_NEVER};
		context_init(&request.context, arena);
		request.context.deadline_us = deadline_us;
		call(remote, service, method, message, &request);
	} while (!request.response && wait_to_retry(remote, &request.context, deadline_us, ++tries));
	if (!request.response)
		report_failure(remote, &request.context);
	return request.response;
}

/* A stream, over all its calls. */
struct stream {
	struct request request; /* first: it is the closure's data */
	int (*take)(void *data, const ProtobufCMessage *message);
	void *data;
	int code; /* of take() */
	int64_t timeout_us;
	unsigned tries; /* since the last message */
};

static void on_message(struct context *context, const ProtobufCMessage *message)
{
	struct stream *stream = (struct stream *)(void *)context;
	stream->tries = 0;
	stream->code = stream->take(stream->data, message);
	stream->request.silent_us = clock_monotonic_us() + stream->timeout_us;
	if (stream->code)
		context->cancel(context);
}

int remote_stream(struct remote *remote, ProtobufCService *service, const char *method, const ProtobufCMessage *message,
                  struct arena *arena, int (*take)(void *data, const ProtobufCMessage *message), void *data)
{
	struct stream stream = {.take = take, .data = data, .timeout_us = remote->settings->timeout_ms * 1000};
	struct context *context = &stream.request.context;
	stream.request.silent_us = clock_monotonic_us() + stream.timeout_us;
	do {
		arena_reset(arena);
		stream.request.done = false;
		context_init(context, arena);
		context->on_message = on_message;
		call(remote, service, method, message, &stream.request);
	} while (!stream.code && context->status != STATUS_OK &&
	         wait_to_retry(remote, context, stream.request.silent_us, ++stream.tries));
	if (!stream.code && context->status != STATUS_OK) {
		report_failure(remote, context);
		return EXIT_FAILED;
	}
	return stream.code;
}
