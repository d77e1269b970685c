/* base/option: every type, its bounds, where values come from, and what a wrong line says. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/option.h"

/* Static: option_parse() keeps copies for as long as the program lives, and they are found again through these. */
static const char *listen_value, *token_value;
static int64_t count_value;
static bool json_value;
static struct option_list list_value;

static const struct option table[] = {
    {"listen", OPTION_STRING, &listen_value, "127.0.0.1:1", 0, 0, "HOST:PORT", "Address.", false},
    {"count", OPTION_INTEGER, &count_value, "7", -2, 10, "N", "A number.", false},
    {"json", OPTION_BOOLEAN, &json_value, NULL, 0, 0, NULL, "A switch.", false},
    {"tenant-id", OPTION_LIST, &list_value, "a", 0, 0, "ID", "Several.", false},
    {"token", OPTION_STRING, &token_value, NULL, 0, 0, "TEXT", "A secret.", true},
    {.name = NULL},
};

static char error[256];
static int rest;

/* Parses a line of words; `words` are copied, since secrets are overwritten. */
static int parse(char *storage, size_t size, char **argv, const char *const *words)
{
	int argc = 1;
	size_t used = 0;
	static char program[] = "program";
	argv[0] = program;
	for (; *words; ++words) {
		assert_true(used + strlen(*words) + 1 <= size);
		argv[argc] = strcpy(storage + used, *words);
		used += strlen(*words) + 1;
		++argc;
	}
	argv[argc] = NULL;
	error[0] = '\0';
	rest = -1;
	return option_parse(table, argc, argv, &rest, error, sizeof(error));
}

#define PARSE(...)                                                                                                     \
	parse((char[1024]){0}, 1024, (char *[80]){NULL}, (const char *const[]){__VA_ARGS__ __VA_OPT__(, ) NULL})

static int clear_environment(void **state)
{
	(void)state;
	unsetenv("CALLHISTORY_LISTEN");
	unsetenv("CALLHISTORY_COUNT");
	unsetenv("CALLHISTORY_JSON");
	unsetenv("CALLHISTORY_TENANT_ID");
	unsetenv("CALLHISTORY_TOKEN");
	unsetenv("CALLHISTORY_PIN");
	return 0;
}

static void test_defaults(void **state)
{
	(void)state;
	assert_int_equal(PARSE(), OPTION_OK);
	assert_int_equal(rest, 1);
	assert_string_equal(listen_value, "127.0.0.1:1");
	assert_int_equal(count_value, 7);
	assert_false(json_value);
	assert_int_equal(list_value.count, 1);
	assert_string_equal(list_value.values[0], "a");
	assert_null(token_value);
}

static void test_both_spellings(void **state)
{
	(void)state;
	static char storage[256];
	static char *argv[16];
	static const char *const words[] = {"--listen=h:2", "--count",      "-2",          "--json", "--tenant-id",
	                                    "x,y",          "--tenant-id=", "--tenant-id", "z",      NULL};
	assert_int_equal(parse(storage, sizeof(storage), argv, words), OPTION_OK);
	assert_string_equal(listen_value, "h:2");
	assert_int_equal(count_value, -2);
	assert_true(json_value);
	/* On the command line a comma is part of the value. */
	assert_int_equal(list_value.count, 3);
	assert_string_equal(list_value.values[0], "x,y");
	assert_string_equal(list_value.values[1], "");
	assert_string_equal(list_value.values[2], "z");
	assert_int_equal(PARSE("--json=false"), OPTION_OK);
	assert_false(json_value);
	assert_int_equal(PARSE("--json=1"), OPTION_OK);
	assert_true(json_value);
}

static void test_arguments_move_to_the_end(void **state)
{
	(void)state;
	static char storage[256];
	static char *argv[16];
	static const char *const words[] = {"import", "--count", "3", "a.json", "-", "--json", "--", "--listen", "b", NULL};
	assert_int_equal(parse(storage, sizeof(storage), argv, words), OPTION_OK);
	assert_int_equal(count_value, 3);
	assert_true(json_value);
	assert_string_equal(listen_value, "127.0.0.1:1");
	assert_int_equal(rest, 5);
	static const char *const expected[] = {"--count", "3", "--json", "--", "import", "a.json", "-", "--listen", "b"};
	for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); ++i)
		assert_string_equal(argv[i + 1], expected[i]);
	assert_null(argv[10]);
}

static void test_environment_between_line_and_default(void **state)
{
	(void)state;
	setenv("CALLHISTORY_LISTEN", "env:1", 1);
	setenv("CALLHISTORY_COUNT", "9", 1);
	setenv("CALLHISTORY_TENANT_ID", "p,,q,r", 1);
	setenv("CALLHISTORY_JSON", "true", 1);
	assert_int_equal(PARSE("--count", "1"), OPTION_OK);
	assert_string_equal(listen_value, "env:1");
	assert_int_equal(count_value, 1);
	assert_true(json_value);
	assert_int_equal(list_value.count, 3);
	assert_string_equal(list_value.values[2], "r");
	free((char *)(uintptr_t)list_value.values[0]); /* the copy begins with the first value */
	unsetenv("CALLHISTORY_TENANT_ID");
	setenv("CALLHISTORY_COUNT", "", 1);
	assert_int_equal(PARSE(), OPTION_OK);
	assert_int_equal(count_value, 7);
	setenv("CALLHISTORY_COUNT", "eleven", 1);
	assert_int_equal(PARSE(), -EINVAL);
	assert_non_null(strstr(error, "CALLHISTORY_COUNT"));
	/* What is asked for on the line does not care. */
	assert_int_equal(PARSE("--help"), OPTION_HELP);
	assert_int_equal(PARSE("--count=2"), OPTION_OK);
}

/* An option that only the command line sets: a variable that was left over changes nothing, and the help names none. */
static void test_the_line_only(void **state)
{
	(void)state;
	static int64_t page;
	static const struct option line_only[] = {
	    {.name = "page",
	     .type = OPTION_INTEGER,
	     .value = &page,
	     .initial = "1",
	     .maximum = 9,
	     .help = "Page.",
	     .flags = OPTION_LINE_ONLY},
	    {.name = NULL},
	};
	char program[] = "program", *argv[] = {program, NULL};
	char *text = NULL;
	size_t size = 0;
	setenv("CALLHISTORY_PAGE", "3", 1);
	assert_int_equal(option_parse(line_only, 1, argv, &rest, error, sizeof(error)), OPTION_OK);
	assert_int_equal(page, 1);
	setenv("CALLHISTORY_PAGE", "nonsense", 1);
	assert_int_equal(option_parse(line_only, 1, argv, &rest, error, sizeof(error)), OPTION_OK);
	unsetenv("CALLHISTORY_PAGE");
	FILE *out = open_memstream(&text, &size);
	assert_non_null(out);
	option_help(line_only, "Usage: program", out);
	fclose(out);
	assert_null(strstr(text, "CALLHISTORY_PAGE"));
	free(text);
}

static void check_refused(int result, const char *option, const char *words)
{
	assert_int_equal(result, -EINVAL);
	if (!strstr(error, option) || !strstr(error, words))
		fail_msg("\"%s\" names no %s or %s", error, option, words);
	assert_int_equal(rest, -1);
}

static void test_wrong_lines_are_named(void **state)
{
	(void)state;
	check_refused(PARSE("--nope"), "--nope", "unknown");
	check_refused(PARSE("--nope=hunter2"), "--nope", "unknown");
	assert_null(strstr(error, "hunter2"));
	check_refused(PARSE("--lis", "x"), "--lis", "unknown");
	check_refused(PARSE("-v"), "-v", "unknown");
	check_refused(PARSE("--lsiten", "x"), "--lsiten", "did you mean --listen?");
	check_refused(PARSE("--tenantid=x"), "--tenantid", "did you mean --tenant-id?");
	check_refused(PARSE("--zzzzzz"), "--zzzzzz", "unknown");
	assert_null(strstr(error, "mean"));
	assert_int_equal(PARSE("-h"), OPTION_HELP);
	check_refused(PARSE("--listen"), "--listen", "HOST:PORT");
	check_refused(PARSE("--listen", "--json"), "--listen", "needs a value");
	check_refused(PARSE("--count", "11"), "--count", "-2 to 10");
	check_refused(PARSE("--count", "-3"), "--count", "-2 to 10");
	check_refused(PARSE("--count", "99999999999999999999"), "--count", "-2 to 10");
	check_refused(PARSE("--count", "1x"), "--count", "1x");
	check_refused(PARSE("--count="), "--count", "empty");
	check_refused(PARSE("--count", " 1"), "--count", "whole number");
	check_refused(PARSE("--count", "+1"), "--count", "whole number");
	check_refused(PARSE("--json=maybe"), "--json", "true or false");
	assert_int_equal(PARSE("--version"), OPTION_VERSION);
	assert_int_equal(PARSE("--helper"), -EINVAL);
}

static void test_a_list_is_bounded(void **state)
{
	(void)state;
	static char storage[2048];
	static char *argv[80];
	const char *words[70];
	for (int i = 0; i < 65; ++i)
		words[i] = "--tenant-id=v";
	words[65] = NULL;
	check_refused(parse(storage, sizeof(storage), argv, words), "--tenant-id", "more than 64");
	words[64] = NULL;
	assert_int_equal(parse(storage, sizeof(storage), argv, words), OPTION_OK);
	assert_int_equal(list_value.count, 64);
}

static void test_secrets_leave_argv(void **state)
{
	(void)state;
	static char storage[256];
	static char *argv[16];
	static const char *const words[] = {"--token=first", "--token", "hunter2", NULL};
	assert_int_equal(parse(storage, sizeof(storage), argv, words), OPTION_OK);
	assert_string_equal(token_value, "hunter2");
	assert_string_equal(argv[1], "--token=xxxxx");
	assert_string_equal(argv[3], "xxxxxxx");
	free((char *)(uintptr_t)token_value);
}

static void test_help(void **state)
{
	(void)state;
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	assert_non_null(out);
	option_help(table, "Usage: program", out);
	fclose(out);
	static const char *const parts[] = {
	    "Usage: program", "--listen HOST:PORT",          "127.0.0.1:1", "CALLHISTORY_TENANT_ID",
	    "--json\n",       "--tenant-id ID (may repeat)", "--help",      "--version"};
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); ++i)
		if (!strstr(text, parts[i]))
			fail_msg("the help has no %s:\n%s", parts[i], text);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(test_defaults, clear_environment),
	    cmocka_unit_test_setup(test_both_spellings, clear_environment),
	    cmocka_unit_test_setup(test_arguments_move_to_the_end, clear_environment),
	    cmocka_unit_test_setup(test_environment_between_line_and_default, clear_environment),
	    cmocka_unit_test_setup(test_the_line_only, clear_environment),
	    cmocka_unit_test_setup(test_wrong_lines_are_named, clear_environment),
	    cmocka_unit_test_setup(test_a_list_is_bounded, clear_environment),
	    cmocka_unit_test_setup(test_secrets_leave_argv, clear_environment),
	    cmocka_unit_test_setup(test_help, clear_environment),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
