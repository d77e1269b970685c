/* settings: one table of options, then the checks that a table can't express. */
#include "settings.h"

#include <errno.h>
#include <stdlib.h>
#include <strings.h>

#include "base/address.h"
#include "base/program.h"
#include "contract/contract.h"
#include "rpc/channel.h"

void settings_table(struct settings *s, struct option table[SETTINGS_OPTIONS_MAX])
{
	const struct option rows[] = {
	    TEXT_OPTION("listen", &s->listen, "127.0.0.1:8080", "HOST:PORT", "address to serve HTTP on, or unix:PATH", 0),
	    TEXT_OPTION("service", &s->service, "127.0.0.1:50051", "ADDRESS",
	                "address of callhistoryd; several separated by commas", 0),
	    NUMBER_OPTION("service-keepalive", &s->service_keepalive_ms, "2000", 100, 600000, "MS",
	                  "interval between keepalive pings on a connection to callhistoryd", 0),
	    NUMBER_OPTION("service-keepalive-timeout", &s->service_keepalive_timeout_ms, "2000", 100, 600000, "MS",
	                  "close a connection if a ping is not answered within this time", 0),
	    NUMBER_OPTION("service-silence", &s->service_silence_ms, "500", 10, 600000, "MS",
	                  "skip an address of callhistoryd after this time without an answer, if there is another", 0),
	    NUMBER_OPTION("timeout", &s->timeout_ms, "2000", 1, 600000, "MS", "time for one request", 0),
	    TEXT_OPTION("time-zone", &s->time_zone, "Asia/Ho_Chi_Minh", "NAME", "time zone of dates in answers", 0),
	    TEXT_OPTION("tls-cert", &s->tls_cert_file, NULL, "FILE", "serve HTTPS with this certificate (PEM)", 0),
	    TEXT_OPTION("tls-key", &s->tls_key_file, NULL, "FILE", "key of the certificate (PEM)", 0),
	    TEXT_OPTION("service-ca", &s->service_ca_file, NULL, "FILE", "use TLS to the service, trusting this CA", 0),
	    TEXT_OPTION("service-cert", &s->service_cert_file, NULL, "FILE", "client certificate for the service", 0),
	    TEXT_OPTION("service-key", &s->service_key_file, NULL, "FILE", "key of the client certificate", 0),
	    TEXT_OPTION("log-level", &s->log_level, "info", "LEVEL", "debug, info, warn or error", 0),
	    NUMBER_OPTION("workers", &s->workers, "0", 0, SETTINGS_WORKERS_MAX, "N", "threads; 0: one per core", 0),
	    NUMBER_OPTION("grace", &s->grace_s, "20", 0, 3600, "SECONDS", "time that requests in flight have after SIGTERM",
	                  0),
	    NUMBER_OPTION("drain-delay", &s->drain_delay_s, "0", 0, 3600, "SECONDS",
	                  "time between /readyz 503 and the drain", 0),
	    NUMBER_OPTION("max-in-flight", &s->max_in_flight, "4096", 1, 1000000, "N", "requests at once, else 429", 0),
	    NUMBER_OPTION("max-memory", &s->max_memory_mib, "0", 0, 1 << 20, "MIB",
	                  "memory of requests and answers, else 429; 0: three eighths of the memory limit", 0),
	    NUMBER_OPTION("max-connections", &s->max_connections, "20000", 1, 1000000, "N", "connections at once, else 503",
	                  0),
	    NUMBER_OPTION("max-connections-per-address", &s->max_connections_per_address, "5000", 1, 1000000, "N",
	                  "connections at once of one client address (IPv6: of one /64), else 503", 0),
	    NUMBER_OPTION("idle-timeout", &s->idle_timeout_s, "75", 1, 86400, "SECONDS",
	                  "close a connection without a request", 0),
	    NUMBER_OPTION("request-timeout", &s->request_timeout_s, "10", 1, 3600, "SECONDS", "time to send a request in",
	                  0),
	    TEXT_OPTION("access-log", &s->access_log_text, "0", "SHARE", "share of requests to log, 0 to 1", 0),
	    LIST_OPTION("cors-origins", &s->cors_origins, NULL, "ORIGIN", "origin that browsers may call from",
	                OPTION_SPLIT),
	    LIST_OPTION("recording-hosts", &s->recording_hosts, NULL, "HOST[:PORT]", "host to redirect recordings to",
	                OPTION_SPLIT),
	    LIST_OPTION("recording-variables", &s->recording_variables, NULL, "NAME",
	                "FreeSWITCH: further channel variable with the name of a recording", OPTION_SPLIT),
	    {.name = NULL},
	};
	_Static_assert(sizeof(rows) / sizeof(rows[0]) <= SETTINGS_OPTIONS_MAX, "the table fits");
	memcpy(table, rows, sizeof(rows));
}

static int usage(char *error, size_t size, const char *sentence)
{
	snprintf(error, size, "%s", sentence);
	return -EINVAL;
}

static bool is_host(const char *text)
{
	size_t length = 0;
	while (text[length] > ' ' && text[length] <= '~' && !strchr("/?#@*\"\\", text[length]))
		length++;
	return length && !text[length];
}

static bool is_origin(const char *text)
{
	size_t scheme = !strncasecmp(text, "http://", 7) ? 7 : !strncasecmp(text, "https://", 8) ? 8 : 0;
	return scheme && is_host(text + scheme);
}

static bool list_all(const struct option_list *list, bool (*good)(const char *text))
{
	size_t i = 0;
	while (i < list->count && good(list->values[i]))
		i++;
	return i == list->count;
}

bool settings_list_has(const struct option_list *list, const char *text, size_t length)
{
	for (size_t i = 0; i < list->count; i++)
		if (strlen(list->values[i]) == length && !strncasecmp(list->values[i], text, length))
			return true;
	return false;
}

int settings_finish(void *data, char *error, size_t size)
{
	struct settings *s = data;
	char *end;
	errno = 0;
	s->access_log = strtod(s->access_log_text, &end);
	if (errno || *end || end == s->access_log_text || !(s->access_log >= 0 && s->access_log <= 1))
		return usage(error, size, "--access-log must be a number from 0 to 1");
	if (!address_is_valid(s->listen))
		return usage(error, size, "--listen must be HOST:PORT or unix:PATH");
	if (!rpc_channel_address_valid(s->service))
		return usage(error, size, "--service must be HOST:PORT, several of them separated by commas, or unix:PATH");
	if (!s->tls_cert_file != !s->tls_key_file)
		return usage(error, size, "--tls-cert and --tls-key must be given together");
	if (!s->service_cert_file != !s->service_key_file)
		return usage(error, size, "--service-cert and --service-key must be given together");
	if (s->service_cert_file && !s->service_ca_file)
		return usage(error, size, "--service-cert needs --service-ca");
	if (!list_all(&s->cors_origins, is_origin))
		return usage(error, size,
		             "--cors-origins must be origins such as https://crm.example.com, without path or wildcard");
	if (!list_all(&s->recording_hosts, is_host))
		return usage(error, size,
		             "--recording-hosts must be hosts such as files.example.com or files.example.com:8443");
	if (contract_zone_create(&s->zone, s->time_zone))
		return usage(error, size, "--time-zone: unknown time zone");
	if (s->workers == 0)
		s->workers = program_count_cores(SETTINGS_WORKERS_MAX);
	/* One socket file has one listener. */
	if (address_is_unix(s->listen))
		s->workers = 1;
	return 0;
}
