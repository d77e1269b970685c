/* redis: the public face: options, commands, the run step, deadlines, counters. */
#include "redis/redis.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/clock.h"
#include "redis/client.h"

#define SILENCE_SINGLE_US INT64_C(5000000)

const int64_t redis_latency_bounds_us[15] = {50,    100,   200,    500,    1000,   2000,    5000,   10000,
                                             20000, 50000, 100000, 200000, 500000, 1000000, 5000000};

void redis_options_init(struct redis_options *options)
{
	*options = (struct redis_options){
	    .connect_timeout_us = 1000000,
	    .backoff_min_us = 20000,
	    .backoff_max_us = 1000000,
	    .max_pending = 65536,
	    .max_reply_bytes = (size_t)64 << 20,
	    .reply_age_us = 1000000,
	};
}

int redis_options_set_ack(struct redis_options *options, const char *text)
{
	bool replicas = !strncmp(text, "replicas=", 9) && text[9] >= '1' && text[9] <= '9' && !text[10];
	if (!replicas && strcmp(text, "local") && strcmp(text, "disk"))
		return -EINVAL;
	options->ack_replicas = replicas ? (unsigned)(text[9] - '0') : 0;
	options->ack_disk = !strcmp(text, "disk");
	return 0;
}

static int check_options(const struct redis_options *options, char *error, size_t size)
{
	const char *why = NULL;
	if (!options->url)
		why = "Redis URL: it is missing";
	else if (options->connect_timeout_us <= 0 || options->backoff_min_us <= 0 ||
	         options->backoff_max_us < options->backoff_min_us || !options->max_pending || !options->max_reply_bytes ||
	         options->reply_age_us <= 0)
		why = "Redis: times and caps must be above zero, and the longest backoff no shorter than the first";
	else if (!options->cert != !options->key)
		why = "Redis: a client certificate and its key are needed together";
	if (!why)
		return 0;
	snprintf(error, size, "%s", why);
	return -EINVAL;
}

static void set_times(struct connection_shared *shared)
{
	bool bound = shared->url.mode != REDIS_SINGLE && shared->options.reply_age_us != CLOCK_NEVER;
	shared->reply_age_us = bound ? shared->options.reply_age_us : CLOCK_NEVER;
	shared->silence_us = bound ? shared->reply_age_us : SILENCE_SINGLE_US;
	/* So often that a server that stands still is noticed before another one takes over, also when nobody asks it. */
	shared->ping_us = bound ? shared->reply_age_us / 2 : SILENCE_SINGLE_US;
}

static int create_mode(struct redis *redis)
{
	struct redis_url *url = &redis->shared.url;
	if (url->mode == REDIS_SENTINEL)
		return sentinel_create(redis);
	if (url->mode == REDIS_CLUSTER)
		return cluster_create(redis);
	struct node *node =
	    router_node(redis, url->path ? url->path : url->endpoints[0].host, url->path ? "" : url->endpoints[0].port);
	return node && router_connect(node, CONNECTION_READ) ? 0 : -ENOMEM;
}

static int fill(struct redis *redis, const struct redis_options *options, char *error, size_t size)
{
	struct connection_shared *shared = &redis->shared;
	int result = redis_url_parse(&shared->url, options->url, error, size);
	if (result)
		return result;
	const struct tls_sources sources = {options->ca, options->cert, options->key, options->tls_name};
	if (shared->url.tls)
		result = tls_context_create(&shared->tls, &sources, error, size);
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
	if (check_options(options, error, size))
		return -EINVAL;
	struct redis *redis = calloc(1, sizeof(*redis));
	if (!redis)
		return -ENOMEM;
	struct connection_shared *shared = &redis->shared;
	shared->options = *options;
	shared->options.url = NULL;
	shared->epoll_fd = -1;
	shared->replied = router_replied;
	shared->broken = router_broken;
	shared->client = redis;
	shared->random = (uint64_t)clock_monotonic_us() ^ ((uint64_t)getpid() << 32) ^ (uint64_t)(uintptr_t)redis;
	if (!shared->random)
		shared->random = 1;
	redis->deadline_us = redis->release_us = CLOCK_NEVER;
	int result = fill(redis, options, error, size);
	if (result) {
		redis_destroy(redis);
		return result;
	}
	*out = redis;
	return 0;
}

int redis_append(struct redis *redis, struct command *command, const char *key, size_t key_length,
                 const struct part *first, size_t first_count, int argc, const char *const *argv, const size_t *lengths)
{
	if (redis->destroying)
		return -ECANCELED;
	if (!command->callback)
		return -EINVAL;
	if (redis->pending >= redis->shared.options.max_pending)
		return -EBUSY;
	command->start_us = command->queued_us = clock_monotonic_us();
	command->ask = NODE_NONE;
	if (redis->cluster)
		command->slot = slot_of(key, key_length);
	struct queue *queue = router_queue(redis, command, command->start_us);
	/* Expired commands without a reply take room too. */
	if (queue->count >= 2 * redis->shared.options.max_pending)
		return -EBUSY;
	int result = queue_push(queue, command, first, first_count, argc, argv, lengths);
	if (result)
		return result;
	if (command->deadline_us < redis->deadline_us)
		redis->deadline_us = command->deadline_us;
	++redis->pending;
	++redis->shared.stats.commands;
	return 0;
}

/* Whether a command may change data; the ones that are not known to read only are taken to. */
static bool may_write(const char *name)
{
	static const char *const reads[] = {"EXISTS",    "GET",    "HGET", "HGETALL", "HMGET",         "INFO",
	                                    "PING",      "STRLEN", "TIME", "ZCARD",   "ZCOUNT",        "ZRANGE",
	                                    "ZREVRANGE", "ZSCORE", "HLEN", "HEXISTS", "ZRANGEBYSCORE", "ZREVRANGEBYSCORE"};
	for (size_t i = 0; i < sizeof(reads) / sizeof(reads[0]); ++i)
		if (!strcmp(name, reads[i]))
			return false;
	return true;
}

int redis_command(struct redis *redis, int argc, const char *const *argv, const size_t *lengths, int64_t deadline_us,
                  redis_callback *callback, void *data)
{
	if (argc < 1)
		return -EINVAL;
	struct command command = {
	    .callback = callback, .data = data, .deadline_us = deadline_us, .write = may_write(argv[0])};
	size_t key_length = argc < 2 ? 0 : lengths ? lengths[1] : strlen(argv[1]);
	return redis_append(redis, &command, argc < 2 ? "" : argv[1], key_length, NULL, 0, argc, argv, lengths);
}

/* The i-th queue of commands: the parked one, then two for each node. NULL: it has no such connection. */
static struct queue *queue_of(struct redis *redis, size_t i)
{
	if (!i)
		return &redis->parked;
	struct connection *connection = redis->nodes[(i - 1) / 2]->connections[(i - 1) % 2];
	return connection ? &connection->queue : NULL;
}

/* Fires what has expired. Callbacks may append meanwhile: positions from the head stay as they are, for nothing is taken off. */
static int expire_queue(struct redis *redis, struct queue *queue, int64_t now_us)
{
	int happened = 0;
	for (size_t i = 0; i < queue->count; ++i) {
		struct command *command = queue_at(queue, i);
		if (!command->callback || command->internal)
			continue;
		if (now_us < command->deadline_us) {
			if (command->deadline_us < redis->deadline_us)
				redis->deadline_us = command->deadline_us;
			continue;
		}
		redis_callback *callback = command->callback;
		void *data = command->data;
		queue_fire(queue, command);
		--redis->pending;
		++redis->shared.stats.timeouts;
		++happened;
		callback(data, -ETIMEDOUT, NULL);
	}
	return happened;
}

static int expire(struct redis *redis, int64_t now_us)
{
	int happened = 0;
	if (now_us < redis->deadline_us)
		return 0;
	redis->deadline_us = CLOCK_NEVER;
	for (size_t i = 0; i <= 2 * redis->node_count; ++i) {
		struct queue *queue = queue_of(redis, i);
		if (queue)
			happened += expire_queue(redis, queue, now_us);
	}
	return happened;
}

void redis_cancel(struct redis *redis, void *data)
{
	for (size_t n = 0; n <= 2 * redis->node_count; ++n) {
		struct queue *queue = queue_of(redis, n);
		for (size_t i = 0; queue && i < queue->count; ++i) {
			struct command *command = queue_at(queue, i);
			if (!command->callback || command->internal || command->data != data)
				continue;
			queue_fire(queue, command);
			--redis->pending;
		}
	}
}

/* Calls `step` for every connection to a server that serves commands. Returns how much happened. */
static int for_connections(struct redis *redis, int (*step)(struct connection *connection, int64_t now_us),
                           int64_t now_us)
{
	int happened = 0;
	for (size_t i = 0; i < redis->node_count; ++i)
		for (int kind = 0; kind < 2; ++kind)
			if (redis->nodes[i]->connections[kind])
				happened += step(redis->nodes[i]->connections[kind], now_us);
	return happened;
}

int redis_run(struct redis *redis)
{
	if (redis->running)
		return 0;
	redis->running = true;
	int64_t now_us = clock_monotonic_us();
	/* Replies that have arrived still count; only then are deadlines enforced, and what is left is written. */
	int happened = for_connections(redis, connection_step, now_us);
	if (redis->cluster)
		cluster_step(redis, now_us);
	if (redis->sentinels)
		happened += sentinel_step(redis, now_us);
	if (now_us >= redis->release_us)
		happened += router_release(redis, now_us);
	happened += expire(redis, now_us);
	happened += for_connections(redis, connection_write, now_us);
	if (redis->sentinels)
		sentinel_write(redis, now_us);
	if (redis->cluster)
		happened += cluster_take(redis, now_us);
	redis->running = false;
	return happened;
}

int redis_poll_fd(const struct redis *redis, short *events)
{
	*events = POLLIN;
	return redis->shared.epoll_fd;
}

int64_t redis_next_timer_us(const struct redis *redis)
{
	int64_t next = redis->parked.count ? redis->release_us : CLOCK_NEVER;
	if (redis->pending && redis->deadline_us < next)
		next = redis->deadline_us;
	for (size_t i = 0; i < 2 * redis->node_count; ++i) {
		const struct connection *connection = redis->nodes[i / 2]->connections[i % 2];
		int64_t timer = connection ? connection_next_timer_us(connection) : CLOCK_NEVER;
		if (timer < next)
			next = timer;
	}
	if (redis->cluster && redis->cluster->due_us < next)
		next = redis->cluster->due_us;
	if (redis->sentinels && sentinel_next_timer_us(redis) < next)
		next = sentinel_next_timer_us(redis);
	return next;
}

const char *redis_last_error(const struct redis *redis)
{
	return redis->shared.last_error;
}

const char *redis_last_refusal(const struct redis *redis)
{
	return redis->last_refusal;
}

bool redis_connected(const struct redis *redis)
{
	if (redis->cluster && !redis->cluster->covered)
		return false;
	for (size_t i = 0; i < redis->node_count; ++i) {
		const struct node *node = redis->nodes[i];
		const struct connection *connection = node->connections[CONNECTION_READ];
		if (connection && connection->state == CONNECTION_READY && !node->unconfirmed &&
		    (!redis->cluster || node->at.master))
			return true;
	}
	return false;
}

size_t redis_pending(const struct redis *redis)
{
	return redis->pending;
}

void redis_get_stats(const struct redis *redis, struct redis_stats *out)
{
	*out = redis->shared.stats;
	out->parked = redis->parked.count;
	out->slots = redis->cluster ? redis->cluster->covered : 0;
	out->unassigned = redis->cluster ? SLOT_COUNT - redis->cluster->covered : 0;
	for (size_t i = 0; i < redis->node_count; ++i)
		out->nodes += !redis->cluster || redis->nodes[i]->at.master;
	if (redis->confirmed_us)
		out->map_age_us = clock_monotonic_us() - redis->confirmed_us;
}

static void cancel_all(struct queue *queue)
{
	while (queue->count) {
		struct command command = *queue_at(queue, 0);
		queue_pop(queue);
		if (command.callback && !command.internal)
			command.callback(command.data, -ECANCELED, NULL);
	}
}

void redis_destroy(struct redis *redis)
{
	if (!redis)
		return;
	redis->destroying = redis->running = true;
	for (size_t i = 0; i <= 2 * redis->node_count; ++i)
		if (queue_of(redis, i))
			cancel_all(queue_of(redis, i));
	while (redis->node_count)
		router_forget(redis->nodes[--redis->node_count], 0);
	cluster_destroy(redis);
	sentinel_destroy(redis);
	queue_free(&redis->parked);
	tls_context_destroy(redis->shared.tls);
	if (redis->shared.epoll_fd >= 0)
		close(redis->shared.epoll_fd);
	redis_url_free(&redis->shared.url);
	free(redis);
}
