/*
 * http: the daemon. It has its own epoll descriptor and no thread (design: one
 * thread, no locks).
 *
 * While a connection is suspended libmicrohttpd watches neither its time nor
 * its socket; http_tick() does.
 *
 * libmicrohttpd reads certificates once. So new ones mean a new daemon on the
 * same listening socket; the old one is retired and serves the connections
 * that it has.
 */
#include "http.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "http_internal.h"
#include "worker.h"

enum {
	CONNECTION_MEMORY = 8 * 1024, /* request line, headers and the answer's headers together */
	GONE_AFTER_US = 100 * 1000,   /* a request this old is worth a look at its socket */
	SWEEP_EVERY_US = 1000 * 1000,
	BACKLOG_ROUNDS = 1024,
};

static void on_log(void *data, const char *format, va_list arguments)
{
	struct http *http = data;
	char line[512];
	if (!log_enabled(worker_log(http->worker), LOG_DEBUG))
		return;
	vsnprintf(line, sizeof(line), format, arguments);
	log_write(worker_log(http->worker), LOG_DEBUG, "libmicrohttpd", "detail", line, NULL);
}

/* Paths are decoded by routes, the query by contract; libmicrohttpd leaves both as they are. */
static size_t keep_encoded(void *data, struct MHD_Connection *mhd, char *text)
{
	size_t length = 0;
	(void)data;
	(void)mhd;
	while (text[length])
		length++;
	return length;
}

static const char tls_versions[] = "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2";

static struct MHD_Daemon *start(struct http *http)
{
	const struct http_options *options = &http->options;
	struct MHD_OptionItem tls[] = {
	    {MHD_OPTION_HTTPS_MEM_CERT, 0, (void *)(uintptr_t)options->tls_cert},
	    {MHD_OPTION_HTTPS_MEM_KEY, 0, (void *)(uintptr_t)options->tls_key},
	    {MHD_OPTION_HTTPS_PRIORITIES, 0, (void *)(uintptr_t)tls_versions},
	    {MHD_OPTION_END, 0, NULL},
	};
	unsigned flags = MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG;
	if (options->tls_cert)
		flags |= MHD_USE_TLS;
	return MHD_start_daemon(
	    flags, 0, NULL, NULL, http_on_request, http, MHD_OPTION_EXTERNAL_LOGGER, on_log, http, MHD_OPTION_LISTEN_SOCKET,
	    options->listen_fd, MHD_OPTION_CONNECTION_LIMIT, options->max_connections, MHD_OPTION_CONNECTION_TIMEOUT,
	    options->idle_timeout_s, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_MEMORY,
	    MHD_OPTION_URI_LOG_CALLBACK, http_on_target, http, MHD_OPTION_UNESCAPE_CALLBACK, keep_encoded, http,
	    MHD_OPTION_NOTIFY_COMPLETED, http_on_completed, http, MHD_OPTION_NOTIFY_CONNECTION, http_on_connection, http,
	    MHD_OPTION_SIGPIPE_HANDLED_BY_APP, 1, MHD_OPTION_ARRAY, options->tls_cert ? tls : tls + 3, MHD_OPTION_END);
}

/* Starts a daemon and adds its descriptor to those that the loop polls. */
static int start_polled(struct http *http, struct MHD_Daemon **out)
{
	struct MHD_Daemon *daemon = start(http);
	const union MHD_DaemonInfo *info = daemon ? MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_EPOLL_FD) : NULL;
	struct epoll_event event = {.events = EPOLLIN};
	if (!info)
		return -EINVAL;
	/* The entry goes by itself when the daemon closes its descriptor. */
	if (epoll_ctl(http->poll_fd, EPOLL_CTL_ADD, info->epoll_fd, &event)) {
		int result = -errno;
		MHD_stop_daemon(daemon);
		return result;
	}
	*out = daemon;
	return 0;
}

int http_create(struct http **out, struct worker *worker, const struct http_options *options)
{
	int result = -ENOMEM;
	struct http *http = calloc(1, sizeof(*http));
	if (!http)
		return result;
	http->worker = worker;
	http->options = *options;
	http->connections.next = http->connections.previous = &http->connections;
	http->poll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (http->poll_fd < 0)
		result = -errno;
	else
		result = start_polled(http, &http->daemon);
	/* The texts are read at the start only, and are not ours to keep. */
	http->options.tls_cert = http->options.tls_key = NULL;
	if (!result) {
		*out = http;
		return 0;
	}
	if (http->poll_fd >= 0)
		close(http->poll_fd);
	free(http);
	return result;
}

int http_reload(struct http *http, const char *tls_cert, const char *tls_key)
{
	struct MHD_Daemon *daemon;
	int old_fd = http->options.listen_fd;
	if (http->retired_count == HTTP_RETIRED_MAX)
		return -EBUSY;
	if (http->quiesced)
		return 0;
	http->options.listen_fd = fcntl(old_fd, F_DUPFD_CLOEXEC, 0);
	http->options.tls_cert = tls_cert;
	http->options.tls_key = tls_key;
	int result = http->options.listen_fd < 0 ? -errno : start_polled(http, &daemon);
	http->options.tls_cert = http->options.tls_key = NULL;
	if (result) {
		http->options.listen_fd = old_fd;
		return result;
	}
	if (MHD_quiesce_daemon(http->daemon) != MHD_INVALID_SOCKET)
		close(old_fd);
	http->retired[http->retired_count++] = http->daemon;
	http->daemon = daemon;
	http->generation++;
	return 0;
}

/* Runs the daemons of older certificates, and stops those whose connections have all ended. */
static void run_retired(struct http *http)
{
	for (size_t i = 0; i < http->retired_count;) {
		struct MHD_Daemon *daemon = http->retired[i];
		MHD_run(daemon);
		const union MHD_DaemonInfo *info = MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_CURRENT_CONNECTIONS);
		if (info && info->num_connections) {
			i++;
			continue;
		}
		MHD_stop_daemon(daemon);
		http->retired[i] = http->retired[--http->retired_count];
	}
}

void http_run(struct http *http)
{
	MHD_run(http->daemon);
	if (http->retired_count)
		run_retired(http);
}

int http_poll_fd(const struct http *http)
{
	return http->poll_fd;
}

int http_poll_timeout_ms(const struct http *http, int most_ms)
{
	unsigned long long timeout;
	if (MHD_get_timeout(http->daemon, &timeout) == MHD_YES && timeout < (unsigned long long)most_ms)
		most_ms = (int)timeout;
	for (size_t i = 0; i < http->retired_count; i++)
		if (MHD_get_timeout(http->retired[i], &timeout) == MHD_YES && timeout < (unsigned long long)most_ms)
			most_ms = (int)timeout;
	return most_ms;
}

static bool has_gone(const struct connection *connection)
{
	struct pollfd socket = {.fd = connection->fd, .events = POLLRDHUP};
	return poll(&socket, 1, 0) > 0 && socket.revents & (POLLRDHUP | POLLHUP | POLLERR);
}

static void cancel_abandoned(struct http *http, int64_t now_us)
{
	for (struct request *request = http->suspended_first, *next; request; request = next) {
		next = request->next;
		if (now_us - request->start_us < GONE_AFTER_US)
			return;
		if (request->abandoned || !has_gone(request->connection))
			continue;
		request->abandoned = true;
		/* Its closure may run inside, and answer. */
		if (request->context.cancel)
			request->context.cancel(&request->context);
	}
}

void http_tick(struct http *http, int64_t now_us)
{
	cancel_abandoned(http, now_us);
	if (now_us < http->sweep_us)
		return;
	http->sweep_us = now_us + SWEEP_EVERY_US;
	/* libmicrohttpd then finds the socket at its end and closes the connection itself. */
	for (struct connection *c = http->connections.next; c != &http->connections; c = c->next)
		if (now_us >= c->deadline_us) {
			shutdown(c->fd, SHUT_RDWR);
			c->deadline_us = CLOCK_NEVER;
		}
}

void http_quiesce(struct http *http)
{
	struct pollfd waiting = {.fd = http->options.listen_fd, .events = POLLIN};
	if (http->quiesced)
		return;
	http->quiesced = true;
	for (int round = 0; round < BACKLOG_ROUNDS && poll(&waiting, 1, 0) > 0; round++)
		MHD_run(http->daemon);
	if (MHD_quiesce_daemon(http->daemon) != MHD_INVALID_SOCKET)
		close(http->options.listen_fd);
}

size_t http_connections(const struct http *http)
{
	return http->connection_count;
}

size_t http_suspended(const struct http *http)
{
	return http->suspended_count;
}

void http_destroy(struct http *http)
{
	if (!http)
		return;
	MHD_stop_daemon(http->daemon);
	while (http->retired_count)
		MHD_stop_daemon(http->retired[--http->retired_count]);
	close(http->poll_fd);
	while (http->free) {
		struct request *next = http->free->next;
		request_destroy(http->free);
		http->free = next;
	}
	free(http);
}
