/*
 * rpc/details: the outcome in a context, as google.rpc.Status in the trailing metadata "grpc-status-details-bin", both
 * ways. Includes no gRPC. For the files of this module and its tests only.
 */
#pragma once

#include "base/context.h"

#define RPC_DETAILS_KEY "grpc-status-details-bin"
#define RPC_DETAILS_DOMAIN "callhistory.v1"

/* What a message and all details may take: clients commonly accept 8 KiB of metadata, base64 included. */
enum { RPC_MESSAGE_LIMIT = 1024, RPC_DETAILS_LIMIT = 4096 };

/*
 * Packs code, message, ErrorInfo, BadRequest and RetryInfo of a failed context on `arena`. Where that is more than
 * RPC_DETAILS_LIMIT, the violation is left out. Returns 0 or -ENOMEM.
 */
int rpc_details_pack(const struct context *context, struct arena *arena, const uint8_t **bytes, size_t *length);

/* Sets reason, violation and retry_after_ms from packed details; unknown and invalid ones are ignored. */
void rpc_details_unpack(struct context *context, const uint8_t *bytes, size_t length);
