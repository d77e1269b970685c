/* redis/topology: a cluster's nodes and which of them owns each slot, from the reply to CLUSTER SLOTS. */
#pragma once

#include "redis/redirect.h"
#include "redis/redis.h"
#include "redis/slot.h"

enum { TOPOLOGY_NODES_MAX = 512, TOPOLOGY_ID = 41, TOPOLOGY_NONE = 0xffff };

struct topology_node {
	struct redis_address address;
	char id[TOPOLOGY_ID]; /* "": not in the reply */
	bool master;
};

struct topology {
	struct topology_node nodes[TOPOLOGY_NODES_MAX];
	size_t count;
	uint16_t owner[SLOT_COUNT]; /* index of the node; TOPOLOGY_NONE: none */
	unsigned covered;           /* slots that have an owner */
};

/*
 * Reads a reply; nodes that name no host get that of the server that replied, `host`. Nodes of unknown address are
 * left out, and their slots have no owner. 0 or -EPROTO; *out is then undefined.
 */
int redis_topology_read(struct topology *out, const struct redis_reply *reply, const char *host);
