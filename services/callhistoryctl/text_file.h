/*
 * text_file: reads a small file whole: a token, a certificate.
 */
#ifndef CALLHISTORY_CTL_TEXT_FILE_H
#define CALLHISTORY_CTL_TEXT_FILE_H

/* Reads at most 1 MiB. *out is NUL-terminated and freed by the caller. 0, -errno, or -EFBIG. */
int text_file_read(const char *path, char **out);

/* The same for a secret: -EPERM for a file whose mode lets every user of the machine read or write it. */
int text_file_read_secret(const char *path, char **out);

#endif
