/*
 * callhistoryd: serves call history over gRPC from Redis.
 *
 * The main thread reads the options, makes the workers and then waits for signals: SIGTERM or SIGINT drains, a second
 * one cancels what is left, SIGHUP reads the certificates again.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/address.h"
#include "base/clock.h"
#include "base/decimal.h"
#include "base/program.h"
#include "connections.h"
#include "metrics.h"
#include "rpc/server.h"
#include "worker.h"

enum { ADDRESS_SIZE = 512, ERROR_SIZE = 512, BUCKETS = 4096 };

/* Requests that have not arrived completely may use this part of --max-memory in addition. */
enum { UNFINISHED_SHARE = 3 };

/* Minimum interval between log lines about connections closed for the same reason. */
#define CLOSED_LOG_US INT64_C(10000000)

/* How often files and workers are checked, when running and when draining. */
enum { WATCH_MS = 1000, DRAIN_WATCH_MS = 20 };

struct program {
	struct settings settings;
	struct log log;
	struct pem_files *certificates;
	int certificates_error; /* result of the last check; reported once */
	struct worker **workers;
	struct memory_budget memory;  /* of requests and answers */
	struct bucket_table *buckets; /* of the tokens' rates, shared by all workers */
	const struct counters **counters;
	size_t worker_count; /* workers that have been made */
	size_t sockets;      /* unix sockets that are listened on */
	struct metrics_source metrics_source;
	struct metrics *metrics;
	sigset_t signals;
	struct connections_stats closed;        /* that have been logged */
	int64_t closed_us[CONNECTIONS_REASONS]; /* earliest time of the next log line */
	struct program_idle idle;
};

static int check_addresses(struct program *program)
{
	const struct option_list *listen = &program->settings.listen;
	int result = 0;
	for (size_t i = 0; i <= listen->count && !result; ++i) {
		const char *address = i < listen->count ? listen->values[i] : program->settings.health_listen;
		result = address ? address_check_free(address, false) : 0;
		if (result)
			log_write(&program->log, LOG_ERROR, "another program listens on this address", "address", address, NULL);
	}
	return result;
}

static int create_workers(struct program *program)
{
	size_t count = (size_t)program->settings.workers;
	char error[ERROR_SIZE] = "out of memory";
	program->workers = calloc(count, sizeof(struct worker *));
	program->counters = calloc(count, sizeof(struct counters *));
	int result =
	    program->workers && program->counters ? handlers_bucket_table_create(&program->buckets, BUCKETS) : -ENOMEM;
	for (size_t i = 0; i < count && !result; ++i) {
		struct worker_options options = {
		    .settings = &program->settings,
		    .log = &program->log,
		    .certificates = program->certificates,
		    .buckets = program->buckets,
		    .memory = &program->memory,
		    .index = (unsigned int)i,
		    .count = (unsigned int)count,
		};
		result = worker_create(&program->workers[i], &options, error, sizeof(error));
		if (result)
			break;
		program->counters[i] = worker_counters(program->workers[i]);
		++program->worker_count;
	}
	if (result)
		log_write(&program->log, LOG_ERROR, "can't start", "reason", error, NULL);
	return result;
}

/*
 * Listens on one address: on a unix socket with the next worker, round robin; on a port with all workers. For port 0
 * all use the port that the first one got. The address of health is exempt from the drain.
 */
static int listen_on(struct program *program, const char *address, bool health)
{
	char text[ADDRESS_SIZE];
	int port = 0, result = 0;
	bool shared = !address_is_unix(address);
	const size_t first = shared ? 0 : program->sockets++ % program->worker_count;
	snprintf(text, sizeof(text), "%s", address);
	for (size_t i = 0; i < (shared ? program->worker_count : 1) && !result; ++i) {
		result = worker_listen(program->workers[first + i], text, health, &port);
		if (!result && shared)
			result = address_set_port(text, sizeof(text), address, port);
	}
	if (!result && health)
		connections_exempt(address, port);
	if (result)
		log_write(&program->log, LOG_ERROR, "can't listen", "address", address, "reason", strerror(-result), NULL);
	else
		log_write(&program->log, LOG_INFO, health ? "listening for health checks" : "listening", "address", text, NULL);
	return result;
}

static bool all_are(const struct program *program, bool (*is)(const struct worker *worker))
{
	size_t i = 0;
	while (i < program->worker_count && is(program->workers[i]))
		++i;
	return i == program->worker_count;
}

static bool is_ready(void *data)
{
	return all_are(data, worker_is_ready);
}

static bool is_alive(void *data)
{
	return all_are(data, worker_is_alive);
}

static int start_metrics(struct program *program, int64_t start_unix_ms)
{
	if (!settings_has_metrics(&program->settings))
		return 0;
	program->metrics_source = (struct metrics_source){
	    .workers = program->counters,
	    .worker_count = program->worker_count,
	    .start_unix_ms = start_unix_ms,
	    .log = &program->log,
	    .memory = &program->memory,
	    .alive = is_alive,
	    .ready = is_ready,
	    .data = program,
	};
	int result = metrics_start(&program->metrics, program->settings.metrics, &program->metrics_source);
	if (result)
		log_write(&program->log, LOG_ERROR, "can't serve metrics", "address", program->settings.metrics, "reason",
		          strerror(-result), NULL);
	return result;
}

static int start(struct program *program)
{
	const struct settings *settings = &program->settings;
	const char *const paths[] = {settings->tls_cert, settings->tls_key, settings->tls_client_ca};
	int64_t start_unix_ms = clock_unix_ms();
	int result = program_open_certificates(&program->log, &program->certificates, paths, 3, rpc_certificates_check);
	if (!result)
		result = check_addresses(program);
	if (!result)
		result = create_workers(program);
	for (size_t i = 0; i < program->settings.listen.count && !result; ++i)
		result = listen_on(program, program->settings.listen.values[i], false);
	if (!result && program->settings.health_listen)
		result = listen_on(program, program->settings.health_listen, true);
	if (!result)
		result = start_metrics(program, start_unix_ms);
	if (result)
		return result;
	for (size_t i = 0; i < program->worker_count && !result; ++i)
		result = worker_start(program->workers[i]);
	if (result)
		log_write(&program->log, LOG_ERROR, "can't start a worker", "reason", strerror(-result), NULL);
	return result;
}

static void stop(struct program *program, enum worker_stop how)
{
	log_write(&program->log, LOG_INFO, how == WORKER_DRAIN ? "draining" : "ending at once", NULL);
	for (size_t i = 0; i < program->worker_count; ++i)
		worker_stop(program->workers[i], how);
}

/* Logs connections that were closed since the last call, one line for each reason. */
static void log_closed_connections(struct program *program)
{
	struct connections_stats now;
	int64_t now_us = clock_monotonic_us();
	connections_get_stats(&now);
	for (unsigned i = 0; i < CONNECTIONS_REASONS; ++i) {
		char count[DECIMAL_TEXT];
		uint64_t more = now.closed[i] - program->closed.closed[i];
		if (!more || now_us < program->closed_us[i])
			continue;
		log_write(&program->log, LOG_WARN, "client connections were closed", "reason",
		          connections_reason_name((enum connections_reason)i), "count", decimal_text(count, (int64_t)more),
		          "last_address", now.last_address[i], NULL);
		program->closed.closed[i] = now.closed[i];
		program->closed_us[i] = now_us + CLOSED_LOG_US;
	}
}

/* A number that changes with each call and each connection closed by a limit. */
static uint64_t work_of(const struct program *program)
{
	uint64_t work = counters_arrivals(program->counters, program->worker_count);
	for (unsigned i = 0; i < CONNECTIONS_REASONS; ++i)
		work += program->closed.closed[i];
	return work;
}

static void wait_for_end(struct program *program)
{
	int stops = 0;
	while (!all_are(program, worker_is_drained)) {
		long wait_ms = stops ? DRAIN_WATCH_MS : WATCH_MS;
		struct timespec wait = {.tv_sec = wait_ms / 1000, .tv_nsec = wait_ms % 1000 * 1000000};
		int number = sigtimedwait(&program->signals, NULL, &wait);
		if (number == SIGTERM || number == SIGINT)
			stop(program, ++stops == 1 ? WORKER_DRAIN : WORKER_CANCEL);
		else
			program_refresh_certificates(&program->log, program->certificates, &program->certificates_error);
		connections_watch();
		log_closed_connections(program);
		program_trim(&program->idle, work_of(program));
	}
}

static void finish(struct program *program)
{
	metrics_stop(program->metrics);
	/* Also those that run because another one failed to start. */
	for (size_t i = 0; i < program->worker_count; ++i)
		worker_stop(program->workers[i], WORKER_END);
	for (size_t i = 0; i < program->worker_count; ++i)
		worker_destroy(program->workers[i]);
	handlers_bucket_table_destroy(program->buckets);
	free(program->workers);
	free(program->counters);
	pem_files_destroy(program->certificates);
}

static int run(struct program *program)
{
	char redis[ADDRESS_SIZE], workers[DECIMAL_TEXT];
	redis_redact_url(redis, sizeof(redis), program->settings.redis.url);
	/* Blocked before the second thread starts, so that only the sigtimedwait() below receives them. */
	sigemptyset(&program->signals);
	sigaddset(&program->signals, SIGTERM);
	sigaddset(&program->signals, SIGINT);
	sigaddset(&program->signals, SIGHUP);
	pthread_sigmask(SIG_BLOCK, &program->signals, NULL);
	signal(SIGPIPE, SIG_IGN);
	program_tune_memory(program->settings.workers);
	program->memory.limit = program_memory_budget(program->settings.max_memory_mib);
	struct connections_options limits = {
	    .most = (uint32_t)program->settings.max_connections,
	    .most_per_address = (uint32_t)program->settings.max_connections_per_address,
	    .request_ms = program->settings.request_timeout_seconds * 1000,
	    .request_bytes = program->memory.limit / UNFINISHED_SHARE,
	    .streams = (uint32_t)program->settings.max_streams,
	    .stream_bytes = program->memory.limit,
	    .tls = program->settings.tls_cert != NULL,
	};
	int result = connections_prepare(&limits);
	log_start(&program->log);
	if (result)
		log_write(&program->log, LOG_ERROR, "can't allocate the table of connections", NULL);
	else
		result = start(program);
	if (!result) {
		log_write(&program->log, LOG_INFO, "started", "version", CALLHISTORY_VERSION, "workers",
		          decimal_text(workers, program->settings.workers), "redis", redis, "metrics",
		          program->settings.metrics, "tls", program->certificates ? "on" : "off", NULL);
		wait_for_end(program);
	}
	finish(program);
	if (!result)
		log_write(&program->log, LOG_INFO, "stopped", NULL);
	log_stop(&program->log);
	return result ? EXIT_FAILURE : EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
	/* Static: options keep copies of secrets for as long as the program lives. */
	static struct program program;
	struct option table[SETTINGS_OPTIONS_MAX];
	const struct program_options options = {
	    .name = "callhistoryd",
	    .version = CALLHISTORY_VERSION,
	    .usage = "Usage: callhistoryd [OPTION...]\n\nServes call history over gRPC from Redis. SIGTERM drains; "
	             "a second one ends at once.",
	    .table = table,
	    .log_level = &program.settings.log_level,
	    .check = settings_check,
	    .settings = &program.settings,
	};
	settings_table(&program.settings, table);
	int status = program_read_options(&options, &program.log, argc, argv);
	if (status >= 0)
		return status;
	rpc_prepare(program.settings.workers);
	rpc_exit(run(&program));
}
