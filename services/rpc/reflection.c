/*
 * rpc/reflection: grpc.reflection v1 and v1alpha. Their messages are the same
 * on the wire, so one set of them serves both. Each question is answered
 * before the next is read, so a stream holds one message at a time.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "grpc/reflection/v1/reflection.pb-c.h"
#include "grpc/reflection/v1alpha/reflection.pb-c.h"
#include "rpc/descriptor_set.h"
#include "rpc/payload.h"
#include "rpc/server_internal.h"
#include "rpc/stream.h"

enum { REFLECTION_POSTS = 2 };

typedef Grpc__Reflection__V1__ServerReflectionRequest question;
typedef Grpc__Reflection__V1__ServerReflectionResponse answer;

struct reflection {
	Grpc__Reflection__V1__ServerReflection_Service v1;
	Grpc__Reflection__V1alpha__ServerReflection_Service v1alpha;
	struct descriptor_set set;
	struct arena *arena; /* of the answer being made */
	answer response;
	Grpc__Reflection__V1__ErrorResponse error;
	Grpc__Reflection__V1__ListServiceResponse services;
	Grpc__Reflection__V1__FileDescriptorResponse files;
	Grpc__Reflection__V1__ExtensionNumberResponse extensions;
};

static void answer_error(struct reflection *reflection, enum status status, const char *message)
{
	grpc__reflection__v1__error_response__init(&reflection->error);
	reflection->error.error_code = (int32_t)status;
	reflection->error.error_message = (char *)message;
	reflection->response.message_response_case =
	    GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_ERROR_RESPONSE;
	reflection->response.error_response = &reflection->error;
}

static void answer_files(struct reflection *reflection, int file)
{
	size_t files[DESCRIPTOR_SET_FILES];
	if (file < 0) {
		answer_error(reflection, STATUS_NOT_FOUND, "not found");
		return;
	}
	size_t count = descriptor_set_imports(&reflection->set, (size_t)file, files);
	ProtobufCBinaryData *list = arena_alloc(reflection->arena, count * sizeof(*list));
	if (!list) {
		answer_error(reflection, STATUS_RESOURCE_EXHAUSTED, "out of memory");
		return;
	}
	for (size_t i = 0; i < count; i++) {
		struct wire bytes = reflection->set.files[files[i]].bytes;
		list[i] = (ProtobufCBinaryData){.len = wire_length(bytes), .data = (uint8_t *)(uintptr_t)bytes.at};
	}
	grpc__reflection__v1__file_descriptor_response__init(&reflection->files);
	reflection->files.n_file_descriptor_proto = count;
	reflection->files.file_descriptor_proto = list;
	reflection->response.message_response_case =
	    GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_FILE_DESCRIPTOR_RESPONSE;
	reflection->response.file_descriptor_response = &reflection->files;
}

static void answer_services(struct reflection *reflection, const struct rpc_server *server)
{
	size_t count = 0;
	for (const struct served_service *at = server->services; at; at = at->next)
		count++;
	Grpc__Reflection__V1__ServiceResponse *services = arena_alloc(reflection->arena, count * sizeof(*services));
	Grpc__Reflection__V1__ServiceResponse **list = arena_alloc(reflection->arena, count * sizeof(*list));
	if (!services || !list) {
		answer_error(reflection, STATUS_RESOURCE_EXHAUSTED, "out of memory");
		return;
	}
	count = 0;
	for (const struct served_service *at = server->services; at; at = at->next) {
		list[count] = &services[count];
		grpc__reflection__v1__service_response__init(list[count]);
		list[count++]->name = at->name;
	}
	grpc__reflection__v1__list_service_response__init(&reflection->services);
	reflection->services.n_service = count;
	reflection->services.service = list;
	reflection->response.message_response_case =
	    GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_LIST_SERVICES_RESPONSE;
	reflection->response.list_services_response = &reflection->services;
}

/* Nothing that is served has extensions. */
static void answer_extensions(struct reflection *reflection, char *type)
{
	if (!descriptor_set_is_message(&reflection->set, type)) {
		answer_error(reflection, STATUS_NOT_FOUND, "not found");
		return;
	}
	grpc__reflection__v1__extension_number_response__init(&reflection->extensions);
	reflection->extensions.base_type_name = type;
	reflection->response.message_response_case =
	    GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_ALL_EXTENSION_NUMBERS_RESPONSE;
	reflection->response.all_extension_numbers_response = &reflection->extensions;
}

static grpc_byte_buffer *make_answer(struct reflection *reflection, const struct rpc_server *server, question *asked)
{
	size_t length;
	grpc__reflection__v1__server_reflection_response__init(&reflection->response);
	reflection->response.valid_host = asked->host;
	reflection->response.original_request = asked;
	switch (asked->message_request_case) {
	case GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_FILE_BY_FILENAME:
		answer_files(reflection, descriptor_set_file(&reflection->set, asked->file_by_filename));
		break;
	case GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_FILE_CONTAINING_SYMBOL:
		answer_files(reflection, descriptor_set_symbol(&reflection->set, asked->file_containing_symbol));
		break;
	case GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_LIST_SERVICES:
		answer_services(reflection, server);
		break;
	case GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_FILE_CONTAINING_EXTENSION:
		answer_error(reflection, STATUS_NOT_FOUND, "not found");
		break;
	case GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_ALL_EXTENSION_NUMBERS_OF_TYPE:
		answer_extensions(reflection, asked->all_extension_numbers_of_type);
		break;
	default:
		answer_error(reflection, STATUS_INVALID_ARGUMENT, "message_request: not set");
		break;
	}
	return rpc_payload_pack(&reflection->response.base, &length);
}

static void question_read(struct rpc_stream *stream, grpc_byte_buffer *payload)
{
	struct reflection *reflection = rpc_stream_owner(stream)->owner;
	ProtobufCMessage *message;
	if (!payload) {
		rpc_stream_finish(stream, STATUS_OK, NULL);
	} else if (rpc_payload_unpack(payload, &grpc__reflection__v1__server_reflection_request__descriptor,
	                              reflection->arena, &message)) {
		rpc_stream_finish(stream, STATUS_INVALID_ARGUMENT, "request: not a valid ServerReflectionRequest");
	} else {
		rpc_stream_write(stream, make_answer(reflection, rpc_stream_call(stream)->server, (question *)(void *)message));
	}
	arena_reset(reflection->arena);
}

static void reflection_drain(struct rpc_stream *stream)
{
	rpc_stream_finish(stream, STATUS_UNAVAILABLE, "the server is shutting down");
}

static const struct rpc_stream_events reflection_events = {
    .read = question_read, .written = rpc_stream_read, .drain = reflection_drain};

static bool reflection_open(struct server_call *call)
{
	struct rpc_stream *stream = rpc_stream_open(call, &reflection_events);
	if (!stream)
		return false;
	rpc_stream_owner(stream)->owner = call->server->reflection;
	rpc_stream_read(stream);
	return true;
}

static int add_version(struct rpc_server *server, ProtobufCService *service)
{
	struct served_service *added;
	int result = rpc_server_add_methods(server, service, NULL, &added);
	for (unsigned i = 0; !result && i < added->n_methods; i++) {
		struct server_method *method = &added->methods[i];
		method->posts = REFLECTION_POSTS;
		method->unlimited = true;
		method->reads_on_demand = true;
		method->open = reflection_open;
	}
	return result;
}

int rpc_server_add_reflection(struct rpc_server *server, const uint8_t *descriptor_set, size_t length)
{
	if (server->reflection)
		return -EINVAL;
	struct reflection *reflection = calloc(1, sizeof(*reflection));
	if (!reflection)
		return -ENOMEM;
	grpc__reflection__v1__server_reflection__init(&reflection->v1, NULL);
	grpc__reflection__v1alpha__server_reflection__init(&reflection->v1alpha, NULL);
	int result = descriptor_set_read(&reflection->set, descriptor_set, length);
	if (!result)
		result = arena_create(&reflection->arena, 4096);
	if (result) {
		rpc_reflection_destroy(reflection);
		return result;
	}
	server->reflection = reflection; /* the server's from here on: it may know one of the services */
	result = add_version(server, &reflection->v1.base);
	return result ? result : add_version(server, &reflection->v1alpha.base);
}

void rpc_reflection_destroy(struct reflection *reflection)
{
	if (!reflection)
		return;
	arena_destroy(reflection->arena);
	free(reflection);
}
