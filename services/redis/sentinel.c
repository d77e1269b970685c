/*
 * redis/sentinel: all sentinels are asked at once and again every second, and
 * the master is the one that more than half of those in the URL name. A master
 * whose connection broke gets nothing until they name it anew: when it comes
 * back it says that it is a master and takes writes until the sentinels
 * demote it, ten seconds later.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/decimal.h"
#include "redis/client.h"

#define PERIOD_US INT64_C(1000000)
#define PERIOD_SEARCHING_US INT64_C(100000)
#define ANSWER_US INT64_C(3000000) /* an older answer does not count */

int redis_sentinel_create(struct redis *redis)
{
	const struct redis_url *url = &redis->shared.url;
	redis->refresh.interval_us = PERIOD_SEARCHING_US;
	redis->sentinels = calloc(url->endpoint_count, sizeof(*redis->sentinels));
	if (!redis->sentinels)
		return -ENOMEM;
	for (size_t i = 0; i < url->endpoint_count; ++i) {
		struct sentinel *sentinel = &redis->sentinels[i];
		sentinel->redis = redis;
		sentinel->connection = redis_connection_create(&redis->shared, CONNECTION_SENTINEL, url->endpoints[i].host,
		                                               url->endpoints[i].port, sentinel);
		if (!sentinel->connection)
			return -ENOMEM;
	}
	return 0;
}

/* An unconfirmed master's answers count if they were asked for after it broke, and after it was connected to again. */
static bool is_valid(const struct sentinel *sentinel)
{
	const struct redis *redis = sentinel->redis;
	const struct node *node = redis->node_count ? redis->nodes[0] : NULL;
	const struct connection *connection = node ? node->connections[CONNECTION_READ] : NULL;
	int64_t since_us = node && node->unconfirmed ? node->unconfirmed_us : 0;
	if (since_us && connection && connection->state == CONNECTION_READY && connection->ready_us > since_us)
		since_us = connection->ready_us;
	return *sentinel->host && sentinel->answered_us > since_us &&
	       redis->shared.now_us - sentinel->answered_us < ANSWER_US;
}

/* The sentinel whose answer more than half give; NULL: there is none. */
static const struct sentinel *majority(const struct redis *redis)
{
	size_t count = redis->shared.url.endpoint_count;
	for (size_t i = 0; i < count; ++i) {
		const struct sentinel *one = &redis->sentinels[i];
		size_t alike = 0;
		for (size_t n = 0; n < count && is_valid(one); ++n) {
			const struct sentinel *other = &redis->sentinels[n];
			alike += is_valid(other) && !strcmp(one->host, other->host) && !strcmp(one->port, other->port);
		}
		if (2 * alike > count)
			return one;
	}
	return NULL;
}

static void follow(struct redis *redis)
{
	const struct sentinel *named = majority(redis);
	struct node *node = redis->node_count ? redis->nodes[0] : NULL;
	if (!named)
		return;
	if (!node || strcmp(node->at.host, named->host) || strcmp(node->at.port, named->port)) {
		if (node) {
			redis_router_disconnect(node);
			node->at.host[0] = '\0';
		}
		uint16_t index = redis_router_node(redis, named->host, named->port);
		if (index == NODE_NONE)
			return;
		node = redis->nodes[index];
		node->unconfirmed = true;
		node->unconfirmed_us = redis->shared.now_us;
	}
	/* It may be replaced and come back while it is connected to: only answers after that confirm it. */
	const struct connection *connection = redis_router_connect(node, CONNECTION_READ);
	if (node->unconfirmed && (!connection || connection->state != CONNECTION_READY))
		return;
	redis->refresh.confirmed_us = redis->shared.now_us;
	if (!node->unconfirmed)
		return;
	node->unconfirmed = false;
	redis->release_us = redis->shared.now_us;
	++redis->shared.stats.refreshes;
}

static void named(void *data, int status, const struct redis_reply *reply)
{
	struct sentinel *sentinel = data;
	struct connection_shared *shared = &sentinel->redis->shared;
	int64_t port;
	(void)status;
	sentinel->host[0] = '\0';
	if (reply->type == REDIS_ARRAY && reply->count == 2 && reply->elements[0]->type == REDIS_STRING &&
	    reply->elements[1]->type == REDIS_STRING &&
	    decimal_read(reply->elements[1]->data, reply->elements[1]->length, &port) &&
	    redis_redirect_node(sentinel->host, sentinel->port, reply->elements[0]->data, reply->elements[0]->length, port))
		sentinel->answered_us = sentinel->asked_us;
	else
		snprintf(shared->last_error, sizeof(shared->last_error), "%s",
		         reply->type == REDIS_ERROR ? reply->data : "a sentinel does not know the master's name");
}

void redis_sentinel_step(struct redis *redis)
{
	const char *const argv[] = {"SENTINEL", "GET-MASTER-ADDR-BY-NAME", redis->shared.url.master};
	int64_t now_us = redis->shared.now_us;
	bool due = now_us >= redis->refresh.due_us;
	for (size_t i = 0; i < redis->shared.url.endpoint_count; ++i) {
		struct sentinel *sentinel = &redis->sentinels[i];
		struct connection *connection = sentinel->connection;
		if ((!due && sentinel->asked_us) || connection->state != CONNECTION_READY ||
		    !TAILQ_EMPTY(&connection->lists[COMMANDS_NEW]) || !TAILQ_EMPTY(&connection->lists[COMMANDS_SENT]))
			continue;
		sentinel->asked_us = now_us;
		redis_connection_send(connection, 3, argv, named, sentinel);
	}
	follow(redis);
	bool searching = !redis->node_count || redis->nodes[0]->unconfirmed;
	if (!due)
		return;
	redis->refresh.asked_us = now_us;
	redis->refresh.due_us = now_us + (searching ? PERIOD_SEARCHING_US : PERIOD_US);
}
