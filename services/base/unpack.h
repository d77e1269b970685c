/* unpack: unpacks protobuf-c messages from untrusted bytes. */
#pragma once

#include <protobuf-c/protobuf-c.h>

#include "base/arena.h"

/*
 * The most messages and unknown fields in one message, itself included: two bytes can make protobuf-c allocate
 * hundreds.
 */
enum { UNPACK_MESSAGES_MAX = 1 << 18, UNPACK_DEPTH_MAX = 32 };

/*
 * Reads a message of `type` from `length` bytes at `data`. All memory comes from the arena, so that its budget limits
 * what a peer can make the process allocate; the bytes are not needed afterwards. Unknown fields and unknown enum
 * values are kept.
 *
 * 0; -EBADMSG for bytes that are not such a message, for a string that is not UTF-8 or has a NUL byte, for a singular
 * message that is repeated, and for nesting of UNPACK_DEPTH_MAX and more; -E2BIG for more than UNPACK_MESSAGES_MAX;
 * -ENOMEM.
 */
int unpack_message(const ProtobufCMessageDescriptor *type, const uint8_t *data, size_t length, struct arena *arena,
                   ProtobufCMessage **out);

/*
 * The same for bytes that this product has packed, such as a stored record: without those checks. 0, -EBADMSG or
 * -ENOMEM.
 */
int unpack_own(const ProtobufCMessageDescriptor *type, const uint8_t *data, size_t length, struct arena *arena,
               ProtobufCMessage **out);
