/*
 * progress: one line on a terminal that shows how far a command is. On
 * anything but a terminal all of this does nothing.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct progress {
	bool on;
	bool shown; /* the line is on the terminal */
	int64_t start_us, next_us;
};

/* Sets it up, on if standard error is a terminal. */
void progress_init(struct progress *progress);

/* Whether the line should be written again now: at most ten times a second. */
bool progress_due(struct progress *progress, int64_t now_us);

/*
 * Writes the line: a bar, where there is space for one, and per cent, unless `part` (0 to 1) is negative; then `text`.
 */
void progress_show(struct progress *progress, double part, const char *text);

/* Writes the line, if it is due, of `done` out of `total` (0: not known, then nothing is written), and a text. */
void progress_update(struct progress *progress, uint64_t done, uint64_t total, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Removes the line, before other text is written, and at the end. */
void progress_clear(struct progress *progress);
