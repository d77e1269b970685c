/*
 * redis/connection: connects, greets, writes and reads; every failure ends in redis_connection_break() and a new try
 * later. Own sockets rather than hiredis' context, which would not set close-on-exec, would raise SIGPIPE and would
 * abort when out of memory.
 */
#include "redis/connection.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/param.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"

enum {
	READ_SIZE = 16 << 10,
	FEED_SIZE = 2 << 10,      /* hiredis moves the rest of its buffer after each reply: more at once costs more */
	READ_ROUNDS = 16,         /* reads per step, so that one connection can't hold the loop */
	WRITE_SIZE = 256 << 10,   /* commands are written in pieces of about this size */
	WRITE_KEPT = 1 << 20,     /* an empty output buffer above this is freed */
	STEADY_US = 1000000,      /* a connection that lasted this long starts the backoff anew */
	LOOK_US = 5000,           /* between two looks at an idle socket or at a name server's answer */
	CONNECT_US = 1000000,     /* until the greeting's last reply */
	RESOLVE_US = 20000000,    /* a name server may take this long while no address of the host is known */
	OVERDUE_US = 1000000,     /* an oldest command this long past its deadline: the connection is given up */
	ACKNOWLEDGEMENT_MS = 500, /* how long WAIT and WAITAOF wait */
	ATTEMPT_MAX = 20,
};

int64_t redis_connection_delay_us(int64_t first_us, int64_t most_us, unsigned tries)
{
	int64_t delay_us = MIN(first_us << MIN(tries, ATTEMPT_MAX), most_us);
	return delay_us - (int64_t)arc4random_uniform((uint32_t)delay_us / 2 + 1);
}

struct connection *redis_connection_create(struct connection_shared *shared, enum connection_kind kind,
                                           const struct redis_address *at, void *owner)
{
	struct connection *connection = calloc(1, sizeof(*connection));
	if (!connection || redis_reply_reader_create(&connection->reader, shared->options.max_reply_bytes)) {
		free(connection);
		return NULL;
	}
	connection->shared = shared;
	connection->kind = kind;
	connection->owner = owner;
	connection->fd = -1;
	connection->at = *at;
	if (shared->url.path) {
		struct sockaddr_un *address = (struct sockaddr_un *)&connection->address;
		address->sun_family = AF_UNIX;
		snprintf(address->sun_path, sizeof(address->sun_path), "%s", shared->url.path);
		connection->address_length = sizeof(*address);
	}
	for (int i = 0; i < COMMANDS_LISTS; ++i)
		TAILQ_INIT(&connection->lists[i]);
	TAILQ_INSERT_TAIL(&shared->connections, connection, link);
	return connection;
}

/* Forgets what was to be written; what a greeting wrote may have a password. */
static void clear_output(struct connection *connection)
{
	if (connection->state == CONNECTION_GREETING && connection->out.data)
		explicit_bzero(connection->out.data, connection->out.length);
	buffer_clear(&connection->out);
	connection->written = 0;
	if (connection->out.capacity > WRITE_KEPT)
		buffer_free(&connection->out);
}

/* Closes the socket and drops the bytes that the kernel has not sent yet, so that no abandoned command is delivered. */
static void abort_socket(int fd)
{
	const struct linger at_once = {.l_onoff = 1, .l_linger = 0};
	if (fd < 0)
		return;
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	close(fd);
}

/* Closes the socket; commands that may be sent again are new. */
static void close_all(struct connection *connection)
{
	struct command_list *lists = connection->lists;
	struct command *command;
	clear_output(connection);
	redis_tls_destroy(connection->tls);
	connection->tls = NULL;
	redis_resolver_destroy(connection->resolver);
	connection->resolver = NULL;
	abort_socket(connection->fd);
	connection->fd = -1;
	connection->interest = 0;
	connection->state = CONNECTION_WAITING;
	connection->acknowledging = false;
	memset(connection->texts, 0, sizeof(connection->texts));
	for (int i = COMMANDS_ANSWERED + 1; i < COMMANDS_LISTS; ++i)
		while ((command = TAILQ_FIRST(&lists[i])))
			redis_command_move(command, &lists[COMMANDS_ANSWERED]);
	while ((command = TAILQ_FIRST(&lists[COMMANDS_ANSWERED]))) {
		command->number = 0;
		command->reply = NULL;
		if (command->callback && !command->internal)
			redis_command_move(command, &lists[COMMANDS_NEW]);
		else
			redis_command_free(command);
	}
}

void redis_connection_destroy(struct connection *connection)
{
	if (!connection)
		return;
	close_all(connection);
	redis_router_broken(connection);
	TAILQ_REMOVE(&connection->shared->connections, connection, link);
	redis_reply_reader_destroy(connection->reader);
	buffer_free(&connection->out);
	free(connection);
}

int redis_connection_break(struct connection *connection, const char *why)
{
	struct connection_shared *shared = connection->shared;
	const struct redis_options *options = &shared->options;
	snprintf(shared->last_error, sizeof(shared->last_error), "%s", why);
	if (connection->state == CONNECTION_READY && shared->now_us - connection->ready_us >= STEADY_US)
		connection->attempt = 0;
	close_all(connection);
	connection->wake_us = shared->now_us + redis_connection_delay_us(options->backoff_min_us, options->backoff_max_us,
	                                                                 connection->attempt);
	++connection->attempt;
	redis_router_broken(connection);
	return 1;
}

struct command *redis_connection_send(struct connection *connection, int argc, const char *const *argv,
                                      redis_callback *callback, void *data)
{
	struct command *command;
	if (redis_command_create(&command, &connection->shared->pool, NULL, 0, argc, argv, NULL))
		return NULL;
	command->callback = callback;
	command->data = data;
	command->deadline_us = CLOCK_NEVER;
	command->internal = true;
	redis_command_move(command, &connection->lists[COMMANDS_NEW]);
	return command;
}

/* The command that is to be sent next; NULL: none, or an acknowledgement has to come first. */
static struct command *next_to_send(const struct connection *connection)
{
	const struct command *last = TAILQ_LAST(&connection->lists[COMMANDS_SENT], command_list);
	struct command *again = TAILQ_FIRST(&connection->lists[COMMANDS_AGAIN]);
	if (connection->state != CONNECTION_READY || (last && last->acknowledgement))
		return NULL;
	return again ? again : TAILQ_FIRST(&connection->lists[COMMANDS_NEW]);
}

/* Keeps epoll informed of what the connection waits for. */
static void watch(struct connection *connection)
{
	short events = POLLIN;
	if (connection->fd < 0)
		return;
	if (connection->state == CONNECTION_CONNECTING)
		events = POLLOUT;
	else if (connection->tls && connection->tls->events)
		events |= connection->tls->events;
	else if (connection->written < connection->out.length || next_to_send(connection))
		events |= POLLOUT;
	if (events == connection->interest)
		return;
	struct epoll_event event = {.events = (uint32_t)events};
	if (!epoll_ctl(connection->shared->epoll_fd, connection->interest ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, connection->fd,
	               &event))
		connection->interest = events;
}

static int begin_connect(struct connection *connection)
{
	const struct sockaddr *address = (const struct sockaddr *)&connection->address;
	const int on = 1;
	connection->fd = socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (connection->fd < 0)
		return redis_connection_break(connection, strerrordesc_np(errno));
	/* Where it fails, the connection works without. */
	setsockopt(connection->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (connect(connection->fd, address, connection->address_length) && errno != EINPROGRESS)
		return redis_connection_break(connection, strerrordesc_np(errno));
	connection->state = CONNECTION_CONNECTING;
	connection->wake_us = connection->shared->now_us + CONNECT_US;
	return 1;
}

static int step_waiting(struct connection *connection)
{
	const struct connection_shared *shared = connection->shared;
	if (shared->now_us < connection->wake_us)
		return 0;
	if (redis_reply_reader_reset(connection->reader))
		return redis_connection_break(connection, "out of memory");
	if (shared->url.path)
		return begin_connect(connection);
	int result = redis_resolver_create(&connection->resolver, connection->at.host, connection->at.port);
	if (result)
		return redis_connection_break(connection, strerrordesc_np(-result));
	connection->state = CONNECTION_RESOLVING;
	connection->wake_us = shared->now_us + (connection->address_length ? CONNECT_US : RESOLVE_US);
	return 1;
}

/* When the name server does not answer, the address that the host had last is as good a guess as any. */
static int step_resolving(struct connection *connection)
{
	int64_t now_us = connection->shared->now_us;
	int result = redis_resolver_step(connection->resolver, connection->attempt, &connection->address,
	                                 &connection->address_length);
	if (!result && now_us < connection->wake_us) {
		connection->look_us = now_us + LOOK_US;
		return 0;
	}
	redis_resolver_destroy(connection->resolver);
	connection->resolver = NULL;
	if (result == 1 || connection->address_length)
		return begin_connect(connection);
	return redis_connection_break(connection, "the host's name cannot be resolved");
}

static int step_connecting(struct connection *connection)
{
	struct connection_shared *shared = connection->shared;
	struct pollfd poll_fd = {.fd = connection->fd, .events = POLLOUT};
	int error = 0;
	socklen_t length = sizeof(error);
	if (poll(&poll_fd, 1, 0) <= 0)
		return 0;
	if (getsockopt(connection->fd, SOL_SOCKET, SO_ERROR, &error, &length))
		error = errno;
	if (error)
		return redis_connection_break(connection, strerrordesc_np(error));
	if (!shared->tls)
		return redis_greeting_begin(connection);
	connection->tls = redis_tls_begin(shared->tls, connection->at.host, connection->fd);
	if (!connection->tls)
		return redis_connection_break(connection,
		                              "TLS: out of memory, or the host is no name that a certificate can have");
	connection->state = CONNECTION_SECURING;
	return 1;
}

/* How many bytes; 0: not now; or a negative errno. */
static ssize_t transferred(ssize_t length)
{
	return length >= 0 ? length : errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR ? 0 : -errno;
}

/* These send or receive what is possible without waiting. -EPIPE: the server has closed the connection. */
static ssize_t send_bytes(struct connection *connection, const char *data, size_t length)
{
	if (connection->tls)
		return redis_tls_send(connection->tls, data, length);
	return transferred(send(connection->fd, data, length, MSG_NOSIGNAL));
}

static ssize_t receive_bytes(struct connection *connection, char *data, size_t size)
{
	if (connection->tls)
		return redis_tls_receive(connection->tls, data, size);
	ssize_t length = recv(connection->fd, data, size, 0);
	return length ? transferred(length) : -EPIPE;
}

static int transfer_failed(struct connection *connection, ssize_t result)
{
	return redis_connection_break(connection, result == -EPIPE   ? "the server closed the connection"
	                                          : !connection->tls ? strerrordesc_np((int)-result)
	                                                             : connection->tls->error);
}

static int step_securing(struct connection *connection)
{
	int result = redis_tls_handshake(connection->tls);
	if (result < 0)
		return transfer_failed(connection, result);
	return result ? redis_greeting_begin(connection) : 0;
}

/*
 * Puts a WAIT or WAITAOF behind the write commands that are there now; those that come later wait for the next one.
 * Returns false when out of memory.
 */
static bool ask_for_acknowledgement(struct connection *connection)
{
	const struct redis_options *options = &connection->shared->options;
	char replicas[16], wait_ms[16];
	const char *const disk[] = {"WAITAOF", "1", replicas, wait_ms}, *const memory[] = {"WAIT", replicas, wait_ms};
	snprintf(replicas, sizeof(replicas), "%u", options->ack_replicas);
	/* Less than the silence that would break the connection. */
	snprintf(wait_ms, sizeof(wait_ms), "%d", (int)MIN(connection->shared->silence_us / 2000, ACKNOWLEDGEMENT_MS));
	struct command *command =
	    redis_connection_send(connection, options->ack_disk ? 4 : 3, options->ack_disk ? disk : memory, NULL, NULL);
	if (command)
		command->acknowledgement = connection->acknowledging = true;
	return command;
}

/* Moves new commands to the sent ones. */
static void send_commands(struct connection *connection)
{
	const struct redis_options *options = &connection->shared->options;
	const struct command *last = TAILQ_LAST(&connection->lists[COMMANDS_NEW], command_list);
	bool any = (last && !last->internal) || !TAILQ_EMPTY(&connection->lists[COMMANDS_AGAIN]);
	bool acknowledged = connection->kind == CONNECTION_WRITE && (options->ack_replicas || options->ack_disk);
	if (any && acknowledged && !connection->acknowledging && !ask_for_acknowledgement(connection))
		return; /* the next run asks again: what no WAIT follows must not be sent */
	struct command *command;
	while (connection->out.length < WRITE_SIZE && (command = next_to_send(connection))) {
		redis_command_move(command, &connection->lists[COMMANDS_SENT]);
		command->sent_us = connection->shared->now_us;
		command->number = ++connection->sent;
		redis_command_write(command, &connection->out);
	}
}

/* Returns how much happened. */
static int flush(struct connection *connection)
{
	const char *data = connection->out.data + connection->written;
	size_t length = connection->out.length - connection->written;
	if (connection->out.failed)
		return redis_connection_break(connection, "out of memory");
	if (!length)
		return 0;
	ssize_t sent = send_bytes(connection, data, length);
	if (sent < 0)
		return transfer_failed(connection, sent);
	if (!sent)
		return 0;
	connection->written += (size_t)sent;
	if (connection->written == connection->out.length)
		clear_output(connection);
	connection->shared->stats.writes += connection->state == CONNECTION_READY;
	return 1;
}

int redis_connection_write(struct connection *connection)
{
	if (connection->state == CONNECTION_READY)
		send_commands(connection);
	int happened = flush(connection);
	watch(connection);
	return happened;
}

/* A reply that can't be read is the oldest command's fault: it fails, so that the others get on. */
static int reply_unreadable(struct connection *connection, int status)
{
	struct command *oldest = TAILQ_FIRST(&connection->lists[COMMANDS_SENT]);
	if (oldest && !oldest->internal)
		redis_router_replied(connection, oldest, status, NULL);
	return redis_connection_break(connection, status == -E2BIG    ? "a reply was too big"
	                                          : status == -ENOMEM ? "out of memory"
	                                                              : "the server broke the protocol");
}

/* Gives a reply to the oldest command that waits for one. */
static void take_reply(struct connection *connection, const struct redis_reply *reply)
{
	struct command *command = TAILQ_FIRST(&connection->lists[COMMANDS_SENT]);
	if (!command) {
		redis_connection_break(connection, "the server sent a reply without a pending command");
		return;
	}
	if (!command->internal || command->acknowledgement) {
		redis_router_replied(connection, command, 0, reply);
		return;
	}
	redis_callback *callback = command->callback;
	void *data = command->data;
	redis_command_free(command);
	if (callback)
		callback(data, 0, reply);
}

/* Hands out the replies that are whole. Returns how many. */
static int take_replies(struct connection *connection)
{
	int count = 0;
	while (connection->fd >= 0) {
		const struct redis_reply *reply = NULL;
		bool keep = !TAILQ_EMPTY(&connection->lists[COMMANDS_ANSWERED]);
		int result = redis_reply_reader_next(connection->reader, keep, &reply);
		if (!result)
			break;
		++count;
		if (result < 0)
			reply_unreadable(connection, result);
		else
			take_reply(connection, reply);
	}
	return count;
}

/* Returns how many replies were handed out. */
static int take_bytes(struct connection *connection, const char *data, size_t length)
{
	int count = 0;
	for (size_t at = 0; at < length && connection->fd >= 0; at += FEED_SIZE) {
		int result = redis_reply_reader_feed(connection->reader, data + at, MIN(length - at, FEED_SIZE));
		if (result)
			return count + reply_unreadable(connection, result);
		count += take_replies(connection);
	}
	return count;
}

static int step_reading(struct connection *connection)
{
	char data[READ_SIZE];
	int happened = 0;
	for (int round = 0; round < READ_ROUNDS && connection->fd >= 0; ++round) {
		ssize_t length = receive_bytes(connection, data, sizeof(data));
		if (length < 0)
			return happened + transfer_failed(connection, length);
		if (!length)
			break;
		connection->byte_us = connection->shared->now_us;
		happened += 1 + take_bytes(connection, data, (size_t)length);
		/* A short read of a TLS record does not mean that the socket is drained. */
		if (!connection->tls && (size_t)length < sizeof(data))
			break;
	}
	return happened;
}

void redis_connection_greeted(struct connection *connection)
{
	struct connection_shared *shared = connection->shared;
	clear_output(connection);
	connection->state = CONNECTION_READY;
	connection->ready_us = connection->byte_us = shared->now_us;
	shared->last_error[0] = '\0';
	shared->stats.reconnects += connection->was_ready;
	connection->was_ready = true;
}

int64_t redis_connection_silent_since_us(const struct connection *connection)
{
	const struct command *oldest = TAILQ_FIRST(&connection->lists[COMMANDS_SENT]);
	return oldest ? MAX(oldest->sent_us, connection->byte_us) : CLOCK_NEVER;
}

/* When the connection counts as dead for its silence; CLOCK_NEVER while nothing is outstanding. */
static int64_t silent_us(const struct connection *connection)
{
	const struct command *oldest = TAILQ_FIRST(&connection->lists[COMMANDS_SENT]);
	if (!oldest)
		return CLOCK_NEVER;
	int64_t limit_us = redis_connection_silent_since_us(connection) + connection->shared->silence_us;
	bool waited_for = oldest->callback || oldest->deadline_us == CLOCK_NEVER;
	return waited_for ? limit_us : MIN(limit_us, oldest->deadline_us + OVERDUE_US);
}

static int64_t ping_us(const struct connection *connection)
{
	for (int i = 0; i < COMMANDS_LISTS; ++i)
		if (!TAILQ_EMPTY(&connection->lists[i]))
			return CLOCK_NEVER;
	return connection->byte_us + connection->shared->ping_us;
}

static int step_ready(struct connection *connection)
{
	static const char *const ping[] = {"PING"};
	int64_t now_us = connection->shared->now_us;
	int happened = 0;
	if (!TAILQ_EMPTY(&connection->lists[COMMANDS_SENT]) || now_us >= connection->look_us) {
		connection->look_us = now_us + LOOK_US;
		happened = step_reading(connection);
	}
	if (connection->state != CONNECTION_READY)
		return happened;
	if (now_us >= silent_us(connection))
		return happened + redis_connection_break(connection, "the server does not answer");
	if (now_us >= ping_us(connection))
		redis_connection_send(connection, 1, ping, NULL, NULL);
	return happened;
}

int redis_connection_step(struct connection *connection)
{
	static int (*const steps[])(struct connection *) = {
	    [CONNECTION_WAITING] = step_waiting,       [CONNECTION_RESOLVING] = step_resolving,
	    [CONNECTION_CONNECTING] = step_connecting, [CONNECTION_SECURING] = step_securing,
	    [CONNECTION_GREETING] = step_reading,      [CONNECTION_READY] = step_ready,
	};
	enum connection_state before;
	int happened = 0;
	do {
		before = connection->state;
		happened += steps[before](connection);
	} while (connection->state > before);
	if (connection->state > CONNECTION_RESOLVING && connection->state < CONNECTION_READY &&
	    connection->shared->now_us >= connection->wake_us)
		happened += redis_connection_break(connection, "the server did not connect and greet in time");
	return happened;
}

int64_t redis_connection_next_timer_us(const struct connection *connection)
{
	if (connection->state == CONNECTION_RESOLVING)
		return connection->look_us;
	if (connection->state != CONNECTION_READY)
		return connection->wake_us;
	return MIN(silent_us(connection), ping_us(connection));
}
