/*
 * http_server: accepts connections, passes them to libmicrohttpd, and enforces their time limits. The daemon has its
 * own epoll descriptor and no thread; http_run() drives it. libmicrohttpd closes a connection as soon as its last
 * answer is out, and what the client still sends then makes the kernel answer with a reset, which can overtake the
 * answer. So a connection that the gateway ends lingers for a while under a descriptor of its own, where all that comes
 * is discarded.
 */

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "http_internal.h"
#include "tls.h"
#include "worker.h"

enum {
	EVENTS = 64,
	ACCEPTS = 64, /* in one round */
	TURNED_AWAY_MAX = 64,
	LINGER_US = 2 * 1000000,
	DISCARD_MAX = 1 << 20,              /* bytes that are read from a client after its last answer */
	DISCONNECTED_AFTER_US = 100 * 1000, /* an older request of a client that disconnected is cancelled */
	SWEEP_EVERY_US = 1000 * 1000,
	IDLE_US = 1000 * 1000, /* time without a request after which memory is freed */
	KEPT_WHEN_IDLE = 16,
	QUIESCE_ROUNDS = 1024,
	PAGE = 4096,
};

static const char too_many[] =
    "HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nRetry-After: 1\r\nCache-Control: no-store\r\n"
    "Content-Type: application/json; charset=utf-8\r\nContent-Length: 68\r\n\r\n"
    "{\"status\":0,\"error\":503,\"message\":\"too many connections are in use\"}";

static const char tls_versions[] = "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2:%SERVER_PRECEDENCE";

static void on_log(void *data, const char *format, va_list arguments)
{
	const struct http *http = data;
	char line[512];
	if (!log_enabled(http->worker->gateway->log, LOG_DEBUG))
		return;
	vsnprintf(line, sizeof(line), format, arguments);
	log_write(http->worker->gateway->log, LOG_DEBUG, "libmicrohttpd", "detail", line, NULL);
}

/* Time and number of connections are limited here, not by libmicrohttpd. */
static struct MHD_Daemon *start(struct http *http, const char *tls_cert, const char *tls_key)
{
	struct MHD_OptionItem tls[] = {
	    {MHD_OPTION_HTTPS_MEM_CERT, 0, (void *)(uintptr_t)tls_cert},
	    {MHD_OPTION_HTTPS_MEM_KEY, 0, (void *)(uintptr_t)tls_key},
	    {MHD_OPTION_HTTPS_PRIORITIES, 0, (void *)(uintptr_t)tls_versions},
	    {MHD_OPTION_END, 0, NULL},
	};
	unsigned flags = MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG;
	if (tls_cert)
		flags |= MHD_USE_TLS;
	return MHD_start_daemon(flags, 0, NULL, NULL, http_on_request, http, MHD_OPTION_EXTERNAL_LOGGER, on_log, http,
	                        MHD_OPTION_CONNECTION_LIMIT, (unsigned)INT_MAX, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
	                        (size_t)HTTP_POOL_BYTES, MHD_OPTION_NOTIFY_COMPLETED, http_on_completed, http,
	                        MHD_OPTION_NOTIFY_CONNECTION, http_on_connection, http, MHD_OPTION_SIGPIPE_HANDLED_BY_APP,
	                        1, MHD_OPTION_ARRAY, tls_cert ? tls : tls + 3, MHD_OPTION_END);
}

/* Starts the daemon and polls its descriptor and the listener's. */
static int start_polled(struct http *http, const char *tls_cert, const char *tls_key)
{
	struct epoll_event listener = {.events = EPOLLIN}, daemon = {.events = EPOLLIN, .data.ptr = http};
	int result = http_guard_check();
	if (!result && tls_cert)
		result = tls_create(&http->tls, tls_cert, tls_key);
	if (result)
		return result;
	http->daemon = start(http, tls_cert, tls_key);
	if (!http->daemon)
		return -EINVAL;
	const union MHD_DaemonInfo *info = MHD_get_daemon_info(http->daemon, MHD_DAEMON_INFO_EPOLL_FD);
	if (!info)
		return -EINVAL;
	http->poll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (http->poll_fd < 0 || epoll_ctl(http->poll_fd, EPOLL_CTL_ADD, http->listen_fd, &listener) ||
	    epoll_ctl(http->poll_fd, EPOLL_CTL_ADD, info->epoll_fd, &daemon))
		return -errno;
	return 0;
}

int http_create(struct http **out, struct worker *worker, int listen_fd, const char *tls_cert, const char *tls_key)
{
	struct http *http = calloc(1, sizeof(*http));
	if (!http) {
		close(listen_fd);
		return -ENOMEM;
	}
	http->worker = worker;
	http->listen_fd = listen_fd;
	http->idle_timeout_us = worker->gateway->settings->idle_timeout_s * 1000000;
	http->request_timeout_us = worker->gateway->settings->request_timeout_s * 1000000;
	LIST_INIT(&http->connections);
	TAILQ_INIT(&http->suspended);
	TAILQ_INIT(&http->free);
	http->poll_fd = -1;
	http->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	int result = start_polled(http, tls_cert, tls_key);
	if (result)
		http_destroy(http);
	else
		*out = http;
	return result;
}

int http_reload(struct http *http, const char *tls_cert, const char *tls_key)
{
	struct tls *tls;
	int result = tls_create(&tls, tls_cert, tls_key);
	if (result)
		return result;
	tls_release(http->tls);
	http->tls = tls;
	return 0;
}

/* ---- The end of connections ---- */

static void free_connection(struct connection *connection)
{
	struct http *http = connection->http;
	http_guard_drop(connection);
	tls_release(connection->tls);
	if (connection->fd >= 0)
		close(connection->fd);
	if (connection->admitted)
		admission_leave(http->worker->gateway->admission, connection->admission_slot);
	else
		http->turned_away--;
	LIST_REMOVE(connection, entry);
	metric_set(&http->worker->metrics->connections, --http->connection_count);
	free(connection);
}

/* Discards what a lingering client sends. Frees the connection once the client has closed it, or after a time limit. */
static void discard(struct connection *connection)
{
	char bytes[16 * 1024];
	ssize_t got = 1;
	while (connection->discarded < DISCARD_MAX &&
	       (got = recvfrom(connection->fd, bytes, sizeof(bytes), MSG_DONTWAIT, NULL, NULL)) > 0)
		connection->discarded += (size_t)got;
	/* A socket that was shut down to wake libmicrohttpd reads as closed whatever the client does. */
	if (got > 0 || (got == 0 && !connection->shut) || (got < 0 && errno != EAGAIN && errno != EINTR))
		free_connection(connection);
}

/* The descriptor belongs to the connection: it lingers until the client closes it too. */
static void linger(struct connection *connection)
{
	struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP | EPOLLET, .data.ptr = connection};
	connection->state = CONNECTION_LINGERING;
	connection->deadline_us = connection->http->now_us + LINGER_US;
	shutdown(connection->fd, SHUT_WR);
	if (epoll_ctl(connection->http->poll_fd, EPOLL_CTL_ADD, connection->fd, &event))
		free_connection(connection);
	else
		discard(connection);
}

void http_linger(struct connection *connection)
{
	const bool lingers =
	    connection->state == CONNECTION_ENDED && !connection->peer_ended && !connection->http->stopping;
	http_guard_drop(connection);
	tls_release(connection->tls);
	connection->tls = NULL;
	connection->mhd = NULL;
	/* libmicrohttpd closes the one that it has. */
	connection->fd = lingers ? fcntl(connection->fd, F_DUPFD_CLOEXEC, 0) : -1;
	if (connection->fd < 0)
		free_connection(connection);
	else
		linger(connection);
}

/* ---- New connections ---- */

static bool reserve_fd(struct http *http, int fd)
{
	if ((size_t)fd < http->by_fd_size)
		return true;
	size_t size = ((size_t)fd + 1) * 2;
	struct connection **by_fd = realloc(http->by_fd, size * sizeof(*by_fd));
	if (!by_fd)
		return false;
	memset(by_fd + http->by_fd_size, 0, (size - http->by_fd_size) * sizeof(*by_fd));
	http->by_fd = by_fd;
	http->by_fd_size = size;
	return true;
}

/* Frees a connection that libmicrohttpd closed, or will close, without a callback, for lack of memory. */
static void forget(struct connection *connection)
{
	struct http *http = connection->http;
	if (http->by_fd[connection->fd] == connection)
		http->by_fd[connection->fd] = NULL;
	connection->fd = -1;
	free_connection(connection);
}

/*
 * Hands the connection to libmicrohttpd, which owns the descriptor from here on. 1.0 reports its start in the next
 * round only.
 */
static void start_connection(struct connection *connection, const struct sockaddr_storage *address, socklen_t length)
{
	struct http *http = connection->http;
	const int fd = connection->fd;
	const struct sockaddr_storage local = {.ss_family = AF_UNIX};
	const bool has_address = length > sizeof(address->ss_family) && address->ss_family != AF_UNIX;
	if (http->by_fd[fd])
		forget(http->by_fd[fd]);
	http->by_fd[fd] = connection;
	if (!MHD_add_connection(http->daemon, fd, (const struct sockaddr *)(has_address ? address : &local),
	                        has_address ? length : sizeof(local.ss_family)) &&
	    http->by_fd[fd] == connection)
		forget(connection);
}

static void add(struct http *http, int fd, const struct sockaddr_storage *address, socklen_t length)
{
	struct connection *connection = reserve_fd(http, fd) ? calloc(1, sizeof(*connection)) : NULL;
	if (!connection) {
		close(fd);
		return;
	}
	connection->http = http;
	connection->fd = fd;
	connection->deadline_us = http->now_us + http->idle_timeout_us;
	LIST_INSERT_HEAD(&http->connections, connection, entry);
	connection->admitted = admission_enter(http->worker->gateway->admission, address, &connection->admission_slot);
	http->turned_away += !connection->admitted;
	metric_set(&http->worker->metrics->connections, ++http->connection_count);
	if (connection->admitted) {
		start_connection(connection, address, length);
		return;
	}
	metric_add(&http->worker->metrics->refused_connections, 1);
	if (http->turned_away <= TURNED_AWAY_MAX && !http->tls &&
	    send(fd, too_many, sizeof(too_many) - 1, MSG_NOSIGNAL) == (ssize_t)sizeof(too_many) - 1)
		linger(connection);
	else
		free_connection(connection);
}

/* Descriptors have run out: closes the oldest waiting connection, which would otherwise wait for ever. */
static void refuse_one(struct http *http)
{
	close(http->spare_fd);
	int fd = accept4(http->listen_fd, NULL, NULL, SOCK_CLOEXEC);
	if (fd >= 0)
		close(fd);
	http->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	metric_add(&http->worker->metrics->refused_connections, 1);
}

/* Returns how many connections were accepted, at most ACCEPTS. */
static int accept_some(struct http *http)
{
	int count = 0;
	while (!http->quiesced && count < ACCEPTS) {
		struct sockaddr_storage address = {0};
		socklen_t length = sizeof(address);
		int fd = accept4(http->listen_fd, (struct sockaddr *)&address, &length, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd >= 0) {
			add(http, fd, &address, length);
			count++;
		} else if (errno == EMFILE || errno == ENFILE) {
			refuse_one(http);
			break;
		} else if (errno != ECONNABORTED && errno != EINTR) {
			break;
		}
	}
	return count;
}

/* ---- The loop ---- */

static void take_events(struct http *http)
{
	struct epoll_event events[EVENTS];
	int count = epoll_wait(http->poll_fd, events, EVENTS, 0);
	for (int i = 0; i < count; i++) {
		if (!events[i].data.ptr)
			accept_some(http);
		else if (events[i].data.ptr != http)
			discard(events[i].data.ptr);
	}
}

void http_run(struct http *http)
{
	http->now_us = clock_monotonic_us();
	http->resumed = false;
	take_events(http);
	http_guard_run(http);
}

int http_poll_fd(const struct http *http)
{
	return http->poll_fd;
}

bool http_is_ready(const struct http *http)
{
	unsigned long long timeout;
	return http->resumed || (MHD_get_timeout(http->daemon, &timeout) == MHD_YES && !timeout);
}

static bool has_disconnected(const struct connection *connection)
{
	struct pollfd socket = {.fd = connection->fd, .events = POLLRDHUP};
	return poll(&socket, 1, 0) > 0 && socket.revents & (POLLRDHUP | POLLHUP | POLLERR);
}

static void cancel_abandoned(struct http *http, int64_t now_us)
{
	for (struct request *request = TAILQ_FIRST(&http->suspended), *next; request; request = next) {
		next = TAILQ_NEXT(request, entry);
		if (now_us - request->start_us < DISCONNECTED_AFTER_US)
			return;
		if (request->abandoned || !has_disconnected(request->connection))
			continue;
		request->abandoned = true;
		/* Its closure may run inside, and answer. */
		if (request->context.cancel)
			request->context.cancel(&request->context);
	}
}

/* The connection's time limit has passed. Its socket is shut down so that libmicrohttpd reads from it, or closes it. */
static void expire(struct connection *connection)
{
	connection->deadline_us = CLOCK_NEVER;
	if (connection->state == CONNECTION_LINGERING) {
		free_connection(connection);
		return;
	}
	if (!connection->mhd) {
		forget(connection);
		return;
	}
	connection->expired = connection->shut = true;
	shutdown(connection->fd, connection->state < CONNECTION_CONSTANT_HEAD ? SHUT_RD : SHUT_RDWR);
}

/*
 * Returns the memory that libmicrohttpd cleared for the next request to the system: whole pages of zeros between the
 * first and the last byte that it has for the connection. A page reads the same afterwards, so this is right whatever
 * it keeps there.
 */
static void release_pool(struct connection *connection)
{
	static const char zeros[PAGE];
	uintptr_t begin = ((uintptr_t)connection->pool + PAGE - 1) / PAGE * PAGE;
	const uintptr_t end = (uintptr_t)connection->pool + HTTP_POOL_BYTES;
	connection->pool = NULL;
	for (; begin + PAGE <= end; begin += PAGE)
		if (!memcmp((const void *)begin, zeros, PAGE))
			madvise((void *)begin, PAGE, MADV_DONTNEED);
}

/*
 * A connection has had no request for a second. If the client ended its side together with its last request, no event
 * will report that any more. Bytes before the end may be another request that this worker was too busy to read: their
 * event is still to come. (Within TLS they are those of its own end.)
 */
static void rest(struct connection *connection, int64_t now_us)
{
	char byte;
	release_pool(connection);
	connection->peer_ended =
	    has_disconnected(connection) &&
	    (connection->tls_session || recvfrom(connection->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT, NULL, NULL) <= 0);
	if (connection->peer_ended)
		connection->deadline_us = now_us;
}

void http_tick(struct http *http, int64_t now_us)
{
	cancel_abandoned(http, now_us);
	if (now_us < http->sweep_us)
		return;
	http->sweep_us = now_us + SWEEP_EVERY_US;
	for (struct connection *c = LIST_FIRST(&http->connections), *next; c; c = next) {
		next = LIST_NEXT(c, entry);
		if (c->pool && c->state == CONNECTION_HEAD && now_us - c->received_us > IDLE_US)
			rest(c, now_us);
		if (now_us >= c->deadline_us)
			expire(c);
	}
	if (now_us - http->worker->busy_us > IDLE_US)
		http_events_release(http, KEPT_WHEN_IDLE);
}

/* ---- The end ---- */

void http_quiesce(struct http *http)
{
	if (http->quiesced)
		return;
	http->now_us = clock_monotonic_us();
	for (int round = 0; round < QUIESCE_ROUNDS && accept_some(http) > 0; round++)
		;
	http->quiesced = true;
	close(http->listen_fd);
}

size_t http_connections(const struct http *http)
{
	return http->connection_count;
}

bool http_has_requests(const struct http *http)
{
	const struct connection *connection;
	LIST_FOREACH (connection, &http->connections, entry) {
		if (connection->request || connection->receiving)
			return true;
	}
	return false;
}

void http_destroy(struct http *http)
{
	if (!http)
		return;
	http->stopping = true;
	if (http->daemon)
		MHD_stop_daemon(http->daemon);
	for (struct connection *connection; (connection = LIST_FIRST(&http->connections));) {
		if (connection->state == CONNECTION_LINGERING)
			free_connection(connection);
		else
			forget(connection);
	}
	if (!http->quiesced)
		close(http->listen_fd);
	http_events_release(http, 0);
	tls_release(http->tls);
	free(http->by_fd);
	if (http->poll_fd >= 0)
		close(http->poll_fd);
	if (http->spare_fd >= 0)
		close(http->spare_fd);
	free(http);
}
