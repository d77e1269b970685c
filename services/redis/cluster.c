/*
 * redis/cluster: one refresh of the map at a time, at a limited rate, from a node that is alive. The map is taken at
 * the end of redis_run(), when no connection that it may close is in use.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/param.h>

#include "redis/client.h"

#define ASK_US INT64_C(500000)            /* a node that has not sent its map by then is not waited for */
#define INTERVAL_FIRST_US INT64_C(100000) /* between refreshes; doubled while nothing changes */
#define INTERVAL_PARKED_US INT64_C(500000)
#define INTERVAL_MOST_US INT64_C(2000000)
#define PERIOD_US INT64_C(35000000) /* without a reason, jittered down to a half */

int redis_cluster_create(struct redis *redis)
{
	const struct redis_url *url = &redis->shared.url;
	memset(redis->owner, 0xff, sizeof(redis->owner));
	redis->refresh.interval_us = INTERVAL_FIRST_US;
	for (size_t i = 0; i < url->endpoint_count; ++i) {
		uint16_t node = redis_router_node(redis, &url->endpoints[i]);
		if (node == NODE_NONE)
			return -ENOMEM;
		redis->nodes[node]->seed = true;
	}
	return 0;
}

/*
 * How suitable a node is for the query of the map: 0 not at all, 1 only if there is no other, 2 not connected yet, 3
 * connected, 4 preferred.
 */
static int fitness(const struct redis *redis, const struct node *node)
{
	const struct connection *connection = node->connections[CONNECTION_READ];
	if (!*node->at.address.host)
		return 0;
	if (node->unconfirmed || node == redis->refresh.asked)
		return 1;
	if (node == redis->refresh.preferred)
		return 4;
	return connection && connection->state == CONNECTION_READY ? 3 : 2;
}

/* One of the most suitable nodes, at random, so that not all clients query the same one. NULL: there is none. */
static struct node *choose(const struct redis *redis)
{
	size_t count = redis->node_count, first = arc4random_uniform((uint32_t)count);
	for (int fits = 4; fits > 0; --fits)
		for (size_t i = 0; i < count; ++i)
			if (fitness(redis, redis->nodes[(first + i) % count]) == fits)
				return redis->nodes[(first + i) % count];
	return NULL;
}

static void slots_replied(void *data, int status, const struct redis_reply *reply)
{
	struct node *node = data;
	struct redis *redis = node->redis;
	struct refresh *refresh = &redis->refresh;
	(void)status;
	if (refresh->asked == node) {
		refresh->asked = NULL;
		refresh->due_us = refresh->asked_us + refresh->interval_us;
	}
	if (reply->type == REDIS_ERROR)
		snprintf(redis->shared.last_error, sizeof(redis->shared.last_error), "%s", reply->data);
	struct topology *fresh = malloc(sizeof(*fresh));
	if (!fresh || redis_topology_read(fresh, reply, node->at.address.host)) {
		free(fresh);
		return;
	}
	free(refresh->fresh);
	refresh->fresh = fresh;
	refresh->fresh_asked_us = node->asked_us;
}

void redis_cluster_step(struct redis *redis)
{
	static const char *const argv[] = {"CLUSTER", "SLOTS"};
	struct refresh *refresh = &redis->refresh;
	if (redis->shared.now_us < refresh->due_us)
		return;
	struct node *node = choose(redis);
	struct connection *connection = node ? redis_router_connect(node, CONNECTION_READ) : NULL;
	refresh->asked = refresh->preferred = NULL;
	refresh->asked_us = redis->shared.now_us;
	refresh->due_us = redis->shared.now_us + ASK_US;
	if (!connection || !redis_connection_send(connection, 2, argv, slots_replied, node))
		return;
	node->asked_us = redis->shared.now_us;
	refresh->asked = node;
}

/* A node that answers may be part of another cluster, or have an incomplete map. */
static bool is_acceptable(const struct redis *redis, const struct topology *fresh)
{
	bool known = false;
	if (!fresh->covered || 2 * fresh->covered < redis->covered)
		return false;
	for (size_t i = 0; i < redis->node_count; ++i) {
		const char *id = redis->nodes[i]->at.id;
		known = known || *id;
		for (size_t n = 0; *id && n < fresh->count; ++n)
			if (!strcmp(id, fresh->nodes[n].id))
				return true;
	}
	return !known;
}

static void take_node(struct redis *redis, struct node *node, const struct topology_node *at)
{
	bool unconfirmed = node->unconfirmed && node->unconfirmed_us >= redis->refresh.fresh_asked_us;
	/* Another server, or another role: it wants new connections. */
	if ((*node->at.id && strcmp(node->at.id, at->id)) || !at->master)
		redis_router_disconnect(node);
	node->at = *at;
	node->listed = true;
	node->unconfirmed = unconfirmed;
	if (at->master)
		redis_router_connect(node, CONNECTION_READ);
}

/* Notes the map's nodes, and their indices; forgets those that are not in it, but for the seeds. */
static void take_nodes(struct redis *redis, const struct topology *fresh, uint16_t indices[TOPOLOGY_NODES_MAX])
{
	for (size_t n = 0; n < fresh->count; ++n) {
		indices[n] = redis_router_node(redis, &fresh->nodes[n].address);
		if (indices[n] != NODE_NONE)
			take_node(redis, redis->nodes[indices[n]], &fresh->nodes[n]);
	}
	for (size_t i = 0; i < redis->node_count; ++i) {
		struct node *node = redis->nodes[i];
		bool listed = node->listed;
		node->listed = false;
		if (listed)
			continue;
		redis_router_disconnect(node);
		node->at.master = node->unconfirmed = false;
		if (!node->seed)
			node->at.address.host[0] = node->at.id[0] = '\0';
	}
}

static bool take(struct redis *redis, const struct topology *fresh)
{
	uint16_t indices[TOPOLOGY_NODES_MAX];
	bool changed = false;
	take_nodes(redis, fresh, indices);
	for (size_t i = 0; i < SLOT_COUNT; ++i) {
		uint16_t owner = fresh->owner[i] == TOPOLOGY_NONE ? NODE_NONE : indices[fresh->owner[i]];
		changed = changed || owner != redis->owner[i];
		redis->owner[i] = owner;
	}
	redis->covered = fresh->covered;
	redis->refresh.preferred = NULL;
	redis->refresh.confirmed_us = redis->release_us = redis->shared.now_us;
	++redis->shared.stats.refreshes;
	return changed;
}

int redis_cluster_take(struct redis *redis)
{
	struct refresh *refresh = &redis->refresh;
	struct topology *fresh = refresh->fresh;
	if (!fresh)
		return 0;
	bool acceptable = is_acceptable(redis, fresh), changed = acceptable && take(redis, fresh);
	free(fresh);
	refresh->fresh = NULL;
	int64_t most_us = TAILQ_EMPTY(&redis->parked) ? INTERVAL_MOST_US : INTERVAL_PARKED_US;
	refresh->interval_us = changed ? INTERVAL_FIRST_US : MIN(2 * refresh->interval_us, most_us);
	if (!refresh->asked)
		refresh->due_us = redis->shared.now_us +
		                  (acceptable ? redis_connection_delay_us(PERIOD_US, PERIOD_US, 0) : refresh->interval_us);
	return acceptable;
}
