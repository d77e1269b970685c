/*
 * option: reads the command line first and marks the options that it sets; the environment and then the defaults set
 * the others. So `--help` works whatever the environment contains.
 */
#include "base/option.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/decimal.h"
#include "base/suggest.h"

enum { TABLE_MAX = 64, NAME_SIZE = 96 };

/* One parse. */
struct parse {
	const struct option *table;
	uint64_t seen; /* one bit per option of the table that the command line has set */
	char *error;
	size_t size;
};

/* Where a value came from, for messages: "--listen" or "CALLHISTORY_LISTEN". */
struct origin {
	const char *name;
	bool environment;
};

static int fail(struct parse *parse, const char *format, ...) __attribute__((format(printf, 2, 3)));

static int fail(struct parse *parse, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	if (parse->size)
		vsnprintf(parse->error, parse->size, format, arguments);
	va_end(arguments);
	return -EINVAL;
}

static void environment_name(char out[NAME_SIZE], const char *name)
{
	static const char prefix[] = "CALLHISTORY_";
	size_t length = sizeof(prefix) - 1;
	memcpy(out, prefix, length);
	for (; *name && length + 1 < NAME_SIZE; ++name) {
		char letter = *name >= 'a' && *name <= 'z' ? (char)(*name - 'a' + 'A') : *name;
		out[length++] = letter == '-' ? '_' : letter;
	}
	out[length] = '\0';
}

static int set_integer(struct parse *parse, const struct option *option, const char *text, struct origin from)
{
	const char *shown = option->flags & OPTION_SECRET ? "the value" : text;
	int64_t value;
	if (!decimal_read(text, strlen(text), &value))
		return fail(parse, "%s: %s is not a whole number", from.name, *shown ? shown : "an empty value");
	if (value < option->minimum || value > option->maximum)
		return fail(parse, "%s: %s is not within %lld to %lld", from.name, shown, (long long)option->minimum,
		            (long long)option->maximum);
	*(int64_t *)option->value = value;
	return 0;
}

static int set_boolean(struct parse *parse, const struct option *option, const char *text, struct origin from)
{
	if (!strcmp(text, "true") || !strcmp(text, "1"))
		*(bool *)option->value = true;
	else if (!strcmp(text, "false") || !strcmp(text, "0"))
		*(bool *)option->value = false;
	else
		return fail(parse, "%s takes true or false", from.name);
	return 0;
}

static int list_add(struct parse *parse, struct option_list *list, const char *text, struct origin from)
{
	if (list->count == sizeof(list->values) / sizeof(list->values[0]))
		return fail(parse, "%s: more than %zu values", from.name, list->count);
	list->values[list->count++] = text;
	return 0;
}

/* Commas separate the values; empty ones are ignored. A copy is made only if there is a comma, and never freed. */
static int list_split(struct parse *parse, struct option_list *list, const char *text, struct origin from)
{
	if (!strchr(text, ','))
		return *text ? list_add(parse, list, text, from) : 0;
	char *copy = strdup(text);
	if (!copy)
		return fail(parse, "%s: out of memory", from.name);
	char *position = NULL;
	int result = 0;
	for (char *value = strtok_r(copy, ",", &position); value && !result; value = strtok_r(NULL, ",", &position))
		result = list_add(parse, list, value, from);
	if (result || !list->count) {
		list->count = 0;
		free(copy);
	}
	return result;
}

static int set(struct parse *parse, const struct option *option, const char *text, struct origin from)
{
	switch (option->type) {
	case OPTION_INTEGER:
		return set_integer(parse, option, text, from);
	case OPTION_BOOLEAN:
		return set_boolean(parse, option, text, from);
	case OPTION_LIST:
		if (from.environment || option->flags & OPTION_SPLIT)
			return list_split(parse, option->value, text, from);
		return list_add(parse, option->value, text, from);
	case OPTION_STRING:
		break;
	}
	*(const char **)option->value = text;
	return 0;
}

/* Sets the value to NULL, 0, false or an empty list. */
static void clear(const struct option *option)
{
	static const size_t sizes[] = {[OPTION_STRING] = sizeof(const char *),
	                               [OPTION_INTEGER] = sizeof(int64_t),
	                               [OPTION_BOOLEAN] = sizeof(bool),
	                               [OPTION_LIST] = sizeof(struct option_list)};
	memset(option->value, 0, sizes[option->type]);
}

/* Sets the options that the command line has not set, from the environment or to the default. */
static int set_rest(struct parse *parse)
{
	int result = 0;
	for (size_t i = 0; parse->table[i].name && !result; ++i) {
		const struct option *option = &parse->table[i];
		char name[NAME_SIZE];
		if (parse->seen & UINT64_C(1) << i)
			continue;
		environment_name(name, option->name);
		const char *value = option->flags & OPTION_LINE_ONLY ? NULL : getenv(name);
		/* An empty variable counts as not set, because deployment files write "no value" so. */
		if (!value || !*value)
			value = option->initial;
		if (value)
			result = set(parse, option, value, (struct origin){name, true});
	}
	return result;
}

/* Removes a secret from argv, which every user of the machine can read. */
static char *hide(char *value)
{
	char *copy = strdup(value);
	if (copy)
		memset(value, 'x', strlen(value));
	return copy;
}

static int unknown_option(struct parse *parse, const char *text, size_t length)
{
	const char *names[TABLE_MAX];
	char given[65];
	size_t count = 0;
	while (parse->table[count].name) {
		names[count] = parse->table[count].name;
		++count;
	}
	snprintf(given, sizeof(given), "%.*s", (int)(length < 64 ? length : 64), text);
	const char *near = suggest(given, names, count);
	return fail(parse, "unknown option --%s%s%s%s", given, near ? "; did you mean --" : "", near ? near : "",
	            near ? "?" : "");
}

/* Reads the option at argv[index]; *used is how many arguments it took. */
static int read_option(struct parse *parse, char **argv, int index, int argc, int *used)
{
	char *text = argv[index] + 2;
	size_t length = strcspn(text, "=");
	char *value = text[length] ? text + length + 1 : NULL;
	*used = 1;
	if (length == strlen("help") && !strncmp(text, "help", length))
		return OPTION_HELP;
	if (length == strlen("version") && !strncmp(text, "version", length))
		return OPTION_VERSION;
	size_t i = 0;
	while (parse->table[i].name && (strncmp(parse->table[i].name, text, length) || parse->table[i].name[length]))
		++i;
	const struct option *option = &parse->table[i];
	if (!option->name)
		return unknown_option(parse, text, length);
	char name[NAME_SIZE];
	snprintf(name, sizeof(name), "--%s", option->name);
	bool bare = !value && option->type == OPTION_BOOLEAN;
	if (!value && !bare) {
		/* The next argument is an option: the value was probably forgotten. */
		if (index + 1 >= argc || !strncmp(argv[index + 1], "--", 2))
			return fail(parse, "%s needs a value (%s)", name, option->unit ? option->unit : "VALUE");
		value = argv[index + 1];
		*used = 2;
	}
	struct origin from = {name, false};
	bool again = parse->seen & UINT64_C(1) << i;
	parse->seen |= UINT64_C(1) << i;
	if (bare)
		return set(parse, option, "true", from);
	if (!(option->flags & OPTION_SECRET))
		return set(parse, option, value, from);
	char *copy = hide(value);
	if (!copy)
		return fail(parse, "%s: out of memory", name);
	if (again && option->type == OPTION_STRING)
		free(*(char **)option->value); /* the copy that the last one wins over */
	int result = set(parse, option, copy, from);
	if (option->type == OPTION_INTEGER || option->type == OPTION_BOOLEAN)
		free(copy);
	return result;
}

/* Moves `count` arguments from `from` down to `to`, and those between them up. */
static void move_down(char **argv, int from, int to, int count)
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
	for (size_t i = 0; table[i].name; ++i) {
		if (i == TABLE_MAX)
			return fail(&parse, "more than %d options", TABLE_MAX);
		clear(&table[i]);
	}
	int first = argc ? 1 : 0; /* first argument so far that is not an option */
	for (int index = first, used; index < argc; index += used) {
		used = 1;
		if (argv[index][0] != '-' || !argv[index][1])
			continue;
		if (!strcmp(argv[index], "-h"))
			return OPTION_HELP;
		if (argv[index][1] != '-')
			return fail(&parse, "unknown option -%c", argv[index][1]);
		bool end = !argv[index][2];
		int result = end ? 0 : read_option(&parse, argv, index, argc, &used);
		if (result)
			return result;
		move_down(argv, index, first, used);
		first += used;
		if (end)
			break;
	}
	int result = set_rest(&parse);
	if (!result)
		*rest = first;
	return result;
}

void option_help_list(const struct option *table, FILE *out)
{
	for (const struct option *option = table; option->name; ++option) {
		char name[NAME_SIZE];
		environment_name(name, option->name);
		bool boolean = option->type == OPTION_BOOLEAN;
		fprintf(out, "  --%s%s%s%s\n      %s", option->name, boolean ? "" : " ",
		        boolean        ? ""
		        : option->unit ? option->unit
		                       : "VALUE",
		        option->type == OPTION_LIST ? " (may repeat)" : "", option->help);
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
