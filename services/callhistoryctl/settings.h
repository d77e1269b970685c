/*
 * settings: the options of the command line and the environment. One struct for all subcommands; each adds its own
 * options to the table of those that all share.
 *
 * main() owns the settings; strings point into argv, the environment or copies that live as long as the program.
 */
#pragma once

#include <signal.h>

#include "base/option.h"
#include "contract/contract.h"
#include "redis/redis.h"

/* Exit codes. */
enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

struct settings {
	const char *command;               /* words of the subcommand, for messages */
	const volatile sig_atomic_t *stop; /* set by SIGINT and SIGTERM */
	char **operands;
	int operand_count;

	/* All subcommands. */
	struct redis_options redis;
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

	/* export, changes */
	const char *output, *position;

	/* import, export, changes */
	const char *format;
	struct option_list inbound_contexts, trunk_channels;
	struct option_list recording_columns, recording_variables;
	const char *external_id_column;
	bool follow;
	const char *state;

	/* list, count */
	const char *phone;
	const char *from, *to;
	struct option_list directions, dispositions;
	const char *missed;
	const char *hotline, *member_no;
	int64_t page, size;
	bool all;

	/* verify */
	bool repair;

	/* delete, retention */
	bool yes;
	int64_t calls_per_second;
	const char *before, *older_than;
};

/* The value of an option's row, as settings_rows() takes it. */
#define SETTING(field) ((void *)offsetof(struct settings, field))

/* Options that several subcommands share, by what they are about. */
enum settings_group {
	SETTINGS_REDIS = 1,   /* how Redis is reached */
	SETTINGS_SERVICE = 2, /* how callhistoryd is reached, and the token */
	SETTINGS_TIME = 4,    /* the time zone */
	SETTINGS_ALL = 7,
};

enum { SETTINGS_SHARED_MAX = 24, SETTINGS_OWN_MAX = 24, SETTINGS_OPTIONS_MAX = SETTINGS_SHARED_MAX + SETTINGS_OWN_MAX };

/* Writes the shared options of these groups to `table`, at most SETTINGS_SHARED_MAX, and ends it. */
void settings_options(struct settings *settings, unsigned groups, struct option *table);

/*
 * Writes a table to `table` and ends it. Its values, SETTING(), become addresses in *settings. Returns how many rows
 * there are.
 */
size_t settings_rows(struct settings *settings, const struct option *rows, struct option *table);

/* --project-code and --vbot-id of one tenant; without both, all tenants. */
extern const struct option settings_any_tenant[];

/* Refuses one of the two without the other. Returns 0 or EXIT_USAGE. */
int settings_check_tenant(const struct settings *settings);

/* Makes the zone of --time-zone. Returns 0 or EXIT_USAGE. */
int settings_make_zone(const struct settings *settings, struct contract_zone **out);

/* Reports an error of the command line on standard error. Returns EXIT_USAGE. */
int settings_usage(const struct settings *settings, const char *format, ...) __attribute__((format(printf, 2, 3)));
