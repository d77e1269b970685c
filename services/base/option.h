/*
 * option: a program's options as one table: parse, default, bounds, unit, help.
 *
 * Order of precedence: command line, environment (CALLHISTORY_ + the name in capitals with '_'), default. `--name
 * value` and `--name=value` are alike; a bare `--` ends the options; a boolean takes no value (or =true/=false).
 * `--help`, `-h` and `--version` always exist.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum option_type {
	OPTION_STRING,  /* const char * */
	OPTION_INTEGER, /* int64_t, within minimum and maximum */
	OPTION_BOOLEAN, /* bool */
	OPTION_LIST,    /* struct option_list: may repeat; the environment gives one, comma-separated */
};

enum { OPTION_LIST_MAX = 64 };

struct option_list {
	const char *values[OPTION_LIST_MAX];
	size_t count;
};

struct option {
	const char *name; /* without the dashes; NULL ends a table */
	enum option_type type;
	void *value;              /* where the value goes; set to the default first */
	const char *initial;      /* the default as text; NULL: unset (NULL, 0, false, empty) */
	int64_t minimum, maximum; /* OPTION_INTEGER */
	const char *unit;         /* placeholder in the help: HOST:PORT, MS, URL */
	const char *help;         /* one line */
	unsigned flags;           /* of enum option_flag */
};

/* Rows of a table, as initialisers. `flags`: 0, or of enum option_flag. */
#define TEXT_OPTION(name, value, initial, unit, help, flags)                                                           \
	{                                                                                                                  \
		name, OPTION_STRING, value, initial, 0, 0, unit, help, flags                                                   \
	}
#define LIST_OPTION(name, value, initial, unit, help, flags)                                                           \
	{                                                                                                                  \
		name, OPTION_LIST, value, initial, 0, 0, unit, help, flags                                                     \
	}
#define NUMBER_OPTION(name, value, initial, minimum, maximum, unit, help, flags)                                       \
	{                                                                                                                  \
		name, OPTION_INTEGER, value, initial, minimum, maximum, unit, help, flags                                      \
	}
#define FLAG_OPTION(name, value, help, flags)                                                                          \
	{                                                                                                                  \
		name, OPTION_BOOLEAN, value, NULL, 0, 0, NULL, help, flags                                                     \
	}

enum option_flag {
	OPTION_SECRET = 1,    /* OPTION_STRING: the value is never shown in help, errors or argv */
	OPTION_LINE_ONLY = 2, /* the environment is not read */
	OPTION_SPLIT = 4,     /* OPTION_LIST: commas separate values on the command line, too */
};

enum option_result { OPTION_OK = 0, OPTION_HELP = 1, OPTION_VERSION = 2 };

/*
 * Reads options into the table's values. `argv[0]` is skipped; on OPTION_OK *rest is the index of the first argument
 * that is no option (options may follow it: they are all read, and arguments are moved to the end in order, as GNU
 * getopt does). Returns an option_result, or -EINVAL with a sentence naming the option in error[0..size). Strings point
 * into argv or the environment. The value of an option with OPTION_SECRET on the command line is overwritten in argv
 * with 'x' after it has been copied (the copy is never freed: it lives as long as the program).
 */
int option_parse(const struct option *table, int argc, char **argv, int *rest, char *error, size_t size);

/* Prints usage: `usage` line(s), then every option with its unit, help, default and environment name. */
void option_help(const struct option *table, const char *usage, FILE *out);

/* Prints the options of a table only, for a help text of several parts. */
void option_help_list(const struct option *table, FILE *out);

/* Prints the lines of --help and --version, which end every help text. */
void option_help_end(FILE *out);
