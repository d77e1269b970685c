/* callhistoryd/tls_files: a change is a change of a file's identity, size or state. */
#include "tls_files.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILES = 3, FILE_MAX = 1 << 20 };

struct tls_files {
	const char *paths[FILES]; /* cert, key, client CA; NULL: none */
	struct stat seen[FILES];
	pthread_mutex_t lock; /* guards what follows */
	char *texts[FILES];
	unsigned int generation;
};

static int read_file(const char *path, char **out)
{
	int result = 0;
	char *text = NULL;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat status;
	if (fd < 0 || fstat(fd, &status))
		result = -errno;
	else if (!S_ISREG(status.st_mode) || status.st_size > FILE_MAX)
		result = -EINVAL;
	if (!result && !(text = calloc(1, (size_t)status.st_size + 1)))
		result = -ENOMEM;
	for (off_t length = 0; !result && length < status.st_size;) {
		ssize_t got = read(fd, text + length, (size_t)(status.st_size - length));
		if (got <= 0)
			result = got ? -errno : -EIO;
		length += got;
	}
	if (fd >= 0)
		close(fd);
	if (result)
		free(text);
	else
		*out = text;
	return result;
}

static void wipe(char *texts[FILES])
{
	for (int i = 0; i < FILES; ++i) {
		if (texts[i])
			explicit_bzero(texts[i], strlen(texts[i]));
		free(texts[i]);
		texts[i] = NULL;
	}
}

static int read_all(struct tls_files *files, const char **culprit)
{
	char *texts[FILES] = {NULL};
	struct stat seen[FILES] = {{0}};
	int result = 0;
	for (int i = 0; i < FILES && !result; ++i) {
		if (!files->paths[i])
			continue;
		*culprit = files->paths[i];
		/* The state first: a file that changes meanwhile is read again next time. */
		if (stat(files->paths[i], &seen[i]))
			result = -errno;
		else
			result = read_file(files->paths[i], &texts[i]);
	}
	if (!result) {
		memcpy(files->seen, seen, sizeof(seen));
		pthread_mutex_lock(&files->lock);
		for (int i = 0; i < FILES; ++i) {
			char *old = files->texts[i];
			files->texts[i] = texts[i];
			texts[i] = old;
		}
		++files->generation;
		pthread_mutex_unlock(&files->lock);
	}
	wipe(texts);
	return result;
}

int tls_files_create(struct tls_files **out, const char *cert, const char *key, const char *client_ca,
                     const char **culprit)
{
	struct tls_files *files = calloc(1, sizeof(*files));
	if (!files)
		return -ENOMEM;
	pthread_mutex_init(&files->lock, NULL);
	files->paths[0] = cert;
	files->paths[1] = key;
	files->paths[2] = client_ca;
	int result = read_all(files, culprit);
	if (result)
		tls_files_destroy(files);
	else
		*out = files;
	return result;
}

int tls_files_refresh(struct tls_files *files, const char **culprit)
{
	bool changed = false;
	for (int i = 0; i < FILES; ++i) {
		struct stat now;
		const struct stat *seen = &files->seen[i];
		if (!files->paths[i] || stat(files->paths[i], &now))
			continue;
		changed = changed || now.st_ino != seen->st_ino || now.st_dev != seen->st_dev || now.st_size != seen->st_size ||
		          now.st_ctim.tv_sec != seen->st_ctim.tv_sec || now.st_ctim.tv_nsec != seen->st_ctim.tv_nsec;
	}
	if (!changed)
		return 0;
	int result = read_all(files, culprit);
	return result ? result : 1;
}

int tls_files_use(struct tls_files *files, unsigned int *generation,
                  int (*use)(void *data, const struct tls_texts *texts), void *data)
{
	int result = 0;
	pthread_mutex_lock(&files->lock);
	if (*generation != files->generation) {
		struct tls_texts texts = {files->texts[0], files->texts[1], files->texts[2]};
		*generation = files->generation;
		result = use(data, &texts);
	}
	pthread_mutex_unlock(&files->lock);
	return result;
}

void tls_files_destroy(struct tls_files *files)
{
	if (!files)
		return;
	wipe(files->texts);
	pthread_mutex_destroy(&files->lock);
	free(files);
}
