/* callhistoryd/settings: an option table, then the checks that a table cannot express. */
#include "settings.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/address.h"
#include "base/clock.h"
#include "base/program.h"
#include "redis/url.h"

enum { WORKERS_MAX = 256 };

/* Writes the options of addresses, Redis, TLS and logs. Returns how many. */
static size_t service_rows(struct settings *settings, struct option *table)
{
	const struct option options[] = {
	    LIST_OPTION("listen", &settings->listen, "127.0.0.1:50051", "HOST:PORT",
	                "Address of gRPC; may repeat. Each unix:PATH is served by one worker, round robin.", 0),
	    TEXT_OPTION("health-listen", &settings->health_listen, NULL, "HOST:PORT",
	                "Address of grpc.health.v1 alone, without TLS, for probes that have no certificate.", 0),
	    TEXT_OPTION("redis-ack", &settings->redis_ack, "local", "WHAT",
	                "What a write waits for: local, replicas=N (N replicas have it) or disk (fsync).", 0),
	    NUMBER_OPTION("redis-reply-age", &settings->redis_reply_age_ms, "1000", 0, 60000, "MS",
	                  "Cluster and Sentinel: replies older than this are discarded; 0: none. Must be below half of "
	                  "cluster-node-timeout.",
	                  0),
	    TEXT_OPTION("metrics", &settings->metrics, "127.0.0.1:9464", "HOST:PORT",
	                "Address of /metrics, /healthz and /readyz over HTTP, or 'off'.", 0),
	    TEXT_OPTION("country-code", &settings->country_code, "84", "DIGITS",
	                "Country code of phone numbers that have none.", 0),
	    NUMBER_OPTION("change-retention", &settings->change_retention_days, "7", 1, 366, "DAYS",
	                  "How long ListCallChanges can continue from a token.", 0),
	    TEXT_OPTION("tls-cert", &settings->tls_cert, NULL, "FILE",
	                "Certificate chain (PEM); read again when it changes.", 0),
	    TEXT_OPTION("tls-key", &settings->tls_key, NULL, "FILE", "Its private key (PEM).", 0),
	    TEXT_OPTION("tls-client-ca", &settings->tls_client_ca, NULL, "FILE",
	                "Authorities of client certificates (PEM); if set, clients must present one.", 0),
	    TEXT_OPTION("access-log", &settings->access_log, "0", "SHARE", "Share of requests that are logged, 0 to 1.", 0),
	    TEXT_OPTION("log-level", &settings->log_level, "info", "LEVEL", "debug, info, warn or error.", 0),
	};
	memcpy(table, options, sizeof(options));
	return sizeof(options) / sizeof(options[0]);
}

/* Writes the options of threads, limits and timeouts. Returns how many. */
static size_t limit_rows(struct settings *settings, struct option *table)
{
	const struct option options[] = {
	    NUMBER_OPTION("workers", &settings->workers, "0", 0, WORKERS_MAX, "N",
	                  "Worker threads, which share nothing; 0: one per core.", 0),
	    NUMBER_OPTION("grace", &settings->grace_seconds, "20", 0, 3600, "SECONDS",
	                  "Time that requests in progress have after SIGTERM.", 0),
	    NUMBER_OPTION("max-in-flight", &settings->max_in_flight, "4096", 1, 1000000, "N",
	                  "Requests in progress per worker; further ones fail with RESOURCE_EXHAUSTED.", 0),
	    NUMBER_OPTION("max-exports", &settings->max_exports, "8", 1, 1024, "N",
	                  "ExportCalls in progress per worker, at most 2 of one tenant; further ones fail with "
	                  "RESOURCE_EXHAUSTED.",
	                  0),
	    NUMBER_OPTION("send-timeout", &settings->send_timeout_seconds, "60", 1, 3600, "SECONDS",
	                  "Time that a client may take to read one message of ExportCalls.", 0),
	    NUMBER_OPTION("max-connection-age", &settings->max_connection_age_seconds, "0", 0, 604800, "SECONDS",
	                  "Close connections at this age (+-10 %), so that clients rebalance; 0: never.", 0),
	    NUMBER_OPTION("max-connection-age-grace", &settings->max_connection_age_grace_seconds, "20", 1, 604800,
	                  "SECONDS", "Time that requests in progress have after that.", 0),
	    NUMBER_OPTION("max-connection-idle", &settings->max_connection_idle_seconds, "300", 0, 604800, "SECONDS",
	                  "Close connections with GOAWAY after this time without requests; 0: never.", 0),
	    NUMBER_OPTION("max-connections", &settings->max_connections, "4096", 1, 1000000, "N",
	                  "Client connections at once; further ones are closed as soon as they are accepted.", 0),
	    NUMBER_OPTION("max-connections-per-address", &settings->max_connections_per_address, "1024", 1, 1000000, "N",
	                  "The same for the connections of one IP address.", 0),
	    NUMBER_OPTION("max-memory", &settings->max_memory_mib, "0", 0, 1 << 20, "MIB",
	                  "Memory of requests and answers in progress; further requests fail with RESOURCE_EXHAUSTED. 0: "
	                  "three eighths of the memory limit of the cgroup or machine.",
	                  0),
	    NUMBER_OPTION("request-timeout", &settings->request_timeout_seconds, "10", 1, 3600, "SECONDS",
	                  "Time that a request may take to arrive; after it the connection is closed.", 0),
	    NUMBER_OPTION("max-streams", &settings->max_streams, "1024", 1, 1000000, "N",
	                  "Concurrent requests on one connection.", 0),
	    NUMBER_OPTION("keepalive", &settings->keepalive_seconds, "300", 1, 604800, "SECONDS",
	                  "Interval between keepalive pings on an idle connection.", 0),
	    NUMBER_OPTION("keepalive-timeout", &settings->keepalive_timeout_seconds, "20", 1, 3600, "SECONDS",
	                  "Close the connection if a ping is not answered within this time.", 0),
	};
	memcpy(table, options, sizeof(options));
	return sizeof(options) / sizeof(options[0]);
}

void settings_table(struct settings *settings, struct option table[SETTINGS_OPTIONS_MAX])
{
	redis_options_init(&settings->redis);
	size_t count = redis_option_rows(&settings->redis, table);
	count += service_rows(settings, table + count);
	count += limit_rows(settings, table + count);
	table[count] = (struct option){.name = NULL};
}

static int refuse(char *error, size_t size, const char *sentence)
{
	snprintf(error, size, "%s", sentence);
	return -EINVAL;
}

/* Checks the syntax of options; whether an address is available shows later. */
static int check_texts(struct settings *settings, char *error, size_t size)
{
	struct redis_url url = {0};
	char why[256];
	size_t digits = strlen(settings->country_code);
	for (size_t i = 0; i < settings->listen.count; ++i)
		if (!address_is_valid(settings->listen.values[i]))
			return refuse(error, size, "--listen must be HOST:PORT or unix:PATH");
	if (settings->health_listen && !address_is_valid(settings->health_listen))
		return refuse(error, size, "--health-listen must be HOST:PORT or unix:PATH");
	if (settings_has_metrics(settings) && (address_is_unix(settings->metrics) || !address_is_valid(settings->metrics)))
		return refuse(error, size, "--metrics must be HOST:PORT or off");
	if (digits < 1 || digits > 3 || strspn(settings->country_code, "0123456789") != digits)
		return refuse(error, size, "--country-code must be one to three digits");
	int result = redis_url_parse(&url, settings->redis.url, why, sizeof(why));
	redis_url_free(&url);
	if (result == -EINVAL)
		snprintf(error, size, "--redis: %s", why);
	else if (redis_options_set_ack(&settings->redis, settings->redis_ack))
		return refuse(error, size, "--redis-ack must be local, replicas=N with N from 1 to 9, or disk");
	else if (!settings->redis.cert != !settings->redis.key)
		return refuse(error, size, "--redis-cert and --redis-key must be given together");
	return result == -EINVAL ? result : OPTION_OK;
}

int settings_check(void *data, char *error, size_t size)
{
	struct settings *settings = data;
	char *end;
	bool tcp = false;
	int64_t sockets = 0;
	for (size_t i = 0; i < settings->listen.count; ++i) {
		tcp = tcp || !address_is_unix(settings->listen.values[i]);
		sockets += address_is_unix(settings->listen.values[i]);
	}
	if (!settings->listen.count)
		return refuse(error, size, "--listen must be given");
	int result = check_texts(settings, error, size);
	if (result)
		return result;
	settings->access_sample = strtod(settings->access_log, &end);
	if (end == settings->access_log || *end || !(settings->access_sample >= 0 && settings->access_sample <= 1))
		return refuse(error, size, "--access-log must be a number from 0 to 1");
	if (!settings->tls_cert != !settings->tls_key)
		return refuse(error, size, "--tls-cert and --tls-key must be given together");
	if (settings->tls_client_ca && !settings->tls_cert)
		return refuse(error, size, "--tls-client-ca requires --tls-cert and --tls-key");
	settings->redis.reply_age_us = settings->redis_reply_age_ms ? settings->redis_reply_age_ms * 1000 : CLOCK_NEVER;
	if (!settings->workers)
		settings->workers = program_count_cores(WORKERS_MAX);
	/* Workers cannot share a unix socket: more workers than sockets would be idle. */
	if (!tcp && settings->workers > sockets)
		settings->workers = sockets;
	return OPTION_OK;
}

bool settings_has_metrics(const struct settings *settings)
{
	return *settings->metrics && strcmp(settings->metrics, "off") != 0;
}
