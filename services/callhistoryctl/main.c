/*
 * callhistoryctl: the operator's program. A table of subcommands: main() finds the requested one, reads its options and
 * the shared ones, and runs it. Globals: the flag that signals set, and the settings, whose secrets live as long as the
 * program.
 */
#include <fcntl.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "base/program.h"
#include "base/suggest.h"
#include "callhistoryctl/command.h"
#include "callhistoryctl/say.h"
#include "rpc/queue.h"

static volatile sig_atomic_t stop;
static struct settings settings = {.stop = &stop};

static const struct command *const commands[] = {
    &command_token_issue, &command_token_list, &command_token_revoke, &command_import,
    &command_list,        &command_count,      &command_get,          &command_verify,
    &command_delete,      &command_retention,  &command_export,       &command_changes,
};

enum { COMMAND_COUNT = sizeof(commands) / sizeof(commands[0]), NAME_SIZE = 64 };

static void on_signal(int number)
{
	(void)number;
	stop = 1;
}

/* The first signal ends the program in order, a second one at once. */
static void watch_signals(void)
{
	struct sigaction action = {.sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND};
	sigemptyset(&action.sa_mask);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
}

/* ---- Which command ---------------------------------------------------------------------------------------------- */

/*
 * Finds the first two words of argv that are neither shared options nor their values; "" where there are fewer. Returns
 * the index of the first one, argc without.
 */
static int find_words(const struct option *shared, int argc, char **argv, const char *words[2])
{
	int count = 0, first = argc;
	words[0] = words[1] = "";
	for (int i = 1; i < argc && count < 2 && strcmp(argv[i], "--") != 0; ++i) {
		if (argv[i][0] != '-') {
			first = count ? first : i;
			words[count++] = argv[i];
			continue;
		}
		bool value = false;
		for (const struct option *option = shared; option->name; ++option)
			value |= option->type != OPTION_BOOLEAN && !strncmp(argv[i], "--", 2) && !strcmp(argv[i] + 2, option->name);
		i += value;
	}
	return first;
}

/* The command that these words name, and how many of them do. NULL: none. */
static const struct command *find_command(const char *const words[2], int *count)
{
	char both[NAME_SIZE];
	snprintf(both, sizeof(both), "%s %s", words[0], words[1]);
	for (size_t i = 0; i < COMMAND_COUNT; ++i) {
		*count = strcmp(commands[i]->name, both) ? 1 : 2;
		if (*count == 2 || !strcmp(commands[i]->name, words[0]))
			return commands[i];
	}
	return NULL;
}

/* The command whose name is most similar to one or two mistyped words; NULL: none. */
static const char *meant(const char *first, const char *second)
{
	const char *names[COMMAND_COUNT];
	char both[NAME_SIZE];
	for (size_t i = 0; i < COMMAND_COUNT; ++i)
		names[i] = commands[i]->name;
	snprintf(both, sizeof(both), "%s %s", first, second);
	const char *name = suggest(both, names, COMMAND_COUNT);
	if (!name)
		name = suggest(first, names, COMMAND_COUNT);
	/* `issue` for `token issue`. */
	for (size_t i = 0; i < COMMAND_COUNT && !name; ++i) {
		const char *blank = strchr(names[i], ' ');
		if (blank && !strcmp(blank + 1, first))
			name = names[i];
	}
	return name;
}

/* ---- Help ------------------------------------------------------------------------------------------------------- */

static void print_usage(FILE *out)
{
	fputs("Usage: callhistoryctl [OPTION]... COMMAND [OPTION]... [OPERAND]...\n\n"
	      "Imports, queries and deletes calls, and manages access tokens.\n\nCommands:\n",
	      out);
	for (size_t i = 0; i < COMMAND_COUNT; ++i)
		fprintf(out, "  %-13s %s\n", commands[i]->name, commands[i]->summary);
	fputs("  help          Show this list, or the help of the command that follows.\n"
	      "\nRun `callhistoryctl COMMAND --help` for a command's options. Options that commands share\n"
	      "(connection, token, time zone) may also come before the command.\n\n"
	      "Exit status: 0 success, 1 failure, 2 invalid usage.\n",
	      out);
}

/* Writes a command's own options to `table` and ends it. Returns how many. */
static size_t own_options(const struct command *command, struct option *table)
{
	size_t count = 0;
	table[0] = (struct option){.name = NULL};
	for (const struct option *const *rows = command->own; *rows; ++rows)
		count += settings_rows(&settings, *rows, table + count);
	return count;
}

/* A command's own options come first, then the shared ones that it uses. */
static void print_help(const struct command *command)
{
	struct option own[SETTINGS_OWN_MAX + 1], shared[SETTINGS_SHARED_MAX + 1];
	own_options(command, own);
	settings_options(&settings, command->groups, shared);
	printf("Usage: callhistoryctl %s [OPTION]...%s%s\n\n%s\n", command->name, command->operands ? " " : "",
	       command->operands ? command->operands : "", command->summary);
	if (command->details)
		printf("\n%s\n", command->details);
	if (own[0].name) {
		puts("\nOptions:");
		option_help_list(own, stdout);
	}
	puts("\nShared options:");
	option_help_list(shared, stdout);
	option_help_end(stdout);
}

/* Whether this is the first word of commands in two words. */
static bool begins_command(const char *name, const char *first)
{
	size_t length = strlen(first);
	return !strncmp(name, first, length) && name[length] == ' ';
}

/* Reports that the first word, perhaps with the second, is no command. Returns EXIT_USAGE. */
static int unknown_command(const char *const words[2])
{
	const char *first = words[0], *second = words[1];
	bool group = false;
	for (size_t i = 0; i < COMMAND_COUNT; ++i)
		group |= begins_command(commands[i]->name, first);
	const char *name = group && !*second ? NULL : meant(first, second);
	if (!group)
		second = "";
	say_error("unknown command: %s%s%s%s%s%s", first, *second ? " " : "", second, name ? "; did you mean `" : "",
	          name ? name : "", name ? "`?" : "");
	if (group && !name) {
		fputs("Commands that begin with this word:\n", stderr);
		for (size_t i = 0; i < COMMAND_COUNT; ++i)
			if (begins_command(commands[i]->name, first))
				fprintf(stderr, "  %s\n", commands[i]->name);
	}
	fputs("Run `callhistoryctl help` for the list of commands.\n", stderr);
	return EXIT_USAGE;
}

/* `help`, alone or before the name of a command: argv[0] is the word `help`. */
static int help(const struct option *shared, int argc, char **argv)
{
	int count;
	const char *words[2];
	find_words(shared, argc, argv, words);
	const struct command *command = find_command(words, &count);
	if (!command && *words[0])
		return unknown_command(words);
	if (command)
		print_help(command);
	else
		print_usage(stdout);
	return EXIT_DONE;
}

/* ---- Running ---------------------------------------------------------------------------------------------------- */

/* argv has no command: --help and --version still work, everything else is invalid usage. */
static int without_command(const struct option *shared, int argc, char **argv, const char *const words[2])
{
	int rest;
	char error[256];
	if (*words[0]) {
		/* `callhistoryctl token --help` prints the list, too. */
		for (int i = 1; i < argc; ++i)
			if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h")) {
				print_usage(stdout);
				return EXIT_DONE;
			}
		return unknown_command(words);
	}
	switch (option_parse(shared, argc, argv, &rest, error, sizeof(error))) {
	case OPTION_HELP:
		print_usage(stdout);
		return EXIT_DONE;
	case OPTION_VERSION:
		puts("callhistoryctl " CALLHISTORY_VERSION);
		return EXIT_DONE;
	case OPTION_OK:
		say_error("missing command");
		break;
	default:
		say_error("%s", error);
	}
	print_usage(stderr);
	return EXIT_USAGE;
}

static int run(const struct command *command, int words, int argc, char **argv)
{
	struct option table[SETTINGS_OPTIONS_MAX + 1];
	int rest;
	char error[256];
	settings_options(&settings, SETTINGS_ALL, table + own_options(command, table));
	settings.command = command->name;
	switch (option_parse(table, argc, argv, &rest, error, sizeof(error))) {
	case OPTION_HELP:
		print_help(command);
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
	if (rest < argc && !command->operands)
		return settings_usage(&settings, "unexpected operand %s", argv[rest]);
	watch_signals();
	settings.operands = argv + rest;
	settings.operand_count = argc - rest;
	int code = command->run(&settings);
	/* A full disk or a closed pipe must not look like success. */
	if (say_flush() && code == EXIT_DONE)
		code = say_error("can't write to standard output");
	return code;
}

/*
 * If a standard stream is closed, the next socket would get its descriptor, and a token meant for standard output would
 * go to Redis. So /dev/null replaces it, opened in the other direction: writing to it fails.
 */
static void keep_standard_streams(void)
{
	for (int fd = 0; fd <= 2; ++fd)
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", fd == 2 ? O_WRONLY : O_RDONLY) != fd)
			_exit(EXIT_FAILED);
}

int main(int argc, char **argv)
{
	struct option shared[SETTINGS_SHARED_MAX + 1];
	keep_standard_streams();
	program_forbid_core_dumps();
	redis_options_init(&settings.redis);
	settings_options(&settings, SETTINGS_ALL, shared);
	/* For the width of letters; output is UTF-8 whatever the user's locale. */
	setlocale(LC_CTYPE, "C.UTF-8");
	rpc_prepare(1);
	const char *words[2];
	int count, first = find_words(shared, argc, argv, words);
	const struct command *command = find_command(words, &count);
	if (command)
		rpc_exit(run(command, count, argc, argv));
	if (!strcmp(words[0], "help"))
		return help(shared, argc - first, argv + first);
	return without_command(shared, argc, argv, words);
}
