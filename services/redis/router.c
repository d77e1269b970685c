/*
 * redis/router: one mechanism for every reason not to send a command now: it is parked, and released by time or by a
 * new map.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

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

uint16_t redis_router_node(struct redis *redis, const char *host, const char *port)
{
	size_t index = redis->node_count;
	for (size_t i = 0; i < redis->node_count; ++i) {
		const struct topology_node *at = &redis->nodes[i]->at;
		if (!strcmp(at->host, host) && !strcmp(at->port, port))
			return (uint16_t)i;
		if (!*at->host)
			index = i;
	}
	if (index == NODES_MAX || (!redis->nodes[index] && !(redis->nodes[index] = malloc(sizeof(struct node)))))
		return NODE_NONE;
	redis->node_count += index == redis->node_count;
	struct node *node = redis->nodes[index];
	*node = (struct node){.redis = redis};
	snprintf(node->at.host, sizeof(node->at.host), "%s", host);
	snprintf(node->at.port, sizeof(node->at.port), "%s", port);
	return (uint16_t)index;
}

struct connection *redis_router_connect(struct node *node, enum connection_kind kind)
{
	if (!node->connections[kind])
		node->connections[kind] =
		    redis_connection_create(&node->redis->shared, kind, node->at.host, node->at.port, node);
	return node->connections[kind];
}

void redis_router_disconnect(struct node *node)
{
	for (int kind = 0; kind < 2; ++kind) {
		redis_connection_destroy(node->connections[kind]);
		node->connections[kind] = NULL;
	}
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
	size_t index = command->ask != NODE_NONE ? command->ask : redis->owner[command->slot];
	if (index >= redis->node_count || redis->nodes[index]->unconfirmed)
		return NULL;
	return redis_router_connect(redis->nodes[index], command->write ? CONNECTION_WRITE : CONNECTION_READ);
}

void redis_router_refresh(struct redis *redis, struct node *preferred)
{
	struct refresh *refresh = &redis->refresh;
	int64_t due_us = refresh->asked_us + refresh->interval_us;
	if (preferred)
		refresh->preferred = preferred;
	if (redis->shared.url.mode != REDIS_SINGLE && !refresh->asked && due_us < refresh->due_us)
		refresh->due_us = due_us;
}

static void release_by(struct redis *redis, int64_t when_us)
{
	if (when_us < redis->release_us)
		redis->release_us = when_us;
}

static void park(struct redis *redis, struct command *command, int64_t not_before_us)
{
	command->not_before_us = not_before_us;
	command->number = 0;
	redis_command_move(command, &redis->parked);
	mark_parked(redis, command);
}

/* Parks a command that was refused; `at_once`: it goes out again in this redis_run(). */
static void park_refused(struct redis *redis, struct command *command, bool at_once)
{
	int64_t delay_us = 0;
	if (!at_once || command->tries >= FREE_TRIES)
		delay_us = redis_connection_delay_us(PARK_FIRST_US, PARK_MOST_US, command->tries);
	if (command->tries < UINT8_MAX)
		++command->tries;
	park(redis, command, redis->shared.now_us + delay_us);
	release_by(redis, command->not_before_us);
}

void redis_router_take(struct redis *redis, struct command *command)
{
	struct connection *connection = is_parked(redis, command) ? NULL : route(redis, command);
	if (connection) {
		redis_command_move(command, &connection->lists[COMMANDS_NEW]);
		return;
	}
	if (!is_parked(redis, command))
		redis_router_refresh(redis, NULL);
	park(redis, command, command->start_us);
	release_by(redis, command->start_us + PARK_MOST_US);
}

/* Moves a parked command to its connection. Whether that could be done; a server may be missing. */
static bool release(struct redis *redis, struct command *command)
{
	static const char *const asking[] = {"ASKING"};
	struct connection *connection = route(redis, command);
	bool asks = command->ask != NODE_NONE;
	command->ask = NODE_NONE;
	if (!connection || (asks && redis_connection_send(connection, 1, asking, redis_connection_ignore, NULL)))
		return false;
	redis_command_move(command, &connection->lists[COMMANDS_NEW]);
	return true;
}

int redis_router_release(struct redis *redis)
{
	int64_t now_us = redis->shared.now_us;
	int count = 0;
	redis->release_us = CLOCK_NEVER;
	memset(redis->parked_slots, 0, sizeof(redis->parked_slots));
	for (struct command *next, *command = TAILQ_FIRST(&redis->parked); command; command = next) {
		next = TAILQ_NEXT(command, link);
		/* If one stays, all later ones of its slot do. */
		if (is_parked(redis, command))
			continue;
		int64_t again_us = command->not_before_us;
		if (now_us >= command->not_before_us) {
			if (release(redis, command)) {
				++count;
				continue;
			}
			redis_router_refresh(redis, NULL);
			again_us = now_us + PARK_MOST_US;
		}
		mark_parked(redis, command);
		release_by(redis, again_us);
	}
	return count;
}

void redis_router_broken(void *client, struct connection *connection)
{
	struct redis *redis = client;
	struct node *node = connection->owner;
	struct command_list *fresh = &connection->lists[COMMANDS_NEW];
	if (redis->shared.url.mode == REDIS_SINGLE || connection->kind == CONNECTION_SENTINEL || redis->destroying)
		return;
	node->unconfirmed = true;
	node->unconfirmed_us = redis->shared.now_us;
	if (redis->refresh.asked == node)
		redis->refresh.asked = NULL;
	for (struct command *command; (command = TAILQ_FIRST(fresh));) {
		park(redis, command, redis->shared.now_us);
		release_by(redis, redis->shared.now_us);
	}
	redis_router_refresh(redis, NULL);
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

/* Keeps the code of an error; the text may have keys in it. */
static void note_refusal(struct redis *redis, const struct redis_reply *reply)
{
	snprintf(redis->last_refusal, sizeof(redis->last_refusal), "%.*s", (int)strcspn(reply->data, " "), reply->data);
}

/* Gives the reply to the caller and frees the command. */
static void deliver(struct redis *redis, struct command *command, int status, const struct redis_reply *reply)
{
	redis_callback *callback = command->callback;
	void *data = command->data;
	if (callback) {
		--redis->pending;
		++redis->shared.stats.replies;
		count_latency(&redis->shared.stats, redis->shared.now_us - command->start_us);
	}
	if (callback && reply && reply->type == REDIS_ERROR) {
		++redis->shared.stats.refusals;
		note_refusal(redis, reply);
	}
	redis_command_free(command);
	if (callback)
		callback(data, status, reply);
}

/* The reply to WAIT or WAITAOF: the commands before it have the replies that they got, or count as not replicated. */
static void acknowledged(struct redis *redis, struct connection *connection, const struct redis_reply *reply)
{
	const struct redis_options *options = &redis->shared.options;
	struct command_list *answered = &connection->lists[COMMANDS_ANSWERED];
	int64_t replicas = reply->type == REDIS_INTEGER ? reply->integer : -1;
	bool disk = false;
	if (reply->type == REDIS_ARRAY && reply->count == 2) {
		disk = reply->elements[0]->integer >= 1;
		replicas = reply->elements[1]->integer;
	}
	bool enough = replicas >= (int64_t)options->ack_replicas && (disk || !options->ack_disk);
	connection->acknowledging = false;
	for (struct command *command; (command = TAILQ_FIRST(answered));)
		deliver(redis, command, 0, enough ? command->reply : &not_replicated);
	redis_reply_reader_keep(connection->reader, false);
}

static bool begins(const struct redis_reply *reply, const char *code)
{
	size_t length = strlen(code);
	return reply->length >= length && !memcmp(reply->data, code, length);
}

/* Follows MOVED and ASK. Whether that could be done. */
static bool redirected(struct redis *redis, struct connection *connection, struct command *command,
                       const struct redis_reply *reply)
{
	struct redirect redirect;
	struct node *from = connection->owner;
	if (redis_redirect_parse(&redirect, reply->data, reply->length))
		return false;
	uint16_t to = redis_router_node(redis, *redirect.host ? redirect.host : from->at.host, redirect.port);
	if (to == NODE_NONE)
		return false;
	if (redirect.ask) {
		/* A script finds only the keys that have moved already: it waits until all have. */
		++*(command->script ? &redis->shared.stats.delayed : &redis->shared.stats.asked);
		command->ask = command->script ? NODE_NONE : to;
		park_refused(redis, command, !command->script);
		return true;
	}
	++redis->shared.stats.moved;
	redis->owner[redirect.slot] = to;
	redis_router_refresh(redis, redis->nodes[to]);
	park_refused(redis, command, true);
	/* The same address under a new role: the server wants a new connection. */
	if (redis->nodes[to] == from)
		redis_connection_break(connection, reply->data);
	return true;
}

static void refused_as_replica(struct redis *redis, struct connection *connection, struct command *command,
                               const struct redis_reply *reply)
{
	static const char why[] = "READONLY the server is a replica";
	if (redis->shared.url.mode != REDIS_SINGLE) {
		redis_connection_break(connection, why);
		return;
	}
	deliver(redis, command, 0, reply);
	if (redis->shared.now_us < connection->readonly_us)
		return;
	connection->readonly_us = redis->shared.now_us + READONLY_US;
	redis_connection_break(connection, why);
}

/* Whether an error means that the same server can execute the command later. */
static bool is_passing(const struct redis_reply *reply)
{
	return begins(reply, "TRYAGAIN") || begins(reply, "CLUSTERDOWN") || begins(reply, "NOREPLICAS") ||
	       strstr(reply->data, "non local key") || strstr(reply->data, "undeclared keys were accessed");
}

/*
 * What an error reply means for a command that may be sent again. Whether it was taken: the caller must not hear of it
 * now.
 */
static bool error_handled(struct redis *redis, struct connection *connection, struct command *command,
                          const struct redis_reply *reply)
{
	if (begins(reply, "NOSCRIPT"))
		return redis_script_resend(connection, command);
	if (redis->shared.url.mode == REDIS_CLUSTER && (begins(reply, "MOVED ") || begins(reply, "ASK ")))
		return redirected(redis, connection, command, reply);
	if (begins(reply, "READONLY")) {
		refused_as_replica(redis, connection, command, reply);
		return true;
	}
	/* Not there yet: as if the connection had failed. */
	if (begins(reply, "LOADING") || begins(reply, "MASTERDOWN")) {
		redis_connection_break(connection, reply->data);
		return true;
	}
	if (!is_passing(reply))
		return false;
	++redis->shared.stats.delayed;
	note_refusal(redis, reply);
	park_refused(redis, command, false);
	if (begins(reply, "CLUSTERDOWN"))
		redis_router_refresh(redis, NULL);
	return true;
}

void redis_router_replied(void *client, struct connection *connection, struct command *command, int status,
                          const struct redis_reply *reply)
{
	struct redis *redis = client;
	int64_t age_us = redis->shared.now_us - command->sent_us;
	bool error = reply && reply->type == REDIS_ERROR;
	if (command->acknowledgement) {
		redis_command_free(command);
		acknowledged(redis, connection, reply);
		return;
	}
	if (!status && command->callback && age_us > redis->shared.reply_age_us) {
		redis_connection_break(connection, "a reply is older than --redis-reply-age allows");
		return;
	}
	if (error && command->callback && error_handled(redis, connection, command, reply))
		return;
	connection->attempt = 0;
	if (connection->acknowledging && reply && !error) {
		command->reply = reply;
		redis_command_move(command, &connection->lists[COMMANDS_ANSWERED]);
		redis_reply_reader_keep(connection->reader, true);
		return;
	}
	deliver(redis, command, status, reply);
}
