/* file: one block of the largest size, so that no copy of a secret stays behind in memory. */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILE_MAX = 1 << 20 };

static int check_private(int fd)
{
	struct stat status;
	if (fstat(fd, &status))
		return -errno;
	return S_ISREG(status.st_mode) && status.st_mode & (S_IROTH | S_IWOTH) ? -EPERM : 0;
}

/* Reads to the end. Returns the number of bytes, at most FILE_MAX, or a negative errno. */
static ssize_t read_all(int fd, char *text)
{
	ssize_t length = 0, got;
	while ((got = read(fd, text + length, (size_t)(FILE_MAX + 1 - length)))) {
		if (got < 0 && errno != EINTR)
			return -errno;
		length += got > 0 ? got : 0;
		if (length > FILE_MAX)
			return -EFBIG;
	}
	return length;
}

int file_read(const char *path, bool private, char **out)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	/* One byte more than is taken, which shows that a file is too large, and the NUL. */
	char *text = calloc(1, FILE_MAX + 2);
	ssize_t result = text ? 0 : -ENOMEM;
	if (!result && private)
		result = check_private(fd);
	if (!result)
		result = read_all(fd, text);
	close(fd);
	if (result < 0)
		file_wipe(text);
	else
		*out = text;
	return result < 0 ? (int)result : 0;
}

void file_wipe(char *text)
{
	if (text)
		explicit_bzero(text, strlen(text));
	free(text);
}

static int write_all(int fd, const char *text, size_t length)
{
	while (length) {
		ssize_t written = write(fd, text, length);
		if (written < 0 && errno != EINTR)
			return -errno;
		text += written > 0 ? written : 0;
		length -= written > 0 ? (size_t)written : 0;
	}
	return fsync(fd) ? -errno : 0;
}

/* Makes a rename in the directory of this file last. */
static int sync_directory(const char *path)
{
	const char *slash = strrchr(path, '/');
	char *name = slash ? strndup(path, slash == path ? 1 : (size_t)(slash - path)) : strdup(".");
	int fd = name ? open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	int result = fd < 0 || fsync(fd) ? -errno : 0;
	if (fd >= 0)
		close(fd);
	free(name);
	return result;
}

int file_replace(const char *path, const char *text, size_t length)
{
	char other[PATH_MAX];
	if ((size_t)snprintf(other, sizeof(other), "%s.new", path) >= sizeof(other))
		return -ENAMETOOLONG;
	int fd = open(other, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	int result = write_all(fd, text, length);
	close(fd);
	if (!result && rename(other, path))
		result = -errno;
	return result ? result : sync_directory(path);
}
