/*
 * callhistoryd/worker: the overlap loop.
 *
 * An iteration drains the completion queue, whose handlers append commands to the connection; sends them with one
 * write; and reads the replies that are there, each of which completes its call. The deeper the load, the deeper the
 * pipeline, with no thread, lock or wake-up in between. Only an iteration in which nothing happened waits: for Redis, a
 * millisecond at most, when replies are due (deadlines and new calls go on meanwhile), else in the completion queue.
 */
#include "worker.h"

#include <callhistory_protoset.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/decimal.h"
#include "base/mix.h"
#include "base/trace.h"
#include "connections.h"
#include "handlers/handlers.h"
#include "rpc/server.h"

#define TICK_US INT64_C(100000)
#define DAY_MS INT64_C(86400000)
/* A worker whose loop has not run for this time makes no progress. */
#define BEAT_MAX_US INT64_C(10000000)
/* Polling interval of a connection attempt while no call waits for it. */
#define CONNECTING_US INT64_C(5000)
/*
 * A drain shuts gRPC down once it has delivered the calls that it has seen, between SETTLE_US and SETTLE_MAX_US after
 * new calls were hidden from it.
 */
#define SETTLE_US INT64_C(20000)
#define SETTLE_MAX_US INT64_C(2000000)
/* How often a draining worker checks whether all calls have ended. */
#define DRAINING_US INT64_C(10000)
/* Minimum interval between warnings about refused commands. */
#define REFUSAL_US INT64_C(10000000)
/* After this time without a reply, Redis counts as unavailable. */
#define SILENCE_US INT64_C(1000000)
/* Time without Redis before a line says why it cannot be connected, and between such lines. */
#define PATIENCE_US INT64_C(2000000)
#define REMINDER_US INT64_C(60000000)

enum { REDIS_WAIT_MS = 1 };

/*
 * Bytes of each call of a page in Redis's reply, beside its record: the digest before them and the reply's own parts.
 */
enum { REPLY_CALL_OVERHEAD = 256 };

struct worker {
	struct worker_options options;
	struct rpc_queue *queue;
	struct rpc_server *server;
	struct rpc_server *health; /* health alone, in plaintext; NULL: none. NOT_SERVING until the end of the drain */
	struct redis *redis;
	struct store *store;
	struct handlers *handlers;
	pthread_t thread;
	bool started;

	int64_t next_tick_us;
	bool redis_up;
	int64_t reminder_us; /* when a line says why Redis is still unavailable */
	uint64_t risks;      /* REDIS_RISK_* that have been logged */
	uint64_t refusals;   /* that have been logged */
	int64_t refusals_us; /* earliest time of the next warning */
	bool draining;       /* new calls are hidden from gRPC */
	bool shutting_down;  /* and gRPC is shutting down */
	int64_t drain_us;    /* when the drain began */
	uint64_t missing;    /* missing records that have been logged, and the earliest time of the next line */
	int64_t missing_us;
	int64_t audits;  /* lines about deletions so far */
	uint64_t random; /* for the access line's sample */
	char name[12];   /* the index, for the log */

	struct counters counters;
	_Atomic int stop;
	_Atomic bool ready, drained;
	_Atomic int64_t beat_us; /* of the last iteration; 0: the loop has not started or has ended */
};

static bool is_sampled(struct worker *worker)
{
	double share = worker->options.settings->access_sample;
	if (share <= 0)
		return false;
	return (double)(mix_next(&worker->random) >> 11) * 0x1p-53 < share;
}

static void write_access_line(const struct worker *worker, enum log_level level, const struct rpc_call_report *report)
{
	const struct context *context = report->context;
	char duration[24], received[DECIMAL_TEXT], sent[DECIMAL_TEXT], trace[TRACE_ID_SIZE];
	snprintf(duration, sizeof(duration), "%.3f", (double)report->duration_us / 1e3);
	log_write(worker->options.log, level, "call", "method", report->method, "status", status_name((int)report->status),
	          "duration_ms", duration, "request_bytes", decimal_text(received, (int64_t)report->request_bytes),
	          "response_bytes", decimal_text(sent, (int64_t)report->response_bytes), "token",
	          context ? context->token_id : NULL, "request_id", context ? context->request_id : NULL, "trace_id",
	          context ? trace_parent_id(trace, context->traceparent) : NULL, "worker", worker->name, NULL);
}

/*
 * Who deleted what: one line for each request with a token that is known, refused ones too. Its number makes each line
 * another one, so that none is taken for a repetition, and shows where one was dropped.
 */
static void write_audit_line(struct worker *worker, const struct context *context, enum status status)
{
	const struct context_audit *audit = context->audit;
	char calls[DECIMAL_TEXT], number[DECIMAL_TEXT], trace[TRACE_ID_SIZE];
	log_write(worker->options.log, LOG_INFO, audit->dry_run ? "deletion, dry run" : "deletion", "token",
	          context->token_id, "project_code", *audit->project_code ? audit->project_code : NULL, "vbot_id",
	          *audit->vbot_id ? audit->vbot_id : NULL, "ids", audit->ids, "phone", audit->phone, "end_time",
	          audit->end_time, "status", status_name((int)status), "calls",
	          status == STATUS_OK ? decimal_text(calls, audit->calls) : NULL, "request_id", context->request_id,
	          "trace_id", trace_parent_id(trace, context->traceparent), "worker", worker->name, "number",
	          decimal_text(number, ++worker->audits), NULL);
}

static void report_call(void *data, const struct rpc_call_report *report)
{
	struct worker *worker = data;
	counters_add_call(&worker->counters, report->method, (int)report->status, report->duration_us,
	                  report->request_bytes, report->response_bytes);
	if (report->context && report->context->audit)
		write_audit_line(worker, report->context, report->status);
	/* What the gateway answers with 500 is always logged. */
	bool fault =
	    report->status == STATUS_INTERNAL || report->status == STATUS_UNKNOWN || report->status == STATUS_DATA_LOSS;
	if (fault || is_sampled(worker))
		write_access_line(worker, fault ? LOG_ERROR : LOG_INFO, report);
}

static void count_arrival(void *data, const char *method)
{
	struct worker *worker = data;
	counters_add_arrival(&worker->counters, method);
}

static void set_ready(struct worker *worker, bool ready)
{
	rpc_server_set_serving(worker->server, ready);
	if (worker->health)
		rpc_server_set_serving(worker->health, ready);
	atomic_store(&worker->ready, ready);
}

static const char *redis_trouble(const struct worker *worker)
{
	return redis_connected(worker->redis) ? "connected, but no reply" : redis_last_error(worker->redis);
}

/*
 * Health follows the connection at once, and a missing reply after a second; each change is logged. Why Redis cannot be
 * connected again is known only later.
 */
static void watch_redis(struct worker *worker, int64_t now_us)
{
	const struct log *log = worker->options.log;
	bool up = redis_answers(worker->redis, SILENCE_US);
	if (up != worker->redis_up) {
		worker->redis_up = up;
		worker->reminder_us = now_us + PATIENCE_US;
		if (!worker->draining)
			set_ready(worker, up);
		if (up)
			log_write(log, LOG_INFO, "Redis is connected", "worker", worker->name, NULL);
		else
			log_write(log, LOG_WARN, "Redis is lost", "worker", worker->name, "reason", redis_trouble(worker), NULL);
	}
	if (!up && now_us >= worker->reminder_us) {
		worker->reminder_us = now_us + REMINDER_US;
		log_write(log, LOG_WARN, "still connecting to Redis", "worker", worker->name, "reason", redis_trouble(worker),
		          NULL);
	}
}

/* Logs refusals: a Redis that is connected may be out of memory or disk. */
static void watch_refusals(struct worker *worker, int64_t now_us)
{
	struct redis_stats stats;
	redis_get_stats(worker->redis, &stats);
	if (stats.refusals == worker->refusals || now_us < worker->refusals_us)
		return;
	worker->refusals = stats.refusals;
	worker->refusals_us = now_us + REFUSAL_US;
	log_write(worker->options.log, LOG_WARN, "Redis refuses commands", "worker", worker->name, "code",
	          redis_last_refusal(worker->redis), "reason", store_last_refusal(worker->store), NULL);
}

/* References without a record: pages omit them, so this line is the only report of the damage. */
static void watch_missing(struct worker *worker, int64_t now_us)
{
	struct store_stats stats;
	char count[DECIMAL_TEXT];
	store_get_stats(worker->store, &stats);
	if (stats.missing == worker->missing || now_us < worker->missing_us)
		return;
	log_write(worker->options.log, LOG_ERROR, "stored calls are missing: run callhistoryctl verify", "worker",
	          worker->name, "references", decimal_text(count, (int64_t)(stats.missing - worker->missing)), NULL);
	worker->missing = stats.missing;
	worker->missing_us = now_us + REFUSAL_US;
}

/* Logs settings of Redis that lose data, each once, by one worker. */
static void watch_risks(struct worker *worker)
{
	static const struct {
		unsigned risk;
		const char *reason;
	} risks[] = {
	    {REDIS_RISK_EVICTION, "maxmemory-policy evicts calls when memory runs out; set noeviction"},
	    {REDIS_RISK_NO_APPEND_ONLY_FILE, "appendonly is off, so a restart loses calls; set it to yes"},
	    {REDIS_RISK_NO_MEMORY_LIMIT, "maxmemory is 0, so a full machine kills Redis; set a limit"},
	};
	struct redis_stats stats;
	redis_get_stats(worker->redis, &stats);
	uint64_t fresh = stats.risks & ~worker->risks;
	worker->risks |= fresh;
	for (size_t i = 0; i < sizeof(risks) / sizeof(risks[0]) && !worker->options.index; ++i)
		if (fresh & risks[i].risk)
			log_write(worker->options.log, LOG_WARN, "Redis may lose data", "reason", risks[i].reason, NULL);
}

static void watch_stop(struct worker *worker, int64_t now_us)
{
	int stop = atomic_load(&worker->stop);
	if (stop == WORKER_RUN)
		return;
	if (!worker->draining) {
		worker->draining = true;
		worker->drain_us = now_us;
		set_ready(worker, false);
		connections_drain();
	}
	if (stop == WORKER_DRAIN)
		return;
	worker->shutting_down = true;
	rpc_server_drain(worker->server, now_us);
}

/*
 * New calls have been hidden from gRPC since the drain began. Once it has delivered those that it has seen, it shuts
 * down: its final GOAWAY has the id of the last one, and clients repeat later ones on another connection.
 */
static void shut_down_when_settled(struct worker *worker, int events, int64_t now_us)
{
	int64_t since_us = now_us - worker->drain_us;
	if (worker->shutting_down || since_us < SETTLE_US)
		return;
	if (since_us < SETTLE_MAX_US && (events > 0 || connections_unfinished() > 0))
		return;
	worker->shutting_down = true;
	rpc_server_drain(worker->server, worker->drain_us + worker->options.settings->grace_seconds * 1000000);
}

static void tick(struct worker *worker, int64_t now_us)
{
	worker->next_tick_us = now_us + TICK_US;
	atomic_store_explicit(&worker->beat_us, now_us, memory_order_relaxed);
	watch_stop(worker, now_us);
	watch_refusals(worker, now_us);
	watch_risks(worker);
	watch_missing(worker, now_us);
	counters_set_redis(&worker->counters, worker->redis);
	counters_set_store(&worker->counters, worker->store);
	metric_set(&worker->counters.in_flight, rpc_server_in_flight(worker->server));
}

static void wait_for_events(struct worker *worker, int64_t now_us)
{
	struct pollfd redis = {.fd = redis_poll_fd(worker->redis), .events = POLLIN};
	int64_t until_us = worker->next_tick_us;
	int64_t timer_us = redis_next_timer_us(worker->redis);
	if (worker->draining && until_us > now_us + DRAINING_US)
		until_us = now_us + DRAINING_US;
	if (redis_pending(worker->redis)) {
		poll(&redis, 1, REDIS_WAIT_MS);
		return;
	}
	if (!redis_connected(worker->redis) && until_us > now_us + CONNECTING_US)
		until_us = now_us + CONNECTING_US;
	rpc_queue_run(worker->queue, until_us < timer_us ? until_us : timer_us);
}

static void *run(void *data)
{
	struct worker *worker = data;
	worker->reminder_us = clock_monotonic_us() + PATIENCE_US;
	connections_guard();
	while (atomic_load_explicit(&worker->stop, memory_order_relaxed) != WORKER_END) {
		int events = rpc_queue_run(worker->queue, 0);
		int happened = events + redis_run(worker->redis);
		int64_t now_us = clock_monotonic_us();
		watch_redis(worker, now_us);
		if (worker->draining)
			shut_down_when_settled(worker, events, now_us);
		if (worker->draining && rpc_server_drained(worker->server))
			atomic_store(&worker->drained, true);
		if (now_us >= worker->next_tick_us)
			tick(worker, now_us);
		else if (!happened)
			wait_for_events(worker, now_us);
	}
	atomic_store_explicit(&worker->beat_us, 0, memory_order_relaxed);
	return NULL;
}

static int create_store(struct worker *worker, char *error, size_t size)
{
	struct redis_options redis = worker->options.settings->redis;
	/* A page of the largest calls, and one more, is the largest reply; the page then ends early at 4 MiB. */
	redis.max_reply_bytes = (size_t)(HANDLERS_PAGE_SIZE_MAX + 2) * (HANDLERS_BYTES_MAX + REPLY_CALL_OVERHEAD);
	int result = redis_create(&worker->redis, &redis, error, size);
	if (result)
		return result;
	result = store_create(&worker->store, worker->redis);
	if (result) {
		snprintf(error, size, "out of memory");
		return result;
	}
	store_set_change_retention(worker->store, worker->options.settings->change_retention_days * DAY_MS);
	struct handlers_options handlers = {
	    .country_code = worker->options.settings->country_code,
	    .buckets = worker->options.buckets,
	    .max_exports = (uint32_t)worker->options.settings->max_exports,
	};
	result = handlers_create(&worker->handlers, worker->store, &handlers);
	if (result)
		snprintf(error, size, result == -EINVAL ? "--country-code must be one to three digits" : "out of memory");
	return result;
}

static void fill_server_options(struct worker *worker, struct rpc_server_options *options)
{
	const struct settings *settings = worker->options.settings;
	rpc_server_options_init(options);
	options->max_in_flight = (uint32_t)settings->max_in_flight;
	options->budget = worker->options.memory;
	options->max_connection_idle_ms = settings->max_connection_idle_seconds * 1000;
	options->max_connection_age_ms = settings->max_connection_age_seconds * 1000;
	options->max_connection_age_grace_ms = settings->max_connection_age_grace_seconds * 1000;
	options->max_streams = (uint32_t)settings->max_streams;
	options->keepalive_ms = settings->keepalive_seconds * 1000;
	options->keepalive_timeout_ms = settings->keepalive_timeout_seconds * 1000;
	options->send_timeout_ms = settings->send_timeout_seconds * 1000;
	options->exclusive_port = worker->options.count == 1;
	options->report = report_call;
	options->arrived = count_arrival;
	options->report_data = worker;
}

static int create_server(struct worker *worker)
{
	struct rpc_server_options options;
	fill_server_options(worker, &options);
	options.certificates = worker->options.certificates;
	options.admit = handlers_admit;
	options.admit_data = worker->handlers;
	return rpc_server_create(&worker->server, worker->queue, &options);
}

static int add_services(struct worker *worker)
{
	int result = rpc_server_add(worker->server, handlers_history_service(worker->handlers), HANDLERS_HISTORY_NAME);
	if (!result)
		result = rpc_server_add(worker->server, handlers_ingest_service(worker->handlers), HANDLERS_INGEST_NAME);
	if (!result)
		result = rpc_server_add_health(worker->server);
	if (!result)
		result = rpc_server_add_reflection(worker->server, callhistory_protoset, callhistory_protoset_size);
	return result;
}

static int create_health_server(struct worker *worker)
{
	struct rpc_server_options options;
	if (!worker->options.settings->health_listen)
		return 0;
	fill_server_options(worker, &options);
	int result = rpc_server_create(&worker->health, worker->queue, &options);
	if (!result)
		result = rpc_server_add_health(worker->health);
	if (!result)
		result = rpc_server_add_health_of(worker->health, HANDLERS_HISTORY_NAME);
	if (!result)
		result = rpc_server_add_health_of(worker->health, HANDLERS_INGEST_NAME);
	return result;
}

int worker_create(struct worker **out, const struct worker_options *options, char *error, size_t size)
{
	struct worker *worker = calloc(1, sizeof(*worker));
	if (!worker)
		return -ENOMEM;
	worker->options = *options;
	worker->random = (uint64_t)clock_monotonic_us() + options->index;
	snprintf(worker->name, sizeof(worker->name), "%u", options->index);
	metric_set(&worker->counters.in_flight_limit, (uint64_t)options->settings->max_in_flight);
	int result = create_store(worker, error, size);
	if (result)
		goto failed;
	result = rpc_queue_create(&worker->queue);
	if (!result)
		result = create_server(worker);
	if (!result)
		result = add_services(worker);
	if (!result)
		result = create_health_server(worker);
	if (result) {
		snprintf(error, size, "can't create the gRPC server: %s", strerror(-result));
		goto failed;
	}
	*out = worker;
	return 0;
failed:
	worker_destroy(worker);
	return result;
}

int worker_listen(struct worker *worker, const char *address, bool health, int *port)
{
	return rpc_server_listen(health ? worker->health : worker->server, address, port);
}

int worker_start(struct worker *worker)
{
	int result = rpc_server_start(worker->server);
	if (!result && worker->health)
		result = rpc_server_start(worker->health);
	if (!result)
		result = -pthread_create(&worker->thread, NULL, run, worker);
	worker->started = !result;
	if (worker->started) {
		char name[16];
		snprintf(name, sizeof(name), "worker %.8s", worker->name);
		pthread_setname_np(worker->thread, name);
	}
	return result;
}

void worker_stop(struct worker *worker, enum worker_stop how)
{
	atomic_store(&worker->stop, (int)how);
}

bool worker_is_drained(const struct worker *worker)
{
	return atomic_load(&worker->drained);
}

bool worker_is_ready(const struct worker *worker)
{
	return atomic_load(&worker->ready);
}

bool worker_is_alive(const struct worker *worker)
{
	int64_t beat_us = atomic_load_explicit(&worker->beat_us, memory_order_relaxed);
	return !beat_us || clock_monotonic_us() - beat_us < BEAT_MAX_US;
}

const struct counters *worker_counters(const struct worker *worker)
{
	return &worker->counters;
}

void worker_destroy(struct worker *worker)
{
	if (!worker)
		return;
	if (worker->started)
		pthread_join(worker->thread, NULL);
	/* Destroys the connection before what its last callbacks use, and the queue after everything that uses it. */
	rpc_server_destroy(worker->server);
	rpc_server_destroy(worker->health);
	redis_destroy(worker->redis);
	handlers_destroy(worker->handlers);
	store_destroy(worker->store);
	rpc_queue_destroy(worker->queue);
	free(worker);
}
