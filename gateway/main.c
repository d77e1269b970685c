/*
 * callhistory-gateway: the documented JSON over HTTP in front of the gRPC service. main() reads the options, starts the
 * workers, and turns SIGTERM and SIGINT into a drain; a second signal ends it at once.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/program.h"
#include "contract/contract.h"
#include "listener.h"
#include "tls.h"
#include "worker.h"

/* As program_read_options(). */
static int read_options(struct settings *settings, struct log *log, int argc, char **argv)
{
	struct option table[SETTINGS_OPTIONS_MAX];
	const struct program_options options = {
	    .name = "callhistory-gateway",
	    .version = CALLHISTORY_VERSION,
	    .usage = "Usage: callhistory-gateway [OPTION...]\n\nServes call history as JSON over HTTP.",
	    .table = table,
	    .log_level = &settings->log_level,
	    .check = settings_finish,
	    .settings = settings,
	};
	settings_table(settings, table);
	return program_read_options(&options, log, argc, argv);
}

static int open_certificates(struct gateway *gateway)
{
	const struct settings *settings = gateway->settings;
	const char *const listener[] = {settings->tls_cert_file, settings->tls_key_file};
	const char *const service[] = {settings->service_ca_file, settings->service_cert_file, settings->service_key_file};
	int result = program_open_certificates(gateway->log, &gateway->listener_files, listener, 2, tls_check);
	return result ? result : program_open_certificates(gateway->log, &gateway->service_files, service, 3, NULL);
}

/*
 * Opens a listening socket for each worker and creates the workers. Returns how many were created; fewer than
 * gateway->workers is a failure, which has been logged.
 */
static size_t create_workers(struct gateway *gateway, struct worker **workers)
{
	const struct settings *settings = gateway->settings;
	int fds[SETTINGS_WORKERS_MAX], port = 0;
	size_t made = 0;
	char error[512], number[16];
	int result = listener_open(settings->listen, gateway->workers, fds, &port);
	if (result) {
		log_write(gateway->log, LOG_ERROR, "can't listen", "address", settings->listen, "reason", strerror(-result),
		          NULL);
		return 0;
	}
	while (made < gateway->workers) {
		result = worker_create(&workers[made], gateway, made, fds[made], error, sizeof(error));
		if (result) {
			log_write(gateway->log, LOG_ERROR, "can't start", "reason", error, "detail", strerror(-result), NULL);
			for (size_t i = made + 1; i < gateway->workers; i++)
				close(fds[i]);
			return made;
		}
		made++;
	}
	snprintf(number, sizeof(number), "%d", port);
	log_write(gateway->log, LOG_INFO, "listening", "address", settings->listen, "port", number, "service",
	          settings->service, "version", CALLHISTORY_VERSION, NULL);
	return made;
}

static void set_phase(struct gateway *gateway, struct worker *const *workers, int phase)
{
	atomic_store_explicit(&gateway->phase, phase, memory_order_release);
	for (size_t i = 0; i < gateway->workers; i++)
		worker_wake(workers[i]);
}

/* Waits for a signal for at most `seconds`. Returns whether one arrived. */
static bool wait_for_signal(const sigset_t *signals, int64_t seconds)
{
	struct timespec time = {.tv_sec = (time_t)seconds};
	int got;
	do
		got = sigtimedwait(signals, NULL, &time);
	while (got < 0 && errno == EINTR);
	return got > 0;
}

/* When the newest request began, of all workers (clock_monotonic_us()). */
static int64_t newest_request_us(const struct gateway *gateway)
{
	int64_t last_us = 0;
	for (size_t i = 0; i < gateway->workers; i++) {
		int64_t worker_us = atomic_load_explicit(&gateway->pulses[i].busy_us, memory_order_relaxed);
		last_us = worker_us > last_us ? worker_us : last_us;
	}
	return last_us;
}

/*
 * Waits for SIGTERM or SIGINT. Meanwhile reloads certificates that have changed, and returns free memory to the system.
 */
static void watch(struct gateway *gateway, const sigset_t *signals)
{
	struct program_idle idle = {0};
	int listener_error = 0, service_error = 0;
	while (!wait_for_signal(signals, 1)) {
		program_refresh_certificates(gateway->log, gateway->listener_files, &listener_error);
		program_refresh_certificates(gateway->log, gateway->service_files, &service_error);
		program_trim(&idle, (uint64_t)newest_request_us(gateway));
	}
}

/*
 * Begins the drain: /readyz reports 503 for the drain delay, then the workers get until grace_until_us to answer their
 * requests. A signal during the delay skips the rest of it and the grace period.
 */
static void drain(struct gateway *gateway, struct worker *const *workers, const sigset_t *signals)
{
	const struct settings *settings = gateway->settings;
	int64_t grace_us = settings->grace_s * 1000000;
	log_write(gateway->log, LOG_INFO, "draining", NULL);
	set_phase(gateway, workers, GATEWAY_NOT_READY);
	if (settings->drain_delay_s && wait_for_signal(signals, settings->drain_delay_s))
		grace_us = 0;
	atomic_store_explicit(&gateway->grace_until_us, clock_monotonic_us() + grace_us, memory_order_release);
	set_phase(gateway, workers, GATEWAY_DRAINING);
}

static int serve(struct gateway *gateway, struct worker **workers, const sigset_t *signals)
{
	pthread_t threads[SETTINGS_WORKERS_MAX];
	size_t started = 0;
	char name[32];
	int result = 0;
	while (started < gateway->workers && !result) {
		result = pthread_create(&threads[started], NULL, worker_run, workers[started]);
		if (result)
			break;
		snprintf(name, sizeof(name), "worker %zu", started);
		pthread_setname_np(threads[started++], name);
	}
	if (result)
		log_write(gateway->log, LOG_ERROR, "can't start a thread", "reason", strerror(result), NULL);
	else
		watch(gateway, signals);
	drain(gateway, workers, signals);
	for (size_t i = 0; i < started; i++) {
		struct timespec poll_time = {.tv_nsec = 50 * 1000000};
		/* A second signal ends the grace period. */
		while (pthread_tryjoin_np(threads[i], NULL))
			if (sigtimedwait(signals, NULL, &poll_time) > 0) {
				atomic_store_explicit(&gateway->grace_until_us, 0, memory_order_release);
				set_phase(gateway, workers, GATEWAY_DRAINING);
			}
	}
	log_write(gateway->log, LOG_INFO, "stopped", NULL);
	return result ? 1 : 0;
}

int main(int argc, char **argv)
{
	struct settings settings = {0};
	struct log log = {.writer = NULL};
	struct gateway gateway = {.settings = &settings, .log = &log};
	struct worker *workers[SETTINGS_WORKERS_MAX] = {0};
	sigset_t signals;
	int status = read_options(&settings, &log, argc, argv);
	if (status >= 0)
		goto done;
	status = 1;
	rpc_prepare(settings.workers);
	/* Each connection needs a descriptor. */
	program_allow_descriptors(0);
	program_tune_memory(settings.workers);
	signal(SIGPIPE, SIG_IGN);
	/* Certificates are checked every second; nothing else is reloaded. */
	signal(SIGHUP, SIG_IGN);
	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	pthread_sigmask(SIG_BLOCK, &signals, NULL);
	log_start(&log);
	gateway.workers = (size_t)settings.workers;
	for (size_t i = 0; i < gateway.workers; i++)
		if (!(gateway.metrics[i] = calloc(1, sizeof(*gateway.metrics[i]))))
			goto done;
	gateway.memory.limit = program_memory_budget(settings.max_memory_mib);
	if (admission_create(&gateway.admission, (size_t)settings.max_connections,
	                     (size_t)settings.max_connections_per_address))
		goto done;
	if (open_certificates(&gateway))
		goto done;
	if (create_workers(&gateway, workers) == gateway.workers) {
		status = serve(&gateway, workers, &signals);
		listener_remove(settings.listen);
	}
done:
	for (size_t i = 0; i < SETTINGS_WORKERS_MAX; i++) {
		worker_destroy(workers[i]);
		free(gateway.metrics[i]);
	}
	admission_destroy(gateway.admission);
	pem_files_destroy(gateway.listener_files);
	pem_files_destroy(gateway.service_files);
	contract_zone_destroy(settings.zone);
	log_stop(&log);
	rpc_exit(status);
}
