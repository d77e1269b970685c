/* base/log: what a line looks like, that a value can't forge one, and how it is cut. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#include "base/log.h"

/* Standard error goes to a file while a line is written. */
struct capture {
	int saved, file;
	char text[16384];
};

static void begin(struct capture *capture)
{
	char path[] = "/tmp/test_base_log.XXXXXX";
	fflush(stderr);
	capture->file = mkstemp(path);
	assert_true(capture->file >= 0);
	unlink(path);
	capture->saved = dup(STDERR_FILENO);
	dup2(capture->file, STDERR_FILENO);
}

static void end(struct capture *capture)
{
	dup2(capture->saved, STDERR_FILENO);
	close(capture->saved);
	ssize_t length = pread(capture->file, capture->text, sizeof(capture->text) - 1, 0);
	assert_true(length >= 0);
	capture->text[length] = '\0';
	close(capture->file);
}

static const char *value_of(const json_t *line, const char *key)
{
	const char *value = json_string_value(json_object_get(line, key));
	if (!value)
		fail_msg("the line has no %s", key);
	return value;
}

static void test_a_line_is_json(void **state)
{
	(void)state;
	struct capture capture;
	struct log log;
	begin(&capture);
	assert_int_equal(log_init(&log, "program", "info"), 0);
	assert_true(log.json);
	log_write(&log, LOG_DEBUG, "dropped", NULL);
	log_write(&log, LOG_WARN, "a \"quoted\"\nmessage", "key", "tab\t, back\\slash, Đ, \x7f", "absent", NULL, "last",
	          "\xff\xc0\x80", NULL);
	end(&capture);
	assert_int_equal(strlen(capture.text) - 1, strchr(capture.text, '\n') - capture.text);
	json_t *line = json_loads(capture.text, 0, NULL);
	assert_non_null(line);
	assert_string_equal(value_of(line, "level"), "warn");
	assert_string_equal(value_of(line, "program"), "program");
	assert_string_equal(value_of(line, "message"), "a \"quoted\"\nmessage");
	assert_string_equal(value_of(line, "key"), "tab\t, back\\slash, Đ, \x7f");
	assert_string_equal(value_of(line, "last"), "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
	assert_null(json_object_get(line, "absent"));
	const char *time = value_of(line, "time");
	assert_int_equal(strlen(time), strlen("2026-11-22T09:24:27.123Z"));
	assert_int_equal(time[10], 'T');
	assert_int_equal(time[23], 'Z');
	json_decref(line);
}

static void test_text_for_a_terminal(void **state)
{
	(void)state;
	struct capture capture;
	struct log log = {.level = LOG_DEBUG, .json = false, .program = "program"};
	begin(&capture);
	/* U+009B begins a command to some terminals. */
	log_write(&log, LOG_ERROR, "it broke", "why", "line\nbreak", "csi",
	          "\xc2\x9b"
	          "2Jô",
	          NULL);
	end(&capture);
	assert_non_null(strstr(capture.text, "it broke why=\"line\\u000abreak\" csi=\"\\u009b2Jô\"\n"));
}

static void test_a_long_line_is_cut_and_whole(void **state)
{
	(void)state;
	struct log log = {.level = LOG_DEBUG, .json = true, .program = "program"};
	char value[5000];
	for (size_t length = 3900; length < 4200; ++length) {
		struct capture capture;
		memset(value, length % 2 ? 'x' : '"', length);
		value[length] = '\0';
		begin(&capture);
		log_write(&log, LOG_INFO, "long", "value", value, "after", "short", "more", "s", NULL);
		end(&capture);
		assert_true(strlen(capture.text) <= 4096);
		json_t *line = json_loads(capture.text, 0, NULL);
		if (!line)
			fail_msg("length %zu: %s", length, capture.text);
		json_decref(line);
	}
}

static void test_levels(void **state)
{
	(void)state;
	struct log log = {.program = "untouched"};
	assert_int_equal(log_init(&log, "p", "verbose"), -EINVAL);
	assert_string_equal(log.program, "untouched");
	assert_int_equal(log_init(&log, "p", "error"), 0);
	assert_true(log_enabled(&log, LOG_ERROR));
	assert_false(log_enabled(&log, LOG_WARN));
}

static void test_numbers_are_masked(void **state)
{
	(void)state;
	char out[32];
	assert_string_equal(log_mask_number(out, sizeof(out), "0912345678"), "*******678");
	assert_string_equal(log_mask_number(out, sizeof(out), "101"), "***");
	assert_string_equal(log_mask_number(out, sizeof(out), "123456"), "******");
	assert_string_equal(log_mask_number(out, sizeof(out), ""), "");
	assert_string_equal(log_mask_number(out, 4, "0912345678"), "***");
	assert_string_equal(log_mask_number(out, sizeof(out), "1234567\n\"9"), "********\"9");
	out[0] = 'k';
	assert_ptr_equal(log_mask_number(out, 0, "1"), out);
	assert_int_equal(out[0], 'k');
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_a_line_is_json),
	    cmocka_unit_test(test_text_for_a_terminal),
	    cmocka_unit_test(test_a_long_line_is_cut_and_whole),
	    cmocka_unit_test(test_levels),
	    cmocka_unit_test(test_numbers_are_masked),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
