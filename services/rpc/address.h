/*
 * rpc/address: the addresses that options name, in gRPC's terms. Pure. For the files of this module and its tests only.
 */
#pragma once

#include <stddef.h>

enum { RPC_TARGETS = 16 };

/*
 * Makes the targets of channels, one for each part of a list with commas, so that calls can avoid a part that does not
 * answer. Literal addresses become "ipv4:" or "ipv6:", a name becomes "dns:///name:port", "unix:PATH" stays, and so
 * does an address that begins with one of these schemes, as one target. The caller frees each. Returns 0, -EINVAL (more
 * than RPC_TARGETS, too) or -ENOMEM.
 */
int rpc_address_targets(const char *address, char *targets[RPC_TARGETS], size_t *count);
