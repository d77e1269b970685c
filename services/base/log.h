/*
 * log: one line per event on standard error; JSON when it is not a terminal.
 *
 * Only programs log; libraries return errors. A log object is made in main()
 * and passed down; log_write() may be called from any thread (one write(2)
 * per line). Callers never pass secrets, and mask phone numbers with
 * log_mask_number().
 */
#ifndef CALLHISTORY_BASE_LOG_H
#define CALLHISTORY_BASE_LOG_H

#include <stdbool.h>
#include <stddef.h>

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

struct log {
	enum log_level level; /* lines below it are dropped */
	bool json;
	const char *program;
};

/* Sets up a log: JSON unless standard error is a terminal. `level` is one of debug, info, warn, error. -EINVAL else. */
int log_init(struct log *log, const char *program, const char *level);

/* Whether lines of this level are written: for callers that would build an expensive line. */
bool log_enabled(const struct log *log, enum log_level level);

/*
 * Writes one line: `message`, then pairs of key and string value up to a NULL key. A pair with a NULL value is left out.
 * In JSON: {"time":"2026-11-22T09:24:27.123Z","level":"info","program":..,"message":..,<pairs>}.
 * Values are escaped; a line is cut at 4 KiB.
 */
void log_write(const struct log *log, enum log_level level, const char *message, ...) __attribute__((sentinel));

/* Writes `number` with all but the last three digits as '*' to `out` (a short one wholly), cut to `size`. Returns out. */
char *log_mask_number(char *out, size_t size, const char *number);

#endif
