/*
 * redis/cluster: one refresh of the map at a time, at a limited rate, from a
 * node that is alive. The map is taken at the end of redis_run(), when no
 * connection that it may close is in use.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "redis/client.h"

#define ASK_US INT64_C(500000)            /* a node that has not sent its map by then is not waited for */
#define INTERVAL_FIRST_US INT64_C(100000) /* between refreshes; doubled while nothing changes */
#define INTERVAL_PARKED_US INT64_C(500000)
#define INTERVAL_MOST_US INT64_C(2000000)
#define PERIOD_US INT64_C(35000000) /* without a reason, jittered down to a half */

int cluster_create(struct redis *redis)
{
	const struct redis_url *url = &redis->shared.url;
	redis->cluster = calloc(1, sizeof(*redis->cluster));
	if (!redis->cluster)
		return -ENOMEM;
	memset(redis->cluster->owner, 0xff, sizeof(redis->cluster->owner));
	redis->cluster->interval_us = INTERVAL_FIRST_US;
	for (size_t i = 0; i < url->endpoint_count; ++i) {
		struct node *node = router_node(redis, url->endpoints[i].host, url->endpoints[i].port);
		if (!node)
			return -ENOMEM;
		node->seed = true;
	}
	return 0;
}

void cluster_destroy(struct redis *redis)
{
	if (redis->cluster)
		free(redis->cluster->fresh);
	free(redis->cluster);
	redis->cluster = NULL;
}

/* How well a node can be asked: 0 not but for want of others, 1 it has to be connected to first, 2 well. */
static int fitness(const struct node *node, const struct node *last)
{
	const struct connection *connection = node->connections[CONNECTION_READ];
	if (node->unconfirmed || node == last)
		return 0;
	return connection && connection->state == CONNECTION_READY ? 2 : 1;
}

/* One of the nodes that fit best, by chance, so that no node is asked by all clients. */
static struct node *choose(struct redis *redis, const struct node *last)
{
	struct node *chosen = redis->cluster->preferred, *best = NULL;
	int best_fitness = -1;
	unsigned alike = 0;
	redis->cluster->preferred = NULL;
	if (chosen && fitness(chosen, last))
		return chosen;
	for (size_t i = 0; i < redis->node_count; ++i) {
		struct node *node = redis->nodes[i];
		int fits = fitness(node, last);
		if (fits > best_fitness)
			alike = 0;
		if (fits < best_fitness || connection_random(&redis->shared) % ++alike)
			continue;
		best = node;
		best_fitness = fits;
	}
	return best;
}

static void slots_replied(void *data, int status, const struct redis_reply *reply)
{
	struct node *node = data;
	struct redis *redis = node->redis;
	struct cluster *cluster = redis->cluster;
	if (cluster->asked == node) {
		cluster->asked = NULL;
		cluster->due_us = cluster->asked_us + cluster->interval_us;
	}
	if (status || !reply)
		return;
	if (reply->type == REDIS_ERROR)
		strncpy(redis->shared.last_error, reply->data, sizeof(redis->shared.last_error) - 1);
	struct topology *fresh = malloc(sizeof(*fresh));
	if (!fresh || topology_read(fresh, reply, node->at.host)) {
		free(fresh);
		return;
	}
	free(cluster->fresh);
	cluster->fresh = fresh;
	cluster->fresh_asked_us = node->asked_us;
}

void cluster_step(struct redis *redis, int64_t now_us)
{
	static const char *const argv[] = {"CLUSTER", "SLOTS"};
	struct cluster *cluster = redis->cluster;
	if (now_us < cluster->due_us)
		return;
	struct node *node = choose(redis, cluster->asked);
	struct connection *connection = node ? router_connect(node, CONNECTION_READ) : NULL;
	cluster->asked = NULL;
	cluster->asked_us = now_us;
	cluster->due_us = now_us + ASK_US;
	if (!connection || connection_push_internal(connection, now_us, 2, argv, slots_replied, node))
		return;
	node->asked_us = now_us;
	cluster->asked = node;
}

/* A node that answers may be part of another cluster, or have an incomplete map. */
static bool is_acceptable(const struct redis *redis, const struct topology *fresh)
{
	bool known = false;
	if (!fresh->covered || 2 * fresh->covered < redis->cluster->covered)
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

static void close_connections(struct node *node, int64_t now_us)
{
	bool unconfirmed = node->unconfirmed;
	for (int kind = 0; kind < 2; ++kind) {
		if (node->connections[kind])
			connection_break(node->connections[kind], now_us, "the server's part in the cluster has changed");
		connection_destroy(node->connections[kind]);
		node->connections[kind] = NULL;
	}
	node->unconfirmed = unconfirmed;
}

static void take_node(struct redis *redis, struct node *node, const struct topology_node *at, int64_t now_us)
{
	if ((*node->at.id && strcmp(node->at.id, at->id)) || !at->master)
		close_connections(node, now_us);
	node->at = *at;
	if (node->unconfirmed_us < redis->cluster->fresh_asked_us)
		node->unconfirmed = false;
	if (at->master)
		router_connect(node, CONNECTION_READ);
}

/* Puts the map's nodes first and in its order, then the seeds; forgets the others. Returns how many the map has. */
static size_t take_nodes(struct redis *redis, const struct topology *fresh, int64_t now_us)
{
	struct node *old[NODES_MAX];
	size_t old_count = redis->node_count;
	memcpy(old, redis->nodes, old_count * sizeof(*old));
	redis->node_count = 0;
	for (size_t i = 0; i < fresh->count; ++i) {
		size_t n = 0;
		while (n < old_count && (!old[n] || strcmp(old[n]->at.host, fresh->nodes[i].host) ||
		                         strcmp(old[n]->at.port, fresh->nodes[i].port)))
			++n;
		if (n < old_count)
			redis->nodes[redis->node_count++] = old[n];
		else if (!router_node(redis, fresh->nodes[i].host, fresh->nodes[i].port))
			break;
		if (n < old_count)
			old[n] = NULL;
	}
	size_t count = redis->node_count;
	for (size_t n = 0; n < old_count; ++n) {
		if (!old[n])
			continue;
		close_connections(old[n], now_us);
		old[n]->at.master = false;
		if (old[n]->seed)
			redis->nodes[redis->node_count++] = old[n];
		else
			router_forget(old[n], now_us);
	}
	return count;
}

int cluster_take(struct redis *redis, int64_t now_us)
{
	struct cluster *cluster = redis->cluster;
	struct topology *fresh = cluster->fresh;
	if (!fresh)
		return 0;
	cluster->fresh = NULL;
	bool acceptable = is_acceptable(redis, fresh), changed = false;
	if (acceptable) {
		size_t count = take_nodes(redis, fresh, now_us);
		for (size_t i = 0; i < SLOT_COUNT; ++i) {
			uint16_t owner = fresh->owner[i] < count ? fresh->owner[i] : NODE_NONE;
			changed = changed || owner != cluster->owner[i];
			cluster->owner[i] = owner;
		}
		for (size_t i = 0; i < count; ++i)
			take_node(redis, redis->nodes[i], &fresh->nodes[i], now_us);
		cluster->covered = fresh->covered;
		cluster->preferred = NULL;
		redis->confirmed_us = redis->release_us = now_us;
		++redis->shared.stats.refreshes;
	}
	free(fresh);
	int64_t most_us = redis->parked.count ? INTERVAL_PARKED_US : INTERVAL_MOST_US;
	cluster->interval_us = changed ? INTERVAL_FIRST_US : 2 * cluster->interval_us;
	if (cluster->interval_us > most_us)
		cluster->interval_us = most_us;
	if (!cluster->asked)
		cluster->due_us =
		    now_us + (acceptable ? connection_jitter_us(&redis->shared, PERIOD_US) : cluster->interval_us);
	return acceptable;
}
