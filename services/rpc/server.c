/*
 * rpc/server: making a server, its methods and ports, its drain and its end.
 * What happens to one call is in server_call.c.
 */
#include "rpc/server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/address.h"
#include "base/clock.h"
#include "rpc/args.h"
#include "rpc/payload.h"
#include "rpc/server_internal.h"

enum {
	SERVER_POSTS_UNKNOWN = 8, /* of the catch-all for unknown methods */
	SERVER_ARENAS = 256,      /* kept for later calls */
	SERVER_HANDSHAKE_MS = 10000,
	SERVER_PING_INTERVAL_MS = 1500, /* the least time between pings of a client without data */
	SERVER_END_SECONDS = 30,        /* bounds the wait for cancelled calls, which normally end at once */
};

void rpc_server_options_init(struct rpc_server_options *options)
{
	*options = (struct rpc_server_options){.max_message_bytes = 4 << 20,
	                                       .max_memory_bytes = 128 << 20,
	                                       .max_metadata_bytes = 16 << 10,
	                                       .max_streams = 1024,
	                                       .max_in_flight = 4096,
	                                       .send_timeout_ms = 60000};
}

static int64_t or_never(int64_t ms)
{
	return ms > 0 ? ms : INT_MAX;
}

/*
 * Lean: what this product doesn't use is switched off. Not grpc.minimal_stack, which would also switch off connection
 * age.
 *
 * gRPC looks at a message's length when it has read all of it, and refuses it without details: its limit is off, ours
 * is in server_call.c. What bounds the memory meanwhile is the quota.
 */
static grpc_server *create_grpc(const struct rpc_server_options *options)
{
	struct rpc_args args = {.count = 0};
	grpc_resource_quota *quota = grpc_resource_quota_create("requests");
	grpc_resource_quota_resize(quota, options->max_memory_bytes);
	rpc_args_add_pointer(&args, GRPC_ARG_RESOURCE_QUOTA, quota, grpc_resource_quota_arg_vtable());
	rpc_args_add(&args, GRPC_ARG_MAX_RECEIVE_MESSAGE_LENGTH, -1);
	rpc_args_add(&args, GRPC_ARG_MAX_SEND_MESSAGE_LENGTH, -1);
	rpc_args_add(&args, GRPC_ARG_MAX_METADATA_SIZE, (int64_t)options->max_metadata_bytes);
	rpc_args_add(&args, GRPC_ARG_MAX_CONCURRENT_STREAMS, options->max_streams);
	rpc_args_add(&args, GRPC_ARG_MAX_CONNECTION_IDLE_MS, or_never(options->max_connection_idle_ms));
	rpc_args_add(&args, GRPC_ARG_MAX_CONNECTION_AGE_MS, or_never(options->max_connection_age_ms));
	rpc_args_add(&args, GRPC_ARG_MAX_CONNECTION_AGE_GRACE_MS, or_never(options->max_connection_age_grace_ms));
	if (options->keepalive_ms > 0)
		rpc_args_add(&args, GRPC_ARG_KEEPALIVE_TIME_MS, options->keepalive_ms);
	if (options->keepalive_timeout_ms > 0)
		rpc_args_add(&args, GRPC_ARG_KEEPALIVE_TIMEOUT_MS, options->keepalive_timeout_ms);
	rpc_args_add(&args, GRPC_ARG_ALLOW_REUSEPORT, !options->exclusive_port);
	rpc_args_add(&args, GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS, SERVER_HANDSHAKE_MS);
	rpc_args_add(&args, GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, SERVER_PING_INTERVAL_MS);
	rpc_args_add(&args, GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
	/* server_call.c has one timer for all calls; gRPC would start and cancel one for each. */
	rpc_args_add(&args, GRPC_ARG_ENABLE_DEADLINE_CHECKS, 0);
	rpc_args_add_lean(&args);
	grpc_channel_args channel_args = {.num_args = args.count, .args = args.list};
	grpc_server *server = grpc_server_create(&channel_args, NULL);
	grpc_resource_quota_unref(quota);
	return server;
}

static void shut_down_done(struct rpc_tag *tag, bool ok)
{
	(void)ok;
	RPC_CONTAINER(tag, struct rpc_server, shut_down)->drained = true;
}

static void grace_ended(struct rpc_timer *timer)
{
	grpc_server_cancel_all_calls(RPC_CONTAINER(timer, struct rpc_server, grace)->grpc);
}

int rpc_server_create(struct rpc_server **out, struct rpc_queue *queue, const struct rpc_server_options *options)
{
	if (options->max_metadata_bytes > INT_MAX || options->max_memory_bytes == 0 || options->max_streams == 0 ||
	    options->max_in_flight == 0 || options->send_timeout_ms <= 0)
		return -EINVAL;
	struct rpc_server *server = calloc(1, sizeof(*server));
	if (!server)
		return -ENOMEM;
	server->free_arenas = calloc(SERVER_ARENAS, sizeof(*server->free_arenas));
	if (!server->free_arenas) {
		free(server);
		return -ENOMEM;
	}
	server->queue = queue;
	server->options = *options;
	server->grpc = create_grpc(options);
	grpc_server_register_completion_queue(server->grpc, rpc_queue_completions(queue), NULL);
	server->unknown = (struct server_method){
	    .server = server, .name = "other", .posts = SERVER_POSTS_UNKNOWN, .renew.fire = rpc_server_renew};
	server->grace.fire = grace_ended;
	server->check.fire = rpc_server_check_waiting;
	rpc_tag_init(&server->shut_down, shut_down_done);
	*out = server;
	return 0;
}

static void service_free(struct served_service *added)
{
	for (unsigned i = 0; i < added->n_methods; i++)
		free(added->methods[i].path);
	free(added->name);
	free(added);
}

static struct served_service *service_new(struct rpc_server *server, ProtobufCService *service, const char *name)
{
	unsigned n_methods = service->descriptor->n_methods;
	struct served_service *added = calloc(1, sizeof(*added) + n_methods * sizeof(added->methods[0]));
	if (!added)
		return NULL;
	added->service = service;
	added->name = strdup(name);
	if (!added->name)
		goto fail;
	for (unsigned i = 0; i < n_methods; i++) {
		struct server_method *method = &added->methods[added->n_methods++];
		*method = (struct server_method){.server = server,
		                                 .service = service,
		                                 .descriptor = &service->descriptor->methods[i],
		                                 .index = i,
		                                 .posts = RPC_SERVER_POSTS,
		                                 .renew.fire = rpc_server_renew};
		if (asprintf(&method->path, "/%s/%s", name, method->descriptor->name) < 0) {
			method->path = NULL;
			goto fail;
		}
		method->name = method->path + 1;
	}
	return added;
fail:
	service_free(added);
	return NULL;
}

int rpc_server_add_methods(struct rpc_server *server, ProtobufCService *service, const char *name,
                           struct served_service **out)
{
	const ProtobufCServiceDescriptor *descriptor = service->descriptor;
	if (server->started || !rpc_payload_has_names(descriptor))
		return -EINVAL;
	if (!name)
		name = descriptor->name;
	struct served_service **tail = &server->services;
	for (; *tail; tail = &(*tail)->next)
		if (strcmp((*tail)->name, name) == 0)
			return -EINVAL;
	struct served_service *added = service_new(server, service, name);
	if (!added)
		return -ENOMEM;
	*tail = added;
	if (out)
		*out = added;
	return 0;
}

int rpc_server_add(struct rpc_server *server, ProtobufCService *service, const char *name)
{
	return rpc_server_add_methods(server, service, name, NULL);
}

int rpc_server_listen(struct rpc_server *server, const char *address, int *port)
{
	if (server->started || server->n_credentials == RPC_ADDRESSES_MAX || !address_is_valid(address))
		return -EINVAL;
	bool is_unix = address_is_unix(address);
	/* gRPC would replace the socket of another program that listens on this path. */
	if (is_unix && server->options.exclusive_port && address_check_free(address, false))
		return -EADDRINUSE;
	struct pem_files *files = server->options.certificates;
	grpc_server_credentials *credentials =
	    files ? rpc_certificates_credentials(&server->certificates[server->n_credentials], files)
	          : grpc_insecure_server_credentials_create();
	if (!credentials)
		return -EINVAL;
	server->credentials[server->n_credentials++] = credentials;
	int result = 0;
	char all[16];
	snprintf(all, sizeof(all), "[::]%.8s", address); /* gRPC has no short form of it */
	int bound = grpc_server_add_http2_port(server->grpc, *address == ':' ? all : address, credentials);
	if (bound <= 0)
		result = address_check_free(address, !server->options.exclusive_port) ? -EADDRINUSE : -EADDRNOTAVAIL;
	else if (port)
		*port = is_unix ? 0 : bound;
	return result;
}

int rpc_server_start(struct rpc_server *server)
{
	if (server->started)
		return -EINVAL;
	for (struct served_service *at = server->services; at; at = at->next) {
		for (unsigned i = 0; i < at->n_methods; i++) {
			struct server_method *method = &at->methods[i];
			method->registered = grpc_server_register_method(
			    server->grpc, method->path, NULL,
			    method->on_message ? GRPC_SRM_PAYLOAD_NONE : GRPC_SRM_PAYLOAD_READ_INITIAL_BYTE_BUFFER, 0);
			if (!method->registered)
				return -EINVAL;
		}
	}
	server->started = true;
	grpc_server_start(server->grpc);
	for (struct served_service *at = server->services; at; at = at->next)
		for (unsigned i = 0; i < at->n_methods; i++)
			for (unsigned posted = 0; posted < at->methods[i].posts; posted++)
				rpc_server_post(&at->methods[i]);
	for (unsigned posted = 0; posted < server->unknown.posts; posted++)
		rpc_server_post(&server->unknown);
	for (struct served_service *at = server->services; at; at = at->next)
		for (unsigned i = 0; i < at->n_methods; i++)
			if (at->methods[i].missing > 0)
				return -ENOMEM;
	return 0;
}

uint32_t rpc_server_in_flight(const struct rpc_server *server)
{
	return server->in_flight;
}

static void refuse_late(void *state, grpc_auth_context *context, const grpc_metadata *metadata, size_t count,
                        grpc_process_auth_metadata_done_cb done, void *data)
{
	(void)state;
	(void)context;
	(void)metadata;
	(void)count;
	done(data, NULL, 0, NULL, 0, GRPC_STATUS_UNAVAILABLE, "the server is shutting down");
}

/*
 * Clients send requests until they receive GOAWAY. gRPC ends those in between as CANCELLED, which no client repeats;
 * the only hook that runs before that is the one of credentials.
 */
static void refuse_late_calls(struct rpc_server *server)
{
	for (size_t i = 0; i < server->n_credentials; i++)
		grpc_server_credentials_set_auth_metadata_processor(server->credentials[i],
		                                                    (grpc_auth_metadata_processor){.process = refuse_late});
}

void rpc_server_drain(struct rpc_server *server, int64_t grace_until_us)
{
	if (!server->draining) {
		server->draining = true;
		rpc_server_advance_streams(server);
		refuse_late_calls(server);
		grpc_server_shutdown_and_notify(server->grpc, rpc_queue_completions(server->queue), &server->shut_down);
	}
	if (grace_until_us <= clock_monotonic_us())
		grpc_server_cancel_all_calls(server->grpc);
	rpc_queue_timer_start(server->queue, &server->grace, grace_until_us);
}

bool rpc_server_drained(const struct rpc_server *server)
{
	return server->drained && server->tags == 0 && server->handled == 0;
}

struct arena *rpc_server_take_arena(struct rpc_server *server)
{
	struct arena *arena = NULL;
	if (server->n_free_arenas > 0)
		return server->free_arenas[--server->n_free_arenas];
	if (arena_create(&arena, 4096))
		return NULL;
	arena_set_budget(arena, server->options.budget);
	return arena;
}

void rpc_server_give_arena(struct rpc_server *server, struct arena *arena)
{
	if (!arena)
		return;
	if (server->n_free_arenas == SERVER_ARENAS) {
		arena_destroy(arena);
		return;
	}
	arena_reset(arena);
	server->free_arenas[server->n_free_arenas++] = arena;
}

void rpc_server_release(struct rpc_server *server)
{
	if (!server->destroyed || server->handled > 0)
		return;
	while (server->services) {
		struct served_service *next = server->services->next;
		service_free(server->services);
		server->services = next;
	}
	while (server->free_calls) {
		struct server_call *next = server->free_calls->next;
		rpc_server_call_free(server->free_calls);
		server->free_calls = next;
	}
	while (server->n_free_arenas > 0)
		arena_destroy(server->free_arenas[--server->n_free_arenas]);
	protobuf_c_message_free_unpacked(server->descriptors, NULL);
	free(server->free_arenas);
	free(server);
}

void rpc_server_destroy(struct rpc_server *server)
{
	if (!server)
		return;
	int64_t end_us = clock_monotonic_us() + (int64_t)SERVER_END_SECONDS * 1000000;
	rpc_server_drain(server, 0);
	rpc_queue_timer_stop(server->queue, &server->grace);
	while (!(server->drained && server->tags == 0 && LIST_EMPTY(&server->waiting)) && clock_monotonic_us() < end_us)
		rpc_queue_run(server->queue, clock_monotonic_us() + 10000);
	rpc_queue_timer_stop(server->queue, &server->check);
	rpc_queue_timer_stop(server->queue, &server->unknown.renew);
	for (struct served_service *at = server->services; at; at = at->next)
		for (unsigned i = 0; i < at->n_methods; i++)
			rpc_queue_timer_stop(server->queue, &at->methods[i].renew);
	grpc_server_destroy(server->grpc);
	server->grpc = NULL;
	while (server->n_credentials)
		grpc_server_credentials_release(server->credentials[--server->n_credentials]);
	server->options.report = NULL;
	server->destroyed = true;
	rpc_server_release(server);
}
