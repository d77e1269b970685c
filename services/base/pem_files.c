/* pem_files: a change is a change of a file's identity, size or state (ctime, which no tool can set back). */
#include "base/pem_files.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"

struct pem_files {
	const char *paths[PEM_FILES_MAX];
	size_t count;
	pem_files_check *check;
	struct stat seen[PEM_FILES_MAX];
	bool changed; /* since the texts were read */
	_Atomic unsigned generation;
	pthread_mutex_t lock; /* guards the texts */
	char *texts[PEM_FILES_MAX];
};

bool pem_files_encrypted(const char *text)
{
	/* PKCS #8 and the traditional form (RFC 1421). */
	return text && (strstr(text, "BEGIN ENCRYPTED PRIVATE KEY") || strstr(text, "Proc-Type: 4,ENCRYPTED"));
}

/* Stores the state of the files. Returns true if one has changed or stat() fails. */
static bool look(struct pem_files *files)
{
	bool different = false;
	for (size_t i = 0; i < files->count; i++) {
		struct stat *seen = &files->seen[i], now = *seen;
		if (!files->paths[i])
			continue;
		if (stat(files->paths[i], &now) || now.st_dev != seen->st_dev || now.st_ino != seen->st_ino ||
		    now.st_size != seen->st_size || now.st_ctim.tv_sec != seen->st_ctim.tv_sec ||
		    now.st_ctim.tv_nsec != seen->st_ctim.tv_nsec)
			different = true;
		*seen = now;
	}
	return different;
}

static int read_all(struct pem_files *files, const char **culprit)
{
	char *texts[PEM_FILES_MAX] = {NULL};
	int result = 0;
	for (size_t i = 0; i < files->count && !result; i++) {
		if (!files->paths[i])
			continue;
		*culprit = files->paths[i];
		result = file_read(files->paths[i], false, &texts[i]);
		if (!result && !*texts[i])
			result = -ENODATA;
		else if (!result && pem_files_encrypted(texts[i]))
			result = -ENOKEY;
	}
	if (!result && files->check) {
		*culprit = files->paths[0];
		result = files->check((const char *const *)texts);
	}
	if (!result) {
		pthread_mutex_lock(&files->lock);
		for (size_t i = 0; i < files->count; i++) {
			char *old = files->texts[i];
			files->texts[i] = texts[i];
			texts[i] = old;
		}
		atomic_fetch_add(&files->generation, 1);
		pthread_mutex_unlock(&files->lock);
	}
	for (size_t i = 0; i < files->count; i++)
		file_wipe(texts[i]);
	return result;
}

int pem_files_create(struct pem_files **out, const char *const *paths, size_t count, pem_files_check *check,
                     const char **culprit)
{
	struct pem_files *files = calloc(1, sizeof(*files));
	*culprit = paths[0];
	if (!files)
		return -ENOMEM;
	pthread_mutex_init(&files->lock, NULL);
	files->count = count < PEM_FILES_MAX ? count : PEM_FILES_MAX;
	files->check = check;
	memcpy(files->paths, paths, files->count * sizeof(*paths));
	look(files);
	int result = read_all(files, culprit);
	if (result)
		pem_files_destroy(files);
	else
		*out = files;
	return result;
}

int pem_files_refresh(struct pem_files *files, const char **culprit)
{
	if (look(files)) {
		files->changed = true;
		return 0;
	}
	if (!files->changed)
		return 0;
	files->changed = false;
	int result = read_all(files, culprit);
	return result ? result : 1;
}

int pem_files_use(struct pem_files *files, unsigned *generation, int (*use)(void *data, const char *const *texts),
                  void *data)
{
	if (!files || atomic_load(&files->generation) == *generation)
		return 0;
	pthread_mutex_lock(&files->lock);
	*generation = atomic_load(&files->generation);
	int result = use(data, (const char *const *)files->texts);
	pthread_mutex_unlock(&files->lock);
	return result;
}

void pem_files_destroy(struct pem_files *files)
{
	if (!files)
		return;
	for (size_t i = 0; i < files->count; i++)
		file_wipe(files->texts[i]);
	pthread_mutex_destroy(&files->lock);
	free(files);
}
