/*
 * bench_http_floor: what a page costs in libmicrohttpd alone. A server that
 * reads a request with its body, suspends the connection, and resumes it in
 * the next turn of its loop with an answer of the same bytes and the same
 * headers as callhistory-gateway's. Ends on SIGTERM.
 *
 *   bench_http_floor --port P --body FILE [--workers 2]
 *
 * Workers share the port, each with a daemon and a thread of its own.
 */
#include <errno.h>
#include <getopt.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "measure.h"

enum { WORKERS_MAX = 64, REQUESTS_MAX = 1024, WAIT_MS = 100, ID_DIGITS = 32, POOL_BYTES = 8192, BODY_MAX = 1 << 20 };

struct settings {
	char body[BODY_MAX];
	size_t length, workers;
	in_port_t port;
};

/* A connection's request; `id` is as long as the gateway's. */
struct request {
	struct request *next; /* in the free list or among the suspended ones */
	struct MHD_Connection *connection;
	bool headers_read, suspended;
	char id[ID_DIGITS + 1];
};

struct worker {
	const struct settings *settings;
	struct MHD_Daemon *daemon;
	struct request requests[REQUESTS_MAX], *free, *suspended;
	uint64_t random;
	pthread_t thread;
	_Atomic bool *stop;
};

static enum MHD_Result take_header(void *data, enum MHD_ValueKind kind, const char *name, const char *value)
{
	(void)kind;
	(void)name;
	(void)value;
	++*(unsigned *)data;
	return MHD_YES;
}

static void make_id(struct worker *worker, char *id)
{
	for (int i = 0; i < ID_DIGITS; i += 16) {
		uint64_t value = random_next(&worker->random);
		for (int digit = 0; digit < 16; digit++, value >>= 4)
			id[i + digit] = "0123456789abcdef"[value & 15];
	}
}

static enum MHD_Result answer(struct worker *worker, struct request *request)
{
	struct MHD_Response *response = MHD_create_response_from_buffer(
	    worker->settings->length, (void *)(uintptr_t)worker->settings->body, MHD_RESPMEM_PERSISTENT);
	if (!response)
		return MHD_NO;
	MHD_add_response_header(response, "Content-Type", "application/json; charset=utf-8");
	MHD_add_response_header(response, "Cache-Control", "no-store");
	MHD_add_response_header(response, "X-Request-Id", request->id);
	MHD_add_response_header(response, "Vary", "Accept-Encoding");
	enum MHD_Result result = MHD_queue_response(request->connection, MHD_HTTP_OK, response);
	MHD_destroy_response(response);
	return result;
}

static enum MHD_Result on_request(void *data, struct MHD_Connection *connection, const char *url, const char *method,
                                  const char *version, const char *body, size_t *length, void **slot)
{
	struct worker *worker = data;
	struct request *request = *slot;
	unsigned headers = 0;
	(void)url;
	(void)method;
	(void)version;
	(void)body;
	if (!request) {
		request = worker->free;
		if (!request)
			return MHD_NO;
		worker->free = request->next;
		*slot = request;
		*request = (struct request){.connection = connection};
		MHD_get_connection_values(connection, MHD_HEADER_KIND, take_header, &headers);
		make_id(worker, request->id);
	} else if (*length) {
		*length = 0;
	} else if (!request->suspended) {
		request->suspended = true;
		request->next = worker->suspended;
		worker->suspended = request;
		MHD_suspend_connection(connection);
	}
	return MHD_YES;
}

static void on_completed(void *data, struct MHD_Connection *connection, void **slot,
                         enum MHD_RequestTerminationCode code)
{
	struct worker *worker = data;
	struct request *request = *slot;
	(void)connection;
	(void)code;
	*slot = NULL;
	if (!request)
		return;
	request->next = worker->free;
	worker->free = request;
}

/* Answers what the last turn has suspended. */
static bool resume_all(struct worker *worker)
{
	struct request *request = worker->suspended;
	bool any = request;
	worker->suspended = NULL;
	while (request) {
		struct request *next = request->next; /* afterwards it may be free */
		answer(worker, request);
		MHD_resume_connection(request->connection);
		request = next;
	}
	return any;
}

static void *run(void *data)
{
	struct worker *worker = data;
	const union MHD_DaemonInfo *info = MHD_get_daemon_info(worker->daemon, MHD_DAEMON_INFO_EPOLL_FD);
	struct pollfd events = {.fd = info->epoll_fd, .events = POLLIN};
	while (!*worker->stop) {
		unsigned long long timeout;
		MHD_run(worker->daemon);
		if (!resume_all(worker) && (MHD_get_timeout(worker->daemon, &timeout) != MHD_YES || timeout))
			poll(&events, 1, WAIT_MS);
	}
	return NULL;
}

static void start(struct worker *worker)
{
	const struct sockaddr_in address = {
	    .sin_family = AF_INET, .sin_port = htons(worker->settings->port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	for (size_t i = 0; i < REQUESTS_MAX; i++) {
		worker->requests[i].next = worker->free;
		worker->free = &worker->requests[i];
	}
	worker->daemon = MHD_start_daemon(MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL, on_request, worker,
	                                  MHD_OPTION_SOCK_ADDR, &address, MHD_OPTION_LISTENING_ADDRESS_REUSE, 1U,
	                                  MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)POOL_BYTES,
	                                  MHD_OPTION_NOTIFY_COMPLETED, on_completed, worker, MHD_OPTION_END);
	if (!worker->daemon || pthread_create(&worker->thread, NULL, run, worker))
		die("port %d: cannot be served: %s", (int)worker->settings->port, strerror(errno));
}

static void read_settings(struct settings *settings, int argc, char **argv)
{
	static const struct option options[] = {
	    {"port", required_argument, NULL, 'p'},
	    {"body", required_argument, NULL, 'b'},
	    {"workers", required_argument, NULL, 'w'},
	    {NULL, 0, NULL, 0},
	};
	const char *body = NULL;
	settings->workers = 2;
	for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
		if (option == 'p')
			settings->port = (in_port_t)atoi(optarg);
		else if (option == 'b')
			body = optarg;
		else if (option == 'w')
			settings->workers = (size_t)atoi(optarg);
		else
			exit(2);
	}
	FILE *file = body ? fopen(body, "rb") : NULL;
	if (!file || !settings->port || settings->workers < 1 || settings->workers > WORKERS_MAX)
		die("--port, --body with a file and --workers from 1 to %d are needed", WORKERS_MAX);
	settings->length = fread(settings->body, 1, sizeof(settings->body), file);
	fclose(file);
}

int main(int argc, char **argv)
{
	static struct settings settings;
	_Atomic bool stop = false;
	sigset_t signals;
	int number;
	read_settings(&settings, argc, argv);
	struct worker *workers = calloc(settings.workers, sizeof(*workers));
	if (!workers)
		die("out of memory");
	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	pthread_sigmask(SIG_BLOCK, &signals, NULL);
	for (size_t i = 0; i < settings.workers; i++) {
		workers[i].settings = &settings;
		workers[i].random = i + 1;
		workers[i].stop = &stop;
		start(&workers[i]);
	}
	sigwait(&signals, &number);
	stop = true;
	for (size_t i = 0; i < settings.workers; i++) {
		pthread_join(workers[i].thread, NULL);
		MHD_stop_daemon(workers[i].daemon);
	}
	free(workers);
	return 0;
}
