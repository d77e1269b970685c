/*
 * rpc/reflection: grpc.reflection v1 and v1alpha. Their messages have the same wire format, so the types of v1 serve
 * both. A stream's request is answered before its next one is read.
 *
 * The FileDescriptorSet of the served files is unpacked once. A symbol is found in it without code for each kind of
 * declaration (message, field, enum, service, method): in descriptor.proto each kind is a repeated message field, whose
 * elements have a field `name`.
 */
#include <errno.h>
#include <string.h>

#include "google/protobuf/descriptor.pb-c.h"
#include "grpc/reflection/v1/reflection.pb-c.h"
#include "grpc/reflection/v1alpha/reflection.pb-c.h"
#include "rpc/server_internal.h"

enum { REFLECTION_POSTS = 2 /* server_method.posts */ };

typedef Grpc__Reflection__V1__ServerReflectionRequest reflection_request;
typedef Grpc__Reflection__V1__ServerReflectionResponse reflection_response;
typedef Google__Protobuf__FileDescriptorProto described_file;
typedef Google__Protobuf__FileDescriptorSet described_set;

#define REQUEST_CASE(kind) GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_##kind
#define RESPONSE_CASE(kind) GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_##kind

/* The name of a declaration; empty if it has none. */
static const char *name_of(const ProtobufCMessage *declaration)
{
	const ProtobufCFieldDescriptor *field =
	    protobuf_c_message_descriptor_get_field_by_name(declaration->descriptor, "name");
	const char *name = NULL;
	if (field && field->type == PROTOBUF_C_TYPE_STRING)
		memcpy(&name, (const char *)declaration + field->offset, sizeof(name));
	return name ? name : "";
}

/* The part of a symbol after "SCOPE."; NULL if the symbol is not in that scope. */
static const char *within(const char *scope, const char *symbol)
{
	size_t length = strlen(scope);
	return strncmp(symbol, scope, length) == 0 && symbol[length] == '.' ? symbol + length + 1 : NULL;
}

/* Finds a declaration in a scope by its name relative to the scope, at any depth. NULL: not found. */
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
			/* An enum's values belong to the scope that contains the enum. */
			bool is_enum = field->descriptor == &google__protobuf__enum_descriptor_proto__descriptor;
			const char *rest = is_enum ? symbol : within(name, symbol);
			const ProtobufCMessage *found = rest ? find(declarations[j], rest) : NULL;
			if (found)
				return found;
		}
	}
	return NULL;
}

/* Finds a symbol by its full name. *file is the file that declares it. NULL: not found. */
static const ProtobufCMessage *find_symbol(const described_set *set, const char *symbol, const described_file **file)
{
	for (size_t i = 0; i < set->n_file; i++) {
		*file = set->file[i];
		const char *rest = (*file)->package ? within((*file)->package, symbol) : symbol;
		const ProtobufCMessage *found = rest ? find(&(*file)->base, rest) : NULL;
		if (found)
			return found;
	}
	return NULL;
}

static const described_file *find_file(const described_set *set, const char *name)
{
	for (size_t i = 0; i < set->n_file; i++)
		if (strcmp(set->file[i]->name, name) == 0)
			return set->file[i];
	return NULL;
}

/* Lists a file, then all that it imports directly or indirectly, each once. Returns how many. */
static size_t list_imports(const described_set *set, const described_file *file, const described_file **out)
{
	size_t count = 0;
	out[count++] = file;
	for (size_t i = 0; i < count; i++)
		for (size_t d = 0; d < out[i]->n_dependency; d++) {
			const described_file *import = find_file(set, out[i]->dependency[d]);
			size_t known = 0;
			while (known < count && out[known] != import)
				known++;
			if (import && known == count)
				out[count++] = import;
		}
	return count;
}

/* Sends a response. `message` is the member `kind` of its oneof; all members are pointers, so any one can be set. */
static void reply(struct server_call *call, const reflection_request *request,
                  Grpc__Reflection__V1__ServerReflectionResponse__MessageResponseCase kind, void *message)
{
	reflection_response response = GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__INIT;
	response.valid_host = request->host;
	response.original_request = (reflection_request *)request;
	response.message_response_case = kind;
	response.error_response = message;
	rpc_server_stream_send(call, &response.base);
}

static void reply_error(struct server_call *call, const reflection_request *request, enum status status,
                        const char *message)
{
	Grpc__Reflection__V1__ErrorResponse error = GRPC__REFLECTION__V1__ERROR_RESPONSE__INIT;
	error.error_code = (int32_t)status;
	error.error_message = (char *)message;
	reply(call, request, RESPONSE_CASE(ERROR_RESPONSE), &error);
}

/* Sends `file` and all that it imports. NULL: sends NOT_FOUND. */
static void reply_files(struct server_call *call, const reflection_request *request, const described_file *file)
{
	const described_set *set = (const described_set *)call->server->descriptors;
	struct arena *arena = call->context.arena;
	Grpc__Reflection__V1__FileDescriptorResponse files = GRPC__REFLECTION__V1__FILE_DESCRIPTOR_RESPONSE__INIT;
	if (!file) {
		reply_error(call, request, STATUS_NOT_FOUND, "not found");
		return;
	}
	const described_file **list = arena_alloc(arena, set->n_file * sizeof(*list));
	files.file_descriptor_proto = arena_alloc(arena, set->n_file * sizeof(*files.file_descriptor_proto));
	bool enough = list && files.file_descriptor_proto;
	const size_t count = enough ? list_imports(set, file, list) : 0;
	for (; enough && files.n_file_descriptor_proto < count; files.n_file_descriptor_proto++) {
		ProtobufCBinaryData *packed = &files.file_descriptor_proto[files.n_file_descriptor_proto];
		file = list[files.n_file_descriptor_proto];
		packed->len = google__protobuf__file_descriptor_proto__get_packed_size(file);
		packed->data = arena_alloc(arena, packed->len);
		enough = packed->data && google__protobuf__file_descriptor_proto__pack(file, packed->data);
	}
	if (enough)
		reply(call, request, RESPONSE_CASE(FILE_DESCRIPTOR_RESPONSE), &files);
	else
		reply_error(call, request, STATUS_RESOURCE_EXHAUSTED, "out of memory");
}

static void reply_services(struct server_call *call, const reflection_request *request)
{
	Grpc__Reflection__V1__ListServiceResponse list = GRPC__REFLECTION__V1__LIST_SERVICE_RESPONSE__INIT;
	size_t count = 0;
	for (const struct served_service *at = call->server->services; at; at = at->next)
		count++;
	Grpc__Reflection__V1__ServiceResponse *services = arena_alloc(call->context.arena, count * sizeof(*services));
	list.service = arena_alloc(call->context.arena, count * sizeof(*list.service));
	if (!services || !list.service) {
		reply_error(call, request, STATUS_RESOURCE_EXHAUSTED, "out of memory");
		return;
	}
	for (const struct served_service *at = call->server->services; at; at = at->next, services++) {
		grpc__reflection__v1__service_response__init(services);
		services->name = at->name;
		list.service[list.n_service++] = services;
	}
	reply(call, request, RESPONSE_CASE(LIST_SERVICES_RESPONSE), &list);
}

/* The served files declare no extensions, so the list of a known message is empty. */
static void reply_extensions(struct server_call *call, const reflection_request *request)
{
	Grpc__Reflection__V1__ExtensionNumberResponse none = GRPC__REFLECTION__V1__EXTENSION_NUMBER_RESPONSE__INIT;
	const described_file *file;
	none.base_type_name = request->all_extension_numbers_of_type;
	const ProtobufCMessage *found =
	    find_symbol((const described_set *)call->server->descriptors, none.base_type_name, &file);
	if (found && found->descriptor == &google__protobuf__descriptor_proto__descriptor)
		reply(call, request, RESPONSE_CASE(ALL_EXTENSION_NUMBERS_RESPONSE), &none);
	else
		reply_error(call, request, STATUS_NOT_FOUND, "not found");
}

/* Answers one request of a stream. NULL: the client has sent its last one. */
static void on_request(struct server_call *call, const ProtobufCMessage *message)
{
	const reflection_request *request = (const reflection_request *)(const void *)message;
	const described_set *set = (const described_set *)call->server->descriptors;
	const described_file *file;
	if (!request) {
		rpc_server_closure(NULL, call);
		return;
	}
	switch (request->message_request_case) {
	case REQUEST_CASE(FILE_BY_FILENAME):
		reply_files(call, request, find_file(set, request->file_by_filename));
		break;
	case REQUEST_CASE(FILE_CONTAINING_SYMBOL):
		reply_files(call, request, find_symbol(set, request->file_containing_symbol, &file) ? file : NULL);
		break;
	case REQUEST_CASE(LIST_SERVICES):
		reply_services(call, request);
		break;
	case REQUEST_CASE(FILE_CONTAINING_EXTENSION):
		reply_error(call, request, STATUS_NOT_FOUND, "not found");
		break;
	case REQUEST_CASE(ALL_EXTENSION_NUMBERS_OF_TYPE):
		reply_extensions(call, request);
		break;
	default:
		reply_error(call, request, STATUS_INVALID_ARGUMENT, "message_request: not set");
		break;
	}
}

static int add_version(struct rpc_server *server, const ProtobufCService *service)
{
	struct served_service *added;
	int result = rpc_server_add_methods(server, (ProtobufCService *)service, NULL, &added);
	for (unsigned i = 0; !result && i < added->n_methods; i++) {
		struct server_method *method = &added->methods[i];
		method->posts = REFLECTION_POSTS;
		method->unlimited = true;
		method->on_message = on_request;
	}
	return result;
}

int rpc_server_add_reflection(struct rpc_server *server, const uint8_t *descriptor_set, size_t length)
{
	/* Only the descriptors are used: requests go to on_message, not to the services' functions. */
	static const ProtobufCService v1 = {.descriptor = &grpc__reflection__v1__server_reflection__descriptor};
	static const ProtobufCService v1alpha = {.descriptor = &grpc__reflection__v1alpha__server_reflection__descriptor};
	if (server->descriptors)
		return -EINVAL;
	server->descriptors =
	    protobuf_c_message_unpack(&google__protobuf__file_descriptor_set__descriptor, NULL, length, descriptor_set);
	if (!server->descriptors)
		return -EBADMSG;
	int result = add_version(server, &v1);
	return result ? result : add_version(server, &v1alpha);
}
