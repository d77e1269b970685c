/* settings: the gateway's options, read and checked. Read-only once the workers run. */
#pragma once

#include "base/option.h"

struct contract_zone;

enum { SETTINGS_WORKERS_MAX = 64 };

struct settings {
	const char *listen;
	const char *service;
	int64_t timeout_ms;
	int64_t service_keepalive_ms, service_keepalive_timeout_ms, service_silence_ms;
	const char *time_zone;
	const char *tls_cert_file, *tls_key_file;
	const char *service_ca_file, *service_cert_file, *service_key_file;
	const char *log_level;
	int64_t workers; /* 0: as many as cores */
	int64_t grace_s;
	int64_t drain_delay_s;
	int64_t max_in_flight;
	int64_t max_memory_mib;
	int64_t max_connections, max_connections_per_address;
	int64_t idle_timeout_s;
	int64_t request_timeout_s;
	const char *access_log_text;
	struct option_list cors_origins;
	struct option_list recording_hosts;
	struct option_list recording_variables; /* of FreeSWITCH */

	/* Made from the above. */
	double access_log;          /* share of requests that get an access line */
	struct contract_zone *zone; /* also after a failure; the caller destroys it */
};

/* Writes the option table over `settings`, up to a NULL name. */
enum { SETTINGS_OPTIONS_MAX = 32 };
void settings_table(struct settings *settings, struct option table[SETTINGS_OPTIONS_MAX]);

/*
 * Checks what the table alone cannot, and fills in the derived values. Returns 0, or -EINVAL with a sentence in
 * error[0..size). Call before the first thread (contract_zone_create()).
 */
int settings_finish(void *settings, char *error, size_t size);

/* Whether `text` of `length` bytes is one of the list's values. Case is ignored. */
bool settings_list_has(const struct option_list *list, const char *text, size_t length);
