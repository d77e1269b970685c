/* redis/router: one mechanism for every reason not to send a command now: it is parked, and released by time or by a new map. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "redis/client.h"

enum {
	PARK_FIRST_US = 5000, /* doubled at each try */
	PARK_MOST_US = 100000,
	READONLY_US =
	    1000000,    /* a replica breaks its connection at most so often, in case a name points to the master now */
	FREE_TRIES = 3, /* redirections that are followed at once */
};

static const struct redis_reply not_replicated = {
    .type = REDIS_ERROR,
    .data = "NOTREPLICATED the write was executed but is not acknowledged by enough replicas or disks; repeat it",
    .length = 91,
};

struct node *router_node(struct redis *redis, const char *host, const char *port)
{
	for (size_t i = 0; i < redis->node_count; ++i)
		if (!strcmp(redis->nodes[i]->at.host, host) && !strcmp(redis->nodes[i]->at.port, port))
			return redis->nodes[i];
	struct node *node = redis->node_count < NODES_MAX ? calloc(1, sizeof(*node)) : NULL;
	if (!node)
		return NULL;
	node->redis = redis;
	snprintf(node->at.host, sizeof(node->at.host), "%s", host);
	snprintf(node->at.port, sizeof(node->at.port), "%s", port);
	redis->nodes[redis->node_count++] = node;
	return node;
}

struct connection *router_connect(struct node *node, enum connection_kind kind)
{
	struct connection **connection = &node->connections[kind];
	if (!*connection && !connection_create(connection, &node->redis->shared, kind, node->at.host, node->at.port))
		(*connection)->owner = node;
	return *connection;
}

/* Reads and writes go over separate connections, so one kind does not wait for the other. */
static bool is_parked(const struct redis *redis, const struct command *command)
{
	unsigned bit = 2U * command->slot + command->write;
	return redis->parked_slots[bit / 32] >> bit % 32 & 1;
}

static void mark_parked(struct redis *redis, const struct command *command)
{
	unsigned bit = 2U * command->slot + command->write;
	redis->parked_slots[bit / 32] |= UINT32_C(1) << bit % 32;
}

/* The connection that a command goes to; NULL: none now. */
static struct connection *route(struct redis *redis, const struct command *command)
{
	size_t index = 0;
	if (redis->cluster)
		index = command->ask != NODE_NONE ? command->ask : redis->cluster->owner[command->slot];
	if (index >= redis->node_count || redis->nodes[index]->unconfirmed)
		return NULL;
	struct connection *connection =
	    router_connect(redis->nodes[index], command->write ? CONNECTION_WRITE : CONNECTION_READ);
	if (connection && connection_acknowledges(connection))
		connection->needs_acknowledgement = true;
	return connection;
}

struct queue *router_queue(struct redis *redis, struct command *command, int64_t now_us)
{
	struct connection *connection = is_parked(redis, command) ? NULL : route(redis, command);
	if (connection)
		return &connection->queue;
	if (!is_parked(redis, command)) {
		mark_parked(redis, command);
		router_refresh(redis, now_us, NULL);
	}
	if (redis->release_us > now_us + PARK_MOST_US)
		redis->release_us = now_us + PARK_MOST_US;
	return &redis->parked;
}

void router_refresh(struct redis *redis, int64_t now_us, struct node *preferred)
{
	if (redis->cluster) {
		struct cluster *cluster = redis->cluster;
		int64_t due_us = cluster->asked_us + cluster->interval_us;
		if (preferred)
			cluster->preferred = preferred;
		if (!cluster->asked && due_us < cluster->due_us)
			cluster->due_us = due_us;
	} else if (redis->sentinels && redis->sentinel_due_us > now_us + PARK_MOST_US) {
		redis->sentinel_due_us = now_us;
	}
}

/* Moves a command to the parked queue. */
static void park_bytes(struct redis *redis, struct command command, const char *bytes, int64_t not_before_us)
{
	const struct part part = {bytes, command.length};
	command.not_before_us = not_before_us;
	command.reply = NULL;
	if (queue_push_bytes(&redis->parked, &command, &part, 1)) {
		--redis->pending;
		command.callback(command.data, -ENOMEM, NULL);
		return;
	}
	mark_parked(redis, &command);
	if (not_before_us < redis->release_us)
		redis->release_us = not_before_us;
}

/* Parks the oldest command without a reply of a connection; `at_once`: it goes out again in this redis_run(). */
static void park(struct redis *redis, struct connection *connection, int64_t now_us, bool at_once)
{
	struct queue *queue = &connection->queue;
	struct command command = *queue_at(queue, queue->answered);
	int64_t delay_us = PARK_FIRST_US;
	for (int i = 0; i < command.tries && delay_us < PARK_MOST_US; ++i)
		delay_us *= 2;
	if (delay_us > PARK_MOST_US)
		delay_us = PARK_MOST_US;
	delay_us = at_once && command.tries < FREE_TRIES ? 0 : connection_jitter_us(&redis->shared, delay_us);
	if (command.tries < UINT8_MAX)
		++command.tries;
	park_bytes(redis, command, queue_oldest_bytes(queue), now_us + delay_us);
	queue_fire(queue, queue_at(queue, queue->answered));
	queue_answer(queue);
}

struct releasing {
	struct redis *redis;
	int64_t now_us, next_us;
	int count;
	bool stuck;
};

static void ignore(void *data, int status, const struct redis_reply *reply)
{
	(void)data;
	(void)status;
	(void)reply;
}

/* Takes a parked command if it can go to a connection; else it stays, and with it all later ones of its slot. */
static bool release(void *data, struct command *command, const char *bytes)
{
	static const char *const asking[] = {"ASKING"};
	struct releasing *releasing = data;
	struct redis *redis = releasing->redis;
	if (!command->callback)
		return true;
	if (is_parked(redis, command))
		return false;
	struct connection *connection = NULL;
	if (releasing->now_us < command->not_before_us) {
		if (command->not_before_us < releasing->next_us)
			releasing->next_us = command->not_before_us;
	} else {
		connection = route(redis, command);
		releasing->stuck = releasing->stuck || !connection;
	}
	bool asks = command->ask != NODE_NONE;
	command->ask = NODE_NONE;
	struct command copy = *command;
	const struct part part = {bytes, command->length};
	copy.queued_us = releasing->now_us;
	if (!connection || (asks && connection_push_internal(connection, releasing->now_us, 1, asking, ignore, NULL)) ||
	    queue_push_bytes(&connection->queue, &copy, &part, 1)) {
		mark_parked(redis, command);
		return false;
	}
	++releasing->count;
	return true;
}

int router_release(struct redis *redis, int64_t now_us)
{
	struct releasing releasing = {.redis = redis, .now_us = now_us, .next_us = CLOCK_NEVER};
	memset(redis->parked_slots, 0, sizeof(redis->parked_slots));
	queue_filter(&redis->parked, release, &releasing);
	if (releasing.stuck) {
		router_refresh(redis, now_us, NULL);
		if (now_us + PARK_MOST_US < releasing.next_us)
			releasing.next_us = now_us + PARK_MOST_US;
	}
	redis->release_us = releasing.next_us;
	return releasing.count;
}

void router_broken(void *client, struct connection *connection, int64_t now_us)
{
	struct redis *redis = client;
	struct node *node = connection->owner;
	if (redis->shared.url.mode == REDIS_SINGLE || connection->kind == CONNECTION_SENTINEL || redis->destroying)
		return;
	node->unconfirmed = true;
	node->unconfirmed_us = now_us;
	if (redis->cluster && redis->cluster->asked == node)
		redis->cluster->asked = NULL;
	struct queue *queue = &connection->queue;
	while (queue->count) {
		struct command command = *queue_at(queue, 0);
		park_bytes(redis, command, queue_oldest_bytes(queue), now_us);
		queue_pop(queue);
	}
	router_refresh(redis, now_us, NULL);
}

void router_forget(struct node *node, int64_t now_us)
{
	if (!node)
		return;
	for (int kind = 0; kind < 2; ++kind) {
		if (node->connections[kind] && !node->redis->destroying)
			connection_break(node->connections[kind], now_us, "the server is not in use any more");
		connection_destroy(node->connections[kind]);
	}
	free(node);
}

static void count_latency(struct redis_stats *stats, int64_t latency_us)
{
	size_t i = 0;
	if (latency_us < 0)
		latency_us = 0;
	while (i < 15 && latency_us > redis_latency_bounds_us[i])
		++i;
	++stats->latency_buckets[i];
	stats->latency_sum_us += (uint64_t)latency_us;
}

static void deliver(struct redis *redis, const struct command *command, int64_t now_us, int status,
                    const struct redis_reply *reply)
{
	--redis->pending;
	++redis->shared.stats.replies;
	if (reply && reply->type == REDIS_ERROR) {
		++redis->shared.stats.refusals;
		snprintf(redis->last_refusal, sizeof(redis->last_refusal), "%.*s", (int)strcspn(reply->data, " "), reply->data);
	}
	count_latency(&redis->shared.stats, now_us - command->start_us);
	command->callback(command->data, status, reply);
}

/* The reply to WAIT or WAITAOF: the commands before it have the replies that they got, or count as not replicated. */
static void acknowledged(struct redis *redis, struct connection *connection, int64_t now_us,
                         const struct redis_reply *reply)
{
	const struct redis_options *options = &redis->shared.options;
	struct queue *queue = &connection->queue;
	int64_t replicas = !reply ? -1 : reply->type == REDIS_INTEGER ? reply->integer : -1;
	bool disk = false;
	if (reply && reply->type == REDIS_ARRAY && reply->count == 2) {
		disk = reply->elements[0]->integer >= 1;
		replicas = reply->elements[1]->integer;
	}
	bool enough = replicas >= (int64_t)options->ack_replicas && (disk || !options->ack_disk);
	size_t count = queue->answered;
	queue_fire(queue, queue_at(queue, queue->answered));
	queue_answer(queue);
	connection->awaits_acknowledgement = false;
	for (size_t i = 0; i < count; ++i) {
		struct command command = *queue_at(queue, 0);
		queue_pop(queue);
		if (command.callback)
			deliver(redis, &command, now_us, 0, enough ? command.reply : &not_replicated);
	}
	/* The acknowledgement itself stayed behind them. */
	if (count)
		queue_pop(queue);
	reply_reader_keep(connection->reader, false);
}

static bool begins(const struct redis_reply *reply, const char *code)
{
	size_t length = strlen(code);
	return reply->length >= length && !memcmp(reply->data, code, length);
}

/* Follows MOVED and ASK. Whether that could be done. */
static bool redirected(struct redis *redis, struct connection *connection, int64_t now_us,
                       const struct redis_reply *reply)
{
	struct redirect redirect;
	struct node *from = connection->owner;
	struct command *command = queue_at(&connection->queue, connection->queue.answered);
	if (redirect_parse(&redirect, reply->data, reply->length))
		return false;
	struct node *to = router_node(redis, *redirect.host ? redirect.host : from->at.host, redirect.port);
	if (!to)
		return false;
	uint16_t index = 0;
	while (redis->nodes[index] != to)
		++index;
	/* A script finds only the keys that have moved already: it waits until all have. */
	if (redirect.ask && command->script) {
		++redis->shared.stats.delayed;
		park(redis, connection, now_us, false);
		return true;
	}
	if (redirect.ask) {
		++redis->shared.stats.asked;
		command->ask = index;
	} else {
		++redis->shared.stats.moved;
		redis->cluster->owner[redirect.slot] = index;
		router_refresh(redis, now_us, to);
	}
	park(redis, connection, now_us, true);
	/* The same address under a new role: the server wants a new connection. */
	if (!redirect.ask && to == from)
		connection_break(connection, now_us, reply->data);
	return true;
}

static void refused_as_replica(struct redis *redis, struct connection *connection, int64_t now_us,
                               const struct redis_reply *reply)
{
	struct queue *queue = &connection->queue;
	if (redis->shared.url.mode == REDIS_SINGLE) {
		struct command command = *queue_at(queue, queue->answered);
		queue_fire(queue, queue_at(queue, queue->answered));
		queue_answer(queue);
		deliver(redis, &command, now_us, 0, reply);
		if (now_us < connection->readonly_us)
			return;
		connection->readonly_us = now_us + READONLY_US;
	}
	connection_break(connection, now_us, "READONLY the server is a replica");
}

/* What an error reply means for a command that may be sent again. Whether the caller must not hear of it now. */
static bool error_handled(struct redis *redis, struct connection *connection, int64_t now_us,
                          const struct redis_reply *reply)
{
	static const char *const later[] = {"TRYAGAIN", "CLUSTERDOWN", "NOREPLICAS"};
	if (begins(reply, "NOSCRIPT"))
		return script_resend(connection, now_us);
	if (redis->cluster && (begins(reply, "MOVED ") || begins(reply, "ASK ")))
		return redirected(redis, connection, now_us, reply);
	if (begins(reply, "READONLY")) {
		refused_as_replica(redis, connection, now_us, reply);
		return true;
	}
	/* Not there yet: as if the connection had failed. */
	if (begins(reply, "LOADING") || begins(reply, "MASTERDOWN")) {
		connection_break(connection, now_us, reply->data);
		return true;
	}
	bool wait = strstr(reply->data, "non local key") || strstr(reply->data, "undeclared keys were accessed");
	for (size_t i = 0; i < sizeof(later) / sizeof(later[0]); ++i)
		wait = wait || begins(reply, later[i]);
	if (!wait)
		return false;
	++redis->shared.stats.delayed;
	snprintf(redis->last_refusal, sizeof(redis->last_refusal), "%.*s", (int)strcspn(reply->data, " "), reply->data);
	park(redis, connection, now_us, false);
	if (begins(reply, "CLUSTERDOWN"))
		router_refresh(redis, now_us, NULL);
	return true;
}

static bool too_old(const struct redis *redis, const struct connection *connection, int64_t now_us)
{
	const struct command *command = queue_at(&connection->queue, connection->queue.answered);
	int64_t since_us = command->queued_us > connection->ready_us ? command->queued_us : connection->ready_us;
	return redis->shared.reply_age_us != CLOCK_NEVER && now_us - since_us > redis->shared.reply_age_us;
}

void router_replied(void *client, struct connection *connection, int64_t now_us, int status,
                    const struct redis_reply *reply)
{
	struct redis *redis = client;
	struct queue *queue = &connection->queue;
	struct command command = *queue_at(queue, queue->answered);
	if (!status && !command.internal && command.callback && too_old(redis, connection, now_us)) {
		connection_break(connection, now_us, "a reply is older than --redis-reply-age allows");
		return;
	}
	if (command.acknowledgement) {
		acknowledged(redis, connection, now_us, reply);
		return;
	}
	/* Nobody waits for a command that has expired: its reply only holds the place in the order. */
	if (!command.callback) {
		queue_answer(queue);
		return;
	}
	if (reply && reply->type == REDIS_ERROR && !command.internal && error_handled(redis, connection, now_us, reply))
		return;
	if (connection->awaits_acknowledgement && reply && reply->type != REDIS_ERROR && !command.internal) {
		queue_at(queue, queue->answered)->reply = reply;
		queue_answer(queue);
		reply_reader_keep(connection->reader, true);
		return;
	}
	queue_fire(queue, queue_at(queue, queue->answered));
	queue_answer(queue);
	connection->attempt = 0;
	if (command.internal)
		command.callback(command.data, status, reply);
	else
		deliver(redis, &command, now_us, status, reply);
}
