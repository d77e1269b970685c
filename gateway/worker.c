/*
 * worker: the overlap loop. Handles all ready HTTP events, then all ready RPC events. Only when there are none does the
 * thread wait: in the RPC queue for a millisecond at most while calls are under way, else in poll() on the HTTP
 * server's epoll descriptor.
 */
#include "worker.h"

#include <errno.h>
#include <poll.h>
#include <spliced.pb-c.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "callhistory/v1/call_history_service.pb-c.h"
#include "callhistory/v1/call_ingest_service.pb-c.h"
#include "http.h"

enum {
	RPC_WAIT_US = 1000,
	TICK_US = 100 * 1000,
	LINGER_US = 1000 * 1000, /* for clients that are about to use an idle connection */
	FLUSH_ROUNDS = 100,
	STUCK_US = 5 * 1000 * 1000,
	SMALL_BYTES = 64 * 1024, /* a page of 48 calls */
};

static int phase(const struct worker *worker)
{
	return atomic_load_explicit(&worker->gateway->phase, memory_order_acquire);
}

/*
 * Disconnected clients reconnect at once, to the port of any gateway. While a worker of this gateway still listens, the
 * kernel may assign them to it just before it stops, and they would be lost.
 */
bool worker_is_draining(const struct worker *worker)
{
	const struct gateway *gateway = worker->gateway;
	return phase(worker) == GATEWAY_DRAINING &&
	       atomic_load_explicit(&gateway->quiesced, memory_order_acquire) == gateway->workers;
}

bool worker_charge(struct worker *worker, size_t bytes)
{
	struct memory_budget *memory = &worker->gateway->memory;
	/*
	 * The last eighth of the budget is for small answers, so that clients that do not read large ones cannot block
	 * others.
	 */
	bool full = bytes > SMALL_BYTES && atomic_load(&memory->used) + bytes > memory->limit / 8 * 7;
	return !full && memory_take(memory, bytes);
}

bool worker_admit(struct worker *worker, size_t bytes)
{
	if (worker->in_flight >= worker->in_flight_max || !worker_charge(worker, bytes))
		return false;
	metric_set(&worker->metrics->in_flight, ++worker->in_flight);
	return true;
}

void worker_release(struct worker *worker)
{
	metric_set(&worker->metrics->in_flight, --worker->in_flight);
}

bool worker_is_ready(const struct worker *worker)
{
	return phase(worker) == GATEWAY_SERVING;
}

bool worker_all_alive(const struct worker *worker)
{
	const struct gateway *gateway = worker->gateway;
	int64_t now_us = clock_monotonic_us();
	for (size_t i = 0; i < gateway->workers; i++) {
		int64_t beat_us = atomic_load_explicit(&gateway->pulses[i].beat_us, memory_order_relaxed);
		if (beat_us && now_us - STUCK_US > beat_us)
			return false;
	}
	return true;
}

/* ---- life ---- */

static bool is_busy(const struct link *link)
{
	return link->channel && rpc_channel_in_flight(link->channel);
}

/* Ends its calls, closures included. */
static void destroy_link(struct link *link)
{
	rpc_channel_destroy(link->channel);
	*link = (struct link){.channel = NULL};
}

/* Makes a new link to the service, which does not connect yet; the old one is destroyed when its calls have ended. */
static int use_service_files(void *data, const char *const *texts)
{
	struct worker *worker = data;
	const struct settings *settings = worker->gateway->settings;
	struct rpc_channel_options options;
	struct link link = {.channel = NULL};
	rpc_channel_options_init(&options);
	options.keepalive_ms = settings->service_keepalive_ms;
	options.keepalive_timeout_ms = settings->service_keepalive_timeout_ms;
	options.silence_ms = settings->service_silence_ms;
	options.tls_ca = texts ? texts[0] : NULL;
	options.tls_cert = texts ? texts[1] : NULL;
	options.tls_key = texts ? texts[2] : NULL;
	options.attempt_started = metrics_attempt_started;
	options.report_attempt = metrics_attempt;
	options.report_call = metrics_call;
	options.report_data = worker->metrics;
	int result = rpc_channel_create(&link.channel, worker->queue, settings->service, &options);
	if (!result)
		result = rpc_channel_service(link.channel, &callhistory__spliced__call_history_service__descriptor,
		                             callhistory__v1__call_history_service__descriptor.name, &link.history);
	if (!result)
		result = rpc_channel_service(link.channel, &callhistory__spliced__call_ingest_service__descriptor,
		                             callhistory__v1__call_ingest_service__descriptor.name, &link.ingest);
	if (result) {
		destroy_link(&link);
		return result;
	}
	worker->old_link = worker->link;
	worker->link = link;
	return 0;
}

static int create_link(struct worker *worker)
{
	struct pem_files *files = worker->gateway->service_files;
	int result = rpc_queue_create(&worker->queue);
	if (result)
		return result;
	return files ? pem_files_use(files, &worker->service_generation, use_service_files, worker)
	             : use_service_files(worker, NULL);
}

static int use_listener_files(void *data, const char *const *texts)
{
	struct worker *worker = data;
	const int listen_fd = worker->listen_fd;
	worker->listen_fd = -1;
	return http_create(&worker->http, worker, listen_fd, texts ? texts[0] : NULL, texts ? texts[1] : NULL);
}

static int create_http(struct worker *worker)
{
	struct pem_files *files = worker->gateway->listener_files;
	return files ? pem_files_use(files, &worker->listener_generation, use_listener_files, worker)
	             : use_listener_files(worker, NULL);
}

static int reload_listener(void *data, const char *const *texts)
{
	return http_reload(data, texts[0], texts[1]);
}

/* Uses new certificates. */
static void follow_files(struct worker *worker)
{
	const struct log *log = worker->gateway->log;
	if (pem_files_use(worker->gateway->listener_files, &worker->listener_generation, reload_listener, worker->http))
		log_write(log, LOG_WARN, "the new certificate is invalid; the old one remains in use", NULL);
	if (!is_busy(&worker->old_link))
		destroy_link(&worker->old_link);
	if (!worker->old_link.channel &&
	    pem_files_use(worker->gateway->service_files, &worker->service_generation, use_service_files, worker))
		log_write(log, LOG_WARN, "the new certificates for the service are invalid; the old ones remain in use", NULL);
}

int worker_create(struct worker **out, struct gateway *gateway, size_t index, int listen_fd, char *error, size_t size)
{
	const struct settings *settings = gateway->settings;
	int64_t workers = (int64_t)gateway->workers;
	const char *step = "memory";
	int result = -ENOMEM;
	struct worker *worker = calloc(1, sizeof(*worker));
	if (!worker) {
		close(listen_fd);
		goto failed;
	}
	worker->listen_fd = listen_fd;
	worker->gateway = gateway;
	worker->index = index;
	worker->metrics = gateway->metrics[index];
	worker->in_flight_max = (size_t)((settings->max_in_flight + workers - 1) / workers);
	metric_set(&worker->metrics->in_flight_limit, worker->in_flight_max);
	worker->random = (uint64_t)arc4random() << 32 | arc4random();
	worker->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (worker->wake_fd < 0) {
		result = -errno;
		goto failed;
	}
	if ((result = compressor_create(&worker->compressor)))
		goto failed;
	step = "--service";
	if ((result = create_link(worker)))
		goto failed;
	step = settings->tls_cert_file ? "--tls-cert or --tls-key is invalid" : "HTTP";
	result = create_http(worker);
	if (result == -ENOSYS)
		step = "the installed libmicrohttpd does not call the gateway's recv(); install the version that the gateway "
		       "was built with";
	if (result)
		goto failed;
	*out = worker;
	return 0;
failed:
	snprintf(error, size, "%s", step);
	worker_destroy(worker);
	return result;
}

void worker_destroy(struct worker *worker)
{
	if (!worker)
		return;
	worker->closed = true;
	/* Destroyed before the HTTP server, because its closures answer requests; then the answers are sent. */
	destroy_link(&worker->old_link);
	destroy_link(&worker->link);
	for (int round = 0; worker->http && http_is_ready(worker->http) && round < FLUSH_ROUNDS; round++)
		http_run(worker->http);
	http_destroy(worker->http);
	if (worker->listen_fd >= 0)
		close(worker->listen_fd);
	rpc_queue_destroy(worker->queue);
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
	if (poll(fds, 2, most_ms) <= 0)
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
	if (phase(worker) != GATEWAY_DRAINING)
		return false;
	int64_t grace_until_us = atomic_load_explicit(&worker->gateway->grace_until_us, memory_order_acquire);
	if (!worker->linger_until_us) {
		worker->linger_until_us = now_us + LINGER_US;
		http_quiesce(worker->http);
		atomic_fetch_add_explicit(&worker->gateway->quiesced, 1, memory_order_release);
	}
	if (now_us >= grace_until_us)
		return true;
	return !http_connections(worker->http) || (now_us >= worker->linger_until_us && !http_has_requests(worker->http));
}

void *worker_run(void *data)
{
	struct worker *worker = data;
	struct pulse *pulse = &worker->gateway->pulses[worker->index];
	int64_t now_us = clock_monotonic_us();
	while (!drained(worker, now_us)) {
		http_run(worker->http);
		int handled = rpc_queue_run(worker->queue, 0);
		now_us = clock_monotonic_us();
		if (now_us >= worker->tick_us) {
			worker->tick_us = now_us + TICK_US;
			atomic_store_explicit(&pulse->beat_us, now_us, memory_order_relaxed);
			atomic_store_explicit(&pulse->busy_us, worker->busy_us, memory_order_relaxed);
			http_tick(worker->http, now_us);
			follow_files(worker);
		}
		if (handled || http_is_ready(worker->http))
			continue;
		if (is_busy(&worker->link) || is_busy(&worker->old_link))
			rpc_queue_run(worker->queue, now_us + RPC_WAIT_US);
		else
			wait_for_http(worker, now_us);
	}
	atomic_store_explicit(&pulse->beat_us, CLOCK_NEVER, memory_order_relaxed);
	return NULL;
}
