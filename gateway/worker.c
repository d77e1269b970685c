/*
 * worker: the overlap loop. HTTP and RPC events are taken in turn, each as
 * many as are ready; only when neither has anything does the thread wait: in
 * the RPC queue for a millisecond at most while calls are under way, else in
 * poll() on libmicrohttpd's epoll descriptor.
 */
#include "worker.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "callhistory/v1/call_history_service.pb-c.h"
#include "http.h"
#include "readiness.h"
#include "rpc/channel.h"
#include "rpc/queue.h"

enum {
	RPC_WAIT_US = 1000,
	TICK_US = 100 * 1000,
	LINGER_US = 1000 * 1000, /* for clients that have an idle connection and may be about to use it */
	FLUSH_ROUNDS = 100,
};

struct worker {
	struct gateway *gateway;
	size_t index;
	struct rpc_queue *queue;
	struct rpc_channel *channel;
	ProtobufCService *history;
	struct readiness *readiness;
	struct contract_zone *zone;
	struct compressor *compressor;
	struct metrics *metrics; /* the gateway's */
	struct http *http;
	struct trace_source trace;
	int wake_fd;
	size_t in_flight, in_flight_max;
	int64_t tick_us;
	int64_t linger_until_us; /* 0: not draining yet */
};

const struct settings *worker_settings(const struct worker *worker)
{
	return worker->gateway->settings;
}

const struct log *worker_log(const struct worker *worker)
{
	return worker->gateway->log;
}

struct contract_zone *worker_zone(const struct worker *worker)
{
	return worker->zone;
}

ProtobufCService *worker_history(const struct worker *worker)
{
	return worker->history;
}

struct metrics *worker_metrics(const struct worker *worker)
{
	return worker->metrics;
}

struct metrics *const *worker_all_metrics(const struct worker *worker, size_t *count)
{
	*count = worker->gateway->workers;
	return worker->gateway->metrics;
}

struct compressor *worker_compressor(const struct worker *worker)
{
	return worker->compressor;
}

struct trace_source *worker_trace(struct worker *worker)
{
	return &worker->trace;
}

static int phase(const struct worker *worker)
{
	return atomic_load_explicit(&worker->gateway->phase, memory_order_acquire);
}

bool worker_is_draining(const struct worker *worker)
{
	return phase(worker) == GATEWAY_DRAINING;
}

bool worker_admit(struct worker *worker)
{
	if (worker->in_flight >= worker->in_flight_max)
		return false;
	metrics_in_flight(worker->metrics, (int64_t)++worker->in_flight);
	return true;
}

void worker_release(struct worker *worker)
{
	metrics_in_flight(worker->metrics, (int64_t)--worker->in_flight);
}

bool worker_ready_now(struct worker *worker, bool *ready)
{
	if (phase(worker) == GATEWAY_SERVING)
		return readiness_known(worker->readiness, ready);
	*ready = false;
	return true;
}

void worker_ready_later(struct worker *worker, void (*done)(void *data, bool ready), void *data)
{
	readiness_ask(worker->readiness, done, data);
}

/* ---- life ---- */

static int create_rpc(struct worker *worker)
{
	const struct settings *settings = worker->gateway->settings;
	struct rpc_channel_options options;
	rpc_channel_options_init(&options);
	options.tls_ca = settings->service_ca;
	options.tls_cert = settings->service_cert;
	options.tls_key = settings->service_key;
	int result = rpc_queue_create(&worker->queue);
	if (!result)
		result = rpc_channel_create(&worker->channel, worker->queue, settings->service, &options);
	if (!result)
		result = rpc_channel_service(worker->channel, &callhistory__v1__call_history_service__descriptor, NULL,
		                             &worker->history);
	if (!result)
		result = readiness_create(&worker->readiness, worker->channel);
	return result;
}

static int create_http(struct worker *worker, int listen_fd)
{
	const struct settings *settings = worker->gateway->settings;
	int64_t workers = (int64_t)worker->gateway->workers;
	struct http_options options = {
	    .listen_fd = listen_fd,
	    .max_connections = (unsigned)((settings->max_connections + workers - 1) / workers),
	    .idle_timeout_s = (unsigned)settings->idle_timeout_s,
	    .request_timeout_us = settings->request_timeout_s * 1000000,
	    .tls_cert = settings->tls_cert,
	    .tls_key = settings->tls_key,
	};
	return http_create(&worker->http, worker, &options);
}

int worker_create(struct worker **out, struct gateway *gateway, size_t index, int listen_fd, char *error, size_t size)
{
	const struct settings *settings = gateway->settings;
	int64_t workers = (int64_t)gateway->workers;
	const char *step = "memory";
	int result = -ENOMEM;
	struct worker *worker = calloc(1, sizeof(*worker));
	if (!worker)
		goto failed;
	worker->gateway = gateway;
	worker->index = index;
	worker->metrics = gateway->metrics[index];
	worker->in_flight_max = (size_t)((settings->max_in_flight + workers - 1) / workers);
	trace_source_init(&worker->trace);
	worker->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (worker->wake_fd < 0) {
		result = -errno;
		goto failed;
	}
	if ((result = compressor_create(&worker->compressor)))
		goto failed;
	step = "--time-zone: no such time zone";
	if ((result = contract_zone_create(&worker->zone, settings->time_zone)))
		goto failed;
	step = "--service";
	if ((result = create_rpc(worker)))
		goto failed;
	step = settings->tls_cert ? "--tls-cert or --tls-key: can't be used" : "HTTP";
	result = create_http(worker, listen_fd);
	listen_fd = -1;
	if (result)
		goto failed;
	*out = worker;
	return 0;
failed:
	snprintf(error, size, "%s", step);
	if (listen_fd >= 0)
		close(listen_fd);
	worker_destroy(worker);
	return result;
}

void worker_destroy(struct worker *worker)
{
	if (!worker)
		return;
	/* Its closures answer, so it goes before what they answer to; the answers get a chance to leave. */
	rpc_channel_destroy(worker->channel);
	for (int round = 0; worker->http && round < FLUSH_ROUNDS && http_poll_timeout_ms(worker->http, 1) == 0; round++)
		http_run(worker->http);
	http_destroy(worker->http);
	readiness_destroy(worker->readiness);
	rpc_queue_destroy(worker->queue);
	contract_zone_destroy(worker->zone);
	compressor_destroy(worker->compressor);
	if (worker->wake_fd > 0)
		close(worker->wake_fd);
	free(worker);
}

void worker_wake(struct worker *worker)
{
	uint64_t one = 1;
	ssize_t written = write(worker->wake_fd, &one, sizeof(one));
	(void)written; /* a full counter wakes as well */
}

/* ---- loop ---- */

static void wait_for_http(struct worker *worker, int64_t now_us)
{
	int64_t until_tick_ms = (worker->tick_us - now_us + 999) / 1000;
	int most_ms = until_tick_ms < 1 ? 1 : (int)until_tick_ms;
	struct pollfd fds[] = {
	    {.fd = http_poll_fd(worker->http), .events = POLLIN},
	    {.fd = worker->wake_fd, .events = POLLIN},
	};
	int timeout_ms = http_poll_timeout_ms(worker->http, most_ms);
	if (timeout_ms == 0 || poll(fds, 2, timeout_ms) <= 0)
		return;
	if (fds[1].revents) {
		uint64_t count;
		ssize_t got = read(worker->wake_fd, &count, sizeof(count));
		(void)got;
	}
}

/* Whether the drain is over. */
static bool drained(struct worker *worker, int64_t now_us)
{
	if (!worker_is_draining(worker))
		return false;
	int64_t grace_until_us = atomic_load_explicit(&worker->gateway->grace_until_us, memory_order_acquire);
	if (!worker->linger_until_us) {
		worker->linger_until_us = now_us + LINGER_US;
		http_quiesce(worker->http);
	}
	if (now_us >= grace_until_us)
		return true;
	return !http_suspended(worker->http) && (!http_connections(worker->http) || now_us >= worker->linger_until_us);
}

void *worker_run(void *data)
{
	struct worker *worker = data;
	int64_t now_us = clock_monotonic_us();
	while (!drained(worker, now_us)) {
		http_run(worker->http);
		int handled = rpc_queue_run(worker->queue, 0);
		now_us = clock_monotonic_us();
		if (now_us >= worker->tick_us) {
			worker->tick_us = now_us + TICK_US;
			http_tick(worker->http, now_us);
		}
		if (handled || http_poll_timeout_ms(worker->http, 1) == 0)
			continue;
		if (rpc_channel_in_flight(worker->channel))
			rpc_queue_run(worker->queue, now_us + RPC_WAIT_US);
		else
			wait_for_http(worker, now_us);
	}
	return NULL;
}
