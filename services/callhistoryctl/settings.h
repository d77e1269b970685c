/*
 * settings: what the command line and the environment say. One struct for all
 * subcommands; each adds its own options to the table of those that all share.
 *
 * main() owns the settings; strings point into argv, the environment or
 * copies that live as long as the program.
 */
#ifndef CALLHISTORY_CTL_SETTINGS_H
#define CALLHISTORY_CTL_SETTINGS_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/option.h"

/* Exit codes. */
enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

struct settings {
	const char *command;               /* words of the subcommand, for messages */
	const volatile sig_atomic_t *stop; /* set by SIGINT and SIGTERM */

	/* All subcommands. */
	const char *redis;
	const char *service;
	const char *token;
	const char *token_file;
	int64_t timeout_ms;
	const char *service_ca, *service_cert, *service_key;
	const char *time_zone;

	/* The tenant: one for queries, several for a token. */
	const char *project_code, *vbot_id;
	struct option_list project_codes, vbot_ids;

	bool json;

	/* token issue */
	const char *role;
	const char *expires;
	int64_t rate, burst;

	/* import */
	const char *format;

	/* list, count */
	const char *phone;
	const char *from, *to;
	int64_t page, size;
	bool all;
};

enum { SETTINGS_OPTIONS_MAX = 32 };

/* Writes the options that all subcommands share to the start of `table`. Returns how many. */
size_t settings_options(struct settings *settings, struct option *table);

/* Says on standard error what is wrong with the command line. Returns EXIT_USAGE. */
int settings_usage(const struct settings *settings, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
