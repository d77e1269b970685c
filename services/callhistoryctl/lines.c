/*
 * lines: one buffer for the longest line and one read. Bytes [start, end) have not been returned; there is no newline
 * before `scanned`.
 */
#include "callhistoryctl/lines.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "callhistoryctl/decode.h"

enum { READ_SIZE = 256 * 1024, CAPACITY = LINES_MAX + 2 + READ_SIZE };

struct lines {
	int fd;
	struct decode *decode;
	bool eof;
	bool passing; /* inside a line that is too long */
	uint64_t number;
	size_t start, scanned, end;
	char data[CAPACITY];
};

int lines_create(struct lines **out)
{
	struct lines *lines = malloc(sizeof(*lines));
	if (!lines)
		return -ENOMEM;
	int result = decode_create(&lines->decode);
	if (result) {
		free(lines);
		return result;
	}
	lines_open(lines, -1);
	*out = lines;
	return 0;
}

void lines_destroy(struct lines *lines)
{
	if (!lines)
		return;
	decode_destroy(lines->decode);
	free(lines);
}

void lines_open(struct lines *lines, int fd)
{
	decode_reset(lines->decode);
	lines->fd = fd;
	lines->eof = lines->passing = false;
	lines->number = 0;
	lines->start = lines->scanned = lines->end = 0;
}

/* Takes the line that ends before `stop`; the next one starts at `next`. */
static int take(struct lines *lines, size_t stop, size_t next, const char **line, size_t *length)
{
	char *text = lines->data + lines->start;
	size_t size = stop - lines->start;
	bool too_long = lines->passing;
	lines->passing = false;
	lines->start = lines->scanned = next;
	++lines->number;
	if (size && text[size - 1] == '\r')
		--size;
	if (lines->number == 1 && size >= 3 && !memcmp(text, "\xef\xbb\xbf", 3)) {
		text += 3;
		size -= 3;
	}
	if (too_long || size > LINES_MAX)
		return -E2BIG;
	*line = text;
	*length = size;
	return 1;
}

/* Appends decoded text at `end`. Returns 0, also at the file's end, -EAGAIN or another negative errno. */
static int fill(struct lines *lines)
{
	if (CAPACITY - lines->end < READ_SIZE) {
		memmove(lines->data, lines->data + lines->start, lines->end - lines->start);
		lines->scanned -= lines->start;
		lines->end -= lines->start;
		lines->start = 0;
	}
	long taken = decode_take(lines->decode, lines->data + lines->end, CAPACITY - lines->end);
	if (taken < 0)
		return (int)taken;
	lines->end += (size_t)taken;
	lines->eof = decode_ended(lines->decode);
	return taken || lines->eof ? 0 : -EAGAIN;
}

int lines_next(struct lines *lines, const char **line, size_t *length)
{
	for (;;) {
		char *from = lines->data + lines->scanned;
		char *newline = memchr(from, '\n', lines->end - lines->scanned);
		if (newline) {
			size_t stop = (size_t)(newline - lines->data);
			return take(lines, stop, stop + 1, line, length);
		}
		lines->scanned = lines->end;
		/* One byte more than the longest line, for the CR of a CRLF. */
		if (lines->end - lines->start > LINES_MAX + 1)
			lines->passing = true;
		if (lines->eof && lines->start == lines->end && !lines->passing)
			return 0;
		if (lines->eof)
			return take(lines, lines->end, lines->end, line, length);
		if (lines->passing)
			lines->start = lines->scanned = lines->end = 0;
		int result = fill(lines);
		if (result)
			return result;
	}
}

uint64_t lines_number(const struct lines *lines)
{
	return lines->number;
}

const char *lines_decoding(const struct lines *lines)
{
	return decode_name(lines->decode);
}

size_t lines_ahead(const struct lines *lines)
{
	return decode_name(lines->decode) ? 0 : lines->end - lines->start + decode_ahead(lines->decode);
}

int64_t lines_read(struct lines *lines)
{
	return decode_read(lines->decode, lines->fd);
}
