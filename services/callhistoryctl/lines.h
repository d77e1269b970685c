/*
 * lines: the lines of a file or a pipe, or the rows of a CSV file, in constant memory; gzip data and UTF-16 are decoded
 * (decode.h). A line may be LINES_MAX bytes long, a row LINES_ROW_MAX. Owns its buffer, not the descriptor. The caller
 * says when to read, so that it can do other work while a pipe has no data.
 *
 * A row (RFC 4180) is not a line: line feeds inside quotes belong to it. One of LINES_SEPARATORS separates its cells.
 * A row that is too long, or has a quote in the wrong position, ends at its first line feed, quotes or not: so that
 * damage to one row, such as half of a row that was written before a crash, does not swallow the rows after it. A row
 * that begins with `{` is a line: an object of JSON.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { LINES_MAX = 1 << 20, LINES_ROW_MAX = 64 * 1024 };

#define LINES_SEPARATORS ",;\t|"

/* What is read. */
struct lines_form {
	bool rows;
	/*
	 * The file grows: nothing is decoded, there is no end, and what lacks its line feed is incomplete. Positions are
	 * those of the file.
	 */
	bool growing;
};

struct lines;

/* 0 or -ENOMEM. */
int lines_create(struct lines **out);
void lines_destroy(struct lines *lines);

/* Begins with another file, or the same again: the descriptor is at `position`, where line `number` begins. */
void lines_open(struct lines *lines, int fd, struct lines_form form, uint64_t position, uint64_t number);

/*
 * Returns the next line, without its line end (LF or CRLF) and, at the file's start, without a byte order mark. Valid
 * until the next call. 1: a line or row; 0: the file's end; -EAGAIN: lines_read() must be called first; -E2BIG: a line
 * that was too long; -EILSEQ: a row with a quote in the wrong position or without a second one; -EBADMSG: the gzip
 * data is damaged or cut off; -ENOMEM.
 */
int lines_next(struct lines *lines, const char **line, size_t *length);

/* Where lines_next() is. */
struct lines_place {
	uint64_t number;      /* of the line that was returned last, from 1; of a row: where it begins */
	bool terminated;      /* that line has a line feed at its end: without, it may have been cut off */
	uint64_t next_number; /* of the line that the next one begins at */
	uint64_t position;    /* where in a growing file the next one begins */
};
const struct lines_place *lines_place(const struct lines *lines);

/* How the file is decoded, for a message; NULL: not at all, or not known before the first line. */
const char *lines_decoding(const struct lines *lines);

/* Bytes that have been read and not been returned yet; 0 for a decoded file, whose sizes differ. */
uint64_t lines_ahead(const struct lines *lines);

/*
 * Calls read() once. Returns the number of bytes, 0 at the end, or -errno; -EINTR after a signal; -ENOTSUP: a growing
 * file is gzip data or UTF-16, which would have to be decoded.
 */
int64_t lines_read(struct lines *lines);
