/*
 * progress: one line on a terminal that tells how far an import is. On
 * anything but a terminal all of this does nothing.
 */
#ifndef CALLHISTORY_CTL_PROGRESS_H
#define CALLHISTORY_CTL_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct progress {
	bool on;
	bool shown; /* the line stands on the terminal */
	int64_t start_us, next_us;
	uint64_t total_bytes; /* 0: not known */
	uint64_t bytes, lines;
};

/* Sets it up, on if standard error is a terminal. */
void progress_init(struct progress *progress, uint64_t total_bytes, int64_t now_us);

/* Shows where things are, at most ten times a second. */
void progress_update(struct progress *progress, int64_t now_us);

/* Takes the line away, before other text is written, and at the end. */
void progress_clear(struct progress *progress);

#endif
