/*
 * callhistoryd/connections: a table by descriptor, under one mutex for all workers. Its entries are atomic: every
 * close() and recvmsg() of the process checks, without the mutex, whether a descriptor is in the table, because a
 * descriptor's number that was a worker's connection may be another thread's file next. Plaintext is followed in
 * recvmsg(), TLS in SSL_read(). OpenSSL has no descriptor there, because gRPC gives it memory to read from: the
 * connection is found by the random bytes of the greeting, as the client's first TLS message (ClientHello) is called
 * here.
 */
#include "connections.h"

#include <dlfcn.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/param.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/address.h"
#include "base/clock.h"
#include "base/program.h"
#include "offenders.h"

/* Reserved descriptors: one for each thread that may need one at the same time. */
enum { RESERVE = 64 };
enum { TABLE_MAX = 1 << 20 };
/* A greeting: record head (5), message head (4), version (2), random (32). */
enum { RANDOM_OFFSET = 11, RANDOM_BYTES = 32, GREETING_BYTES = RANDOM_OFFSET + RANDOM_BYTES };
/* Unfinished requests of the whole process, and what each costs gRPC in bytes. */
enum { UNFINISHED_MAX = 4096, REQUEST_COST = 12 << 10 };
/* A connection with at most these is closed because of others only if none has more. */
enum { FEW_REQUESTS = 4, FEW_BYTES = 1 << 20 };
/* Resets and similar frames of the whole process: each may cost gRPC 8 KiB for a short time. */
enum { WASTE_PER_SECOND = 2000, WASTE_BURST = 2000 };
/*
 * How many of these frames each connection may send whatever the others do: a client's settings, and some cancelled
 * requests. Without it, a flood on other connections would close every new one.
 */
enum { OWN_WASTE_PER_SECOND = 2, OWN_WASTE_BURST = 16 };

/*
 * What gRPC may read of a connection before it is the others' turn: its share of the requests of a round, but some, and
 * not more than so many bytes. The first bytes are few, because a connection's requests are not known yet.
 */
enum { ROUND_REQUESTS = 128, TURN_REQUESTS_LEAST = 4 };
enum { TURN_BYTES_FIRST = 1 << 10, TURN_BYTES_LEAST = 64, TURN_BYTES_MOST = 16 << 10 };

struct connection {
	LIST_ENTRY(connection) entry; /* in `list` */
	struct sockaddr_storage address;
	struct rpc_frames frames;
	struct rpc_bucket own_waste;
	uint8_t greeting[GREETING_BYTES]; /* of TLS */
	uint8_t greeting_length;
	bool begun; /* bytes were received, so that `tls` is known */
	bool tls, closed, exempt;
	int fd;
	size_t turn_bytes;
	int poll_fd; /* gRPC's epoll set that has the connection, and as what; -1: none */
	struct epoll_event watched;
};

static struct {
	pthread_mutex_t lock; /* guards what follows */
	struct connections_options options;
	struct connection *_Atomic *table; /* by descriptor */
	size_t size;
	LIST_HEAD(, connection) list;
	struct rpc_bucket waste;
	struct offenders offenders;
	struct connections_stats stats;
	uint32_t streams, unfinished;
	uint64_t unfinished_bytes;
	_Atomic uint32_t refused; /* requests; without any, what is to be sent is not looked at */
	bool draining;
	int exempt_port;                     /* 0: none */
	const char *exempt_path;             /* NULL: none */
	int ssl_index;                       /* of the descriptor among an SSL's extra data */
	int (*ssl_read)(SSL *, void *, int); /* OpenSSL's own */
	int (*ssl_write)(SSL *, const void *, int);
} all = {.lock = PTHREAD_MUTEX_INITIALIZER};

static _Thread_local bool guarded;

int connections_prepare(const struct connections_options *options)
{
	struct rlimit limit;
	program_allow_descriptors(RESERVE);
	all.options = *options;
	all.size = getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_max > TABLE_MAX ? TABLE_MAX : limit.rlim_max;
	all.table = calloc(all.size, sizeof(*all.table));
	if (!all.table)
		return -ENOMEM;
	void *symbols[] = {dlsym(RTLD_NEXT, "SSL_read"), dlsym(RTLD_NEXT, "SSL_write")};
	arc4random_buf(&all.offenders.seed, sizeof(all.offenders.seed));
	memcpy(&all.ssl_read, &symbols[0], sizeof(all.ssl_read));
	memcpy(&all.ssl_write, &symbols[1], sizeof(all.ssl_write));
	all.ssl_index = SSL_get_ex_new_index(0, NULL, NULL, NULL, NULL);
	return 0;
}

void connections_guard(void)
{
	guarded = true;
}

/*
 * The connection of a descriptor, with the lock held, which the caller releases. NULL, without the lock, for any other
 * descriptor.
 */
static struct connection *lock_connection(int fd)
{
	if (fd < 0 || !all.table || (size_t)fd >= all.size || !all.table[fd])
		return NULL;
	pthread_mutex_lock(&all.lock);
	struct connection *connection = all.table[fd];
	if (!connection)
		pthread_mutex_unlock(&all.lock);
	return connection;
}

static bool same_host(const struct sockaddr_storage *a, const struct sockaddr_storage *b)
{
	if (a->ss_family != b->ss_family)
		return false;
	if (a->ss_family == AF_INET)
		return ((const struct sockaddr_in *)a)->sin_addr.s_addr == ((const struct sockaddr_in *)b)->sin_addr.s_addr;
	return a->ss_family == AF_INET6 &&
	       memcmp(&((const struct sockaddr_in6 *)a)->sin6_addr, &((const struct sockaddr_in6 *)b)->sin6_addr,
	              sizeof(struct in6_addr)) == 0;
}

static void count(unsigned reason, const struct sockaddr_storage *address)
{
	char *last = all.stats.last_address[reason];
	const size_t size = sizeof(all.stats.last_address[reason]);
	all.stats.closed[reason]++;
	if (address->ss_family == AF_UNIX ||
	    getnameinfo((const struct sockaddr *)address, sizeof(*address), last, (socklen_t)size, NULL, 0, NI_NUMERICHOST))
		snprintf(last, size, "unix");
}

/* Closes both directions: gRPC reads the end of the connection and closes the descriptor. */
static void end(struct connection *connection, unsigned reason)
{
	if (connection->closed)
		return;
	connection->closed = true;
	count(reason, &connection->address);
	shutdown(connection->fd, SHUT_RDWR);
}

/* Whether one more connection is within the limits; a reason if not, else 0. */
static unsigned check_limits(const struct sockaddr_storage *address)
{
	uint32_t of_host = 0;
	if (!offenders_admit(&all.offenders, address, clock_monotonic_us()))
		return CONNECTIONS_AFTER_RESETS;
	if (all.stats.open >= all.options.most)
		return CONNECTIONS_MOST;
	if (address->ss_family != AF_INET && address->ss_family != AF_INET6)
		return 0;
	const struct connection *at;
	LIST_FOREACH (at, &all.list, entry)
		of_host += same_host(&at->address, address);
	return of_host >= all.options.most_per_address ? CONNECTIONS_PER_ADDRESS : 0;
}

/* Whether a connection arrived at the health port. */
static bool is_exempt(int fd)
{
	struct sockaddr_storage address = {.ss_family = AF_UNSPEC};
	socklen_t length = sizeof(address) - 1;
	if ((!all.exempt_port && !all.exempt_path) || getsockname(fd, (struct sockaddr *)&address, &length))
		return false;
	if (address.ss_family == AF_UNIX)
		return all.exempt_path && strcmp(((struct sockaddr_un *)&address)->sun_path, all.exempt_path) == 0;
	in_port_t port = address.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&address)->sin6_port
	                                               : ((struct sockaddr_in *)&address)->sin_port;
	return all.exempt_port && ntohs(port) == all.exempt_port;
}

/*
 * Adds a new connection to the table. Returns false if it must be closed. While the program drains, all new ones are,
 * those of the health port excepted: some clients repeat a request only once, and that of one that reconnects to
 * another worker would be kept from gRPC a second time (rpc/frames.h).
 */
static bool enter(int fd, const struct sockaddr *address, socklen_t length)
{
	struct connection *connection = (size_t)fd < all.size ? calloc(1, sizeof(*connection)) : NULL;
	if (!connection)
		return false;
	if (address && length <= sizeof(connection->address))
		memcpy(&connection->address, address, length);
	connection->fd = fd;
	connection->turn_bytes = TURN_BYTES_FIRST;
	connection->poll_fd = -1;
	connection->exempt = is_exempt(fd);
	pthread_mutex_lock(&all.lock);
	unsigned reason = check_limits(&connection->address);
	bool taken = !reason && (!all.draining || connection->exempt);
	if (reason) {
		count(reason, &connection->address);
	} else if (taken) {
		LIST_INSERT_HEAD(&all.list, connection, entry);
		all.table[fd] = connection;
		all.stats.open++;
	}
	pthread_mutex_unlock(&all.lock);
	if (!taken)
		free(connection);
	return taken;
}

/* Adds what a connection has to the totals, or with `sign` -1 takes it from them. */
static void add_to_totals(const struct rpc_frames *frames, int sign)
{
	all.streams += (uint32_t)sign * frames->n_streams;
	all.unfinished += (uint32_t)sign * frames->n_requests;
	all.unfinished_bytes += (uint64_t)(int64_t)sign * frames->request_bytes;
	if (frames->n_refused || frames->out.refused)
		all.refused += (uint32_t)sign * (frames->n_refused + frames->out.refused);
}

#ifdef __SANITIZE_THREAD__
int __interceptor_close(int fd);
#endif

static int system_close(int fd)
{
#ifdef __SANITIZE_THREAD__
	/*
	 * The thread sanitizer must see close(): otherwise it confuses the descriptor with the next one of the same number.
	 */
	return __interceptor_close(fd);
#else
	return (int)syscall(SYS_close, fd);
#endif
}

static int take(int listener, struct sockaddr *address, socklen_t *length, int flags)
{
	return (int)syscall(SYS_accept4, listener, address, length, flags);
}

/* Out of descriptors: accepts a connection with a reserved descriptor and closes it. Returns whether there was one. */
static bool refuse(int listener)
{
	struct sockaddr_storage address = {.ss_family = AF_UNIX};
	socklen_t length = sizeof(address);
	program_allow_descriptors(0);
	int fd = take(listener, (struct sockaddr *)&address, &length, SOCK_CLOEXEC);
	if (fd >= 0)
		system_close(fd);
	program_allow_descriptors(RESERVE);
	pthread_mutex_lock(&all.lock);
	if (fd >= 0)
		count(CONNECTIONS_DESCRIPTORS, &address);
	pthread_mutex_unlock(&all.lock);
	return fd >= 0;
}

int accept4(int listener, struct sockaddr *address, socklen_t *length, int flags)
{
	socklen_t size = length ? *length : 0;
	for (;;) {
		int fd = take(listener, address, length, flags);
		if (fd >= 0 && (!guarded || enter(fd, address, length ? *length : 0))) {
			address_limit_unsent(fd);
			return fd;
		}
		if (fd >= 0) {
			system_close(fd);
		} else if (errno != EMFILE && errno != ENFILE) {
			return fd;
		} else if (!refuse(listener)) {
			errno = EAGAIN;
			return -1;
		}
		if (length)
			*length = size;
	}
}

int close(int fd)
{
	struct connection *connection = lock_connection(fd);
	if (connection) {
		all.table[fd] = NULL;
		LIST_REMOVE(connection, entry);
		all.stats.open--;
		add_to_totals(&connection->frames, -1);
		rpc_frames_free(&connection->frames);
		free(connection);
		pthread_mutex_unlock(&all.lock);
	}
	return system_close(fd);
}

static bool too_much(void)
{
	const uint64_t streams = all.options.stream_bytes / REQUEST_COST;
	return all.unfinished > UNFINISHED_MAX || all.unfinished_bytes > all.options.request_bytes ||
	       all.streams > (streams < UNFINISHED_MAX ? UNFINISHED_MAX : streams);
}

/*
 * There are too many streams or unfinished requests, or their bytes are too many: ends `current`, whose bytes gRPC has
 * not seen yet, unless it has few; else the one that has most. A closed connection counts until gRPC has closed its
 * descriptor; while such a one has most, none with few is ended for it.
 */
static void end_unfinished(struct connection *current)
{
	struct connection *largest = current, *at;
	uint64_t most = 0;
	if (current->frames.n_streams <= FEW_REQUESTS && current->frames.request_bytes <= FEW_BYTES)
		LIST_FOREACH (at, &all.list, entry) {
			uint64_t has = at->frames.request_bytes + at->frames.n_streams * (uint64_t)REQUEST_COST;
			if (has < most)
				continue;
			largest = at;
			most = has;
		}
	end(largest, CONNECTIONS_UNFINISHED);
}

/* Adapts a connection's next turn to the requests that have just begun in `length` bytes. */
static void set_turn(struct connection *connection, size_t length, uint32_t requests)
{
	const size_t share = MAX(ROUND_REQUESTS / MAX(all.stats.open, 1), TURN_REQUESTS_LEAST);
	size_t turn = connection->turn_bytes * 2;
	if (requests > share)
		turn = length * share / requests;
	connection->turn_bytes = MIN(MAX(turn, TURN_BYTES_LEAST), TURN_BYTES_MOST);
}

/* Follows bytes of a connection; the lock is held. Returns false when the connection is closed. */
static bool follow(struct connection *connection, uint8_t *data, size_t length)
{
	struct rpc_frames *frames = &connection->frames;
	int64_t now_us = clock_monotonic_us();
	uint64_t wasted = frames->wasted, bytes = frames->request_bytes;
	uint32_t streams = frames->n_streams;
	add_to_totals(frames, -1);
	enum rpc_frames_verdict verdict =
	    connection->closed ? RPC_FRAMES_GOOD
	                       : rpc_frames_follow(frames, data, length, now_us, all.draining && !connection->exempt);
	for (; wasted < frames->wasted && verdict == RPC_FRAMES_GOOD; wasted++)
		if (!rpc_bucket_take(&connection->own_waste, now_us, OWN_WASTE_PER_SECOND, OWN_WASTE_BURST) &&
		    (offenders_has(&all.offenders, &connection->address, now_us) ||
		     !rpc_bucket_take(&all.waste, now_us, WASTE_PER_SECOND, WASTE_BURST)))
			verdict = RPC_FRAMES_WASTE;
	add_to_totals(frames, 1);
	set_turn(connection, length, frames->n_streams > streams ? frames->n_streams - streams : 0);
	if (verdict == RPC_FRAMES_WASTE)
		offenders_add(&all.offenders, &connection->address, now_us);
	if (verdict != RPC_FRAMES_GOOD)
		end(connection, verdict);
	/* Twice: a client may begin the next stream before this program has counted the end that it has just sent. */
	if (frames->n_streams > 2 * (uint64_t)all.options.streams)
		end(connection, CONNECTIONS_STREAMS);
	if (too_much() && (frames->n_streams > streams || frames->request_bytes > bytes))
		end_unfinished(connection);
	return !connection->closed;
}

/* Stores the first bytes of a greeting. Returns whether the connection speaks TLS, as its first byte shows. */
static bool greet(struct connection *connection, const uint8_t *data, size_t length)
{
	if (!connection->begun)
		connection->tls = all.options.tls && data[0] == 0x16;
	connection->begun = true;
	if (!connection->tls)
		return false;
	for (; length > 0 && connection->greeting_length < GREETING_BYTES; length--)
		connection->greeting[connection->greeting_length++] = *data++;
	return true;
}

/* Follows what recvmsg() has read; the lock is held. Returns false when the connection is closed. */
static bool follow_message(struct connection *connection, const struct msghdr *message, size_t length)
{
	for (size_t i = 0; !connection->closed && length > 0 && i < message->msg_iovlen; i++) {
		uint8_t *data = message->msg_iov[i].iov_base;
		const size_t part = MIN(message->msg_iov[i].iov_len, length);
		if (part > 0 && !greet(connection, data, part))
			follow(connection, data, part);
		length -= part;
	}
	return !connection->closed;
}

/*
 * Reads one turn. gRPC reads on for as long as the kernel says, beside the bytes, that more are there: thousands of
 * requests if a client sends them. So the flag is cleared, and *more says that gRPC has to be notified again.
 */
static ssize_t receive_turn(int fd, struct msghdr *message, int flags, size_t turn_bytes, bool *more)
{
	struct iovec *parts = message->msg_iov, part;
	const size_t count = message->msg_iovlen;
	if (count > 0 && message->msg_control) {
		part = (struct iovec){.iov_base = parts->iov_base, .iov_len = MIN(parts->iov_len, turn_bytes)};
		message->msg_iov = &part;
		message->msg_iovlen = 1;
	}
	ssize_t length = syscall(SYS_recvmsg, fd, message, flags);
	message->msg_iov = parts;
	message->msg_iovlen = count;
	for (struct cmsghdr *at = CMSG_FIRSTHDR(message); at && length > 0; at = CMSG_NXTHDR(message, at)) {
		int left;
		if (at->cmsg_level != SOL_TCP || at->cmsg_type != TCP_CM_INQ)
			continue;
		memcpy(&left, CMSG_DATA(at), sizeof(left));
		memset(CMSG_DATA(at), 0, sizeof(left));
		*more = left > 0;
	}
	return length;
}

ssize_t recvmsg(int fd, struct msghdr *message, int flags)
{
	bool more = false, good = true;
	struct connection *connection = flags & MSG_ERRQUEUE ? NULL : lock_connection(fd);
	if (!connection)
		return syscall(SYS_recvmsg, fd, message, flags);
	const size_t turn_bytes = connection->turn_bytes;
	pthread_mutex_unlock(&all.lock);
	ssize_t length = receive_turn(fd, message, flags, turn_bytes, &more);
	connection = length > 0 ? lock_connection(fd) : NULL;
	if (connection) {
		/* Behind the others that are ready; poll() asks again by itself. */
		if (more && connection->poll_fd >= 0)
			syscall(SYS_epoll_ctl, connection->poll_fd, EPOLL_CTL_MOD, fd, &connection->watched);
		good = follow_message(connection, message, (size_t)length);
		pthread_mutex_unlock(&all.lock);
	}
	if (good)
		return length;
	errno = ECONNRESET;
	return -1;
}

int epoll_ctl(int poll_fd, int operation, int fd, struct epoll_event *event)
{
	struct connection *connection = operation == EPOLL_CTL_ADD ? lock_connection(fd) : NULL;
	if (connection) {
		connection->poll_fd = poll_fd;
		connection->watched = *event;
		pthread_mutex_unlock(&all.lock);
	}
	return (int)syscall(SYS_epoll_ctl, poll_fd, operation, fd, event);
}

/* Follows bytes that were written; the lock is held. */
static void follow_bytes_sent(struct connection *connection, uint8_t *data, size_t length)
{
	add_to_totals(&connection->frames, -1);
	rpc_frames_sent(&connection->frames, data, length);
	add_to_totals(&connection->frames, 1);
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
	struct connection *connection = all.refused ? lock_connection(fd) : NULL;
	if (connection) {
		if (!connection->tls)
			rpc_frames_answer(&connection->frames, message->msg_iov, message->msg_iovlen);
		pthread_mutex_unlock(&all.lock);
	}
	ssize_t length = syscall(SYS_sendmsg, fd, message, flags);
	connection = length > 0 ? lock_connection(fd) : NULL;
	if (!connection)
		return length;
	size_t left = connection->tls ? 0 : (size_t)length;
	for (size_t i = 0; left > 0 && i < message->msg_iovlen; i++) {
		const size_t part = MIN(message->msg_iov[i].iov_len, left);
		follow_bytes_sent(connection, message->msg_iov[i].iov_base, part);
		left -= part;
	}
	pthread_mutex_unlock(&all.lock);
	return length;
}

/* The connection of a TLS session; the lock is held. */
static struct connection *connection_of(SSL *ssl)
{
	uint8_t random[RANDOM_BYTES];
	size_t fd =
	    (size_t)(uintptr_t)SSL_get_ex_data(ssl, all.ssl_index); /* one more than the descriptor; 0: not known yet */
	SSL_get_client_random(ssl, random, sizeof(random));
	struct connection *at = fd ? all.table[fd - 1] : LIST_FIRST(&all.list);
	while (at && (at->greeting_length < GREETING_BYTES || memcmp(at->greeting + RANDOM_OFFSET, random, sizeof(random))))
		at = fd ? NULL : LIST_NEXT(at, entry);
	if (at && !fd)
		SSL_set_ex_data(ssl, all.ssl_index, (void *)(uintptr_t)((size_t)at->fd + 1));
	return at;
}

int SSL_read(SSL *ssl, void *data, int size)
{
	int length = all.ssl_read(ssl, data, size);
	if (length <= 0 || !SSL_is_server(ssl))
		return length;
	pthread_mutex_lock(&all.lock);
	struct connection *connection = connection_of(ssl);
	bool good = connection && follow(connection, data, (size_t)length);
	pthread_mutex_unlock(&all.lock);
	return good ? length : -1;
}

int SSL_write(SSL *ssl, const void *data, int size)
{
	/* gRPC's own memory, which it does not read again. */
	const struct iovec part = {.iov_base = (void *)(uintptr_t)data, .iov_len = (size_t)size};
	struct connection *connection;
	if (all.refused && size > 0 && SSL_is_server(ssl)) {
		pthread_mutex_lock(&all.lock);
		connection = connection_of(ssl);
		if (connection)
			rpc_frames_answer(&connection->frames, &part, 1);
		pthread_mutex_unlock(&all.lock);
	}
	int length = all.ssl_write(ssl, data, size);
	if (length <= 0 || !SSL_is_server(ssl))
		return length;
	pthread_mutex_lock(&all.lock);
	connection = connection_of(ssl);
	if (connection)
		follow_bytes_sent(connection, part.iov_base, (size_t)length);
	pthread_mutex_unlock(&all.lock);
	return length;
}

void connections_watch(void)
{
	int64_t since_us = clock_monotonic_us() - all.options.request_ms * 1000;
	pthread_mutex_lock(&all.lock);
	struct connection *at;
	LIST_FOREACH (at, &all.list, entry)
		if (rpc_frames_oldest_us(&at->frames) < since_us)
			end(at, CONNECTIONS_SLOW);
	pthread_mutex_unlock(&all.lock);
}

void connections_exempt(const char *address, int port)
{
	all.exempt_path = strncmp(address, "unix:", 5) == 0 ? address + 5 : NULL;
	all.exempt_port = all.exempt_path ? 0 : port;
}

void connections_drain(void)
{
	pthread_mutex_lock(&all.lock);
	all.draining = true;
	pthread_mutex_unlock(&all.lock);
}

uint32_t connections_unfinished(void)
{
	pthread_mutex_lock(&all.lock);
	uint32_t unfinished = all.unfinished;
	pthread_mutex_unlock(&all.lock);
	return unfinished;
}

void connections_get_stats(struct connections_stats *stats)
{
	pthread_mutex_lock(&all.lock);
	*stats = all.stats;
	pthread_mutex_unlock(&all.lock);
}

const char *connections_reason_name(enum connections_reason reason)
{
	static const char *const names[] = {"slow_request", "unfinished_requests",     "streams",
	                                    "connections",  "connections_per_address", "connections_after_resets",
	                                    "descriptors"};
	return reason < CONNECTIONS_SLOW ? rpc_frames_verdict_name((enum rpc_frames_verdict)reason)
	                                 : names[reason - CONNECTIONS_SLOW];
}
