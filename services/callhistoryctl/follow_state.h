/*
 * follow_state: how far files have been read, in a small text file. A line per file: device and inode, length and hash
 * of its beginning, time of the last change, the position and line number where reading goes on, and the path.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { FOLLOW_FILES_MAX = 16, FOLLOW_HEAD_MAX = 1024 };

/* Where a file has been read up to. The beginning of the file distinguishes it from a later one with the same inode. */
struct follow_position {
	bool known; /* the file has been read at all */
	uint64_t device, inode;
	uint64_t head_length, head_hash;
	int64_t changed_ns; /* st_mtim, when it was read last */
	uint64_t position, number;
};

/*
 * Reads the positions of these paths; of others, they are left alone. 0, also without a state file, -EINVAL for a file
 * of another format, or another negative errno.
 */
int follow_state_read(const char *file, char *const *paths, struct follow_position *positions, size_t count);

/* Replaces the file as a whole, so that a crash leaves the old state or the new one. 0 or a negative errno. */
int follow_state_write(const char *file, char *const *paths, const struct follow_position *positions, size_t count);
