/* rpc/channel: creates channels and the client stubs of remote services. channel_call.c handles the calls. */
#include "rpc/channel.h"

#include <errno.h>
#include <grpc/grpc_security.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/address.h"
#include "base/pem_files.h"
#include "rpc/args.h"
#include "rpc/channel_internal.h"
#include "rpc/payload.h"

enum {
	/* Short enough to reconnect to a restarted replica before the next one restarts. gRPC adds 20 % jitter. */
	CHANNEL_RECONNECT_FIRST_MS = 50,
	CHANNEL_RECONNECT_LAST_MS = 500,
	CHANNEL_CONNECT_MS = 5000, /* timeout of a connection attempt, including TLS */
	CHANNEL_KEEPALIVE_MS = 2000,
	CHANNEL_KEEPALIVE_TIMEOUT_MS = 2000,
	CHANNEL_SILENCE_MS = 500,
	CHANNEL_RESOLVE_MS = 2000, /* minimum interval between DNS lookups */
	CHANNEL_WINDOW_BYTES = 1 << 20,
	CHANNEL_ADDRESS_MAX = 4096,
};

void rpc_channel_options_init(struct rpc_channel_options *options)
{
	*options = (struct rpc_channel_options){.max_message_bytes = 64 << 20,
	                                        .attempts = 5,
	                                        .keepalive_ms = CHANNEL_KEEPALIVE_MS,
	                                        .keepalive_timeout_ms = CHANNEL_KEEPALIVE_TIMEOUT_MS,
	                                        .silence_ms = CHANNEL_SILENCE_MS};
}

static bool has_scheme(const char *address)
{
	static const char *const schemes[] = {"dns:", "ipv4:", "ipv6:"};
	for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++)
		if (strncmp(address, schemes[i], strlen(schemes[i])) == 0)
			return true;
	return false;
}

/* gRPC wants the kind of an address as a prefix. */
static int make_target(const char *address, size_t length, char **out)
{
	static const char *const prefixes[] = {
	    [ADDRESS_NAME] = "dns:///", [ADDRESS_IPV4] = "ipv4:", [ADDRESS_IPV6] = "ipv6:", [ADDRESS_UNIX] = ""};
	const char *prefix = "";
	if (!has_scheme(address)) {
		enum address_kind kind = address_parse(address, length, false);
		if (kind == ADDRESS_INVALID)
			return -EINVAL;
		prefix = prefixes[kind];
	}
	char *target;
	if (asprintf(&target, "%s%.*s", prefix, (int)length, address) < 0)
		return -ENOMEM;
	*out = target;
	return 0;
}

int rpc_address_targets(const char *address, char *targets[RPC_TARGETS], size_t *count)
{
	/*
	 * A path may contain a comma, so only a comma before another unix: separates paths. gRPC itself splits addresses
	 * with a scheme.
	 */
	const bool whole = has_scheme(address) || (address_is_unix(address) && !strstr(address, ",unix:"));
	size_t n = 0;
	int result = strlen(address) < CHANNEL_ADDRESS_MAX ? 0 : -EINVAL;
	for (const char *at = address; at && !result;) {
		size_t length = whole ? strlen(at) : strcspn(at, ",");
		result = n < RPC_TARGETS ? make_target(at, length, &targets[n]) : -EINVAL;
		n += !result;
		at = at[length] ? at + length + 1 : NULL;
	}
	if (!result)
		*count = n;
	while (result && n > 0)
		free(targets[--n]);
	return result;
}

/*
 * The local subchannel pool keeps two channels of one process, of two workers, on connections of their own. round_robin
 * also reconnects by itself, so a connection that was lost while idle is often back before the next call.
 */
static grpc_channel *create_grpc(const char *target, grpc_channel_credentials *credentials,
                                 const struct rpc_channel_options *options)
{
	struct rpc_args args = {.count = 0};
	rpc_args_add_text(&args, GRPC_ARG_LB_POLICY_NAME, "round_robin");
	rpc_args_add(&args, GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
	rpc_args_add(&args, GRPC_ARG_MAX_RECEIVE_MESSAGE_LENGTH, (int)options->max_message_bytes);
	rpc_args_add(&args, GRPC_ARG_MAX_SEND_MESSAGE_LENGTH, -1);
	rpc_args_add(&args, GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, CHANNEL_RECONNECT_FIRST_MS);
	rpc_args_add(&args, GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, CHANNEL_CONNECT_MS);
	rpc_args_add(&args, GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, CHANNEL_RECONNECT_LAST_MS);
	rpc_args_add(&args, GRPC_ARG_DNS_MIN_TIME_BETWEEN_RESOLUTIONS_MS, CHANNEL_RESOLVE_MS);
	rpc_args_add(&args, GRPC_ARG_KEEPALIVE_TIME_MS, options->keepalive_ms);
	rpc_args_add(&args, GRPC_ARG_KEEPALIVE_TIMEOUT_MS, options->keepalive_timeout_ms);
	rpc_args_add(&args, GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
	rpc_args_add(&args, GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
	rpc_args_add(&args, GRPC_ARG_HTTP2_STREAM_LOOKAHEAD_BYTES, CHANNEL_WINDOW_BYTES);
	rpc_args_add(&args, GRPC_ARG_SERVICE_CONFIG_DISABLE_RESOLUTION, 1);
	rpc_args_add(&args, GRPC_ARG_ENABLE_HTTP_PROXY, 0);
	rpc_args_add(&args, GRPC_ARG_ENABLE_RETRIES, 0);
	rpc_args_add_lean(&args);
	grpc_channel_args channel_args = {.num_args = args.count, .args = args.list};
	return grpc_channel_create(target, credentials, &channel_args);
}

static grpc_channel_credentials *create_credentials(const struct rpc_channel_options *options)
{
	if (!options->tls_ca)
		return grpc_insecure_credentials_create();
	grpc_ssl_pem_key_cert_pair pair = {.private_key = options->tls_key, .cert_chain = options->tls_cert};
	return grpc_ssl_credentials_create(options->tls_ca, options->tls_cert ? &pair : NULL, NULL, NULL);
}

static bool options_valid(const struct rpc_channel_options *options)
{
	bool pair = (options->tls_cert != NULL) == (options->tls_key != NULL);
	return options->attempts >= 1 && options->max_message_bytes <= INT_MAX && pair &&
	       (options->tls_ca || !options->tls_cert);
}

static void destroy_targets(struct rpc_channel *channel)
{
	for (size_t i = 0; i < channel->n_targets; i++)
		grpc_channel_destroy(channel->targets[i]);
	channel->n_targets = 0;
}

/* Makes the gRPC channels of all targets. */
static int create_targets(struct rpc_channel *channel, char *const *targets, size_t count,
                          const struct rpc_channel_options *options)
{
	grpc_channel_credentials *credentials = create_credentials(options);
	if (!credentials)
		return -EINVAL;
	while (channel->n_targets < count) {
		grpc_channel *made = create_grpc(targets[channel->n_targets], credentials, options);
		if (!made)
			break;
		channel->targets[channel->n_targets++] = made;
	}
	grpc_channel_credentials_release(credentials);
	if (channel->n_targets == count)
		return 0;
	destroy_targets(channel);
	return -EINVAL;
}

bool rpc_channel_address_valid(const char *address)
{
	char *targets[RPC_TARGETS];
	size_t count = 0;
	int result = rpc_address_targets(address, targets, &count);
	while (count > 0)
		free(targets[--count]);
	return result != -EINVAL;
}

int rpc_channel_create(struct rpc_channel **out, struct rpc_queue *queue, const char *address,
                       const struct rpc_channel_options *options)
{
	char *targets[RPC_TARGETS];
	size_t count = 0;
	if (!options_valid(options))
		return -EINVAL;
	if (pem_files_encrypted(options->tls_key))
		return -ENOKEY;
	int result = rpc_address_targets(address, targets, &count);
	if (result)
		return result;
	struct rpc_channel *channel = calloc(1, sizeof(*channel));
	if (!channel) {
		result = -ENOMEM;
		goto end;
	}
	channel->queue = queue;
	channel->options = *options;
	channel->options.tls_ca = channel->options.tls_cert = channel->options.tls_key = NULL;
	channel->turn = arc4random_uniform((uint32_t)count);
	result = create_targets(channel, targets, count, options);
	if (result)
		free(channel);
	else
		*out = channel;
end:
	while (count > 0)
		free(targets[--count]);
	return result;
}

static void service_free(struct remote_service *remote)
{
	for (unsigned i = 0; i < remote->n_methods; i++)
		free(remote->methods[i].path);
	free(remote->name);
	remote->magic = 0;
	free(remote);
}

/* The channel owns its services: a caller's protobuf_c_service_destroy() does nothing. */
static void service_destroy(ProtobufCService *service)
{
	(void)service;
}

static int service_new(struct rpc_channel *channel, const ProtobufCServiceDescriptor *descriptor, const char *name,
                       struct remote_service **out)
{
	struct remote_service *remote = calloc(1, sizeof(*remote) + descriptor->n_methods * sizeof(remote->methods[0]));
	if (!remote)
		return -ENOMEM;
	remote->service =
	    (ProtobufCService){.descriptor = descriptor, .invoke = rpc_channel_call_invoke, .destroy = service_destroy};
	remote->magic = RPC_REMOTE_MAGIC;
	remote->channel = channel;
	remote->name = strdup(name);
	if (!remote->name)
		goto fail;
	for (unsigned i = 0; i < descriptor->n_methods; i++) {
		struct remote_method *method = &remote->methods[remote->n_methods++];
		if (asprintf(&method->path, "/%s/%s", name, descriptor->methods[i].name) < 0) {
			method->path = NULL;
			goto fail;
		}
		for (size_t target = 0; target < channel->n_targets; target++)
			method->registered[target] = grpc_channel_register_call(channel->targets[target], method->path, NULL, NULL);
	}
	*out = remote;
	return 0;
fail:
	service_free(remote);
	return -ENOMEM;
}

int rpc_channel_service(struct rpc_channel *channel, const ProtobufCServiceDescriptor *descriptor, const char *name,
                        ProtobufCService **out)
{
	if (!rpc_payload_has_names(descriptor))
		return -EINVAL;
	if (!name)
		name = descriptor->name;
	struct remote_service *remote;
	for (remote = channel->services; remote; remote = remote->next) {
		if (remote->service.descriptor == descriptor && strcmp(remote->name, name) == 0) {
			*out = &remote->service;
			return 0;
		}
	}
	int result = service_new(channel, descriptor, name, &remote);
	if (result)
		return result;
	remote->next = channel->services;
	channel->services = remote;
	*out = &remote->service;
	return 0;
}

uint32_t rpc_channel_in_flight(const struct rpc_channel *channel)
{
	return channel->in_flight;
}

bool rpc_channel_reached(const struct rpc_channel *channel)
{
	return channel->reached;
}

void rpc_channel_destroy(struct rpc_channel *channel)
{
	if (!channel)
		return;
	rpc_channel_calls_abandon(channel);
	destroy_targets(channel);
	while (channel->services) {
		struct remote_service *next = channel->services->next;
		service_free(channel->services);
		channel->services = next;
	}
	for (struct channel_call *call; (call = LIST_FIRST(&channel->free_calls));) {
		LIST_REMOVE(call, entry);
		rpc_channel_call_free(call);
	}
	free(channel);
}
