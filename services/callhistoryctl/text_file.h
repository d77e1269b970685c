/*
 * text_file: reads a small file whole: a token, a certificate.
 */
#ifndef CALLHISTORY_CTL_TEXT_FILE_H
#define CALLHISTORY_CTL_TEXT_FILE_H

/* Reads at most 1 MiB. *out is NUL-terminated and freed by the caller. 0, -errno, or -EFBIG. */
int text_file_read(const char *path, char **out);

#endif
