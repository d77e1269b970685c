/* file: reads and writes a small text file whole: a token, a certificate, a key, a position. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/*
 * Reads at most 1 MiB. *out is NUL-terminated; free it with file_wipe(). 0, -EFBIG or another negative errno; with
 * `private`, -EPERM for a file whose mode lets every user of the machine read or write it.
 */
int file_read(const char *path, bool private, char **out);

/*
 * Replaces a file, readable by its owner, as a whole: a crash leaves the old text or the new one. It is written to
 * PATH.new first. 0 or a negative errno.
 */
int file_replace(const char *path, const char *text, size_t length);

/* Overwrites and frees a text, which may be a secret. Takes NULL. */
void file_wipe(char *text);
