/*
 * redis/sentinel: queries all sentinels at start and every second. The master is the one that more than half of the
 * sentinels in the URL name. A master whose connection broke gets no commands until they name it again: after a restart
 * it reports itself as a master and accepts writes until the sentinels demote it, ten seconds later.
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
	/* The master, which has no address yet. */
	if (!redis->sentinels || redis_router_node(redis, &(struct redis_address){0}) == NODE_NONE)
		return -ENOMEM;
	redis->nodes[0]->at.master = redis->nodes[0]->unconfirmed = true;
	for (size_t i = 0; i < url->endpoint_count; ++i) {
		struct sentinel *sentinel = &redis->sentinels[i];
		sentinel->redis = redis;
		sentinel->connection =
		    redis_connection_create(&redis->shared, CONNECTION_SENTINEL, &url->endpoints[i], sentinel);
		if (!sentinel->connection)
			return -ENOMEM;
	}
	return 0;
}

/* An unconfirmed master's answers count if they were asked for after it broke, and after it was connected to again. */
static bool is_valid(const struct sentinel *sentinel)
{
	const struct redis *redis = sentinel->redis;
	const struct node *node = redis->nodes[0];
	const struct connection *connection = node->connections[CONNECTION_READ];
	int64_t since_us = node->unconfirmed ? node->unconfirmed_us : 0;
	if (since_us && connection && connection->state == CONNECTION_READY && connection->ready_us > since_us)
		since_us = connection->ready_us;
	return *sentinel->named.host && sentinel->answered_us > since_us &&
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
			alike += is_valid(other) && redis_address_equal(&one->named, &other->named);
		}
		if (2 * alike > count)
			return one;
	}
	return NULL;
}

static void follow(struct redis *redis)
{
	const struct sentinel *named = majority(redis);
	struct node *node = redis->nodes[0];
	if (!named)
		return;
	if (!redis_address_equal(&node->at.address, &named->named)) {
		redis_router_disconnect(node);
		node->at.address = named->named;
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
	sentinel->named.host[0] = '\0';
	if (reply->type == REDIS_ARRAY && reply->count == 2 && reply->elements[0]->type == REDIS_STRING &&
	    reply->elements[1]->type == REDIS_STRING &&
	    decimal_read(reply->elements[1]->data, reply->elements[1]->length, &port) &&
	    redis_address_set(&sentinel->named, reply->elements[0]->data, reply->elements[0]->length, port))
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
	if (!due)
		return;
	redis->refresh.asked_us = now_us;
	redis->refresh.due_us = now_us + (redis->nodes[0]->unconfirmed ? PERIOD_SEARCHING_US : PERIOD_US);
}
