/*
 * callhistoryd/offenders: a table of networks whose connections were closed for a flood of resets and similar frames.
 * For a while each may make few new connections a second, and none of them may waste more than its own share: otherwise
 * a client that connects again at once does the same harm with every connection.
 *
 * A network is an IPv4 address or the first 64 bits of an IPv6 address. Networks of one slot are treated as one; there
 * are 4,096 slots, and the seed prevents clients from choosing them. Pure; the caller guards it by a lock.
 */
#pragma once

#include <sys/socket.h>

#include "rpc/frames.h"

enum {
	OFFENDERS_SLOTS = 1 << 12,
	OFFENDERS_REMEMBER_US = 10 * 1000000, /* since the last offence */
	OFFENDERS_PER_SECOND = 5,             /* new connections of a network that is remembered */
	OFFENDERS_BURST = 5,
};

/* A zeroed table is empty. */
struct offenders {
	uint64_t seed;
	struct offender {
		int64_t until_us;
		struct rpc_bucket connections;
	} slots[OFFENDERS_SLOTS];
};

/* Remembers the network of an address. Addresses of other families than IPv4 and IPv6 are ignored. */
void offenders_add(struct offenders *offenders, const struct sockaddr_storage *address, int64_t now_us);

/* Whether its network is remembered. */
bool offenders_has(struct offenders *offenders, const struct sockaddr_storage *address, int64_t now_us);

/* Whether one more connection of this address may be accepted; counts it. */
bool offenders_admit(struct offenders *offenders, const struct sockaddr_storage *address, int64_t now_us);
