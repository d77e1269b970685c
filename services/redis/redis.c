/* redis: the public face: options, commands, the run step, deadlines, counters. */
#include "redis/redis.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "redis/connection.h"
#include "redis/socket.h"

enum {
	OVERDUE_US = 1000000, /* an oldest command this long past its deadline: the connection is given up */
	FIRED_SLACK = 64,     /* fired commands that a queue without connection may hold beside the live ones */
};

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
	};
}

int redis_create(struct redis **out, const struct redis_options *options, char *error, size_t size)
{
	if (size)
		error[0] = '\0';
	if (!options->url) {
		snprintf(error, size, "Redis URL: it is missing");
		return -EINVAL;
	}
	if (options->connect_timeout_us <= 0 || options->backoff_min_us <= 0 ||
	    options->backoff_max_us < options->backoff_min_us || !options->max_pending || !options->max_reply_bytes) {
		snprintf(error, size,
		         "Redis: times and caps must be above zero, and the longest backoff no shorter than the first");
		return -EINVAL;
	}
	struct redis *redis = calloc(1, sizeof(*redis));
	if (!redis)
		return -ENOMEM;
	redis->fd = -1;
	redis->options = *options;
	redis->options.url = NULL;
	redis->deadline_us = CLOCK_NEVER;
	redis->random = (uint64_t)clock_monotonic_us() ^ ((uint64_t)getpid() << 32) ^ (uint64_t)(uintptr_t)redis;
	if (!redis->random)
		redis->random = 1;
	int result = redis_url_parse(&redis->url, options->url, error, size);
	if (!result)
		result = reply_reader_create(&redis->reader, options->max_reply_bytes);
	if (result) {
		redis_destroy(redis);
		return result;
	}
	*out = redis;
	return 0;
}

int redis_append(struct redis *redis, struct command *command, const struct part *first, size_t first_count, int argc,
                 const char *const *argv, const size_t *lengths, int64_t deadline_us, redis_callback *callback,
                 void *data)
{
	if (redis->destroying)
		return -ECANCELED;
	if (!callback)
		return -EINVAL;
	if (redis->queue.count >= redis->options.max_pending)
		return -EBUSY;
	command->callback = callback;
	command->data = data;
	command->deadline_us = deadline_us;
	command->start_us = clock_monotonic_us();
	int result = queue_push(&redis->queue, command, first, first_count, argc, argv, lengths);
	if (result)
		return result;
	if (deadline_us < redis->deadline_us)
		redis->deadline_us = deadline_us;
	++redis->stats.commands;
	return 0;
}

int redis_command(struct redis *redis, int argc, const char *const *argv, const size_t *lengths, int64_t deadline_us,
                  redis_callback *callback, void *data)
{
	struct command command = {0};
	if (argc < 1)
		return -EINVAL;
	return redis_append(redis, &command, NULL, 0, argc, argv, lengths, deadline_us, callback, data);
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

static bool error_is(const struct redis_reply *reply, const char *code)
{
	size_t length = strlen(code);
	return reply->type == REDIS_ERROR && reply->length >= length && !memcmp(reply->data, code, length);
}

void connection_dispatch(struct redis *redis, int64_t now_us, const struct redis_reply *reply)
{
	struct command *head = queue_at(&redis->queue, 0);
	/* Nobody waits for a command that has expired: its reply only holds the place in the order. */
	if (!head->callback) {
		queue_pop(&redis->queue);
		return;
	}
	if (error_is(reply, "NOSCRIPT") && script_resend(redis))
		return;
	/* Not there yet: as if the connection had failed. */
	if (error_is(reply, "LOADING") || error_is(reply, "MASTERDOWN")) {
		connection_break(redis, now_us, reply->data);
		return;
	}
	/* A name may point to the new master by now: one try, then the caller hears of it. */
	if (error_is(reply, "READONLY") && !head->retried) {
		head->retried = true;
		connection_break(redis, now_us, reply->data);
		return;
	}
	struct command command = *head;
	queue_pop(&redis->queue);
	redis->attempt = 0;
	++redis->stats.replies;
	if (reply->type == REDIS_ERROR) {
		++redis->stats.refusals;
		snprintf(redis->last_refusal, sizeof(redis->last_refusal), "%s", reply->data);
	}
	count_latency(&redis->stats, now_us - command.start_us);
	command.callback(command.data, 0, reply);
}

/* Fires what has expired. Callbacks may append meanwhile: positions from the head stay as they are, for nothing is taken off. */
static int expire(struct redis *redis, int64_t now_us)
{
	int happened = 0;
	if (now_us < redis->deadline_us)
		return 0;
	redis->deadline_us = CLOCK_NEVER;
	for (size_t i = 0; i < redis->queue.count; ++i) {
		struct command *command = queue_at(&redis->queue, i);
		if (!command->callback)
			continue;
		if (now_us < command->deadline_us) {
			if (command->deadline_us < redis->deadline_us)
				redis->deadline_us = command->deadline_us;
			continue;
		}
		redis_callback *callback = command->callback;
		queue_fire(&redis->queue, command);
		++redis->stats.timeouts;
		++happened;
		callback(command->data, -ETIMEDOUT, NULL);
	}
	return happened;
}

void redis_cancel(struct redis *redis, void *data)
{
	for (size_t i = 0; i < redis->queue.count; ++i) {
		struct command *command = queue_at(&redis->queue, i);
		if (command->callback && command->data == data)
			queue_fire(&redis->queue, command);
	}
}

/* When the oldest command, if it has expired unanswered, makes the connection count as dead. */
static int64_t overdue_us(const struct redis *redis)
{
	if (redis->state != CONNECTION_READY || !redis->queue.count)
		return CLOCK_NEVER;
	const struct command *head = queue_at(&redis->queue, 0);
	return head->callback || head->deadline_us == CLOCK_NEVER ? CLOCK_NEVER : head->deadline_us + OVERDUE_US;
}

int redis_run(struct redis *redis)
{
	if (redis->running)
		return 0;
	redis->running = true;
	int64_t now_us = clock_monotonic_us();
	/* Replies that have arrived still count; only then are deadlines enforced, and what is left is written. */
	int happened = connection_step(redis, now_us);
	happened += expire(redis, now_us);
	happened += connection_write(redis, now_us);
	if (now_us >= overdue_us(redis)) {
		connection_break(redis, now_us, "the server does not answer");
		++happened;
	}
	/* Without a connection no reply takes fired commands off. */
	if (redis->state != CONNECTION_READY && redis->queue.count > 2 * redis->queue.live + FIRED_SLACK)
		queue_rewind(&redis->queue);
	redis->running = false;
	return happened;
}

int redis_poll_fd(const struct redis *redis, short *events)
{
	bool unsent = redis->state == CONNECTION_READY ? redis->queue.written < redis->queue.end
	                                               : redis->greeting_written < redis->greeting.length;
	*events = POLLIN;
	if (redis->state == CONNECTION_CONNECTING)
		*events = POLLOUT;
	else if (unsent)
		*events = POLLIN | POLLOUT;
	return redis->fd;
}

int64_t redis_next_timer_us(const struct redis *redis)
{
	int64_t next = overdue_us(redis);
	if (redis->queue.live && redis->deadline_us < next)
		next = redis->deadline_us;
	if (redis->state != CONNECTION_READY && redis->wake_us < next)
		next = redis->wake_us;
	return next;
}

const char *redis_last_error(const struct redis *redis)
{
	return redis->last_error;
}

const char *redis_last_refusal(const struct redis *redis)
{
	return redis->last_refusal;
}

bool redis_connected(const struct redis *redis)
{
	return redis->state == CONNECTION_READY;
}

size_t redis_pending(const struct redis *redis)
{
	return redis->queue.live;
}

void redis_get_stats(const struct redis *redis, struct redis_stats *out)
{
	*out = redis->stats;
}

void redis_destroy(struct redis *redis)
{
	if (!redis)
		return;
	redis->destroying = redis->running = true;
	while (redis->queue.count) {
		struct command command = *queue_at(&redis->queue, 0);
		queue_pop(&redis->queue);
		if (command.callback)
			command.callback(command.data, -ECANCELED, NULL);
	}
	socket_abort(redis->fd);
	reply_reader_destroy(redis->reader);
	queue_free(&redis->queue);
	if (redis->greeting.data)
		explicit_bzero(redis->greeting.data, redis->greeting.capacity);
	buffer_free(&redis->greeting);
	redis_url_free(&redis->url);
	free(redis);
}
