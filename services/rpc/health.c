/*
 * rpc/health: grpc.health.v1. Check is an ordinary handler; Watch is a stream that sends the state at once and after
 * each change. Changes during a write are merged: the newest state is sent when the write has ended.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "grpc/health/v1/health.pb-c.h"
#include "rpc/payload.h"
#include "rpc/stream.h"

enum {
	SERVING = GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVING,
	NOT_SERVING = GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__NOT_SERVING,
	SERVICE_UNKNOWN = GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVICE_UNKNOWN,
	NEVER_SENT = -1,
};

enum { HEALTH_POSTS = 4 };

struct health {
	Grpc__Health__V1__Health_Service service; /* first: handlers get a pointer to it */
	struct rpc_server *server;
};

/* The state of the service of this name, the empty one being the server as a whole. */
static int state_of(const struct rpc_server *server, const char *name)
{
	bool known = name[0] == '\0';
	for (const struct served_service *at = server->services; at && !known; at = at->next)
		known = strcmp(at->name, name) == 0;
	return !known ? SERVICE_UNKNOWN : server->serving && !server->draining ? SERVING : NOT_SERVING;
}

static void check(Grpc__Health__V1__Health_Service *service, const Grpc__Health__V1__HealthCheckRequest *request,
                  Grpc__Health__V1__HealthCheckResponse_Closure closure, void *closure_data)
{
	struct health *health = (struct health *)service;
	Grpc__Health__V1__HealthCheckResponse response = GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__INIT;
	int state = state_of(health->server, request->service);
	if (state == SERVICE_UNKNOWN) {
		context_fail(closure_data, STATUS_NOT_FOUND, NULL, "service: unknown service");
		closure(NULL, closure_data);
		return;
	}
	response.status = (Grpc__Health__V1__HealthCheckResponse__ServingStatus)state;
	closure(&response, closure_data);
}

/* Sends the state of the service to a Watch stream if it has changed. */
static void send_state(struct rpc_stream *stream)
{
	struct rpc_stream_owner *owner = rpc_stream_owner(stream);
	Grpc__Health__V1__HealthCheckResponse response = GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__INIT;
	int state = state_of(owner->owner, owner->key);
	if (state == owner->state || rpc_stream_writing(stream))
		return;
	owner->state = state;
	response.status = (Grpc__Health__V1__HealthCheckResponse__ServingStatus)state;
	rpc_stream_write(stream, rpc_payload_pack(&response.base, protobuf_c_message_get_packed_size(&response.base)));
}

/* In a drain, NOT_SERVING is the last message before the stream ends. */
static void watch_written(struct rpc_stream *stream)
{
	send_state(stream);
	if (rpc_stream_call(stream)->server->draining && !rpc_stream_writing(stream))
		rpc_stream_finish(stream, STATUS_UNAVAILABLE, "the server is shutting down");
}

static const struct rpc_stream_events watch_events = {.written = watch_written, .drain = watch_written};

static bool watch_open(struct server_call *call)
{
	ProtobufCMessage *message;
	if (!call->payload ||
	    rpc_payload_unpack(call->payload, RPC_OPEN_MESSAGE_MAX, &grpc__health__v1__health_check_request__descriptor,
	                       call->context.arena, &message)) {
		context_fail(&call->context, STATUS_INVALID_ARGUMENT, "INVALID_REQUEST", "request: not a valid %s",
		             grpc__health__v1__health_check_request__descriptor.name);
		return false;
	}
	struct rpc_stream *stream = rpc_stream_open(call, &watch_events);
	if (!stream)
		return false;
	*rpc_stream_owner(stream) =
	    (struct rpc_stream_owner){.owner = call->server,
	                              .key = ((Grpc__Health__V1__HealthCheckRequest *)(void *)message)->service,
	                              .state = NEVER_SENT};
	send_state(stream);
	return true;
}

int rpc_server_add_health(struct rpc_server *server)
{
	if (server->health)
		return -EINVAL;
	struct health *health = calloc(1, sizeof(*health));
	if (!health)
		return -ENOMEM;
	struct served_service *added;
	grpc__health__v1__health__init(&health->service, NULL);
	health->service.check = check;
	health->server = server;
	int result = rpc_server_add_methods(server, &health->service.base, NULL, &added);
	if (result) {
		free(health);
		return result;
	}
	for (unsigned i = 0; i < added->n_methods; i++) {
		struct server_method *method = &added->methods[i];
		method->posts = HEALTH_POSTS;
		method->unlimited = true;
		if (strcmp(method->descriptor->name, "Watch") == 0)
			method->open = watch_open;
	}
	server->health = health;
	return 0;
}

int rpc_server_add_health_of(struct rpc_server *server, const char *name)
{
	const ProtobufCServiceDescriptor descriptor = {.magic = PROTOBUF_C__SERVICE_DESCRIPTOR_MAGIC, .name = name};
	ProtobufCService service = {.descriptor = &descriptor};
	struct served_service *added;
	int result = rpc_server_add_methods(server, &service, NULL, &added);
	/* It has no methods, so the vtable is never used. */
	if (!result)
		added->service = NULL;
	return result;
}

void rpc_server_set_serving(struct rpc_server *server, bool serving)
{
	server->serving = serving;
	for (struct rpc_stream *stream = rpc_stream_next(server, NULL); stream; stream = rpc_stream_next(server, stream))
		if (rpc_stream_call(stream)->method->open == watch_open)
			send_state(stream);
}

void rpc_health_destroy(struct health *health)
{
	free(health);
}
