/*
 * rpc/args: the argument list of a gRPC server or channel, and what both switch off. For the files of this module only.
 */
#pragma once

#include <grpc/grpc.h>
#include <limits.h>
#include <stddef.h>
#include <stdint.h>

enum { RPC_ARGS_MAX = 24 };

struct rpc_args {
	grpc_arg list[RPC_ARGS_MAX];
	size_t count;
};

/* Adds a number; one above INT_MAX, which gRPC takes for unlimited, becomes INT_MAX. */
static inline void rpc_args_add(struct rpc_args *args, const char *key, int64_t value)
{
	args->list[args->count++] = (grpc_arg){
	    .type = GRPC_ARG_INTEGER, .key = (char *)key, .value.integer = value > INT_MAX ? INT_MAX : (int)value};
}

/* Adds a text, which must live as long as the list. */
static inline void rpc_args_add_text(struct rpc_args *args, const char *key, const char *value)
{
	args->list[args->count++] = (grpc_arg){.type = GRPC_ARG_STRING, .key = (char *)key, .value.string = (char *)value};
}

/* Adds an object of gRPC's, which it takes a reference on. */
static inline void rpc_args_add_pointer(struct rpc_args *args, const char *key, void *object,
                                        const grpc_arg_pointer_vtable *vtable)
{
	args->list[args->count++] =
	    (grpc_arg){.type = GRPC_ARG_POINTER, .key = (char *)key, .value.pointer = {.p = object, .vtable = vtable}};
}

/* Switches off what this product doesn't use. */
static inline void rpc_args_add_lean(struct rpc_args *args)
{
	rpc_args_add(args, GRPC_ARG_ENABLE_CHANNELZ, 0);
	rpc_args_add(args, GRPC_ARG_HTTP2_BDP_PROBE, 0);
	rpc_args_add(args, GRPC_ARG_ENABLE_PER_MESSAGE_COMPRESSION, 0);
	rpc_args_add(args, GRPC_ARG_ENABLE_PER_MESSAGE_DECOMPRESSION, 0);
}
