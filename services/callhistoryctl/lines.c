/*
 * lines: one buffer for the longest line and one read. Bytes [start, end) have not been returned; the next line does
 * not end before `scanned`.
 */
#include "callhistoryctl/lines.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "callhistoryctl/decode.h"

/* UTF-8's byte order mark. */
static const char mark[] = "\xef\xbb\xbf";

enum { READ_SIZE = 256 * 1024, CAPACITY = LINES_MAX + 2 + READ_SIZE };

/* Where in a row `scanned` is. */
enum quoting {
	AT_CELL,     /* at the beginning of a cell */
	IN_BARE,     /* in a cell without quotes */
	IN_QUOTES,   /* between quotes */
	AFTER_QUOTE, /* after a quote that ends the cell, or is the first of two */
	AFTER_CR,    /* after the CR that follows a quote */
	IN_OBJECT,   /* in a line of JSON */
};

struct lines {
	int fd;
	struct lines_form form;
	struct decode *decode;
	bool eof;
	/* What is wrong with the next line, which then ends at its first line feed; 0: nothing. */
	int fault;
	enum quoting quoting;
	struct lines_place place;
	uint64_t dropped; /* bytes of the next line, which is too long, that are not in `data` any more */
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
	lines_open(lines, -1, (struct lines_form){false, false}, 0, 1);
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

void lines_open(struct lines *lines, int fd, struct lines_form form, uint64_t position, uint64_t number)
{
	decode_reset(lines->decode);
	lines->fd = fd;
	lines->form = form;
	lines->eof = false;
	lines->fault = 0;
	lines->quoting = AT_CELL;
	lines->place = (struct lines_place){.next_number = number, .position = position};
	lines->dropped = 0;
	lines->start = lines->scanned = lines->end = 0;
}

/* ---- Where a line ends ------------------------------------------------------------------------------------------ */

static size_t longest(const struct lines *lines)
{
	return lines->form.rows ? LINES_ROW_MAX : LINES_MAX;
}

/* Length of the byte order mark in front of the next line: only the first line of a file has one. */
static size_t mark_length(const struct lines *lines)
{
	const bool marked = lines->place.next_number == 1 && lines->end - lines->start >= sizeof(mark) - 1 &&
	                    !memcmp(lines->data + lines->start, mark, sizeof(mark) - 1);
	return marked ? sizeof(mark) - 1 : 0;
}

static bool is_separator(char byte)
{
	return byte && strchr(LINES_SEPARATORS, byte);
}

/* What follows a byte of a row that is no line feed; -1: the byte is not allowed. */
static int after(const struct lines *lines, char byte)
{
	switch (lines->quoting) {
	case AT_CELL:
		if (byte == '"')
			return IN_QUOTES;
		if (byte == '{' && lines->scanned == lines->start + mark_length(lines))
			return IN_OBJECT;
		if (lines->place.next_number == 1 && memchr(mark, byte, sizeof(mark) - 1))
			return AT_CELL;
		return is_separator(byte) ? AT_CELL : IN_BARE;
	case IN_BARE:
		return is_separator(byte) ? AT_CELL : IN_BARE;
	case IN_QUOTES:
		return byte == '"' ? AFTER_QUOTE : IN_QUOTES;
	case AFTER_QUOTE:
		if (byte == '"')
			return IN_QUOTES;
		return is_separator(byte) ? AT_CELL : byte == '\r' ? AFTER_CR : -1;
	case IN_OBJECT:
		return IN_OBJECT;
	default:
		return -1;
	}
}

/* Moves `scanned` to the line feed that ends the row. Returns false without one, or with `fault` set. */
static bool scan_row(struct lines *lines)
{
	for (; lines->scanned < lines->end; ++lines->scanned) {
		const char byte = lines->data[lines->scanned];
		if (byte == '\n' && lines->quoting != IN_QUOTES)
			return true;
		int next = after(lines, byte);
		/* One byte more than the longest row, for the CR of a CRLF. */
		if (next < 0 || lines->scanned - lines->start > LINES_ROW_MAX) {
			lines->fault = next < 0 ? -EILSEQ : -E2BIG;
			return false;
		}
		lines->quoting = (enum quoting)next;
	}
	return false;
}

/* Finds the line feed that ends the next line. */
static bool find_end(struct lines *lines, size_t *stop)
{
	if (lines->form.rows && !lines->fault) {
		bool found = scan_row(lines);
		*stop = lines->scanned;
		if (found || !lines->fault)
			return found;
		lines->scanned = lines->start;
	}
	char *from = lines->data + lines->scanned;
	char *newline = memchr(from, '\n', lines->end - lines->scanned);
	*stop = newline ? (size_t)(newline - lines->data) : lines->end;
	lines->scanned = *stop;
	return newline;
}

/* ---- Lines ------------------------------------------------------------------------------------------------------ */

static uint64_t count_line_feeds(const char *text, size_t length)
{
	uint64_t count = 0;
	for (const char *end = text + length; (text = memchr(text, '\n', (size_t)(end - text))); ++text)
		++count;
	return count;
}

/* Takes the line that ends before `stop`; the next one starts at `next`. */
static int take(struct lines *lines, size_t stop, size_t next, const char **line, size_t *length)
{
	const size_t skipped = mark_length(lines);
	char *text = lines->data + lines->start + skipped;
	size_t size = stop - lines->start - skipped;
	int fault = lines->fault;
	lines->fault = 0;
	lines->quoting = AT_CELL;
	lines->place.terminated = next > stop;
	lines->place.position += lines->dropped + next - lines->start;
	lines->dropped = 0;
	lines->start = lines->scanned = next;
	lines->place.number = lines->place.next_number;
	lines->place.next_number += 1 + count_line_feeds(text, size);
	if (size && text[size - 1] == '\r')
		--size;
	if (fault || size > longest(lines))
		return fault ? fault : -E2BIG;
	*line = text;
	*length = size;
	return 1;
}

/* Makes space for one read. */
static void compact(struct lines *lines)
{
	if (CAPACITY - lines->end >= READ_SIZE)
		return;
	memmove(lines->data, lines->data + lines->start, lines->end - lines->start);
	lines->scanned -= lines->start;
	lines->end -= lines->start;
	lines->start = 0;
}

/* Appends decoded text at `end`. Returns 0, also at the file's end, -EAGAIN or another negative errno. */
static int fill(struct lines *lines)
{
	if (lines->form.growing)
		return -EAGAIN;
	compact(lines);
	long taken = decode_take(lines->decode, lines->data + lines->end, CAPACITY - lines->end);
	if (taken < 0)
		return (int)taken;
	lines->end += (size_t)taken;
	lines->eof = decode_ended(lines->decode);
	return taken || lines->eof ? 0 : -EAGAIN;
}

/*
 * Removes what has been read of a line that is too long and has no end yet. The position remains before the line: its
 * rest is no line of its own for who goes on there.
 */
static void drop(struct lines *lines)
{
	lines->dropped += lines->end - lines->start;
	lines->start = lines->scanned = lines->end = 0;
}

int lines_next(struct lines *lines, const char **line, size_t *length)
{
	for (;;) {
		size_t stop;
		if (find_end(lines, &stop))
			return take(lines, stop, stop + 1, line, length);
		/* One byte more than the longest line, for the CR of a CRLF. */
		bool too_long = lines->end - lines->start > longest(lines) + 1;
		if (too_long && !lines->fault)
			lines->fault = -E2BIG;
		if (lines->eof && lines->quoting == IN_QUOTES && !lines->fault) {
			lines->fault = -EILSEQ;
			lines->scanned = lines->start;
			continue;
		}
		if (lines->eof && lines->start == lines->end && !lines->fault)
			return 0;
		if (lines->eof)
			return take(lines, lines->end, lines->end, line, length);
		if (too_long)
			drop(lines);
		int result = fill(lines);
		if (result)
			return result;
	}
}

const struct lines_place *lines_place(const struct lines *lines)
{
	return &lines->place;
}

const char *lines_decoding(const struct lines *lines)
{
	return decode_name(lines->decode);
}

uint64_t lines_ahead(const struct lines *lines)
{
	return decode_name(lines->decode) ? 0 : lines->dropped + lines->end - lines->start + decode_ahead(lines->decode);
}

int64_t lines_read(struct lines *lines)
{
	if (lines->form.growing) {
		compact(lines);
		ssize_t got = read(lines->fd, lines->data + lines->end, READ_SIZE);
		if (got < 0)
			return -errno;
		lines->end += (size_t)got;
		return !lines->place.position && !lines->start && decode_is_coded(lines->data, lines->end) ? -ENOTSUP : got;
	}
	return decode_read(lines->decode, lines->fd);
}
