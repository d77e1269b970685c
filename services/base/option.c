/*
 * option: reads the command line first and marks the options that it sets; the environment and then the defaults set
 * the others. So `--help` works whatever the environment contains.
 */
#include "base/option.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/decimal.h"
#include "base/suggest.h"

enum { TABLE_MAX = 64, NAME_SIZE = 96 };

/* The command line and the tables that it is read into. */
struct parse {
	const struct option *table;
	uint64_t seen; /* one bit for each row of the table: the command line has set it */
	char *error;
	size_t size;

	/* Where the value that is being set came from, for messages: "--listen" or "CALLHISTORY_LISTEN". */
	char origin[NAME_SIZE];
	bool environment;
};

static int __attribute__((format(printf, 2, 3))) fail(struct parse *parse, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	if (parse->size)
		vsnprintf(parse->error, parse->size, format, arguments);
	va_end(arguments);
	return -EINVAL;
}

/* Writes the name of an option's environment variable. */
static void environment_name(char out[NAME_SIZE], const char *name)
{
	snprintf(out, NAME_SIZE, "CALLHISTORY_%s", name);
	for (; *out; ++out)
		*out = *out == '-' ? '_' : (char)toupper((unsigned char)*out);
}

/* ---- Values ----------------------------------------------------------------------------------------------------- */

static int set_integer(struct parse *parse, const struct option *option, const char *text)
{
	int64_t value;
	if (!decimal_read(text, strlen(text), &value))
		return fail(parse, "%s: %s is not a whole number", parse->origin, *text ? text : "an empty value");
	if (value < option->minimum || value > option->maximum)
		return fail(parse, "%s: %s is not within %lld to %lld", parse->origin, text, (long long)option->minimum,
		            (long long)option->maximum);
	*(int64_t *)option->value = value;
	return 0;
}

static int set_boolean(struct parse *parse, bool *value, const char *text)
{
	*value = !strcmp(text, "true") || !strcmp(text, "1");
	return *value || !strcmp(text, "false") || !strcmp(text, "0")
	           ? 0
	           : fail(parse, "%s takes true or false", parse->origin);
}

static int add_to_list(struct parse *parse, struct option_list *list, const char *text)
{
	if (list->count == sizeof(list->values) / sizeof(list->values[0]))
		return fail(parse, "%s: more than %zu values", parse->origin, list->count);
	list->values[list->count++] = text;
	return 0;
}

/*
 * Adds the values of a text with commas between them, but no empty ones. The values are parts of a copy, which lives as
 * long as the program; a text without a comma needs none.
 */
static int split(struct parse *parse, struct option_list *list, const char *text)
{
	if (!strchr(text, ','))
		return *text ? add_to_list(parse, list, text) : 0;
	char *copy = strdup(text), *position = NULL;
	if (!copy)
		return fail(parse, "%s: out of memory", parse->origin);
	int result = 0;
	for (char *value = strtok_r(copy, ",", &position); value && !result; value = strtok_r(NULL, ",", &position))
		result = add_to_list(parse, list, value);
	if (result || !list->count) {
		list->count = 0;
		free(copy);
	}
	return result;
}

static int set(struct parse *parse, const struct option *option, const char *text)
{
	switch (option->type) {
	case OPTION_INTEGER:
		return set_integer(parse, option, text);
	case OPTION_BOOLEAN:
		return set_boolean(parse, option->value, text);
	case OPTION_LIST:
		return parse->environment || option->flags & OPTION_SPLIT ? split(parse, option->value, text)
		                                                          : add_to_list(parse, option->value, text);
	default:
		*(const char **)option->value = text;
		return 0;
	}
}

/* Sets a secret to a copy that lives as long as the program, and overwrites argv, which every user can read in ps. */
static int set_secret(struct parse *parse, const struct option *option, char *text, bool again)
{
	char *copy = strdup(text);
	if (!copy)
		return fail(parse, "%s: out of memory", parse->origin);
	memset(text, 'x', strlen(text));
	/* If the option is repeated, its last value counts. */
	if (again)
		free(*(char **)option->value);
	return set(parse, option, copy);
}

/* Sets all values to NULL, 0, false or an empty list. */
static int clear_all(struct parse *parse)
{
	static const size_t sizes[] = {[OPTION_STRING] = sizeof(const char *),
	                               [OPTION_INTEGER] = sizeof(int64_t),
	                               [OPTION_BOOLEAN] = sizeof(bool),
	                               [OPTION_LIST] = sizeof(struct option_list)};
	for (size_t i = 0; parse->table[i].name; ++i) {
		if (i == TABLE_MAX)
			return fail(parse, "more than %d options", TABLE_MAX);
		memset(parse->table[i].value, 0, sizes[parse->table[i].type]);
	}
	return 0;
}

/* Sets the options that the command line has not set, from the environment or to the default. */
static int set_rest(struct parse *parse)
{
	int result = 0;
	parse->environment = true;
	for (size_t i = 0; parse->table[i].name && !result; ++i) {
		const struct option *option = &parse->table[i];
		if (parse->seen & UINT64_C(1) << i)
			continue;
		environment_name(parse->origin, option->name);
		const char *value = option->flags & OPTION_LINE_ONLY ? NULL : getenv(parse->origin);
		/* An empty variable counts as not set, because deployment files write "no value" so. */
		if (!value || !*value)
			value = option->initial;
		if (value)
			result = set(parse, option, value);
	}
	return result;
}

/* ---- The command line ------------------------------------------------------------------------------------------- */

static int refuse_unknown(struct parse *parse, const char *text, size_t length)
{
	const char *names[TABLE_MAX];
	char given[65];
	size_t count = 0;
	for (; parse->table[count].name; ++count)
		names[count] = parse->table[count].name;
	snprintf(given, sizeof(given), "%.*s", (int)length, text);
	const char *near = suggest(given, names, count);
	return near ? fail(parse, "unknown option --%s; did you mean --%s?", given, near)
	            : fail(parse, "unknown option --%s", given);
}

/* Whether the name at `text`, of this length, is `name`. */
static bool is_name(const char *text, size_t length, const char *name)
{
	return strlen(name) == length && !memcmp(text, name, length);
}

/* Reads the option at argv[index]; *used is how many arguments it took. Returns as option_parse(). */
static int read_option(struct parse *parse, char **argv, int index, int argc, int *used)
{
	char *text = argv[index] + 2;
	size_t length = strcspn(text, "="), row = 0;
	char *value = text[length] ? text + length + 1 : NULL;
	*used = 1;
	if (is_name(text, length, "help"))
		return OPTION_HELP;
	if (is_name(text, length, "version"))
		return OPTION_VERSION;
	while (parse->table[row].name && !is_name(text, length, parse->table[row].name))
		++row;
	const struct option *option = &parse->table[row];
	if (!option->name)
		return refuse_unknown(parse, text, length);
	snprintf(parse->origin, sizeof(parse->origin), "--%s", option->name);
	bool again = parse->seen & UINT64_C(1) << row;
	parse->seen |= UINT64_C(1) << row;
	if (!value && option->type == OPTION_BOOLEAN)
		return set(parse, option, "true");
	if (!value) {
		/* Where the next argument is an option, the value was probably forgotten. */
		if (index + 1 >= argc || !strncmp(argv[index + 1], "--", 2))
			return fail(parse, "%s needs a value (%s)", parse->origin, option->unit ? option->unit : "VALUE");
		value = argv[index + 1];
		*used = 2;
	}
	return option->flags & OPTION_SECRET ? set_secret(parse, option, value, again) : set(parse, option, value);
}

/* Moves the `count` arguments of an option at `from` to `to`, in front of the operands between them. */
static void move_before_operands(char **argv, int from, int to, int count)
{
	for (; count > 0; --count, ++from, ++to) {
		char *moved = argv[from];
		memmove(argv + to + 1, argv + to, (size_t)(from - to) * sizeof(*argv));
		argv[to] = moved;
	}
}

int option_parse(const struct option *table, int argc, char **argv, int *rest, char *error, size_t size)
{
	struct parse parse = {.table = table, .error = error, .size = size};
	int result = clear_all(&parse), operands = argc ? 1 : 0; /* the index of the first operand so far */
	bool end = false;                                        /* after "--" there are operands only */
	for (int index = operands, used; index < argc && !result && !end; index += used) {
		char *argument = argv[index];
		used = 1;
		if (argument[0] != '-' || !argument[1])
			continue;
		end = !strcmp(argument, "--");
		if (!strcmp(argument, "-h"))
			return OPTION_HELP;
		if (argument[1] != '-')
			return fail(&parse, "unknown option -%c", argument[1]);
		if (!end)
			result = read_option(&parse, argv, index, argc, &used);
		move_before_operands(argv, index, operands, used);
		operands += used;
	}
	if (!result)
		result = set_rest(&parse);
	if (!result)
		*rest = operands;
	return result;
}

/* ---- Help ------------------------------------------------------------------------------------------------------- */

void option_help_list(const struct option *table, FILE *out)
{
	for (const struct option *option = table; option->name; ++option) {
		char name[NAME_SIZE];
		environment_name(name, option->name);
		fprintf(out, "  --%s", option->name);
		if (option->type != OPTION_BOOLEAN)
			fprintf(out, " %s", option->unit ? option->unit : "VALUE");
		fprintf(out, "%s\n      %s", option->type == OPTION_LIST ? " (may repeat)" : "", option->help);
		if (option->initial && *option->initial && !(option->flags & OPTION_SECRET))
			fprintf(out, "\n      default: %s", option->initial);
		if (!(option->flags & OPTION_LINE_ONLY))
			fprintf(out, "\n      environment: %s", name);
		fputc('\n', out);
	}
}

void option_help_end(FILE *out)
{
	fputs("  -h, --help\n      Print this text.\n  --version\n      Print the version.\n", out);
}

void option_help(const struct option *table, const char *usage, FILE *out)
{
	fprintf(out, "%s\n\nOptions:\n", usage);
	option_help_list(table, out);
	option_help_end(out);
}
