/*
 * rpc/unpack: protobuf-c messages out of bytes, in one pass and in place.
 *
 * protobuf-c's own unpacking reads everything twice and copies every string.
 * Here a string stays where it lies: it is ended by writing a NUL over the
 * byte behind it, which is the next field's tag and has been read by then.
 * For the files of this room and its tests only.
 */
#ifndef CALLHISTORY_RPC_UNPACK_H
#define CALLHISTORY_RPC_UNPACK_H

#include <protobuf-c/protobuf-c.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"

/* The most messages and runs of unknown fields in one message, itself included: a few bytes can ask for a struct of hundreds. */
enum { RPC_UNPACK_MESSAGES_MAX = 1 << 18, RPC_UNPACK_DEPTH_MAX = 32 };

/*
 * Reads a message of `type` (proto3, or proto2 without required fields) from `length` bytes at `data`, which must have room for
 * one byte more, are overwritten, and must live as long as the message: its strings and bytes point into them. All else comes
 * from the arena. Unknown fields are kept, a run of neighbours as one.
 *
 * 0; -EBADMSG for bytes that are not such a message, for a string that is not UTF-8 or holds NUL, and for one that is nested
 * too deeply; -E2BIG for too many messages; -ENOMEM.
 */
int rpc_unpack(const ProtobufCMessageDescriptor *type, uint8_t *data, size_t length, struct arena *arena,
               ProtobufCMessage **out);

#endif
