/*
 * rpc/reflection: grpc.reflection v1 and v1alpha. Their messages are the same on the wire, so one set of them serves
 * both. Each request is answered before the next is read, so a stream has one message at a time.
 *
 * The descriptors of the served files are unpacked once. They are walked by their own descriptors: each kind of
 * declaration (message, field, enum, service, method) is a repeated message with a name.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "google/protobuf/descriptor.pb-c.h"
#include "grpc/reflection/v1/reflection.pb-c.h"
#include "grpc/reflection/v1alpha/reflection.pb-c.h"
#include "rpc/payload.h"
#include "rpc/stream.h"

enum { REFLECTION_POSTS = 2 };

typedef Grpc__Reflection__V1__ServerReflectionRequest question;
typedef Grpc__Reflection__V1__ServerReflectionResponse answer;
typedef Google__Protobuf__FileDescriptorProto described_file;

struct reflection {
	Grpc__Reflection__V1__ServerReflection_Service v1;
	Grpc__Reflection__V1alpha__ServerReflection_Service v1alpha;
	Google__Protobuf__FileDescriptorSet *set;
	struct arena *arena; /* of the answer being made */
	answer response;
	Grpc__Reflection__V1__ErrorResponse error;
	Grpc__Reflection__V1__ListServiceResponse services;
	Grpc__Reflection__V1__FileDescriptorResponse files;
	Grpc__Reflection__V1__ExtensionNumberResponse extensions;
};

/* The name of a declaration; empty for what has none. */
static const char *name_of(const ProtobufCMessage *declaration)
{
	const ProtobufCFieldDescriptor *field =
	    protobuf_c_message_descriptor_get_field_by_name(declaration->descriptor, "name");
	const char *name = NULL;
	if (field && field->type == PROTOBUF_C_TYPE_STRING)
		memcpy(&name, (const char *)declaration + field->offset, sizeof(name));
	return name ? name : "";
}

/* The rest of a symbol behind a scope's name and a dot; NULL where it is not in that scope. */
static const char *within(const char *scope, const char *symbol)
{
	size_t length = strlen(scope);
	return strncmp(symbol, scope, length) == 0 && symbol[length] == '.' ? symbol + length + 1 : NULL;
}

/* Finds what a scope declares under a name that is relative to it, at any depth. NULL if nothing. */
static const ProtobufCMessage *find(const ProtobufCMessage *scope, const char *symbol)
{
	for (unsigned i = 0; i < scope->descriptor->n_fields; i++) {
		const ProtobufCFieldDescriptor *field = &scope->descriptor->fields[i];
		ProtobufCMessage **declarations;
		size_t count;
		if (field->label != PROTOBUF_C_LABEL_REPEATED || field->type != PROTOBUF_C_TYPE_MESSAGE)
			continue;
		memcpy(&count, (const char *)scope + field->quantifier_offset, sizeof(count));
		memcpy(&declarations, (const char *)scope + field->offset, sizeof(declarations));
		for (size_t j = 0; j < count; j++) {
			const char *name = name_of(declarations[j]);
			if (*name && strcmp(name, symbol) == 0)
				return declarations[j];
			/* The values of an enum are named beside it, not below it. */
			bool is_enum = field->descriptor == &google__protobuf__enum_descriptor_proto__descriptor;
			const char *rest = is_enum ? symbol : within(name, symbol);
			const ProtobufCMessage *found = rest ? find(declarations[j], rest) : NULL;
			if (found)
				return found;
		}
	}
	return NULL;
}

/* Finds a symbol by its full name, and the file that declares it. NULL if there is none. */
static const ProtobufCMessage *find_symbol(const struct reflection *reflection, const char *symbol,
                                           const described_file **file)
{
	for (size_t i = 0; i < reflection->set->n_file; i++) {
		*file = reflection->set->file[i];
		const char *rest = (*file)->package ? within((*file)->package, symbol) : symbol;
		const ProtobufCMessage *found = rest ? find(&(*file)->base, rest) : NULL;
		if (found)
			return found;
	}
	return NULL;
}

static const described_file *find_file(const struct reflection *reflection, const char *name)
{
	for (size_t i = 0; i < reflection->set->n_file; i++)
		if (strcmp(reflection->set->file[i]->name, name) == 0)
			return reflection->set->file[i];
	return NULL;
}

/* Writes a file and all that it imports, directly or not, itself first. Returns how many. */
static size_t list_imports(const struct reflection *reflection, const described_file *file, const described_file **out)
{
	size_t count = 0;
	out[count++] = file;
	for (size_t i = 0; i < count; i++)
		for (size_t d = 0; d < out[i]->n_dependency; d++) {
			const described_file *import = find_file(reflection, out[i]->dependency[d]);
			size_t known = 0;
			while (known < count && out[known] != import)
				known++;
			if (import && known == count)
				out[count++] = import;
		}
	return count;
}

/* Sets the response: one of the messages of its oneof, which are all pointers. */
static void respond(struct reflection *reflection,
                    Grpc__Reflection__V1__ServerReflectionResponse__MessageResponseCase kind, void *message)
{
	reflection->response.message_response_case = kind;
	reflection->response.error_response = message;
}

static void answer_error(struct reflection *reflection, enum status status, const char *message)
{
	grpc__reflection__v1__error_response__init(&reflection->error);
	reflection->error.error_code = (int32_t)status;
	reflection->error.error_message = (char *)message;
	respond(reflection, GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_ERROR_RESPONSE,
	        &reflection->error);
}

static void answer_files(struct reflection *reflection, const described_file *file)
{
	const described_file **files = arena_alloc(reflection->arena, reflection->set->n_file * sizeof(*files));
	ProtobufCBinaryData *list = arena_alloc(reflection->arena, reflection->set->n_file * sizeof(*list));
	if (!file) {
		answer_error(reflection, STATUS_NOT_FOUND, "not found");
		return;
	}
	size_t count = files && list ? list_imports(reflection, file, files) : 0;
	for (size_t i = 0; i < count; i++) {
		size_t length = google__protobuf__file_descriptor_proto__get_packed_size(files[i]);
		list[i] = (ProtobufCBinaryData){.len = length, .data = arena_alloc(reflection->arena, length)};
		if (list[i].data)
			google__protobuf__file_descriptor_proto__pack(files[i], list[i].data);
		else
			count = 0;
	}
	if (count == 0) {
		answer_error(reflection, STATUS_RESOURCE_EXHAUSTED, "out of memory");
		return;
	}
	grpc__reflection__v1__file_descriptor_response__init(&reflection->files);
	reflection->files.n_file_descriptor_proto = count;
	reflection->files.file_descriptor_proto = list;
	respond(reflection, GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_FILE_DESCRIPTOR_RESPONSE,
	        &reflection->files);
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
	respond(reflection, GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_LIST_SERVICES_RESPONSE,
	        &reflection->services);
}

/* Nothing that is served has extensions. */
static void answer_extensions(struct reflection *reflection, char *type)
{
	const described_file *file;
	const ProtobufCMessage *found = find_symbol(reflection, type, &file);
	if (!found || found->descriptor != &google__protobuf__descriptor_proto__descriptor) {
		answer_error(reflection, STATUS_NOT_FOUND, "not found");
		return;
	}
	grpc__reflection__v1__extension_number_response__init(&reflection->extensions);
	reflection->extensions.base_type_name = type;
	respond(reflection,
	        GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_ALL_EXTENSION_NUMBERS_RESPONSE,
	        &reflection->extensions);
}

static grpc_byte_buffer *make_answer(struct reflection *reflection, const struct rpc_server *server, question *asked)
{
	const described_file *file;
	grpc__reflection__v1__server_reflection_response__init(&reflection->response);
	reflection->response.valid_host = asked->host;
	reflection->response.original_request = asked;
	switch (asked->message_request_case) {
	case GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_FILE_BY_FILENAME:
		answer_files(reflection, find_file(reflection, asked->file_by_filename));
		break;
	case GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_FILE_CONTAINING_SYMBOL:
		answer_files(reflection, find_symbol(reflection, asked->file_containing_symbol, &file) ? file : NULL);
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
	const ProtobufCMessage *response = &reflection->response.base;
	return rpc_payload_pack(response, protobuf_c_message_get_packed_size(response));
}

static void question_read(struct rpc_stream *stream, grpc_byte_buffer *payload)
{
	struct reflection *reflection = rpc_stream_owner(stream)->owner;
	ProtobufCMessage *message;
	if (!payload) {
		rpc_stream_finish(stream, STATUS_OK, NULL);
	} else if (rpc_payload_unpack(payload, RPC_OPEN_MESSAGE_MAX,
	                              &grpc__reflection__v1__server_reflection_request__descriptor, reflection->arena,
	                              &message)) {
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
	reflection->set = google__protobuf__file_descriptor_set__unpack(NULL, length, descriptor_set);
	int result = reflection->set ? arena_create(&reflection->arena, 4096) : -EBADMSG;
	if (result) {
		rpc_reflection_destroy(reflection);
		return result;
	}
	server->reflection = reflection; /* the server owns it from now on, even if only one version is added */
	result = add_version(server, &reflection->v1.base);
	return result ? result : add_version(server, &reflection->v1alpha.base);
}

void rpc_reflection_destroy(struct reflection *reflection)
{
	if (!reflection)
		return;
	arena_destroy(reflection->arena);
	google__protobuf__file_descriptor_set__free_unpacked(reflection->set, NULL);
	free(reflection);
}
