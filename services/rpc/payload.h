/*
 * rpc/payload: between protobuf-c messages and gRPC byte buffers, for the
 * files of this module only.
 */
#ifndef CALLHISTORY_RPC_PAYLOAD_H
#define CALLHISTORY_RPC_PAYLOAD_H

#include <grpc/grpc.h>
#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"

/* What rpc_payload_unpack() inflates at most, in bytes. */
enum { RPC_PAYLOAD_INFLATED_MAX = 4 << 20 };

/*
 * Unpacks a message on the arena; the payload may be destroyed afterwards. gzip and deflate are inflated. Strings are
 * checked to be UTF-8. Returns 0, -EFBIG for a message above RPC_PAYLOAD_INFLATED_MAX, -EPROTONOSUPPORT for another
 * compression, or what unpack_message() says of bytes that are not such a message.
 */
int rpc_payload_unpack(grpc_byte_buffer *payload, const ProtobufCMessageDescriptor *type, struct arena *arena,
                       ProtobufCMessage **out);

/* Packs a message into a new byte buffer of one slice, which the caller destroys. *length is its size. */
grpc_byte_buffer *rpc_payload_pack(const ProtobufCMessage *message, size_t *length);

/*
 * Length of a string that may be sent as gRPC metadata; 0 where it may not (NULL, too), is empty or is longer than
 * `limit`.
 */
size_t rpc_metadata_length(const char *value, size_t limit);

/* The same string, copied to a slice that the caller unrefs. False where it may not stand there. */
bool rpc_metadata_value(const char *value, size_t limit, grpc_slice *out);

#endif
