/* callhistoryctl's line reader: line ends, byte order mark, long lines, pipes that stop in the middle of a line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <errno.h>

#include "callhistoryctl/lines.h"

/* A file that holds `size` bytes and is gone when it is closed. */
static int file_of(const char *text, size_t size)
{
	FILE *file = tmpfile();
	assert_non_null(file);
	assert_int_equal(fwrite(text, 1, size, file), size);
	assert_int_equal(fflush(file), 0);
	int fd = dup(fileno(file));
	fclose(file);
	assert_true(fd >= 0);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	return fd;
}

/* The next line, reading as often as needed. */
static int next(struct lines *lines, const char **line, size_t *length)
{
	int result;
	while ((result = lines_next(lines, line, length)) == -EAGAIN)
		assert_true(lines_read(lines) >= 0);
	return result;
}

static void expect(struct lines *lines, const char *text, uint64_t number)
{
	const char *line;
	size_t length;
	assert_int_equal(next(lines, &line, &length), 1);
	assert_int_equal(length, strlen(text));
	assert_memory_equal(line, text, length);
	assert_int_equal(lines_number(lines), number);
}

static void expect_end(struct lines *lines)
{
	const char *line;
	size_t length;
	assert_int_equal(next(lines, &line, &length), 0);
	assert_int_equal(next(lines, &line, &length), 0);
}

static void test_line_ends(void **state)
{
	static const char text[] = "\xef\xbb\xbfone\r\n\ntwo\r\r\n\xef\xbb\xbfthree\nlast";
	struct lines *lines;
	(void)state;
	assert_int_equal(lines_create(&lines), 0);
	int fd = file_of(text, sizeof(text) - 1);
	lines_open(lines, fd);
	expect(lines, "one", 1);
	expect(lines, "", 2);
	expect(lines, "two\r", 3);
	expect(lines, "\xef\xbb\xbfthree", 4);
	expect(lines, "last", 5);
	expect_end(lines);
	close(fd);
	/* The next file starts anew. */
	fd = file_of("\n", 1);
	lines_open(lines, fd);
	expect(lines, "", 1);
	expect_end(lines);
	close(fd);
	fd = file_of("", 0);
	lines_open(lines, fd);
	expect_end(lines);
	close(fd);
	lines_destroy(lines);
}

static void test_long_lines(void **state)
{
	const size_t sizes[] = {LINES_MAX - 1, LINES_MAX, LINES_MAX + 1, LINES_MAX + 2, 3 * LINES_MAX};
	struct lines *lines;
	const char *line;
	size_t length;
	(void)state;
	assert_int_equal(lines_create(&lines), 0);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); ++i) {
		size_t total = sizes[i] + strlen("a\n") + strlen("\r\nb\n");
		char *text = malloc(total);
		assert_non_null(text);
		memset(text, 'x', total);
		memcpy(text, "a\n", 2);
		memcpy(text + total - 4, "\r\nb\n", 4);
		int fd = file_of(text, total);
		lines_open(lines, fd);
		expect(lines, "a", 1);
		int result = next(lines, &line, &length);
		if (sizes[i] <= LINES_MAX) {
			assert_int_equal(result, 1);
			assert_int_equal(length, sizes[i]);
		} else {
			assert_int_equal(result, -E2BIG);
		}
		assert_int_equal(lines_number(lines), 2);
		expect(lines, "b", 3);
		expect_end(lines);
		close(fd);
		free(text);
	}
	lines_destroy(lines);
}

static void test_long_last_line(void **state)
{
	const size_t size = 2 * LINES_MAX;
	struct lines *lines;
	const char *line;
	size_t length;
	(void)state;
	char *text = malloc(size);
	assert_non_null(text);
	memset(text, 'x', size);
	int fd = file_of(text, size);
	assert_int_equal(lines_create(&lines), 0);
	lines_open(lines, fd);
	assert_int_equal(next(lines, &line, &length), -E2BIG);
	expect_end(lines);
	close(fd);
	lines_destroy(lines);
	free(text);
}

static void test_pipe_in_pieces(void **state)
{
	struct lines *lines;
	const char *line;
	size_t length;
	int ends[2];
	(void)state;
	assert_int_equal(pipe(ends), 0);
	assert_int_equal(lines_create(&lines), 0);
	lines_open(lines, ends[0]);
	assert_int_equal(lines_next(lines, &line, &length), -EAGAIN);
	assert_int_equal(write(ends[1], "fi", 2), 2);
	assert_int_equal(lines_read(lines), 2);
	assert_int_equal(lines_next(lines, &line, &length), -EAGAIN);
	assert_int_equal(write(ends[1], "rst\nse", 6), 6);
	assert_int_equal(lines_read(lines), 6);
	expect(lines, "first", 1);
	assert_int_equal(lines_next(lines, &line, &length), -EAGAIN);
	close(ends[1]);
	expect(lines, "se", 2);
	expect_end(lines);
	close(ends[0]);
	lines_destroy(lines);
}

static void test_unreadable(void **state)
{
	struct lines *lines;
	(void)state;
	assert_int_equal(lines_create(&lines), 0);
	lines_open(lines, -1);
	assert_int_equal(lines_read(lines), -EBADF);
	lines_destroy(lines);
	lines_destroy(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_line_ends),      cmocka_unit_test(test_long_lines), cmocka_unit_test(test_long_last_line),
	    cmocka_unit_test(test_pipe_in_pieces), cmocka_unit_test(test_unreadable),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
