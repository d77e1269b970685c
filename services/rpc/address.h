/*
 * rpc/address: the addresses that options give, in gRPC's terms. Pure but for
 * rpc_address_bind_error(). For the files of this room and its tests only.
 */
#ifndef CALLHISTORY_RPC_ADDRESS_H
#define CALLHISTORY_RPC_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>

/* Whether this is "unix:PATH", or "host:port" or "[v6]:port" with a port in range (0 only where `listen`). */
bool rpc_address_valid(const char *address, bool listen);

/*
 * Makes the target of a channel: literal addresses become "ipv4:" or "ipv6:" with all of a comma's parts, a name becomes
 * "dns:///name:port", and what has a scheme stays. The caller frees *out. Returns 0, -EINVAL (a list that is not all IPv4 or all
 * IPv6, too: gRPC has no target for one) or -ENOMEM.
 */
int rpc_address_target(const char *address, char **out);

enum { RPC_TARGETS = 16 };

/*
 * Makes the targets of an address: one for each part of a list with commas ("unix:PATH" may be parts, too), so that calls can avoid
 * a part that does not answer. The caller frees each. Returns 0, -EINVAL (more than RPC_TARGETS, too) or -ENOMEM.
 */
int rpc_address_targets(const char *address, char *targets[RPC_TARGETS], size_t *count);

/* After gRPC could not bind and did not say why: -EADDRINUSE, -EADDRNOTAVAIL or -EINVAL. */
int rpc_address_bind_error(const char *address, bool exclusive);

#endif
