/* text_file: one allocation of the cap's size would do harm to nobody, but most files are a few bytes. */
#include "callhistoryctl/text_file.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/buffer.h"

enum { FILE_MAX = 1 << 20, CHUNK = 4096 };

int text_file_read(const char *path, char **out)
{
	struct buffer text = {0};
	int result;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	for (;;) {
		result = buffer_reserve(&text, CHUNK + 1);
		if (result)
			goto out;
		ssize_t got = read(fd, text.data + text.length, CHUNK);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0) {
			result = -errno;
			goto out;
		}
		if (!got)
			break;
		text.length += (size_t)got;
		if (text.length > FILE_MAX) {
			result = -EFBIG;
			goto out;
		}
	}
	text.data[text.length] = '\0';
	*out = text.data;
	text.data = NULL;
out:
	close(fd);
	buffer_free(&text);
	return result;
}
