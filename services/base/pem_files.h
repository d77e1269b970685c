/*
 * pem_files: the PEM files of one TLS side (certificate, key, CA), read again when they change. The main thread
 * refreshes once a second; each worker then uses the new texts.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum { PEM_FILES_MAX = 3 };

struct pem_files;

/* Says of -ENOKEY what is wrong and what to do. */
#define PEM_FILES_ENCRYPTED "the private key is encrypted; use one without a passphrase"

/* Whether a text has an encrypted private key. A library would ask for its passphrase on the terminal. Takes NULL. */
bool pem_files_encrypted(const char *text);

/* Whether texts can be used: 0 or a negative errno. From the thread that creates and refreshes. */
typedef int pem_files_check(const char *const *texts);

/*
 * Reads `count` files; a NULL path is no file and gives a NULL text. Paths outlive the object. Texts that `check`
 * (NULL: none) refuses are never used. Returns 0, or a negative errno and the path at fault in *culprit: -ENOKEY for a
 * private key that is encrypted.
 */
int pem_files_create(struct pem_files **out, const char *const *paths, size_t count, pem_files_check *check,
                     const char **culprit);

/*
 * Checks whether a file has changed. All are read again once a check that found a change is followed by one that finds
 * none, so that a certificate and its key are both replaced by then. Returns 1 when there are new texts, 0, or a
 * negative errno with the path at fault in *culprit: the old texts stay.
 */
int pem_files_refresh(struct pem_files *files, const char **culprit);

/*
 * Calls `use` with the newest texts if they are newer than *generation (begin with 0), which is then updated. The texts
 * are valid during the call. Returns what `use` returns; 0 when nothing is new. From any thread. Takes NULL files.
 */
int pem_files_use(struct pem_files *files, unsigned *generation, int (*use)(void *data, const char *const *texts),
                  void *data);

/* Takes NULL. */
void pem_files_destroy(struct pem_files *files);
