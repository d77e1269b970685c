/* text_file: the buffer grows as the file is read, since the size of a pipe is not known. */
#include "callhistoryctl/text_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buffer.h"

enum { FILE_MAX = 1 << 20, CHUNK = 4096 };

static int check_private(int fd)
{
	struct stat status;
	if (fstat(fd, &status))
		return -errno;
	return S_ISREG(status.st_mode) && status.st_mode & (S_IROTH | S_IWOTH) ? -EPERM : 0;
}

static int read_whole(const char *path, bool secret, char **out)
{
	struct buffer text = {0};
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	int result = secret ? check_private(fd) : 0;
	while (!result) {
		result = buffer_reserve(&text, CHUNK + 1);
		if (result)
			break;
		ssize_t got = read(fd, text.data + text.length, CHUNK);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0) {
			result = -errno;
			break;
		}
		if (!got) {
			text.data[text.length] = '\0';
			*out = text.data;
			text.data = NULL;
			break;
		}
		text.length += (size_t)got;
		if (text.length > FILE_MAX)
			result = -EFBIG;
	}
	close(fd);
	if (secret && text.data)
		explicit_bzero(text.data, text.length);
	buffer_free(&text);
	return result;
}

int text_file_read(const char *path, char **out)
{
	return read_whole(path, false, out);
}

int text_file_read_secret(const char *path, char **out)
{
	return read_whole(path, true, out);
}
