/* rpc/payload: between protobuf-c messages and gRPC byte buffers, for the files of this module only. */
#pragma once

#include <grpc/grpc.h>
#include <protobuf-c/protobuf-c.h>

#include "base/arena.h"

/* The longest inflated message with a token, in bytes. */
enum { RPC_PAYLOAD_INFLATED_MAX = 4 << 20 };

/*
 * Unpacks a message on the arena; the payload may be destroyed afterwards. gzip and deflate are inflated, to at most
 * `inflated_max` bytes. Strings are checked to be UTF-8. Returns 0, -EFBIG for an inflated message above that,
 * -EPROTONOSUPPORT for another compression, or an error of unpack_message().
 */
int rpc_payload_unpack(grpc_byte_buffer *payload, size_t inflated_max, const ProtobufCMessageDescriptor *type,
                       struct arena *arena, ProtobufCMessage **out);

/* Packs a message of this size into a new byte buffer of one slice, which the caller destroys. */
grpc_byte_buffer *rpc_payload_pack(const ProtobufCMessage *message, size_t size);

/* Whether a service and its methods have names: code generated with optimize_for = CODE_SIZE has none. */
bool rpc_payload_has_names(const ProtobufCServiceDescriptor *descriptor);

/*
 * Length of a string that may be sent as gRPC metadata; 0 where it may not (NULL, too), is empty or is longer than
 * `limit`.
 */
size_t rpc_metadata_length(const char *value, size_t limit);

/* The same string, copied to a slice that the caller unrefs. False if the string cannot be metadata. */
bool rpc_metadata_value(const char *value, size_t limit, grpc_slice *out);
