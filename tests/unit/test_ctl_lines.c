/* callhistoryctl's line reader: line ends, byte order mark, long lines, pipes that stop in the middle of a line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

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
	assert_int_equal(lines_place(lines)->number, number);
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
	lines_open(lines, fd, (struct lines_form){false, false}, 0, 1);
	expect(lines, "one", 1);
	expect(lines, "", 2);
	expect(lines, "two\r", 3);
	expect(lines, "\xef\xbb\xbfthree", 4);
	expect(lines, "last", 5);
	expect_end(lines);
	close(fd);
	/* The next file starts anew. */
	fd = file_of("\n", 1);
	lines_open(lines, fd, (struct lines_form){false, false}, 0, 1);
	expect(lines, "", 1);
	expect_end(lines);
	close(fd);
	fd = file_of("", 0);
	lines_open(lines, fd, (struct lines_form){false, false}, 0, 1);
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
		lines_open(lines, fd, (struct lines_form){false, false}, 0, 1);
		expect(lines, "a", 1);
		int result = next(lines, &line, &length);
		if (sizes[i] <= LINES_MAX) {
			assert_int_equal(result, 1);
			assert_int_equal(length, sizes[i]);
		} else {
			assert_int_equal(result, -E2BIG);
		}
		assert_int_equal(lines_place(lines)->number, 2);
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
	lines_open(lines, fd, (struct lines_form){false, false}, 0, 1);
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
	lines_open(lines, ends[0], (struct lines_form){false, false}, 0, 1);
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

/* Compresses as one member of a gzip file. Returns how long it is. */
static size_t gzip(const char *text, size_t size, char *out, size_t capacity)
{
	z_stream stream = {0};
	assert_int_equal(deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
	stream.next_in = (Bytef *)(uintptr_t)text;
	stream.avail_in = (uInt)size;
	stream.next_out = (Bytef *)out;
	stream.avail_out = (uInt)capacity;
	assert_int_equal(deflate(&stream, Z_FINISH), Z_STREAM_END);
	size_t length = capacity - stream.avail_out;
	deflateEnd(&stream);
	return length;
}

static void expect_file(const char *data, size_t size, const char *name, const char *first, const char *second)
{
	struct lines *lines;
	assert_int_equal(lines_create(&lines), 0);
	int fd = file_of(data, size);
	lines_open(lines, fd, (struct lines_form){false, false}, 0, 1);
	expect(lines, first, 1);
	if (name)
		assert_string_equal(lines_decoding(lines), name);
	else
		assert_null(lines_decoding(lines));
	expect(lines, second, 2);
	expect_end(lines);
	close(fd);
	lines_destroy(lines);
}

/* Writes UTF-16 of ASCII text and of one letter beyond 16 bits (U+1F4DE). Returns how long it is. */
static size_t utf16(const char *text, bool big, bool mark, char *out)
{
	size_t length = 0;
	uint16_t units[256];
	if (mark)
		units[length++] = 0xfeff;
	for (; *text; ++text) {
		if (*text != '@') {
			units[length++] = (unsigned char)*text;
			continue;
		}
		units[length++] = 0xd83d;
		units[length++] = 0xdcde;
	}
	for (size_t i = 0; i < length; ++i) {
		out[2 * i + big] = (char)(units[i] & 0xff);
		out[2 * i + !big] = (char)(units[i] >> 8);
	}
	return 2 * length;
}

static void test_gzip_and_utf16(void **state)
{
	static const char plain[] = "{one}\n{two}\n";
	char coded[512], packed[1024];
	(void)state;
	expect_file(plain, sizeof(plain) - 1, NULL, "{one}", "{two}");
	size_t size = gzip(plain, sizeof(plain) - 1, packed, sizeof(packed));
	expect_file(packed, size, "gzip data", "{one}", "{two}");
	/* Two members, as `cat a.gz b.gz` makes. */
	size = gzip("{one}\n{t", 8, packed, sizeof(packed));
	size += gzip("wo}", 3, packed + size, sizeof(packed) - size);
	expect_file(packed, size, "gzip data", "{one}", "{two}");
	/* Padded with zeros, and another member behind them. */
	size = gzip("{one}\n{t", 8, packed, sizeof(packed));
	memset(packed + size, 0, 300);
	size += 300;
	size += gzip("wo}", 3, packed + size, sizeof(packed) - size);
	expect_file(packed, size, "gzip data", "{one}", "{two}");
	memset(packed + size, 0, 100);
	expect_file(packed, size + 100, "gzip data", "{one}", "{two}");
	for (int i = 0; i < 4; ++i) {
		size = utf16("{one@}\r\n{two}\r\n", i & 1, i & 2, coded);
		expect_file(coded, size, "UTF-16 text", "{one\xf0\x9f\x93\x9e}", "{two}");
		size = gzip(coded, size, packed, sizeof(packed));
		expect_file(packed, size, "UTF-16 text in gzip data", "{one\xf0\x9f\x93\x9e}", "{two}");
	}
	/* What is no UTF-16 can't be UTF-8 either: half a pair, and half a unit at the end. */
	size = utf16("{one}\nx@y", false, true, coded);
	memmove(coded + 16, coded + 18, size - 18);
	expect_file(coded, size - 2, "UTF-16 text", "{one}", "x\xffy");
	size = utf16("{one}\nxy", false, true, coded);
	expect_file(coded, size - 1, "UTF-16 text", "{one}", "x\xff");
	/* Shorter than any mark. */
	expect_file("\x1f\n\xff", 3, NULL, "\x1f", "\xff");
}

static void test_damaged_gzip(void **state)
{
	static const char plain[] = "{one}\n{two}\n";
	char packed[1024], damaged[1024];
	struct lines *lines;
	const char *line;
	size_t length;
	(void)state;
	size_t size = gzip(plain, sizeof(plain) - 1, packed, sizeof(packed));
	assert_int_equal(lines_create(&lines), 0);
	/* Cut off anywhere behind its mark; every byte flipped: never a crash, never an end as if all were well. */
	for (size_t cut = 4; cut < size; ++cut) {
		int result, fd = file_of(packed, cut);
		lines_open(lines, fd, (struct lines_form){false, false}, 0, 1);
		while ((result = next(lines, &line, &length)) == 1)
			;
		assert_int_equal(result, -EBADMSG);
		close(fd);
	}
	for (size_t i = 10; i < size; ++i) {
		memcpy(damaged, packed, size);
		damaged[i] ^= 0x55;
		int result, fd = file_of(damaged, size);
		lines_open(lines, fd, (struct lines_form){false, false}, 0, 1);
		while ((result = next(lines, &line, &length)) == 1)
			;
		assert_int_equal(result, -EBADMSG);
		close(fd);
	}
	lines_destroy(lines);
}

/* A file that expands a thousandfold is read in the same memory, line after line. */
static void test_gzip_bomb(void **state)
{
	const size_t size = 64 << 20;
	struct lines *lines;
	const char *line;
	size_t length;
	(void)state;
	char *text = malloc(size), *packed = malloc(1 << 20);
	assert_true(text && packed);
	memset(text, 'x', size);
	memcpy(text + size - 5, "\nend\n", 5);
	size_t packed_size = gzip(text, size, packed, 1 << 20);
	int fd = file_of(packed, packed_size);
	free(text);
	assert_int_equal(lines_create(&lines), 0);
	lines_open(lines, fd, (struct lines_form){false, false}, 0, 1);
	assert_int_equal(next(lines, &line, &length), -E2BIG);
	expect(lines, "end", 2);
	expect_end(lines);
	close(fd);
	lines_destroy(lines);
	free(packed);
}

/* A pipe that is silent in the middle of a member: what has come is given. */
static void test_gzip_pipe(void **state)
{
	char packed[1024];
	struct lines *lines;
	const char *line;
	size_t length;
	int ends[2];
	(void)state;
	assert_int_equal(pipe(ends), 0);
	size_t size = gzip("{one}\n", 6, packed, sizeof(packed));
	assert_int_equal(lines_create(&lines), 0);
	lines_open(lines, ends[0], (struct lines_form){false, false}, 0, 1);
	size_t sent = 0;
	while (lines_next(lines, &line, &length) == -EAGAIN && sent < size) {
		assert_int_equal(write(ends[1], packed + sent++, 1), 1);
		assert_int_equal(lines_read(lines), 1);
	}
	/* Before the check sum and the length, the last 8 bytes, have come. */
	assert_true(sent <= size - 8);
	assert_int_equal(length, 5);
	assert_memory_equal(line, "{one}", 5);
	assert_int_equal(write(ends[1], packed + sent, size - sent), size - sent);
	close(ends[1]);
	expect_end(lines);
	close(ends[0]);
	lines_destroy(lines);
}

static const struct lines_form rows = {true, false}, growing_rows = {true, true};

/* The next one is no line, for this reason. */
static void expect_fault(struct lines *lines, int fault, uint64_t number, bool terminated)
{
	const char *line;
	size_t length;
	assert_int_equal(next(lines, &line, &length), fault);
	assert_int_equal(lines_place(lines)->number, number);
	assert_int_equal(lines_place(lines)->terminated, terminated);
}

static void test_rows(void **state)
{
	static const char text[] = "\xef\xbb\xbf\"a\nb\",1\r\n"    /* lines 1 and 2 */
	                           "\"\"\"x\"\"\n\n\"|\"\"\n"      /* 3 to 5 */
	                           "\"half of a\"\",\"b\",\"c\"\n" /* 6: a quote in the wrong position */
	                           "5\" disk,\"\"\n"               /* 7 */
	                           "{\"a\":\"b\\\"\"}\n"           /* 8 */
	                           "\"a\"\r,\"b\"\n"               /* 9 */
	                           "\"open,x\n"                    /* 10: no second quote until the end */
	                           "1,\n"                          /* 11 */
	                           "\"last\nhalf";
	struct lines *lines;
	(void)state;
	assert_int_equal(lines_create(&lines), 0);
	int fd = file_of(text, sizeof(text) - 1);
	lines_open(lines, fd, rows, 0, 1);
	expect(lines, "\"a\nb\",1", 1);
	assert_int_equal(lines_place(lines)->next_number, 3);
	expect(lines, "\"\"\"x\"\"\n\n\"|\"\"", 3);
	expect_fault(lines, -EILSEQ, 6, true);
	expect(lines, "5\" disk,\"\"", 7);
	expect(lines, "{\"a\":\"b\\\"\"}", 8);
	expect_fault(lines, -EILSEQ, 9, true);
	expect_fault(lines, -EILSEQ, 10, true);
	expect(lines, "1,", 11);
	assert_true(lines_place(lines)->terminated);
	expect_fault(lines, -EILSEQ, 12, true);
	expect(lines, "half", 13);
	assert_false(lines_place(lines)->terminated);
	expect_end(lines);
	close(fd);
	lines_destroy(lines);
}

/* A quote without a second one does not swallow the file: its row ends at the first line feed when it is too long. */
static void test_long_rows(void **state)
{
	const size_t sizes[] = {LINES_ROW_MAX, LINES_ROW_MAX + 1, 3 * LINES_ROW_MAX, 20 * LINES_ROW_MAX};
	struct lines *lines;
	const char *line;
	size_t length;
	(void)state;
	assert_int_equal(lines_create(&lines), 0);
	for (size_t i = 0; i < 2 * sizeof(sizes) / sizeof(sizes[0]); ++i) {
		size_t size = sizes[i / 2], total = size + strlen("\r\nb\n");
		bool feeds = i % 2;
		char *text = malloc(total);
		assert_non_null(text);
		memset(text, 'x', total);
		text[0] = text[size - 1] = '"';
		if (feeds)
			text[100] = text[size - 100] = '\n';
		memcpy(text + total - 4, "\r\nb\n", 4);
		int fd = file_of(text, total);
		lines_open(lines, fd, rows, 0, 1);
		if (size <= LINES_ROW_MAX) {
			assert_int_equal(next(lines, &line, &length), 1);
			assert_int_equal(length, size);
		} else {
			expect_fault(lines, -E2BIG, 1, true);
			/* Damage is found in each line of what is left. */
			for (int more = feeds ? 2 : 0; more; --more)
				assert_true(next(lines, &line, &length) != 0);
		}
		expect(lines, "b", feeds ? 4 : 2);
		expect_end(lines);
		close(fd);
		free(text);
	}
	lines_destroy(lines);
}

static void test_growing(void **state)
{
	static const char one[] = "\"a\nb\"\n";
	struct lines *lines;
	const char *line;
	size_t length;
	int ends[2];
	(void)state;
	assert_int_equal(pipe(ends), 0);
	assert_int_equal(lines_create(&lines), 0);
	lines_open(lines, ends[0], growing_rows, 1000, 7);
	for (size_t i = 0; i < sizeof(one) - 1; ++i) {
		assert_int_equal(lines_next(lines, &line, &length), -EAGAIN);
		assert_int_equal(lines_place(lines)->position, 1000);
		assert_int_equal(write(ends[1], one + i, 1), 1);
		assert_int_equal(lines_read(lines), 1);
	}
	expect(lines, "\"a\nb\"", 7);
	assert_int_equal(lines_place(lines)->next_number, 9);
	assert_int_equal(lines_place(lines)->position, 1006);
	/* No end, no row: more may come. */
	assert_int_equal(write(ends[1], "c", 1), 1);
	assert_int_equal(lines_next(lines, &line, &length), -EAGAIN);
	close(ends[1]);
	assert_int_equal(lines_read(lines), 1);
	assert_int_equal(lines_next(lines, &line, &length), -EAGAIN);
	assert_int_equal(lines_read(lines), 0);
	assert_int_equal(lines_next(lines, &line, &length), -EAGAIN);
	assert_int_equal(lines_place(lines)->position, 1006);
	close(ends[0]);
	lines_destroy(lines);
}

/* A byte order mark in front of each kind of first row, however it arrives. */
static void test_marked_rows(void **state)
{
	static const char *const firsts[] = {"{\"a\":\"x,\\\"y\",\"b\":\"c\"}", "\"a\nb\",1", "a,\"b\"", ""};
	char text[256], coded[512];
	struct lines *lines;
	const char *line;
	size_t length;
	int ends[2];
	(void)state;
	assert_int_equal(lines_create(&lines), 0);
	for (size_t i = 0; i < sizeof(firsts) / sizeof(firsts[0]); ++i) {
		uint64_t second = strchr(firsts[i], '\n') ? 3 : 2;
		size_t size = (size_t)snprintf(text, sizeof(text), "\xef\xbb\xbf%s\n{\"second\":1}\n", firsts[i]);
		int fd = file_of(text, size);
		lines_open(lines, fd, rows, 0, 1);
		expect(lines, firsts[i], 1);
		expect(lines, "{\"second\":1}", second);
		close(fd);
		assert_int_equal(pipe(ends), 0);
		lines_open(lines, ends[0], growing_rows, 0, 1);
		for (size_t at = 0; at < size; ++at) {
			if (lines_place(lines)->position == 0)
				assert_int_equal(lines_next(lines, &line, &length), -EAGAIN);
			assert_int_equal(write(ends[1], text + at, 1), 1);
			assert_int_equal(lines_read(lines), 1);
			if (text[at] == '\n' && at + 1 == strlen(firsts[i]) + 4)
				expect(lines, firsts[i], 1);
		}
		expect(lines, "{\"second\":1}", second);
		close(ends[0]);
		close(ends[1]);
		size = utf16(text + 3, i & 1, true, coded);
		fd = file_of(coded, size);
		lines_open(lines, fd, rows, 0, 1);
		expect(lines, firsts[i], 1);
		expect(lines, "{\"second\":1}", second);
		close(fd);
	}
	lines_destroy(lines);
}

/* What would have to be decoded cannot be followed: nothing of it is taken for a line. */
static void test_growing_coded(void **state)
{
	char coded[512];
	struct lines *lines;
	const char *line;
	size_t length;
	(void)state;
	assert_int_equal(lines_create(&lines), 0);
	for (int i = 0; i < 5; ++i) {
		size_t size = i < 4 ? utf16("{one}\n", i & 1, i & 2, coded) : gzip("{one}\n", 6, coded, sizeof(coded));
		int fd = file_of(coded, size);
		lines_open(lines, fd, growing_rows, 0, 1);
		assert_int_equal(lines_next(lines, &line, &length), -EAGAIN);
		assert_int_equal(lines_read(lines), -ENOTSUP);
		close(fd);
	}
	lines_destroy(lines);
}

/* While a line that is too long has no end yet, the position is before it; what follows it begins behind its end. */
static void test_growing_long_row(void **state)
{
	const size_t size = 20 * LINES_ROW_MAX;
	struct lines *lines;
	const char *line;
	size_t length;
	int result;
	(void)state;
	char *text = malloc(size + 4);
	assert_non_null(text);
	memset(text, 'x', size);
	memcpy(text, "a\n", 2);
	memcpy(text + size, "\nb\n", 3);
	int fd = file_of(text, size);
	assert_int_equal(lines_create(&lines), 0);
	lines_open(lines, fd, growing_rows, 0, 1);
	expect(lines, "a", 1);
	while ((result = lines_next(lines, &line, &length)) == -EAGAIN && lines_read(lines) > 0)
		assert_int_equal(lines_place(lines)->position, 2);
	assert_int_equal(result, -EAGAIN);
	assert_int_equal(lines_place(lines)->position, 2);
	assert_int_equal(lines_ahead(lines), size - 2);
	assert_int_equal(pwrite(fd, text + size, 3, (off_t)size), 3);
	expect_fault(lines, -E2BIG, 2, true);
	assert_int_equal(lines_place(lines)->position, size + 1);
	expect(lines, "b", 3);
	assert_int_equal(lines_place(lines)->position, size + 3);
	close(fd);
	lines_destroy(lines);
	free(text);
}

static void test_unreadable(void **state)
{
	struct lines *lines;
	(void)state;
	assert_int_equal(lines_create(&lines), 0);
	lines_open(lines, -1, (struct lines_form){false, false}, 0, 1);
	assert_int_equal(lines_read(lines), -EBADF);
	lines_destroy(lines);
	lines_destroy(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_line_ends),        cmocka_unit_test(test_long_lines),
	    cmocka_unit_test(test_long_last_line),   cmocka_unit_test(test_pipe_in_pieces),
	    cmocka_unit_test(test_unreadable),       cmocka_unit_test(test_gzip_and_utf16),
	    cmocka_unit_test(test_damaged_gzip),     cmocka_unit_test(test_gzip_bomb),
	    cmocka_unit_test(test_gzip_pipe),        cmocka_unit_test(test_rows),
	    cmocka_unit_test(test_long_rows),        cmocka_unit_test(test_growing),
	    cmocka_unit_test(test_marked_rows),      cmocka_unit_test(test_growing_coded),
	    cmocka_unit_test(test_growing_long_row),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
