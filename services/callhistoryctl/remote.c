/*
 * remote: token and certificates are read once, here. The token is stored only in the header value, and never printed.
 */
#include "callhistoryctl/remote.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "callhistory/v1/call_history_service.pb-c.h"
#include "callhistory/v1/call_ingest_service.pb-c.h"
#include "callhistoryctl/again.h"
#include "callhistoryctl/say.h"
#include "callhistoryctl/text_file.h"
#include "rpc/channel.h"

/* Longest wait between two checks of the stop flag. */
#define STOP_CHECK_US INT64_C(50000)

struct remote {
	const struct settings *settings;
	char *authorization; /* "Bearer ..." */
	char *ca, *cert, *key;
	struct rpc_queue *queue;
	struct rpc_channel *channel;
	ProtobufCService *history, *ingest; /* the channel's */
	bool answered;                      /* the service has answered a request */
};

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
	say_error("out of memory");
	return EXIT_FAILED;
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
	int result = text_file_read_secret(path, &text);
	if (result == -EPERM)
		say_error("--token-file: all users of this machine have access to %s; use chmod 600, and a new token if that "
		          "matters",
		          path);
	else if (result)
		say_error("--token-file: can't read %s: %s", path, strerror(-result));
	if (result)
		return EXIT_FAILED;
	int code = use_token(remote, text);
	explicit_bzero(text, strlen(text));
	free(text);
	return code;
}

static int read_pem(const char *option, const char *path, char **out)
{
	int result = path ? text_file_read(path, out) : 0;
	if (!result)
		return EXIT_DONE;
	say_error("%s: can't read %s: %s", option, path, strerror(-result));
	return EXIT_FAILED;
}

static int connect_channel(struct remote *remote)
{
	const struct settings *settings = remote->settings;
	struct rpc_channel_options options;
	rpc_channel_options_init(&options);
	options.tls_ca = remote->ca;
	options.tls_cert = remote->cert;
	options.tls_key = remote->key;
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
	say_error("cannot create a channel to the service: %s", strerror(-result));
	return EXIT_FAILED;
}

int remote_open(struct remote **out, const struct settings *settings)
{
	if ((settings->service_cert || settings->service_key) && !settings->service_ca)
		return settings_usage(settings, "--service-cert and --service-key require --service-ca");
	if (!settings->service_cert != !settings->service_key)
		return settings_usage(settings, "--service-cert and --service-key must be given together");
	struct remote *remote = calloc(1, sizeof(*remote));
	if (!remote) {
		say_error("out of memory");
		return EXIT_FAILED;
	}
	remote->settings = settings;
	int code = read_token(remote);
	if (!code)
		code = read_pem("--service-ca", settings->service_ca, &remote->ca);
	if (!code)
		code = read_pem("--service-cert", settings->service_cert, &remote->cert);
	if (!code)
		code = read_pem("--service-key", settings->service_key, &remote->key);
	if (!code)
		code = connect_channel(remote);
	if (code)
		remote_close(remote);
	else
		*out = remote;
	return code;
}

void remote_close(struct remote *remote)
{
	if (!remote)
		return;
	rpc_channel_destroy(remote->channel);
	rpc_queue_destroy(remote->queue);
	if (remote->authorization)
		explicit_bzero(remote->authorization, strlen(remote->authorization));
	if (remote->key)
		explicit_bzero(remote->key, strlen(remote->key));
	free(remote->authorization);
	free(remote->ca);
	free(remote->cert);
	free(remote->key);
	free(remote);
}

ProtobufCService *remote_history(struct remote *remote)
{
	return remote->history;
}

ProtobufCService *remote_ingest(struct remote *remote)
{
	return remote->ingest;
}

struct rpc_queue *remote_queue(struct remote *remote)
{
	return remote->queue;
}

const char *remote_authorization(const struct remote *remote)
{
	return remote->authorization;
}

int64_t remote_deadline_us(const struct remote *remote)
{
	return clock_monotonic_us() + remote->settings->timeout_ms * 1000;
}

void remote_context(struct remote *remote, struct context *context, struct arena *arena, int64_t deadline_us)
{
	context_init(context, arena);
	context->authorization = remote->authorization;
	context->deadline_us = deadline_us;
}

void remote_wait(struct remote *remote, struct context *context, const bool *done)
{
	bool cancelled = false;
	while (!*done) {
		if (*remote->settings->stop && !cancelled && context->cancel) {
			cancelled = true;
			context->cancel(context);
			continue;
		}
		rpc_queue_run(remote->queue, clock_monotonic_us() + STOP_CHECK_US);
	}
	/* Only the service sets a reason. */
	remote->answered |= context->status == STATUS_OK || context->reason;
}

bool remote_again(struct remote *remote, const struct context *context, int64_t deadline_us, unsigned tries)
{
	int64_t wait_us = again_wait_us(context, tries);
	int64_t end_us = clock_monotonic_us() + wait_us;
	bool away = context->status == STATUS_UNAVAILABLE && !remote->answered;
	if (wait_us < 0 || end_us >= deadline_us || away)
		return false;
	for (int64_t now_us; (now_us = clock_monotonic_us()) < end_us && !*remote->settings->stop;) {
		int64_t turn_us = now_us + STOP_CHECK_US;
		rpc_queue_run(remote->queue, turn_us < end_us ? turn_us : end_us);
	}
	return !*remote->settings->stop;
}

int remote_failed(const struct remote *remote, const struct context *context)
{
	if (*remote->settings->stop)
		say_error("interrupted");
	else if (context->status == STATUS_UNAVAILABLE && !remote->answered)
		say_error("can't connect to the service at %s (%s)", remote->settings->service, status_name(context->status));
	else if (context->status == STATUS_UNAVAILABLE || context->status == STATUS_DEADLINE_EXCEEDED)
		say_error("no answer from the service at %s: %s (%s)", remote->settings->service,
		          context->message ? context->message : "no reason given", status_name(context->status));
	else
		say_error("%s (%s)", context->message ? context->message : "the service gave no reason",
		          status_name(context->status));
	return EXIT_FAILED;
}
