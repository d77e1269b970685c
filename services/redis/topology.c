/*
 * redis/topology: CLUSTER SLOTS rather than CLUSTER SHARDS, which has shown empty slots after a failover (redis#13414).
 *
 * A reply is an array of [first slot, last slot, master, replica...], a node [host, port, id, ...].
 */
#include "redis/topology.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Finds or adds a node. Returns its index, TOPOLOGY_NONE when it has no usable address, or -EPROTO. */
static int read_node(struct topology *out, const struct redis_reply *reply, const char *asked)
{
	struct topology_node node = {.id = ""};
	if (reply->type != REDIS_ARRAY || reply->count < 2 || reply->elements[1]->type != REDIS_INTEGER)
		return -EPROTO;
	const struct redis_reply *host = reply->elements[0];
	bool named = host->type == REDIS_STRING && host->length;
	if (!named && host->type != REDIS_STRING && host->type != REDIS_NIL)
		return -EPROTO;
	if (!redis_address_set(&node.address, named ? host->data : asked, named ? host->length : strlen(asked),
	                       reply->elements[1]->integer))
		return TOPOLOGY_NONE;
	if (reply->count > 2 && reply->elements[2]->type == REDIS_STRING && reply->elements[2]->length < sizeof(node.id))
		memcpy(node.id, reply->elements[2]->data, reply->elements[2]->length);
	for (size_t i = 0; i < out->count; ++i)
		if (redis_address_equal(&out->nodes[i].address, &node.address))
			return (int)i;
	if (out->count == TOPOLOGY_NODES_MAX)
		return TOPOLOGY_NONE;
	out->nodes[out->count] = node;
	return (int)out->count++;
}

static int read_range(struct topology *out, const struct redis_reply *range, const char *asked)
{
	if (range->type != REDIS_ARRAY || range->count < 3 || range->elements[0]->type != REDIS_INTEGER ||
	    range->elements[1]->type != REDIS_INTEGER)
		return -EPROTO;
	int64_t first = range->elements[0]->integer, last = range->elements[1]->integer;
	if (first < 0 || last < first || last >= SLOT_COUNT)
		return -EPROTO;
	for (size_t i = 2; i < range->count; ++i) {
		int node = read_node(out, range->elements[i], asked);
		if (node < 0)
			return node;
		if (i > 2 || node == TOPOLOGY_NONE)
			continue;
		out->nodes[node].master = true;
		for (int64_t slot = first; slot <= last; ++slot) {
			out->covered += out->owner[slot] == TOPOLOGY_NONE;
			out->owner[slot] = (uint16_t)node;
		}
	}
	return 0;
}

int redis_topology_read(struct topology *out, const struct redis_reply *reply, const char *host)
{
	if (reply->type != REDIS_ARRAY)
		return -EPROTO;
	out->count = 0;
	out->covered = 0;
	memset(out->owner, 0xff, sizeof(out->owner));
	int result = 0;
	for (size_t i = 0; i < reply->count && !result; ++i)
		result = read_range(out, reply->elements[i], host);
	return result;
}
