/* callhistoryd/settings: one table; what a table can't say is checked after it. */
#include "settings.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/address.h"
#include "base/clock.h"
#include "base/cores.h"
#include "redis/url.h"

enum { WORKERS_MAX = 256, OPTION_COUNT = 32 };

static void fill_table(struct option table[OPTION_COUNT], struct settings *settings)
{
	const struct option options[] = {
	    LIST_OPTION(
	        "listen", &settings->listen, "127.0.0.1:50051", "HOST:PORT",
	        "Address to serve gRPC on; may repeat. unix:PATH too: each socket is served by one worker, in turn.", 0),
	    TEXT_OPTION("health-listen", &settings->health_listen, NULL, "HOST:PORT",
	                "Address of grpc.health.v1 alone, without TLS, for probes that have no certificate.", 0),
	    TEXT_OPTION(
	        "redis-ack", &settings->redis_ack, "local", "WHAT",
	        "When a write counts as done: local, replicas=N (N replicas have it), disk (it is on the server's disk).",
	        0),
	    NUMBER_OPTION("redis-reply-age", &settings->redis_reply_age_ms, "1000", 0, 60000, "MS",
	                  "Cluster, sentinels: older replies do not count. Less than half of cluster-node-timeout; 0: any "
	                  "age counts.",
	                  0),
	    TEXT_OPTION("metrics", &settings->metrics, "127.0.0.1:9464", "HOST:PORT",
	                "Address of /metrics, /healthz and /readyz over HTTP; the word off: there is none.", 0),
	    TEXT_OPTION("country-code", &settings->country_code, "84", "DIGITS", "Country code of national numbers.", 0),
	    NUMBER_OPTION("workers", &settings->workers, "0", 0, WORKERS_MAX, "N",
	                  "Threads that share nothing; 0: one per core.", 0),
	    NUMBER_OPTION("grace", &settings->grace_seconds, "20", 0, 3600, "SECONDS",
	                  "How long requests under way may go on after SIGTERM.", 0),
	    NUMBER_OPTION("max-in-flight", &settings->max_in_flight, "4096", 1, 1000000, "N",
	                  "Requests under way per worker; beyond it RESOURCE_EXHAUSTED at once.", 0),
	    NUMBER_OPTION(
	        "max-connection-age", &settings->max_connection_age_seconds, "0", 0, 604800, "SECONDS",
	        "Age at which a connection is asked to go, so that clients spread anew; a tenth more or less; 0: never.",
	        0),
	    NUMBER_OPTION("max-connection-age-grace", &settings->max_connection_age_grace_seconds, "20", 1, 604800,
	                  "SECONDS", "How long requests under way may go on after that.", 0),
	    NUMBER_OPTION("max-connection-idle", &settings->max_connection_idle_seconds, "300", 0, 604800, "SECONDS",
	                  "Time without requests after which a connection is closed with GOAWAY; 0: never.", 0),
	    NUMBER_OPTION("max-connections", &settings->max_connections, "4096", 1, 1000000, "N",
	                  "Client connections at once; more are closed as soon as they are accepted.", 0),
	    NUMBER_OPTION("max-connections-per-address", &settings->max_connections_per_address, "1024", 1, 1000000, "N",
	                  "The same for the connections of one IP address.", 0),
	    NUMBER_OPTION(
	        "max-memory", &settings->max_memory_mib, "0", 0, 1 << 20, "MIB",
	        "Memory of requests and answers under way; beyond it RESOURCE_EXHAUSTED at once. 0: three eighths of the "
	        "memory "
	        "limit of the cgroup or machine.",
	        0),
	    NUMBER_OPTION("request-timeout", &settings->request_timeout_seconds, "10", 1, 3600, "SECONDS",
	                  "How long a request may take to arrive; a connection with a slower one is closed.", 0),
	    NUMBER_OPTION("max-streams", &settings->max_streams, "1024", 1, 1000000, "N",
	                  "Requests at once on one connection.", 0),
	    NUMBER_OPTION("keepalive", &settings->keepalive_seconds, "300", 1, 604800, "SECONDS",
	                  "A silent connection is asked so often whether its client is still there.", 0),
	    NUMBER_OPTION("keepalive-timeout", &settings->keepalive_timeout_seconds, "20", 1, 3600, "SECONDS",
	                  "How long the answer may take.", 0),
	    TEXT_OPTION("tls-cert", &settings->tls_cert, NULL, "FILE",
	                "Certificate chain (PEM); read again when it changes.", 0),
	    TEXT_OPTION("tls-key", &settings->tls_key, NULL, "FILE", "Its private key (PEM).", 0),
	    TEXT_OPTION("tls-client-ca", &settings->tls_client_ca, NULL, "FILE",
	                "Authorities of client certificates (PEM); given, clients must show one.", 0),
	    TEXT_OPTION("access-log", &settings->access_log, "0", "SHARE", "Share of requests that get a log line, 0 to 1.",
	                0),
	    TEXT_OPTION("log-level", &settings->log_level, "info", "LEVEL", "debug, info, warn or error.", 0),
	    {.name = NULL},
	};
	_Static_assert(sizeof(options) / sizeof(options[0]) + REDIS_OPTION_ROWS <= OPTION_COUNT,
	               "the table has room for all");
	memcpy(table + redis_option_rows(&settings->redis, table), options, sizeof(options));
}

static int refuse(char *error, size_t size, const char *sentence)
{
	snprintf(error, size, "%s", sentence);
	return -EINVAL;
}

/* What an option's text must look like; whether it can be had shows later. */
static int check_texts(struct settings *settings, char *error, size_t size)
{
	struct redis_url url = {0};
	char why[256];
	size_t digits = strlen(settings->country_code);
	for (size_t i = 0; i < settings->listen.count; ++i)
		if (!address_is_valid(settings->listen.values[i]))
			return refuse(error, size, "--listen: HOST:PORT or unix:PATH is needed");
	if (settings->health_listen && !address_is_valid(settings->health_listen))
		return refuse(error, size, "--health-listen: HOST:PORT or unix:PATH is needed");
	if (settings_has_metrics(settings) && (address_is_unix(settings->metrics) || !address_is_valid(settings->metrics)))
		return refuse(error, size, "--metrics: HOST:PORT is needed, or off");
	if (digits < 1 || digits > 3 || strspn(settings->country_code, "0123456789") != digits)
		return refuse(error, size, "--country-code: one to three digits are needed");
	int result = redis_url_parse(&url, settings->redis.url, why, sizeof(why));
	redis_url_free(&url);
	if (result == -EINVAL)
		snprintf(error, size, "--redis: %s", why);
	else if (redis_options_set_ack(&settings->redis, settings->redis_ack))
		return refuse(error, size, "--redis-ack must be local, replicas=N with N from 1 to 9, or disk");
	else if (!settings->redis.cert != !settings->redis.key)
		return refuse(error, size, "--redis-cert and --redis-key are needed together");
	return result == -EINVAL ? result : OPTION_OK;
}

static int check(struct settings *settings, char *error, size_t size)
{
	char *end;
	bool tcp = false;
	int64_t sockets = 0;
	for (size_t i = 0; i < settings->listen.count; ++i) {
		tcp = tcp || !address_is_unix(settings->listen.values[i]);
		sockets += address_is_unix(settings->listen.values[i]);
	}
	if (!settings->listen.count)
		return refuse(error, size, "--listen: an address is needed");
	int result = check_texts(settings, error, size);
	if (result)
		return result;
	settings->access_sample = strtod(settings->access_log, &end);
	if (end == settings->access_log || *end || !(settings->access_sample >= 0 && settings->access_sample <= 1))
		return refuse(error, size, "--access-log: a number from 0 to 1 is needed");
	if (!settings->tls_cert != !settings->tls_key)
		return refuse(error, size, "--tls-cert and --tls-key are needed together");
	if (settings->tls_client_ca && !settings->tls_cert)
		return refuse(error, size, "--tls-client-ca needs --tls-cert and --tls-key");
	settings->redis.reply_age_us = settings->redis_reply_age_ms ? settings->redis_reply_age_ms * 1000 : CLOCK_NEVER;
	if (!settings->workers)
		settings->workers = cores_count(WORKERS_MAX);
	/* A unix socket can't be shared out among workers: more workers than sockets would have nothing to do. */
	if (!tcp && settings->workers > sockets)
		settings->workers = sockets;
	return OPTION_OK;
}

int settings_read(struct settings *settings, int argc, char **argv, char *error, size_t size)
{
	struct option table[OPTION_COUNT];
	int rest;
	redis_options_init(&settings->redis);
	fill_table(table, settings);
	int result = option_parse(table, argc, argv, &rest, error, size);
	if (result != OPTION_OK)
		return result;
	if (rest < argc) {
		snprintf(error, size, "unexpected argument %.64s", argv[rest]);
		return -EINVAL;
	}
	return check(settings, error, size);
}

void settings_help(FILE *out)
{
	struct settings settings = {.listen = {.count = 0}};
	struct option table[OPTION_COUNT];
	fill_table(table, &settings);
	option_help(table,
	            "Usage: callhistoryd [OPTION...]\n\nServes call history over gRPC from Redis. SIGTERM drains; "
	            "a second one ends at once.",
	            out);
}

bool settings_has_metrics(const struct settings *settings)
{
	return *settings->metrics && strcmp(settings->metrics, "off") != 0;
}
