/* redis: the public face: commands, the run step, deadlines, counters. */
#include "redis/redis.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/param.h>
#include <unistd.h>

#include "base/clock.h"
#include "redis/client.h"

#define SILENCE_SINGLE_US INT64_C(5000000)
#define PING_SINGLE_US INT64_C(500000)
/* A client that was not run for this time was paused. Deadlines are extended by as long, up to a bound. */
#define PAUSE_US INT64_C(250000)
#define PAUSE_MAX_US INT64_C(1000000)

const int64_t redis_latency_bounds_us[15] = {50,    100,   200,    500,    1000,   2000,    5000,   10000,
                                             20000, 50000, 100000, 200000, 500000, 1000000, 5000000};

static void set_times(struct connection_shared *shared)
{
	bool bound = shared->url.mode != REDIS_SINGLE && shared->options.reply_age_us != CLOCK_NEVER;
	shared->reply_age_us = bound ? shared->options.reply_age_us : CLOCK_NEVER;
	shared->silence_us = bound ? shared->reply_age_us : SILENCE_SINGLE_US;
	/* Often enough to detect a stopped server before another one takes over, also without commands. */
	shared->ping_us = bound ? shared->reply_age_us / 2 : PING_SINGLE_US;
}

static int create_mode(struct redis *redis)
{
	struct redis_url *url = &redis->shared.url;
	if (url->mode == REDIS_SENTINEL)
		return redis_sentinel_create(redis);
	if (url->mode == REDIS_CLUSTER)
		return redis_cluster_create(redis);
	redis->refresh.due_us = CLOCK_NEVER;
	uint16_t node = redis_router_node(redis, &url->endpoints[0]);
	if (node == NODE_NONE || !redis_router_connect(redis->nodes[node], CONNECTION_READ))
		return -ENOMEM;
	redis->nodes[node]->at.master = true;
	return 0;
}

static int fill(struct redis *redis, const struct redis_options *options, char *error, size_t size)
{
	struct connection_shared *shared = &redis->shared;
	int result = redis_url_parse(&shared->url, options->url, error, size);
	if (result)
		return result;
	if (!options->cert != !options->key) {
		snprintf(error, size, "Redis: a client certificate and its key are needed together");
		return -EINVAL;
	}
	if (shared->url.tls)
		result = redis_tls_context_create(&shared->tls, &shared->options, error, size);
	if (result)
		return result;
	set_times(shared);
	shared->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (shared->epoll_fd < 0)
		return -errno;
	return create_mode(redis);
}

int redis_create(struct redis **out, const struct redis_options *options, char *error, size_t size)
{
	if (size)
		error[0] = '\0';
	struct redis *redis = calloc(1, sizeof(*redis));
	if (!redis)
		return -ENOMEM;
	struct connection_shared *shared = &redis->shared;
	shared->options = *options;
	shared->epoll_fd = -1;
	shared->client = redis;
	shared->now_us = clock_monotonic_us();
	TAILQ_INIT(&shared->connections);
	TAILQ_INIT(&shared->pool.commands);
	TAILQ_INIT(&redis->parked);
	redis->deadline_us = redis->release_us = CLOCK_NEVER;
	int result = fill(redis, options, error, size);
	if (result) {
		redis_destroy(redis);
		return result;
	}
	*out = redis;
	return 0;
}

/* Whether a command may change data; the ones that are not known to read only are taken to. */
static bool may_write(const char *name)
{
	static const char *const reads[] = {"EXISTS", "GET",    "HGET",   "HGETALL",       "HMGET",    "SCAN",
	                                    "ZCARD",  "ZCOUNT", "ZRANGE", "ZRANGEBYSCORE", "ZREVRANGE"};
	for (size_t i = 0; i < sizeof(reads) / sizeof(reads[0]); ++i)
		if (!strcmp(name, reads[i]))
			return false;
	return true;
}

/* Takes a command for the owner of a slot (-1: of its key's), or a script with so many keys. */
static int append(struct redis *redis, const struct redis_script *script, int slot, int keys, int argc,
                  const char *const *argv, const size_t *lengths, int64_t deadline_us, redis_callback *callback,
                  void *data)
{
	size_t max_pending = redis->shared.options.max_pending;
	struct command *command;
	if (redis->destroying)
		return -ECANCELED;
	if (!callback || keys < 0 || keys > argc || (!script && argc < 1))
		return -EINVAL;
	/* Expired commands without a reply count, too. */
	if (redis->pending >= max_pending || redis->shared.pool.count >= 2 * max_pending)
		return -EBUSY;
	int result = redis_command_create(&command, &redis->shared.pool, script, keys, argc, argv, lengths);
	if (result)
		return result;
	command->callback = callback;
	command->data = data;
	command->deadline_us = deadline_us;
	command->start_us = clock_monotonic_us();
	command->ask = NODE_NONE;
	command->write = script ? !script->read_only : may_write(argv[0]);
	int key = script ? 0 : 1;
	if (slot >= 0)
		command->slot = (uint16_t)slot;
	else if (redis->shared.url.mode == REDIS_CLUSTER && (script ? keys > 0 : argc > 1))
		command->slot = redis_slot_of(argv[key], lengths ? lengths[key] : strlen(argv[key]));
	redis->deadline_us = MIN(redis->deadline_us, deadline_us);
	++redis->pending;
	++redis->shared.stats.commands;
	redis_router_take(redis, command);
	return 0;
}

int redis_command(struct redis *redis, int argc, const char *const *argv, const size_t *lengths, int64_t deadline_us,
                  redis_callback *callback, void *data)
{
	return append(redis, NULL, -1, 0, argc, argv, lengths, deadline_us, callback, data);
}

int redis_command_to(struct redis *redis, int slot, int argc, const char *const *argv, int64_t deadline_us,
                     redis_callback *callback, void *data)
{
	return append(redis, NULL, slot, 0, argc, argv, NULL, deadline_us, callback, data);
}

int redis_next_server(const struct redis *redis, int slot)
{
	bool seen[NODES_MAX + 1] = {false};
	for (int i = 0; i < SLOT_COUNT; ++i) {
		bool *owner = &seen[MIN(redis->owner[i], NODES_MAX)];
		if (i > slot && !*owner)
			return i;
		*owner = true;
	}
	return -1;
}

int redis_eval(struct redis *redis, const struct redis_script *script, int keys, int argc, const char *const *argv,
               const size_t *lengths, int64_t deadline_us, redis_callback *callback, void *data)
{
	return append(redis, script, -1, keys, argc, argv, lengths, deadline_us, callback, data);
}

/* Nobody waits for the command any more. It stays where it is, because a reply may come or its list be in use. */
static void abandon(struct redis *redis, struct command *command)
{
	command->callback = NULL;
	redis->has_abandoned = true;
	--redis->pending;
}

/*
 * A command does not expire because this program was paused before it could send the command or read the reply. A
 * machine that was paused also stopped the server, so the command gets the time of the pause again. A write that has
 * not been sent is an exception: its deadline is a promise.
 */
static bool is_expired(const struct redis *redis, const struct command *command)
{
	bool extended = command->number || (!command->write && command->deadline_us > command->start_us);
	return redis->shared.now_us >=
	       (extended ? MAX(command->deadline_us, redis->paused_until_us) : command->deadline_us);
}

/* Fires what has expired; callbacks may append meanwhile. */
static int expire(struct redis *redis)
{
	struct command *command;
	int happened = 0;
	if (redis->shared.now_us < redis->deadline_us)
		return 0;
	redis->deadline_us = CLOCK_NEVER;
	TAILQ_FOREACH (command, &redis->shared.pool.commands, pool_link) {
		redis_callback *callback = command->callback;
		if (!callback || command->internal)
			continue;
		if (!is_expired(redis, command)) {
			redis->deadline_us = MIN(redis->deadline_us, command->deadline_us);
			continue;
		}
		abandon(redis, command);
		++redis->shared.stats.timeouts;
		++happened;
		callback(command->data, -ETIMEDOUT, NULL);
	}
	return happened;
}

void redis_cancel(struct redis *redis, void *data)
{
	struct command *command;
	TAILQ_FOREACH (command, &redis->shared.pool.commands, pool_link)
		if (command->callback && !command->internal && command->data == data)
			abandon(redis, command);
}

/* Frees abandoned commands that wait to be sent. */
static void free_abandoned(struct redis *redis)
{
	if (!redis->has_abandoned)
		return;
	redis->has_abandoned = false;
	for (struct command *next, *command = TAILQ_FIRST(&redis->shared.pool.commands); command; command = next) {
		next = TAILQ_NEXT(command, pool_link);
		if (!command->callback && !command->internal && !command->number)
			redis_command_free(command);
	}
}

int redis_run(struct redis *redis)
{
	struct connection *connection;
	int happened = 0;
	if (redis->running)
		return 0;
	redis->running = true;
	int64_t before_us = redis->shared.now_us;
	redis->shared.now_us = clock_monotonic_us();
	int64_t pause_us = redis->shared.now_us - before_us;
	if (pause_us > PAUSE_US)
		redis->paused_until_us = redis->shared.now_us + MIN(pause_us, PAUSE_MAX_US);
	/* Replies that have arrived still count; only then are deadlines enforced, and what is left is written. */
	TAILQ_FOREACH (connection, &redis->shared.connections, link)
		happened += redis_connection_step(connection);
	if (redis->shared.url.mode == REDIS_CLUSTER)
		redis_cluster_step(redis);
	if (redis->sentinels)
		redis_sentinel_step(redis);
	happened += expire(redis);
	free_abandoned(redis);
	if (redis->shared.now_us >= redis->release_us)
		happened += redis_router_release(redis);
	TAILQ_FOREACH (connection, &redis->shared.connections, link)
		happened += redis_connection_write(connection);
	happened += redis_cluster_take(redis);
	redis->running = false;
	return happened;
}

int redis_poll_fd(const struct redis *redis)
{
	return redis->shared.epoll_fd;
}

int64_t redis_next_timer_us(const struct redis *redis)
{
	int64_t next = TAILQ_EMPTY(&redis->parked) ? CLOCK_NEVER : redis->release_us;
	const struct connection *connection;
	if (redis->pending)
		next = MIN(next, redis->deadline_us);
	TAILQ_FOREACH (connection, &redis->shared.connections, link)
		next = MIN(next, redis_connection_next_timer_us(connection));
	return MIN(next, redis->refresh.due_us);
}

const char *redis_last_error(const struct redis *redis)
{
	return redis->shared.last_error;
}

const char *redis_last_refusal(const struct redis *redis)
{
	return redis->last_refusal;
}

static bool is_connected(const struct node *node)
{
	const struct connection *connection = node->connections[CONNECTION_READ];
	return node->at.master && !node->unconfirmed && connection && connection->state == CONNECTION_READY;
}

/* How long a node has owed a reply without sending a byte. */
static int64_t silence_us(const struct node *node, int64_t now_us)
{
	int64_t since_us = now_us;
	for (int kind = 0; kind < 2; ++kind)
		if (node->connections[kind])
			since_us = MIN(since_us, redis_connection_silent_since_us(node->connections[kind]));
	return now_us - since_us;
}

bool redis_answers(const struct redis *redis, int64_t within_us)
{
	int64_t now_us = clock_monotonic_us();
	if (now_us < redis->paused_until_us)
		within_us = CLOCK_NEVER;
	for (size_t i = 0; i < redis->node_count; ++i)
		if (is_connected(redis->nodes[i]) && silence_us(redis->nodes[i], now_us) <= within_us)
			return true;
	return false;
}

bool redis_connected(const struct redis *redis)
{
	return redis_answers(redis, CLOCK_NEVER);
}

bool redis_reaches(const struct redis *redis, const char *key, size_t length)
{
	if (redis->shared.url.mode != REDIS_CLUSTER)
		return true;
	uint16_t owner = redis->owner[redis_slot_of(key, length)];
	return owner < redis->node_count && is_connected(redis->nodes[owner]);
}

size_t redis_pending(const struct redis *redis)
{
	return redis->pending;
}

void redis_get_stats(const struct redis *redis, struct redis_stats *out)
{
	const struct command *command;
	*out = redis->shared.stats;
	TAILQ_FOREACH (command, &redis->parked, link)
		++out->parked;
	if (redis->shared.url.mode == REDIS_CLUSTER)
		out->unassigned = SLOT_COUNT - redis->covered;
	if (redis->refresh.confirmed_us)
		out->map_age_s = (uint64_t)(clock_monotonic_us() - redis->refresh.confirmed_us) / 1000000;
}

void redis_destroy(struct redis *redis)
{
	struct connection *connection;
	if (!redis)
		return;
	redis->destroying = redis->running = true;
	for (struct command *command; (command = TAILQ_FIRST(&redis->shared.pool.commands));) {
		redis_callback *callback = command->internal ? NULL : command->callback;
		void *data = command->data;
		redis_command_free(command);
		if (callback)
			callback(data, -ECANCELED, NULL);
	}
	while ((connection = TAILQ_FIRST(&redis->shared.connections)))
		redis_connection_destroy(connection);
	while (redis->node_count)
		free(redis->nodes[--redis->node_count]);
	free(redis->refresh.fresh);
	free(redis->sentinels);
	redis_tls_context_destroy(redis->shared.tls);
	if (redis->shared.epoll_fd >= 0)
		close(redis->shared.epoll_fd);
	redis_url_free(&redis->shared.url);
	free(redis);
}
