/*
 * callhistoryctl: the operator's program. A table of subcommands: main finds
 * the one that is meant, reads its options together with the shared ones, and
 * runs it.
 *
 * Globals: the flag that signals set, and the settings, whose secrets live as
 * long as the program.
 */
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "callhistoryctl/command.h"
#include "callhistoryctl/say.h"
#include "callhistoryctl/settings.h"
#include "rpc/queue.h"

static volatile sig_atomic_t stop;
static struct settings settings = {.stop = &stop};

static const struct command *const commands[] = {
    &command_token_issue, &command_token_list, &command_token_revoke, &command_import,
    &command_list,        &command_count,      &command_get,
};

enum { COMMAND_COUNT = sizeof(commands) / sizeof(commands[0]) };

static void on_signal(int number)
{
	(void)number;
	stop = 1;
}

/* The first signal ends the work in an orderly way, a second one at once. */
static void watch_signals(void)
{
	struct sigaction action = {.sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND};
	sigemptyset(&action.sa_mask);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
}

/* The index of the first argument from `index` on that is neither a shared option nor its value; argc: there is none. */
static int next_word(const struct option *shared, int argc, char **argv, int index)
{
	while (index < argc && argv[index][0] == '-' && strcmp(argv[index], "--")) {
		bool value = false;
		for (const struct option *option = shared; option->name; ++option)
			value |= option->type != OPTION_BOOLEAN && !strncmp(argv[index], "--", 2) &&
			         !strcmp(argv[index] + 2, option->name);
		index += value ? 2 : 1;
	}
	return index < argc ? index : argc;
}

/* How many words of argv are this command's name, shared options between them passed over; 0: it is another. */
static int match(const struct command *command, const struct option *shared, int argc, char **argv)
{
	int words = 0, index = 0;
	for (const char *at = command->name; *at; ++words) {
		size_t length = strcspn(at, " ");
		index = next_word(shared, argc, argv, index + 1);
		if (index == argc || strlen(argv[index]) != length || strncmp(argv[index], at, length))
			return 0;
		at += length + (at[length] == ' ');
	}
	return words;
}

static void print_usage(FILE *out)
{
	fputs("Usage: callhistoryctl [OPTION]... COMMAND [OPTION]... [OPERAND]...\n\nCommands:\n", out);
	for (size_t i = 0; i < COMMAND_COUNT; ++i)
		fprintf(out, "  %-13s %s\n", commands[i]->name, commands[i]->summary);
	fputs("\n`callhistoryctl COMMAND --help` tells a command's options. The options that all commands\n"
	      "share may stand before the command, too.\n\n"
	      "Exit status: 0 success, 1 failure, 2 wrong usage.\n",
	      out);
}

static void print_help(const struct command *command, const struct option *table)
{
	char usage[1024];
	snprintf(usage, sizeof(usage), "Usage: callhistoryctl %s [OPTION]...%s%s\n\n%s%s%s", command->name,
	         *command->operands ? " " : "", command->operands, command->summary, command->details ? "\n\n" : "",
	         command->details ? command->details : "");
	option_help(table, usage, stdout);
}

/* No command was named: --help and --version still work, all else is wrong usage. */
static int without_command(const struct option *shared, int argc, char **argv, int word)
{
	int rest;
	char error[256];
	if (word < argc) {
		/* `callhistoryctl token --help` asks for the list, too. */
		for (int i = word; i < argc; ++i)
			if (!strcmp(argv[i], "--help")) {
				print_usage(stdout);
				return EXIT_DONE;
			}
		say_error("unknown command: %s", argv[word]);
		print_usage(stderr);
		return EXIT_USAGE;
	}
	switch (option_parse(shared, argc, argv, &rest, error, sizeof(error))) {
	case OPTION_HELP:
		print_usage(stdout);
		return EXIT_DONE;
	case OPTION_VERSION:
		puts("callhistoryctl " CALLHISTORY_VERSION);
		return EXIT_DONE;
	case OPTION_OK:
		say_error("a command is needed");
		break;
	default:
		say_error("%s", error);
	}
	print_usage(stderr);
	return EXIT_USAGE;
}

static int run(const struct command *command, int words, struct option *table, int argc, char **argv)
{
	int rest;
	char error[256];
	settings.command = command->name;
	switch (option_parse(table, argc, argv, &rest, error, sizeof(error))) {
	case OPTION_HELP:
		print_help(command, table);
		return EXIT_DONE;
	case OPTION_VERSION:
		puts("callhistoryctl " CALLHISTORY_VERSION);
		return EXIT_DONE;
	case OPTION_OK:
		break;
	default:
		return settings_usage(&settings, "%s", error);
	}
	rest += words;
	if (rest < argc && !*command->operands)
		return settings_usage(&settings, "unexpected operand %s", argv[rest]);
	watch_signals();
	int code = command->run(&settings, argc - rest, argv + rest);
	/* A full disk or a reader that went away must not look like success. */
	if ((fflush(stdout) || ferror(stdout)) && code == EXIT_DONE) {
		say_error("can't write to standard output");
		code = EXIT_FAILED;
	}
	return code;
}

int main(int argc, char **argv)
{
	struct option table[SETTINGS_OPTIONS_MAX + 1] = {{.name = NULL}};
	size_t count = settings_options(&settings, table);
	/* For the width of letters; output is UTF-8 whatever the user's locale. */
	setlocale(LC_CTYPE, "C.UTF-8");
	rpc_prepare();
	for (size_t i = 0; i < COMMAND_COUNT; ++i) {
		int words = match(commands[i], table, argc, argv);
		if (!words)
			continue;
		if (commands[i]->options)
			commands[i]->options(&settings, table + count);
		rpc_exit(run(commands[i], words, table, argc, argv));
	}
	return without_command(table, argc, argv, next_word(table, argc, argv, 1));
}
