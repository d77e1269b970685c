/*
 * log: one line per event on standard error; JSON when it is not a terminal.
 * Only programs log; libraries return errors. A log object is made in main() and passed down; log_write() may be called
 * from any thread. After log_start() it never waits for the reader of standard error: lines that do not fit its buffer
 * are dropped and counted. Callers never pass secrets, and mask phone numbers with log_mask_number().
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct log_writer;

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

struct log {
	enum log_level level; /* lines below it are dropped */
	bool json;
	const char *program;
	struct log_writer *writer; /* NULL before log_start(): lines are written at once */
};

/* Sets up a log: JSON unless standard error is a terminal. `level` is one of debug, info, warn, error. -EINVAL else. */
int log_init(struct log *log, const char *program, const char *level);

/*
 * Starts the thread that writes lines from now on. From then on repeated lines are written once in ten seconds, with
 * their number ("repeated") at the interval's end: warnings and errors with the same message and first value, others
 * that are equal throughout. 0 or a negative errno: lines are then written as before.
 */
int log_start(struct log *log);

/* Writes what is left, for a second at most. Lines are then written at once again. No other thread may use the log. */
void log_stop(struct log *log);

/* Number of lines dropped because standard error was not read. From any thread. */
uint64_t log_dropped(const struct log *log);

/* Whether lines of this level are written: for callers that would build an expensive line. */
bool log_enabled(const struct log *log, enum log_level level);

/*
 * Writes one line: `message` (static text), then pairs of key and string value up to a NULL key. A pair with a NULL
 * value is left out. In JSON: {"time":"2026-11-22T09:24:27.123Z","level":"info","program":..,"message":..,<pairs>}.
 * Values are escaped; a line is cut at 4 KiB.
 */
void log_write(const struct log *log, enum log_level level, const char *message, ...) __attribute__((sentinel));

/*
 * Writes `number` with all but the last three digits as '*' to `out` (a short one wholly), cut to `size`. Returns out.
 */
char *log_mask_number(char *out, size_t size, const char *number);
