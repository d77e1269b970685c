/* redis/connection: connects, greets, writes and reads; every failure ends in connection_break() and a new try later. */
#include "redis/connection.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/clock.h"
#include "redis/greeting.h"
#include "redis/socket.h"

enum {
	READ_SIZE = 16 << 10,     /* hiredis moves the rest of its buffer after each reply: more at once costs more */
	READ_ROUNDS = 16,         /* reads per step, so that one connection can't hold the loop */
	STEADY_US = 1000000,      /* a connection that lasted this long starts the backoff anew */
	LOOK_US = 5000,           /* between two looks at an idle socket or at a name server's answer */
	RESOLVE_US = 10000000,    /* a name server may take this long while no address of the host is known */
	OVERDUE_US = 1000000,     /* an oldest command this long past its deadline: the connection is given up */
	UNANSWERED_MS = 30000,    /* one server, whose host may be away for a moment */
	ACKNOWLEDGEMENT_MS = 500, /* how long WAIT and WAITAOF wait */
	ATTEMPT_MAX = 20,
};

uint64_t connection_random(struct connection_shared *shared)
{
	/* xorshift64* */
	shared->random ^= shared->random >> 12;
	shared->random ^= shared->random << 25;
	shared->random ^= shared->random >> 27;
	return shared->random * UINT64_C(0x2545F4914F6CDD1D);
}

int64_t connection_jitter_us(struct connection_shared *shared, int64_t most_us)
{
	return most_us - (int64_t)(connection_random(shared) % ((uint64_t)most_us / 2 + 1));
}

static int64_t backoff_us(const struct connection *connection)
{
	const struct redis_options *options = &connection->shared->options;
	int64_t delay = options->backoff_min_us;
	for (unsigned i = 0; i < connection->attempt && delay < options->backoff_max_us; ++i)
		delay *= 2;
	if (delay > options->backoff_max_us)
		delay = options->backoff_max_us;
	return connection_jitter_us(connection->shared, delay);
}

int connection_create(struct connection **out, struct connection_shared *shared, enum connection_kind kind,
                      const char *host, const char *port)
{
	struct connection *connection = calloc(1, sizeof(*connection));
	if (!connection)
		return -ENOMEM;
	connection->shared = shared;
	connection->kind = kind;
	connection->fd = -1;
	snprintf(connection->host, sizeof(connection->host), "%s", host);
	snprintf(connection->port, sizeof(connection->port), "%s", port);
	int result = reply_reader_create(&connection->reader, shared->options.max_reply_bytes);
	if (result) {
		free(connection);
		return result;
	}
	*out = connection;
	return 0;
}

bool connection_acknowledges(const struct connection *connection)
{
	const struct redis_options *options = &connection->shared->options;
	return connection->kind == CONNECTION_WRITE && (options->ack_replicas || options->ack_disk);
}

static void close_all(struct connection *connection)
{
	tls_destroy(connection->tls);
	connection->tls = NULL;
	resolver_destroy(connection->resolver);
	connection->resolver = NULL;
	socket_abort(connection->fd);
	connection->fd = -1;
	connection->interest = 0;
}

void connection_destroy(struct connection *connection)
{
	if (!connection)
		return;
	close_all(connection);
	reply_reader_destroy(connection->reader);
	queue_free(&connection->queue);
	if (connection->greeting.data)
		explicit_bzero(connection->greeting.data, connection->greeting.capacity);
	buffer_free(&connection->greeting);
	free(connection);
}

void connection_break(struct connection *connection, int64_t now_us, const char *why)
{
	struct connection_shared *shared = connection->shared;
	if (why != shared->last_error)
		snprintf(shared->last_error, sizeof(shared->last_error), "%s", why);
	close_all(connection);
	if (connection->state == CONNECTION_READY && now_us - connection->ready_us >= STEADY_US)
		connection->attempt = 0;
	connection->wake_us = now_us + backoff_us(connection);
	if (connection->attempt < ATTEMPT_MAX)
		++connection->attempt;
	connection->state = CONNECTION_WAITING;
	connection->awaits_acknowledgement = false;
	queue_rewind(&connection->queue);
	connection->needs_acknowledgement = connection->queue.count && connection_acknowledges(connection);
	memset(connection->texts, 0, sizeof(connection->texts));
	shared->broken(shared->client, connection, now_us);
}

int connection_push_internal(struct connection *connection, int64_t now_us, int argc, const char *const *argv,
                             redis_callback *callback, void *data)
{
	struct command command = {
	    .callback = callback, .data = data, .deadline_us = CLOCK_NEVER, .queued_us = now_us, .internal = true};
	return queue_push(&connection->queue, &command, NULL, 0, argc, argv, NULL);
}

static void ignore(void *data, int status, const struct redis_reply *reply)
{
	(void)data;
	(void)status;
	(void)reply;
}

/* Keeps epoll informed of what the connection waits for. */
static void watch(struct connection *connection)
{
	const struct queue *queue = &connection->queue;
	short events = POLLIN;
	if (connection->fd < 0)
		return;
	if (connection->state == CONNECTION_CONNECTING)
		events = POLLOUT;
	else if (connection->tls && tls_events(connection->tls))
		events |= tls_events(connection->tls);
	else if (connection->state == CONNECTION_GREETING)
		events |= connection->greeting_written < connection->greeting.length ? POLLOUT : 0;
	else if (connection->state == CONNECTION_READY)
		events |= queue->written < (connection->awaits_acknowledgement ? queue->committed : queue->end) ? POLLOUT : 0;
	if (events == connection->interest)
		return;
	struct epoll_event event = {.events = (uint32_t)events};
	if (!epoll_ctl(connection->shared->epoll_fd, connection->interest ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, connection->fd,
	               &event))
		connection->interest = events;
}

static int begin_connect(struct connection *connection, int64_t now_us)
{
	const struct connection_shared *shared = connection->shared;
	const struct sockaddr *address = (const struct sockaddr *)&connection->address;
	unsigned unanswered_ms = shared->url.mode == REDIS_SINGLE ? UNANSWERED_MS : (unsigned)(shared->silence_us / 1000);
	connection->fd = shared->url.path ? socket_connect_unix(shared->url.path)
	                                  : socket_connect(address, connection->address_length, unanswered_ms);
	if (connection->fd < 0) {
		const char *why = strerrordesc_np(-connection->fd);
		connection->fd = -1;
		connection_break(connection, now_us, why);
		return 1;
	}
	connection->state = CONNECTION_CONNECTING;
	connection->wake_us = now_us + shared->options.connect_timeout_us;
	return 1;
}

static int step_waiting(struct connection *connection, int64_t now_us)
{
	if (now_us < connection->wake_us)
		return 0;
	if (reply_reader_reset(connection->reader)) {
		connection_break(connection, now_us, "out of memory");
		return 1;
	}
	if (connection->shared->url.path)
		return begin_connect(connection, now_us);
	int result = resolver_create(&connection->resolver, connection->host, connection->port);
	if (result) {
		connection_break(connection, now_us, strerrordesc_np(-result));
		return 1;
	}
	connection->state = CONNECTION_RESOLVING;
	connection->wake_us =
	    now_us + (connection->address_length ? connection->shared->options.connect_timeout_us : RESOLVE_US);
	return 1;
}

/* When the name server does not answer, the address that the host had last is as good a guess as any. */
static int step_resolving(struct connection *connection, int64_t now_us)
{
	int result =
	    resolver_step(connection->resolver, connection->attempt, &connection->address, &connection->address_length);
	if (!result && now_us < connection->wake_us) {
		connection->look_us = now_us + LOOK_US;
		return 0;
	}
	resolver_destroy(connection->resolver);
	connection->resolver = NULL;
	if (result == 1 || connection->address_length)
		return begin_connect(connection, now_us);
	connection_break(connection, now_us, "the host's name cannot be resolved");
	return 1;
}

static int begin_greeting(struct connection *connection, int64_t now_us)
{
	const char *why = NULL;
	if (greeting_write(connection, &why)) {
		connection_break(connection, now_us, why);
		return 1;
	}
	connection->state = CONNECTION_GREETING;
	return 1;
}

static int step_connecting(struct connection *connection, int64_t now_us)
{
	struct connection_shared *shared = connection->shared;
	int result = socket_connected(connection->fd);
	if (result < 0) {
		connection_break(connection, now_us, strerrordesc_np(-result));
		return 1;
	}
	if (!result)
		return 0;
	if (!shared->tls)
		return begin_greeting(connection, now_us);
	tls_context_refresh(shared->tls);
	if (tls_begin(&connection->tls, shared->tls, connection->host, connection->fd)) {
		connection_break(connection, now_us, "TLS: out of memory, or the host is no name that a certificate can have");
		return 1;
	}
	connection->state = CONNECTION_SECURING;
	return 1;
}

static int step_securing(struct connection *connection, int64_t now_us)
{
	int result = tls_handshake(connection->tls);
	if (result == 1)
		return begin_greeting(connection, now_us);
	if (!result)
		return 0;
	/* The text is the TLS object's, which breaking frees. */
	char why[160];
	snprintf(why, sizeof(why), "%s",
	         result == -EPIPE ? "TLS: the server closed the connection" : tls_error(connection->tls));
	connection_break(connection, now_us, why);
	return 1;
}

/* Breaks the connection after a failed transfer. Returns -1. */
static ssize_t transfer_failed(struct connection *connection, int64_t now_us, ssize_t result)
{
	char why[160];
	snprintf(why, sizeof(why), "%s",
	         result == -EPIPE   ? "the server closed the connection"
	         : !connection->tls ? strerrordesc_np((int)-result)
	                            : tls_error(connection->tls));
	connection_break(connection, now_us, why);
	return -1;
}

/* Sends what fits. Returns how many bytes went out, or -1 when the connection is broken. */
static ssize_t send_some(struct connection *connection, int64_t now_us, const char *data, size_t length)
{
	ssize_t sent;
	if (connection->tls) {
		sent = tls_send(connection->tls, data, length);
		return sent < 0 ? transfer_failed(connection, now_us, sent) : sent;
	}
	do
		sent = send(connection->fd, data, length, MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
	if (sent >= 0)
		return sent;
	return errno == EAGAIN || errno == EWOULDBLOCK ? 0 : transfer_failed(connection, now_us, -errno);
}

/* Receives what is there. Returns how many bytes, 0: none now, or -1 when the connection is broken. */
static ssize_t receive_some(struct connection *connection, int64_t now_us, char *data, size_t size)
{
	ssize_t length;
	if (connection->tls) {
		length = tls_receive(connection->tls, data, size);
		return length < 0 ? transfer_failed(connection, now_us, length) : length;
	}
	do
		length = recv(connection->fd, data, size, 0);
	while (length < 0 && errno == EINTR);
	if (length > 0)
		return length;
	if (length < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		return 0;
	return transfer_failed(connection, now_us, length ? -errno : -EPIPE);
}

static int write_greeting(struct connection *connection, int64_t now_us)
{
	size_t length = connection->greeting.length - connection->greeting_written;
	if (!length)
		return 0;
	ssize_t sent = send_some(connection, now_us, connection->greeting.data + connection->greeting_written, length);
	if (sent > 0)
		connection->greeting_written += (size_t)sent;
	return sent != 0;
}

/* Puts a WAIT or WAITAOF behind the write commands that are there now; those that come later wait for the next one. */
static void ask_for_acknowledgement(struct connection *connection, int64_t now_us)
{
	const struct redis_options *options = &connection->shared->options;
	struct queue *queue = &connection->queue;
	char replicas[16], wait_ms[16];
	const char *const argv[] = {options->ack_disk ? "WAITAOF" : "WAIT", "1", replicas, wait_ms};
	snprintf(replicas, sizeof(replicas), "%u", options->ack_replicas);
	/* Less than the silence that would break the connection. */
	int64_t most_ms = connection->shared->silence_us / 2000;
	snprintf(wait_ms, sizeof(wait_ms), "%d", most_ms < ACKNOWLEDGEMENT_MS ? (int)most_ms : ACKNOWLEDGEMENT_MS);
	struct command command = {
	    .callback = ignore, .deadline_us = CLOCK_NEVER, .queued_us = now_us, .internal = true, .acknowledgement = true};
	const struct part first = {argv[0], strlen(argv[0])};
	int skip = options->ack_disk ? 1 : 2;
	if (queue_push(queue, &command, &first, 1, 4 - skip, argv + skip, NULL))
		return;
	queue->committed = queue->end;
	connection->needs_acknowledgement = false;
	connection->awaits_acknowledgement = true;
}

int connection_write(struct connection *connection, int64_t now_us)
{
	struct queue *queue = &connection->queue;
	int happened = 0;
	if (connection->state == CONNECTION_GREETING)
		happened = write_greeting(connection, now_us);
	if (connection->state == CONNECTION_READY) {
		queue_drop_unsent(queue);
		if (connection->needs_acknowledgement && !connection->awaits_acknowledgement)
			ask_for_acknowledgement(connection, now_us);
		size_t end = connection->awaits_acknowledgement ? queue->committed : queue->end;
		ssize_t sent = end > queue->written
		                   ? send_some(connection, now_us, queue->bytes + queue->written, end - queue->written)
		                   : 0;
		if (sent > 0) {
			queue->written += (size_t)sent;
			++connection->shared->stats.writes;
		} else if (!sent && connection->tls && end > queue->written && queue->committed < end) {
			queue->committed = end;
		}
		happened = sent != 0;
	}
	watch(connection);
	return happened;
}

static void greeting_replied(struct connection *connection, int64_t now_us, const struct redis_reply *reply)
{
	struct connection_shared *shared = connection->shared;
	const char *why = NULL;
	int result = greeting_reply(connection, reply, &why);
	if (result < 0) {
		connection_break(connection, now_us, why);
		return;
	}
	if (!result)
		return;
	connection->state = CONNECTION_READY;
	connection->ready_us = connection->byte_us = now_us;
	buffer_clear(&connection->greeting);
	shared->last_error[0] = '\0';
	if (connection->was_ready)
		++shared->stats.reconnects;
	connection->was_ready = true;
}

/* A reply that can't be read is the oldest command's fault: it fails, so that the others get on. */
static void reply_unreadable(struct connection *connection, int64_t now_us, int status)
{
	struct connection_shared *shared = connection->shared;
	if (connection->state == CONNECTION_READY && queue_oldest_sent(&connection->queue))
		shared->replied(shared->client, connection, now_us, status, NULL);
	connection_break(connection, now_us,
	                 status == -E2BIG    ? "a reply was too big"
	                 : status == -ENOMEM ? "out of memory"
	                                     : "the server broke the protocol");
}

/* Hands out the replies that are whole. Returns how many. */
static int take_replies(struct connection *connection, int64_t now_us)
{
	struct connection_shared *shared = connection->shared;
	int count = 0;
	while (connection->fd >= 0) {
		const struct redis_reply *reply = NULL;
		int result = reply_reader_next(connection->reader, &reply);
		if (!result)
			break;
		++count;
		if (result < 0)
			reply_unreadable(connection, now_us, result);
		else if (connection->state == CONNECTION_GREETING)
			greeting_replied(connection, now_us, reply);
		else if (queue_oldest_sent(&connection->queue))
			shared->replied(shared->client, connection, now_us, 0, reply);
		else
			connection_break(connection, now_us, "the server sent a reply that nobody asked for");
	}
	return count;
}

static int read_step(struct connection *connection, int64_t now_us)
{
	char data[READ_SIZE];
	int happened = 0;
	for (int round = 0; round < READ_ROUNDS && connection->fd >= 0; ++round) {
		ssize_t length = receive_some(connection, now_us, data, sizeof(data));
		if (length < 0)
			return happened + 1;
		if (!length)
			break;
		connection->byte_us = now_us;
		++happened;
		int result = reply_reader_feed(connection->reader, data, (size_t)length);
		if (result) {
			reply_unreadable(connection, now_us, result);
			return happened;
		}
		happened += take_replies(connection, now_us);
		/* A short read of a TLS record does not mean that the socket is drained. */
		if (!connection->tls && (size_t)length < sizeof(data))
			break;
	}
	return happened;
}

/* When the connection counts as dead for its silence; CLOCK_NEVER while nothing is outstanding. */
static int64_t silent_us(const struct connection *connection)
{
	const struct command *oldest = queue_oldest_sent(&connection->queue);
	if (!oldest || connection->state != CONNECTION_READY)
		return CLOCK_NEVER;
	int64_t since_us = oldest->queued_us > connection->byte_us ? oldest->queued_us : connection->byte_us;
	int64_t limit_us = since_us + connection->shared->silence_us;
	int64_t overdue_us =
	    oldest->callback || oldest->deadline_us == CLOCK_NEVER ? CLOCK_NEVER : oldest->deadline_us + OVERDUE_US;
	return overdue_us < limit_us ? overdue_us : limit_us;
}

static int64_t ping_us(const struct connection *connection)
{
	return connection->queue.count ? CLOCK_NEVER : connection->byte_us + connection->shared->ping_us;
}

static int step_ready(struct connection *connection, int64_t now_us)
{
	static const char *const ping[] = {"PING"};
	int happened = 0;
	if (connection->queue.count || now_us >= connection->look_us) {
		connection->look_us = now_us + LOOK_US;
		happened = read_step(connection, now_us);
	}
	if (connection->state != CONNECTION_READY)
		return happened;
	if (now_us >= silent_us(connection)) {
		connection_break(connection, now_us, "the server does not answer");
		return happened + 1;
	}
	if (now_us >= ping_us(connection))
		connection_push_internal(connection, now_us, 1, ping, ignore, NULL);
	return happened;
}

int connection_step(struct connection *connection, int64_t now_us)
{
	int happened = 0;
	if (connection->state == CONNECTION_WAITING)
		happened += step_waiting(connection, now_us);
	if (connection->state == CONNECTION_RESOLVING)
		happened += step_resolving(connection, now_us);
	if (connection->state == CONNECTION_CONNECTING)
		happened += step_connecting(connection, now_us);
	if (connection->state == CONNECTION_SECURING)
		happened += step_securing(connection, now_us);
	if (connection->state == CONNECTION_GREETING)
		happened += read_step(connection, now_us);
	else if (connection->state == CONNECTION_READY)
		happened += step_ready(connection, now_us);
	if (connection->state > CONNECTION_RESOLVING && connection->state < CONNECTION_READY &&
	    now_us >= connection->wake_us) {
		connection_break(connection, now_us,
		                 connection->state == CONNECTION_GREETING ? "the server did not greet in time"
		                                                          : "the connection could not be made in time");
		++happened;
	}
	return happened;
}

int64_t connection_next_timer_us(const struct connection *connection)
{
	if (connection->state == CONNECTION_RESOLVING)
		return connection->look_us;
	if (connection->state != CONNECTION_READY)
		return connection->wake_us;
	int64_t silent = silent_us(connection), ping = ping_us(connection);
	return silent < ping ? silent : ping;
}
