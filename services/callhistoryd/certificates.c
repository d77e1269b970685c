/* callhistoryd/certificates: a change is a change of a file's identity, size or time. */
#include "certificates.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILES = 3, FILE_MAX = 1 << 20 };

struct certificates {
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

static int read_all(struct certificates *certificates, const char **culprit)
{
	char *texts[FILES] = {NULL};
	int result = 0;
	for (int i = 0; i < FILES && !result; ++i) {
		if (!certificates->paths[i])
			continue;
		*culprit = certificates->paths[i];
		/* The state first: a file that changes meanwhile is read again next time. */
		if (stat(certificates->paths[i], &certificates->seen[i]))
			result = -errno;
		else
			result = read_file(certificates->paths[i], &texts[i]);
	}
	if (!result) {
		pthread_mutex_lock(&certificates->lock);
		for (int i = 0; i < FILES; ++i) {
			char *old = certificates->texts[i];
			certificates->texts[i] = texts[i];
			texts[i] = old;
		}
		++certificates->generation;
		pthread_mutex_unlock(&certificates->lock);
	}
	wipe(texts);
	return result;
}

int certificates_create(struct certificates **out, const char *cert, const char *key, const char *client_ca,
                        const char **culprit)
{
	struct certificates *certificates = calloc(1, sizeof(*certificates));
	if (!certificates)
		return -ENOMEM;
	pthread_mutex_init(&certificates->lock, NULL);
	certificates->paths[0] = cert;
	certificates->paths[1] = key;
	certificates->paths[2] = client_ca;
	int result = read_all(certificates, culprit);
	if (result)
		certificates_destroy(certificates);
	else
		*out = certificates;
	return result;
}

int certificates_refresh(struct certificates *certificates, const char **culprit)
{
	bool changed = false;
	for (int i = 0; i < FILES; ++i) {
		struct stat now;
		const struct stat *seen = &certificates->seen[i];
		if (!certificates->paths[i] || stat(certificates->paths[i], &now))
			continue;
		changed = changed || now.st_ino != seen->st_ino || now.st_dev != seen->st_dev || now.st_size != seen->st_size ||
		          now.st_mtim.tv_sec != seen->st_mtim.tv_sec || now.st_mtim.tv_nsec != seen->st_mtim.tv_nsec;
	}
	if (!changed)
		return 0;
	int result = read_all(certificates, culprit);
	return result ? result : 1;
}

int certificates_use(struct certificates *certificates, unsigned int *generation,
                     int (*use)(void *data, const struct certificate_texts *texts), void *data)
{
	int result = 0;
	pthread_mutex_lock(&certificates->lock);
	if (*generation != certificates->generation) {
		struct certificate_texts texts = {certificates->texts[0], certificates->texts[1], certificates->texts[2]};
		*generation = certificates->generation;
		result = use(data, &texts);
	}
	pthread_mutex_unlock(&certificates->lock);
	return result;
}

void certificates_destroy(struct certificates *certificates)
{
	if (!certificates)
		return;
	wipe(certificates->texts);
	pthread_mutex_destroy(&certificates->lock);
	free(certificates);
}
