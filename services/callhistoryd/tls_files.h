/*
 * callhistoryd/tls_files: TLS texts from files, read again when the files
 * change. The main thread watches, each worker takes what is new for itself.
 */
#ifndef CALLHISTORY_CALLHISTORYD_TLS_FILES_H
#define CALLHISTORY_CALLHISTORYD_TLS_FILES_H

#include <stdbool.h>
#include <stddef.h>

struct tls_files;

/* The texts of one moment. client_ca may be NULL. */
struct tls_texts {
	const char *cert, *key, *client_ca;
};

/*
 * Reads the files (client_ca may be NULL); paths must outlive the object. On failure a negative errno and the path at fault
 * in *culprit.
 */
int tls_files_create(struct tls_files **out, const char *cert, const char *key, const char *client_ca,
                     const char **culprit);

/* Looks whether a file has changed and reads all anew if so. Returns 1 when there are new texts, 0, or a negative errno. */
int tls_files_refresh(struct tls_files *files, const char **culprit);

/*
 * Calls `use` with the newest texts if they are newer than *generation (begin with 0), which is moved on. From any thread; the
 * texts are valid during the call only. Returns what `use` returns; 0 when there is nothing new.
 */
int tls_files_use(struct tls_files *files, unsigned int *generation,
                  int (*use)(void *data, const struct tls_texts *texts), void *data);

/* Takes NULL. */
void tls_files_destroy(struct tls_files *files);

#endif
