/* command: a subcommand as a row of main()'s table. */
#pragma once

#include "callhistoryctl/settings.h"

struct command {
	const char *name;            /* its words: "token issue" */
	const char *operands;        /* what follows the options, as the usage line shows it; NULL: none */
	const char *summary;         /* one line */
	const char *details;         /* further lines of the help; NULL: none */
	unsigned groups;             /* of enum settings_group: the shared options that it uses, as its help lists them */
	const struct option *own[4]; /* tables of its own options, with SETTING() as values, as its help lists them */
	int (*run)(struct settings *settings); /* returns the exit code */
};

extern const struct command command_token_issue, command_token_list, command_token_revoke;
extern const struct command command_import, command_verify;
extern const struct command command_delete, command_retention;
extern const struct command command_list, command_count, command_get, command_export, command_changes;
