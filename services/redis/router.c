/*
 * redis/router: one mechanism for every reason not to send a command now: it is parked, and released by time or by a
 * new map of the cluster's slots.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/param.h>

#include "base/clock.h"
#include "redis/client.h"

enum {
	PARK_FIRST_US = 5000, /* doubled at each try */
	PARK_MOST_US = 100000,
	READONLY_US = 1000000, /* then a connection to a replica is made again, whose name may be the master's by now */
	FREE_TRIES = 3, /* a command that was redirected is sent again without delay if it was refused no more often */
};

static const char not_replicated_text[] =
    "NOTREPLICATED the write was executed but is not acknowledged by enough replicas or disks; repeat it";
static const struct redis_reply not_replicated = {
    .type = REDIS_ERROR, .data = not_replicated_text, .length = sizeof(not_replicated_text) - 1};

uint16_t redis_router_node(struct redis *redis, const struct redis_address *address)
{
	size_t index = redis->node_count;
	for (size_t i = 0; i < redis->node_count; ++i) {
		if (redis_address_equal(&redis->nodes[i]->at.address, address))
			return (uint16_t)i;
		if (!*redis->nodes[i]->at.address.host)
			index = i;
	}
	if (index == NODES_MAX || (!redis->nodes[index] && !(redis->nodes[index] = malloc(sizeof(struct node)))))
		return NODE_NONE;
	redis->node_count += index == redis->node_count;
	*redis->nodes[index] = (struct node){.redis = redis, .at.address = *address};
	return (uint16_t)index;
}

struct connection *redis_router_connect(struct node *node, enum connection_kind kind)
{
	if (!node->connections[kind])
		node->connections[kind] = redis_connection_create(&node->redis->shared, kind, &node->at.address, node);
	return node->connections[kind];
}

void redis_router_disconnect(struct node *node)
{
	for (int kind = 0; kind < 2; ++kind) {
		redis_connection_destroy(node->connections[kind]);
		node->connections[kind] = NULL;
	}
}

/* Whether commands of its slot and kind are parked; reads and writes do not wait for each other. */
static bool *parked_flag(struct redis *redis, const struct command *command)
{
	return &redis->parked_slots[command->slot][command->write];
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
	redis->release_us = MIN(redis->release_us, when_us);
}

/* Parks a command, in front of younger ones that are parked already. */
static void park(struct redis *redis, struct command *command, int64_t not_before_us)
{
	struct command *before = TAILQ_LAST(&redis->parked, command_list);
	while (before && before->start_us > command->start_us)
		before = TAILQ_PREV(before, command_list, link);
	command->not_before_us = not_before_us;
	command->number = 0;
	command->ask = NODE_NONE;
	redis_command_move(command, &redis->parked);
	*parked_flag(redis, command) = true;
	TAILQ_REMOVE(&redis->parked, command, link);
	if (before)
		TAILQ_INSERT_AFTER(&redis->parked, before, command, link);
	else
		TAILQ_INSERT_HEAD(&redis->parked, command, link);
}

/* Parks a command that was refused. `redirected`: it is sent again without delay, but not endlessly. */
static void park_refused(struct redis *redis, struct command *command, bool redirected)
{
	int64_t delay_us = 0;
	if (!redirected || command->tries >= FREE_TRIES)
		delay_us = redis_connection_delay_us(PARK_FIRST_US, PARK_MOST_US, command->tries);
	if (command->tries < UINT8_MAX)
		++command->tries;
	park(redis, command, redis->shared.now_us + delay_us);
	release_by(redis, command->not_before_us);
}

void redis_router_take(struct redis *redis, struct command *command)
{
	struct connection *connection = *parked_flag(redis, command) ? NULL : route(redis, command);
	if (connection) {
		redis_command_move(command, &connection->lists[COMMANDS_NEW]);
		return;
	}
	if (!*parked_flag(redis, command))
		redis_router_refresh(redis, NULL);
	park(redis, command, command->start_us);
	release_by(redis, command->start_us + PARK_MOST_US);
}

/* Moves a parked command to its connection. Returns false if there is none now. */
static bool release(struct redis *redis, struct command *command)
{
	static const char *const asking[] = {"ASKING"};
	struct connection *connection = route(redis, command);
	bool asks = command->ask != NODE_NONE;
	if (!connection || (asks && !redis_connection_send(connection, 1, asking, NULL, NULL))) {
		command->ask = NODE_NONE;
		return false;
	}
	redis_command_move(command, &connection->lists[COMMANDS_NEW]);
	return true;
}

/*
 * Looks for commands whose connection is not that of their slot any more. Those that are not sent yet are parked, to be
 * routed anew. Those that were sent may be refused and come back, so no later command may overtake them. Either way the
 * rest of their slot waits.
 */
static void find_strays(struct redis *redis)
{
	struct command *command;
	TAILQ_FOREACH (command, &redis->shared.pool.commands, pool_link) {
		if (!command->callback || command->internal || command->reply || command->list == &redis->parked)
			continue;
		const struct connection *connection = route(redis, command);
		if (connection && (uintptr_t)command->list - (uintptr_t)connection->lists < sizeof(connection->lists))
			continue;
		*parked_flag(redis, command) = true;
		if (!command->number)
			park(redis, command, redis->shared.now_us);
		release_by(redis, redis->shared.now_us + PARK_FIRST_US);
	}
}

int redis_router_release(struct redis *redis)
{
	int64_t now_us = redis->shared.now_us;
	int count = 0;
	redis->release_us = CLOCK_NEVER;
	memset(redis->parked_slots, 0, sizeof(redis->parked_slots));
	find_strays(redis);
	for (struct command *next, *command = TAILQ_FIRST(&redis->parked); command; command = next) {
		next = TAILQ_NEXT(command, link);
		/* If one stays, all later ones of its slot do. */
		if (*parked_flag(redis, command))
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
		*parked_flag(redis, command) = true;
		release_by(redis, again_us);
	}
	return count;
}

void redis_router_broken(struct connection *connection)
{
	struct redis *redis = connection->shared->client;
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

/* Keeps the code of an error; the text may have keys in it. */
static void note_refusal(struct redis *redis, const struct redis_reply *reply)
{
	snprintf(redis->last_refusal, sizeof(redis->last_refusal), "%.*s", (int)strcspn(reply->data, " "), reply->data);
}

/* Gives the reply to the caller and frees the command. */
static void deliver(struct redis *redis, struct command *command, int status, const struct redis_reply *reply)
{
	struct redis_stats *stats = &redis->shared.stats;
	redis_callback *callback = command->callback;
	void *data = command->data;
	int64_t latency_us = redis->shared.now_us - command->start_us;
	size_t bucket = 0;
	redis_command_free(command);
	if (!callback)
		return;
	while (bucket < 15 && latency_us > redis_latency_bounds_us[bucket])
		++bucket;
	++stats->latency_buckets[bucket];
	stats->latency_sum_us += (uint64_t)latency_us;
	++stats->replies;
	--redis->pending;
	if (reply && reply->type == REDIS_ERROR) {
		++stats->refusals;
		note_refusal(redis, reply);
	}
	callback(data, status, reply);
}

/* The reply to WAIT or WAITAOF: the commands before it get the replies that Redis gave, or count as not replicated. */
static void acknowledged(struct redis *redis, struct connection *connection, const struct redis_reply *reply)
{
	const struct redis_options *options = &redis->shared.options;
	struct command_list *answered = &connection->lists[COMMANDS_ANSWERED];
	bool disk = reply->type == REDIS_ARRAY && reply->count == 2; /* WAITAOF: this server's, and the replicas' */
	const struct redis_reply *replicas = disk ? reply->elements[1] : reply;
	bool enough = replicas->type == REDIS_INTEGER && replicas->integer >= (int64_t)options->ack_replicas &&
	              (!options->ack_disk || (disk && reply->elements[0]->integer >= 1));
	connection->acknowledging = false;
	for (struct command *command; (command = TAILQ_FIRST(answered));)
		deliver(redis, command, 0, enough ? command->reply : &not_replicated);
}

static bool begins(const struct redis_reply *reply, const char *code)
{
	return !strncmp(reply->data, code, strlen(code));
}

/* Follows MOVED and ASK. Returns false if the text or the address cannot be used. */
static bool redirected(struct redis *redis, struct connection *connection, struct command *command,
                       const struct redis_reply *reply)
{
	struct redirect redirect;
	struct node *from = connection->owner;
	if (redis_redirect_parse(&redirect, reply->data, reply->length))
		return false;
	if (!*redirect.to.host)
		memcpy(redirect.to.host, from->at.address.host, sizeof(redirect.to.host));
	uint16_t to = redis_router_node(redis, &redirect.to);
	if (to == NODE_NONE)
		return false;
	if (redirect.ask) {
		/* A script finds only the keys that have moved already: it waits until all have. */
		++*(command->script ? &redis->shared.stats.delayed : &redis->shared.stats.asked);
		park_refused(redis, command, !command->script);
		command->ask = command->script ? NODE_NONE : to;
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

/*
 * A single server's READONLY fails that command only, and the connection is made again at most once in READONLY_US.
 * With sentinels or a cluster it is made again each time, and the command is sent to the new master.
 */
static void refused_as_replica(struct redis *redis, struct connection *connection, struct command *command,
                               const struct redis_reply *reply)
{
	bool single = redis->shared.url.mode == REDIS_SINGLE;
	if (single)
		deliver(redis, command, 0, reply);
	if (single && redis->shared.now_us < connection->readonly_us)
		return;
	connection->readonly_us = redis->shared.now_us + READONLY_US;
	redis_connection_break(connection, "READONLY the server is a replica");
}

/*
 * Whether an error means that the same server can execute the command later. The last two are texts behind ERR, with
 * which servers refuse a script whose slot migrates.
 */
static bool is_passing(const struct redis_reply *reply)
{
	return begins(reply, "TRYAGAIN") || begins(reply, "CLUSTERDOWN") || begins(reply, "NOREPLICAS") ||
	       strstr(reply->data, "non local key") || strstr(reply->data, "undeclared keys were accessed");
}

/*
 * Answers NOSCRIPT: sends a command again. The script's text is sent with it unless it is on its way, so once for all
 * commands that are under way. Returns whether it took the command.
 */
static bool resend_script(struct connection *connection, struct command *command)
{
	struct connection_text *text = connection->texts;
	if (!command->script || command->with_text)
		return false;
	/* The note of this script's text; a free one if there is none yet, the first one when none is free. */
	for (size_t i = CONNECTION_TEXTS; i--;)
		if (!connection->texts[i].script || connection->texts[i].script == command->script)
			text = &connection->texts[i];
	/* A command that was sent before the text did not find it; it will now, behind the text. */
	if (text->script != command->script || command->number > text->number) {
		command->with_text = true;
		*text = (struct connection_text){command->script, connection->sent};
	}
	command->number = 0;
	redis_command_move(command, &connection->lists[COMMANDS_AGAIN]);
	return true;
}

/*
 * Does what an error means for a command that may be sent again. Returns false if nothing is to be done but to pass the
 * error on.
 */
static bool error_handled(struct redis *redis, struct connection *connection, struct command *command,
                          const struct redis_reply *reply)
{
	if (begins(reply, "NOSCRIPT"))
		return resend_script(connection, command);
	if (redis->shared.url.mode == REDIS_CLUSTER && (begins(reply, "MOVED ") || begins(reply, "ASK ")))
		return redirected(redis, connection, command, reply);
	if (begins(reply, "READONLY")) {
		refused_as_replica(redis, connection, command, reply);
		return true;
	}
	/* The server is not ready yet: as if the connection had failed. */
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

void redis_router_replied(struct connection *connection, struct command *command, int status,
                          const struct redis_reply *reply)
{
	struct redis *redis = connection->shared->client;
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
		return;
	}
	deliver(redis, command, status, reply);
}
