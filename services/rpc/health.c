/*
 * rpc/health: grpc.health.v1. Watch sends the state at once and after each change. Changes while a message is being
 * sent are merged: the newest state follows it.
 */
#include <string.h>

#include "grpc/health/v1/health.pb-c.h"
#include "rpc/server_internal.h"

enum {
	SERVING = GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVING,
	NOT_SERVING = GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__NOT_SERVING,
	SERVICE_UNKNOWN = GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVICE_UNKNOWN,
	NEVER_SENT = -1,
};

enum { HEALTH_POSTS = 4 };

/* The state of the service of this name, the empty one being the server as a whole. */
static int state_of(const struct rpc_server *server, const char *name)
{
	bool known = name[0] == '\0';
	for (const struct served_service *at = server->services; at && !known; at = at->next)
		known = strcmp(at->name, name) == 0;
	return !known ? SERVICE_UNKNOWN : server->serving && !server->draining ? SERVING : NOT_SERVING;
}

static void serve_check(Grpc__Health__V1__Health_Service *service, const Grpc__Health__V1__HealthCheckRequest *request,
                        Grpc__Health__V1__HealthCheckResponse_Closure closure, void *closure_data)
{
	Grpc__Health__V1__HealthCheckResponse response = GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__INIT;
	int state = state_of(((const struct server_call *)closure_data)->server, request->service);
	(void)service;
	if (state == SERVICE_UNKNOWN) {
		context_fail(closure_data, STATUS_NOT_FOUND, NULL, "service: unknown service");
		closure(NULL, closure_data);
		return;
	}
	response.status = (Grpc__Health__V1__HealthCheckResponse__ServingStatus)state;
	closure(&response, closure_data);
}

/* Sends the state to a Watch stream if it has changed. In a drain, NOT_SERVING is the last one. */
static void watch_advance(struct server_call *call)
{
	Grpc__Health__V1__HealthCheckResponse response = GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__INIT;
	int state = state_of(call->server, call->watched);
	if (state != call->watched_state) {
		call->watched_state = state;
		response.status = (Grpc__Health__V1__HealthCheckResponse__ServingStatus)state;
		rpc_server_stream_send(call, &response.base);
	} else if (call->server->draining) {
		rpc_server_stream_drain(call);
	}
}

static void serve_watch(Grpc__Health__V1__Health_Service *service, const Grpc__Health__V1__HealthCheckRequest *request,
                        Grpc__Health__V1__HealthCheckResponse_Closure closure, void *closure_data)
{
	struct server_call *call = closure_data;
	(void)service;
	(void)closure;
	call->watched = request->service;
	call->watched_state = NEVER_SENT;
	rpc_server_stream(call, watch_advance);
}

int rpc_server_add_health(struct rpc_server *server)
{
	static const Grpc__Health__V1__Health_Service service = GRPC__HEALTH__V1__HEALTH__INIT(serve_);
	struct served_service *added;
	int result = rpc_server_add_methods(server, (ProtobufCService *)&service.base, NULL, &added);
	for (unsigned i = 0; !result && i < added->n_methods; i++) {
		added->methods[i].posts = HEALTH_POSTS;
		added->methods[i].unlimited = true;
	}
	return result;
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
	rpc_server_advance_streams(server);
}
