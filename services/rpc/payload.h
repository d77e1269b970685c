/*
 * rpc/payload: between protobuf-c messages and gRPC byte buffers, for the
 * files of this room only.
 */
#ifndef CALLHISTORY_RPC_PAYLOAD_H
#define CALLHISTORY_RPC_PAYLOAD_H

#include <grpc/grpc.h>
#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"

/*
 * Unpacks a message on the arena; the payload may be destroyed afterwards. Strings are checked to be UTF-8. Returns 0,
 * -EPROTONOSUPPORT for a compressed payload, or what rpc_unpack() says of bytes that are not such a message.
 */
int rpc_payload_unpack(grpc_byte_buffer *payload, const ProtobufCMessageDescriptor *type, struct arena *arena,
                       ProtobufCMessage **out);

/* Packs a message into a new byte buffer of one slice, which the caller destroys. *length is its size. */
grpc_byte_buffer *rpc_payload_pack(const ProtobufCMessage *message, size_t *length);

/* Length of a string that may stand in gRPC metadata; 0 where it may not (NULL, too), is empty or is longer than `limit`. */
size_t rpc_metadata_length(const char *value, size_t limit);

/* The same string, copied to a slice that the caller unrefs. False where it may not stand there. */
bool rpc_metadata_value(const char *value, size_t limit, grpc_slice *out);

#endif
