/* redis/connection: connects, greets, writes and reads; every failure ends in connection_break() and a new try later. */
#include "redis/connection.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "redis/socket.h"

enum {
	READ_SIZE = 16 << 10, /* hiredis moves the rest of its buffer after each reply: more at once costs more */
	READ_ROUNDS = 16,     /* reads per step, so that one connection can't hold the loop */
	STEADY_US = 1000000,  /* a connection that lasted this long starts the backoff anew */
	ATTEMPT_MAX = 20,
};

/* xorshift64*: enough to keep clients from coming back in step. */
static uint64_t next_random(struct redis *redis)
{
	redis->random ^= redis->random >> 12;
	redis->random ^= redis->random << 25;
	redis->random ^= redis->random >> 27;
	return redis->random * UINT64_C(0x2545F4914F6CDD1D);
}

static int64_t backoff_us(struct redis *redis)
{
	int64_t delay = redis->options.backoff_min_us;
	for (unsigned i = 0; i < redis->attempt && delay < redis->options.backoff_max_us; ++i)
		delay *= 2;
	if (delay > redis->options.backoff_max_us)
		delay = redis->options.backoff_max_us;
	return delay - (int64_t)(next_random(redis) % ((uint64_t)delay / 2 + 1));
}

void connection_break(struct redis *redis, int64_t now_us, const char *why)
{
	socket_abort(redis->fd);
	redis->fd = -1;
	if (redis->state == CONNECTION_READY && now_us - redis->ready_us >= STEADY_US)
		redis->attempt = 0;
	redis->wake_us = now_us + backoff_us(redis);
	if (redis->attempt < ATTEMPT_MAX)
		++redis->attempt;
	redis->state = CONNECTION_WAITING;
	queue_rewind(&redis->queue);
	snprintf(redis->last_error, sizeof(redis->last_error), "%s", why);
}

static void greet_argument(struct buffer *out, const char *text)
{
	buffer_printf(out, "$%zu\r\n%s\r\n", strlen(text), text);
}

/* AUTH and SELECT where the URL asks for them, and a PING: a server that is still loading refuses it. */
static void greeting_write(struct redis *redis)
{
	struct buffer *out = &redis->greeting;
	const struct redis_url *url = &redis->url;
	buffer_clear(out);
	redis->greeting_written = 0;
	redis->greeting_replies = 1;
	if (url->password) {
		buffer_append_string(out, url->user ? "*3\r\n" : "*2\r\n");
		greet_argument(out, "AUTH");
		if (url->user)
			greet_argument(out, url->user);
		greet_argument(out, url->password);
		++redis->greeting_replies;
	}
	if (url->db) {
		char db[16];
		snprintf(db, sizeof(db), "%u", url->db);
		buffer_append_string(out, "*2\r\n");
		greet_argument(out, "SELECT");
		greet_argument(out, db);
		++redis->greeting_replies;
	}
	buffer_append_string(out, "*1\r\n");
	greet_argument(out, "PING");
}

static int step_waiting(struct redis *redis, int64_t now_us)
{
	if (now_us < redis->wake_us)
		return 0;
	if (reply_reader_reset(redis->reader)) {
		connection_break(redis, now_us, "out of memory");
		return 1;
	}
	redis->fd = socket_connect(&redis->url, redis->attempt);
	if (redis->fd < 0) {
		const char *why = strerrordesc_np(-redis->fd);
		redis->fd = -1;
		connection_break(redis, now_us, why);
		return 1;
	}
	redis->state = CONNECTION_CONNECTING;
	redis->wake_us = now_us + redis->options.connect_timeout_us;
	return 1;
}

static int step_connecting(struct redis *redis, int64_t now_us)
{
	int result = socket_connected(redis->fd);
	if (result < 0) {
		connection_break(redis, now_us, strerrordesc_np(-result));
		return 1;
	}
	if (!result) {
		if (now_us < redis->wake_us)
			return 0;
		connection_break(redis, now_us, "the connection could not be made in time");
		return 1;
	}
	greeting_write(redis);
	if (redis->greeting.failed) {
		connection_break(redis, now_us, "out of memory");
		return 1;
	}
	redis->state = CONNECTION_GREETING;
	return 1;
}

/* Sends what fits. Returns how many bytes went out, or -1 when the connection is broken (and is given up here). */
static ssize_t send_some(struct redis *redis, int64_t now_us, const char *data, size_t length)
{
	for (;;) {
		ssize_t sent = send(redis->fd, data, length, MSG_NOSIGNAL);
		if (sent >= 0)
			return sent;
		if (errno == EAGAIN || errno == EWOULDBLOCK)
			return 0;
		if (errno != EINTR) {
			connection_break(redis, now_us, strerrordesc_np(errno));
			return -1;
		}
	}
}

int connection_write(struct redis *redis, int64_t now_us)
{
	if (redis->state < CONNECTION_GREETING)
		return 0;
	queue_drop_unsent(&redis->queue);
	const char *data = redis->queue.bytes + redis->queue.written;
	size_t length = redis->queue.end - redis->queue.written;
	size_t *written = &redis->queue.written;
	if (redis->state == CONNECTION_GREETING) {
		data = redis->greeting.data + redis->greeting_written;
		length = redis->greeting.length - redis->greeting_written;
		written = &redis->greeting_written;
	}
	if (!length)
		return 0;
	ssize_t sent = send_some(redis, now_us, data, length);
	if (sent > 0) {
		*written += (size_t)sent;
		++redis->stats.writes;
	}
	return sent != 0;
}

/* A server that does not know AUTH repeats what it was given: where there is a password, only the error's code is kept. */
static void greeting_refused(struct redis *redis, int64_t now_us, const char *error)
{
	char code[32];
	int length = (int)strcspn(error, " ");
	snprintf(code, sizeof(code), "%.*s", length, error);
	connection_break(redis, now_us, redis->url.password ? code : error);
}

static void greeting_reply(struct redis *redis, int64_t now_us, const struct redis_reply *reply)
{
	if (reply->type == REDIS_ERROR) {
		greeting_refused(redis, now_us, reply->data);
		return;
	}
	if (--redis->greeting_replies)
		return;
	redis->state = CONNECTION_READY;
	redis->ready_us = now_us;
	redis->last_error[0] = '\0';
	explicit_bzero(redis->greeting.data, redis->greeting.length);
	buffer_clear(&redis->greeting);
	if (redis->was_ready)
		++redis->stats.reconnects;
	redis->was_ready = true;
}

/* A reply that can't be read is the oldest command's fault: it fails, so that the others get on. */
static void reply_unreadable(struct redis *redis, int64_t now_us, int status)
{
	struct command head = {0};
	if (redis->state == CONNECTION_READY && queue_head_sent(&redis->queue)) {
		head = *queue_at(&redis->queue, 0);
		queue_pop(&redis->queue);
	}
	connection_break(redis, now_us,
	                 status == -E2BIG    ? "a reply was too big"
	                 : status == -ENOMEM ? "out of memory"
	                                     : "the server broke the protocol");
	if (head.callback)
		head.callback(head.data, status, NULL);
}

/* Hands out the replies that are whole. Returns how many. */
static int take_replies(struct redis *redis, int64_t now_us)
{
	int count = 0;
	while (redis->fd >= 0) {
		const struct redis_reply *reply = NULL;
		int result = reply_reader_next(redis->reader, &reply);
		if (!result)
			break;
		++count;
		if (result < 0)
			reply_unreadable(redis, now_us, result);
		else if (redis->state == CONNECTION_GREETING)
			greeting_reply(redis, now_us, reply);
		else if (queue_head_sent(&redis->queue))
			connection_dispatch(redis, now_us, reply);
		else
			connection_break(redis, now_us, "the server sent a reply that nobody asked for");
	}
	return count;
}

static int read_step(struct redis *redis, int64_t now_us)
{
	char data[READ_SIZE];
	int happened = 0;
	for (int round = 0; round < READ_ROUNDS && redis->fd >= 0; ++round) {
		ssize_t length = recv(redis->fd, data, sizeof(data), 0);
		if (length < 0 && errno == EINTR)
			continue;
		if (length < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			break;
		if (length <= 0) {
			connection_break(redis, now_us, length ? strerrordesc_np(errno) : "the server closed the connection");
			return happened + 1;
		}
		int result = reply_reader_feed(redis->reader, data, (size_t)length);
		if (result) {
			reply_unreadable(redis, now_us, result);
			return happened + 1;
		}
		happened += take_replies(redis, now_us);
		if ((size_t)length < sizeof(data))
			break;
	}
	return happened;
}

int connection_step(struct redis *redis, int64_t now_us)
{
	int happened = 0;
	if (redis->state == CONNECTION_WAITING)
		happened += step_waiting(redis, now_us);
	if (redis->state == CONNECTION_CONNECTING)
		happened += step_connecting(redis, now_us);
	if (redis->state == CONNECTION_GREETING && now_us >= redis->wake_us) {
		connection_break(redis, now_us, "the server did not greet in time");
		return happened + 1;
	}
	if (redis->state >= CONNECTION_GREETING)
		happened += read_step(redis, now_us);
	return happened;
}
