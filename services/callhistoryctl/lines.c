/*
 * lines: one buffer that holds a whole line and a good read besides. Bytes
 * [start, end) are not given out yet; those before `scanned` hold no newline.
 */
#include "callhistoryctl/lines.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { READ_SIZE = 256 * 1024, CAPACITY = LINES_MAX + 2 + READ_SIZE };

struct lines {
	int fd;
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
	lines_open(lines, -1);
	*out = lines;
	return 0;
}

void lines_destroy(struct lines *lines)
{
	free(lines);
}

void lines_open(struct lines *lines, int fd)
{
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

int lines_next(struct lines *lines, const char **line, size_t *length)
{
	char *from = lines->data + lines->scanned;
	char *newline = memchr(from, '\n', lines->end - lines->scanned);
	if (newline) {
		size_t stop = (size_t)(newline - lines->data);
		return take(lines, stop, stop + 1, line, length);
	}
	lines->scanned = lines->end;
	if (lines->eof)
		return lines->start == lines->end && !lines->passing ? 0 : take(lines, lines->end, lines->end, line, length);
	/* One byte more than the longest line, for the CR of a CRLF. */
	if (lines->end - lines->start > LINES_MAX + 1)
		lines->passing = true;
	if (lines->passing)
		lines->start = lines->scanned = lines->end = 0;
	return -EAGAIN;
}

uint64_t lines_number(const struct lines *lines)
{
	return lines->number;
}

size_t lines_ahead(const struct lines *lines)
{
	return lines->end - lines->start;
}

int64_t lines_read(struct lines *lines)
{
	if (CAPACITY - lines->end < READ_SIZE) {
		memmove(lines->data, lines->data + lines->start, lines->end - lines->start);
		lines->scanned -= lines->start;
		lines->end -= lines->start;
		lines->start = 0;
	}
	ssize_t got = read(lines->fd, lines->data + lines->end, CAPACITY - lines->end);
	if (got < 0)
		return -errno;
	lines->eof = !got;
	lines->end += (size_t)got;
	return got;
}
