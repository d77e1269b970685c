/*
 * remote: token and certificates are read once, here. The token's text is
 * kept in one place, the header value, and never shown.
 */
#include "callhistoryctl/remote.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "callhistory/v1/call_history_service.pb-c.h"
#include "callhistory/v1/call_ingest_service.pb-c.h"
#include "callhistoryctl/say.h"
#include "callhistoryctl/text_file.h"
#include "rpc/channel.h"

/* How long a wait may last before the stop flag is looked at. */
#define STOP_CHECK_US INT64_C(50000)

struct remote {
	const struct settings *settings;
	char *authorization; /* "Bearer ..." */
	char *ca, *cert, *key;
	struct rpc_queue *queue;
	struct rpc_channel *channel;
	ProtobufCService *history, *ingest; /* the channel's */
};

/* What a token is made of, so that it can go into a header. */
static bool token_valid(const char *token)
{
	size_t length = strlen(token);
	for (size_t i = 0; i < length; ++i)
		if (token[i] <= ' ' || token[i] > '~')
			return false;
	return length > 0 && length <= 512;
}

/* Whether an option's value is the environment's: its text then stands there. */
static bool from_environment(const char *value, const char *name)
{
	const char *text = getenv(name);
	return value && text && (value == text || !strcmp(value, text));
}

/* The file counts, but where only the token itself stands on the command line: that says more than the environment. */
static bool file_counts(const struct settings *settings)
{
	bool named = settings->token && !from_environment(settings->token, "CALLHISTORY_TOKEN");
	return settings->token_file && !(named && from_environment(settings->token_file, "CALLHISTORY_TOKEN_FILE"));
}

static int read_token(struct remote *remote)
{
	const struct settings *settings = remote->settings;
	char *text = NULL;
	const char *token = settings->token;
	int code = EXIT_DONE;
	if (file_counts(settings)) {
		int result = text_file_read(settings->token_file, &text);
		if (result) {
			say_error("--token-file: can't read %s: %s", settings->token_file, strerror(-result));
			return EXIT_FAILED;
		}
		size_t length = strlen(text);
		while (length && strchr(" \t\r\n", text[length - 1]))
			text[--length] = '\0';
		token = text;
	}
	if (!token)
		code = settings_usage(settings, "a token is needed: --token-file FILE, or CALLHISTORY_TOKEN, or --token");
	else if (!token_valid(token))
		code = settings_usage(settings, "the token is not a token's text");
	else if (asprintf(&remote->authorization, "Bearer %s", token) < 0) {
		remote->authorization = NULL;
		say_error("out of memory");
		code = EXIT_FAILED;
	}
	if (text)
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

static int connect_channel(struct remote *remote, enum remote_retry retry)
{
	const struct settings *settings = remote->settings;
	struct rpc_channel_options options;
	rpc_channel_options_init(&options);
	options.tls_ca = remote->ca;
	options.tls_cert = remote->cert;
	options.tls_key = remote->key;
	if (retry == REMOTE_NO_RETRY)
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
	say_error("can't make a channel to the service: %s", strerror(-result));
	return EXIT_FAILED;
}

int remote_open(struct remote **out, const struct settings *settings, enum remote_retry retry)
{
	if ((settings->service_cert || settings->service_key) && !settings->service_ca)
		return settings_usage(settings, "--service-cert and --service-key need --service-ca");
	if (!settings->service_cert != !settings->service_key)
		return settings_usage(settings, "--service-cert and --service-key go together");
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
		code = connect_channel(remote, retry);
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

void remote_context(struct remote *remote, struct context *context, struct arena *arena)
{
	context_init(context, arena);
	context->authorization = remote->authorization;
	context->deadline_us = clock_monotonic_us() + remote->settings->timeout_ms * 1000;
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
}

int remote_failed(const struct remote *remote, const struct context *context)
{
	if (*remote->settings->stop)
		say_error("interrupted");
	else if (context->status == STATUS_UNAVAILABLE || context->status == STATUS_DEADLINE_EXCEEDED)
		say_error("no answer from the service at %s: %s (%s)", remote->settings->service,
		          context->message ? context->message : "no reason given", status_name(context->status));
	else
		say_error("%s (%s)", context->message ? context->message : "the service gave no reason",
		          status_name(context->status));
	return EXIT_FAILED;
}
