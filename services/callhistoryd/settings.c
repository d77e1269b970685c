/* callhistoryd/settings: one table; what a table can't say is checked after it. */
#include "settings.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/address.h"
#include "base/cores.h"
#include "redis/redis.h"
#include "redis/url.h"

enum { WORKERS_MAX = 256, OPTION_COUNT = 32 };

#define REDIS_DEFAULT "redis://127.0.0.1:6379"

static void fill_table(struct option table[OPTION_COUNT], struct settings *settings)
{
	const struct option options[] = {
	    {"listen", OPTION_LIST, &settings->listen, "127.0.0.1:50051", 0, 0, "HOST:PORT",
	     "Address to serve gRPC on; may repeat. unix:PATH too: each socket is served by one worker, in turn.", false},
	    {"health-listen", OPTION_STRING, &settings->health_listen, NULL, 0, 0, "HOST:PORT",
	     "Address of grpc.health.v1 alone, without TLS, for probes that have no certificate.", false},
	    {"redis", OPTION_STRING, &settings->redis, REDIS_DEFAULT, 0, 0, "URL",
	     "A URL: redis[s]://, redis[s]+cluster://, redis[s]+sentinel:// or unix://; " REDIS_DEFAULT " if not given.",
	     true},
	    {"redis-password-file", OPTION_STRING, &settings->redis_password_file, NULL, 0, 0, "FILE",
	     "File that contains Redis' password; read for each new connection, so that it can be changed.", false},
	    {"redis-ca", OPTION_STRING, &settings->redis_ca, NULL, 0, 0, "FILE",
	     "CA certificates (PEM) to check Redis' certificate with; the system's if not given.", false},
	    {"redis-cert", OPTION_STRING, &settings->redis_cert, NULL, 0, 0, "FILE",
	     "Client certificate for Redis (PEM); new connections use it when it changes.", false},
	    {"redis-key", OPTION_STRING, &settings->redis_key, NULL, 0, 0, "FILE", "Its private key (PEM).", false},
	    {"redis-tls-name", OPTION_STRING, &settings->redis_tls_name, NULL, 0, 0, "NAME",
	     "Name in Redis' certificates; the host that is connected to if not given.", false},
	    {"redis-ack", OPTION_STRING, &settings->redis_ack, "local", 0, 0, "WHAT",
	     "When a write counts as done: local, replicas=N (N replicas have it), disk (it is on the server's disk).",
	     false},
	    {"redis-reply-age", OPTION_INTEGER, &settings->redis_reply_age_ms, "1000", 0, 60000, "MS",
	     "Cluster, sentinels: older replies do not count. Less than half of cluster-node-timeout; 0: any age counts.",
	     false},
	    {"metrics", OPTION_STRING, &settings->metrics, "127.0.0.1:9464", 0, 0, "HOST:PORT",
	     "Address of /metrics, /healthz and /readyz over HTTP; the word off: there is none.", false},
	    {"country-code", OPTION_STRING, &settings->country_code, "84", 0, 0, "DIGITS",
	     "Country code of national numbers.", false},
	    {"workers", OPTION_INTEGER, &settings->workers, "0", 0, WORKERS_MAX, "N",
	     "Threads that share nothing; 0: one per core.", false},
	    {"grace", OPTION_INTEGER, &settings->grace_seconds, "20", 0, 3600, "SECONDS",
	     "How long requests under way may go on after SIGTERM.", false},
	    {"max-in-flight", OPTION_INTEGER, &settings->max_in_flight, "4096", 1, 1000000, "N",
	     "Requests under way per worker; beyond it RESOURCE_EXHAUSTED at once.", false},
	    {"max-connection-age", OPTION_INTEGER, &settings->max_connection_age_seconds, "0", 0, 604800, "SECONDS",
	     "Age at which a connection is asked to go, so that clients spread anew; a tenth more or less; 0: never.",
	     false},
	    {"max-connection-age-grace", OPTION_INTEGER, &settings->max_connection_age_grace_seconds, "20", 1, 604800,
	     "SECONDS", "How long requests under way may go on after that.", false},
	    {"max-connection-idle", OPTION_INTEGER, &settings->max_connection_idle_seconds, "300", 0, 604800, "SECONDS",
	     "Time without requests after which a connection is closed with GOAWAY; 0: never.", false},
	    {"max-connections", OPTION_INTEGER, &settings->max_connections, "4096", 1, 1000000, "N",
	     "Client connections at once; more are closed as soon as they are accepted.", false},
	    {"max-connections-per-address", OPTION_INTEGER, &settings->max_connections_per_address, "1024", 1, 1000000, "N",
	     "The same for the connections of one IP address.", false},
	    {"max-memory", OPTION_INTEGER, &settings->max_memory_mib, "0", 0, 1 << 20, "MIB",
	     "Memory of requests and answers under way; beyond it RESOURCE_EXHAUSTED at once. 0: three eighths of the "
	     "memory "
	     "limit of the cgroup or machine.",
	     0},
	    {"request-timeout", OPTION_INTEGER, &settings->request_timeout_seconds, "10", 1, 3600, "SECONDS",
	     "How long a request may take to arrive; a connection with a slower one is closed.", false},
	    {"max-streams", OPTION_INTEGER, &settings->max_streams, "1024", 1, 1000000, "N",
	     "Requests at once on one connection.", false},
	    {"keepalive", OPTION_INTEGER, &settings->keepalive_seconds, "300", 1, 604800, "SECONDS",
	     "A silent connection is asked so often whether its client is still there.", false},
	    {"keepalive-timeout", OPTION_INTEGER, &settings->keepalive_timeout_seconds, "20", 1, 3600, "SECONDS",
	     "How long the answer may take.", false},
	    {"tls-cert", OPTION_STRING, &settings->tls_cert, NULL, 0, 0, "FILE",
	     "Certificate chain (PEM); read again when it changes.", false},
	    {"tls-key", OPTION_STRING, &settings->tls_key, NULL, 0, 0, "FILE", "Its private key (PEM).", false},
	    {"tls-client-ca", OPTION_STRING, &settings->tls_client_ca, NULL, 0, 0, "FILE",
	     "Authorities of client certificates (PEM); given, clients must show one.", false},
	    {"access-log", OPTION_STRING, &settings->access_log, "0", 0, 0, "SHARE",
	     "Share of requests that get a log line, 0 to 1.", false},
	    {"log-level", OPTION_STRING, &settings->log_level, "info", 0, 0, "LEVEL", "debug, info, warn or error.", false},
	    {.name = NULL},
	};
	_Static_assert(sizeof(options) / sizeof(options[0]) <= OPTION_COUNT, "the table has room for all");
	memcpy(table, options, sizeof(options));
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
	int result = redis_url_parse(&url, settings->redis, why, sizeof(why));
	redis_url_free(&url);
	struct redis_options ack;
	if (result == -EINVAL)
		snprintf(error, size, "--redis: %s", why);
	else if (redis_options_set_ack(&ack, settings->redis_ack))
		return refuse(error, size, "--redis-ack must be local, replicas=N with N from 1 to 9, or disk");
	else if (!settings->redis_cert != !settings->redis_key)
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

void settings_redact_url(char *out, size_t size, const char *url)
{
	const char *host = strstr(url, "://");
	const char *at = strrchr(url, '@');
	size_t scheme = host ? (size_t)(host - url) : 0;
	host = host ? host + 3 : url;
	if (at && at >= host)
		host = at + 1;
	snprintf(out, size, "%.*s%s%.*s", (int)scheme, url, scheme ? "://" : "", (int)strcspn(host, "?"), host);
}
