/*
 * lines: the lines of a file or a pipe, in constant memory; gzip data and UTF-16 are decoded (decode.h). A line may be
 * LINES_MAX bytes long; a longer one is skipped as a whole. Owns its buffer, not the descriptor. The caller says when
 * to read, so that it can do other work while a pipe has no data.
 */
#ifndef CALLHISTORY_CTL_LINES_H
#define CALLHISTORY_CTL_LINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { LINES_MAX = 1 << 20 };

struct lines;

/* 0 or -ENOMEM. */
int lines_create(struct lines **out);
void lines_destroy(struct lines *lines);

/* Begins with another file, at line 1. */
void lines_open(struct lines *lines, int fd);

/*
 * Gives the next line, without its line end (LF or CRLF) and, at the file's start, without a byte order mark. Valid
 * until the next call. 1: a line; 0: the file's end; -EAGAIN: lines_read() must be called first; -E2BIG: a line that
 * was too long; -EBADMSG: the gzip data is damaged or cut off; -ENOMEM.
 */
int lines_next(struct lines *lines, const char **line, size_t *length);

/* Number of the line that lines_next() gave last, from 1. */
uint64_t lines_number(const struct lines *lines);

/* How the file is decoded, for a message; NULL: not at all, or not known before the first line. */
const char *lines_decoding(const struct lines *lines);

/* Bytes that have been read and not been given yet; of a decoded file, where that means nothing, 0. */
size_t lines_ahead(const struct lines *lines);

/* Reads once. How many bytes came, 0 at the end, or -errno; -EINTR where a signal came first. */
int64_t lines_read(struct lines *lines);

#endif
