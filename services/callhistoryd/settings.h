/* callhistoryd/settings: the program's options, read and checked. */
#pragma once

#include "base/option.h"
#include "redis/redis.h"

struct settings {
	struct option_list listen;
	const char *health_listen;  /* NULL: none */
	struct redis_options redis; /* its URL may have a password: never logged */
	const char *redis_ack;
	int64_t redis_reply_age_ms;
	const char *metrics;
	const char *country_code;
	int64_t change_retention_days;
	const char *tls_cert, *tls_key, *tls_client_ca; /* paths */
	const char *log_level;
	int64_t workers;
	int64_t grace_seconds;
	int64_t max_in_flight; /* per worker */
	int64_t max_exports;   /* per worker */
	int64_t send_timeout_seconds;
	int64_t max_connection_age_seconds, max_connection_age_grace_seconds, max_connection_idle_seconds;
	int64_t keepalive_seconds, keepalive_timeout_seconds;
	int64_t max_streams; /* per connection */
	int64_t max_connections, max_connections_per_address;
	int64_t request_timeout_seconds;
	int64_t max_memory_mib; /* of requests and answers; 0: by the process's limit */
	const char *access_log;
	double access_sample; /* access_log as a number, 0 to 1 */
};

/* Writes the option table over *settings, up to a NULL name; some of its defaults are set at once. */
enum { SETTINGS_OPTIONS_MAX = 48 };
void settings_table(struct settings *settings, struct option table[SETTINGS_OPTIONS_MAX]);

/* Checks what the table can't, and completes *settings. Returns 0, or -EINVAL with a sentence in error[0..size). */
int settings_check(void *settings, char *error, size_t size);

/* Whether metrics are served. */
bool settings_has_metrics(const struct settings *settings);
