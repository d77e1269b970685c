/* Fuzzes an import's lines: gzip data, UTF-16 and plain text come to an end, in the same memory, with lines of bounded length. */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "callhistoryctl/lines.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct lines *lines;
	const char *line;
	size_t length;
	uint64_t number = 0;
	int result;
	if (!lines && lines_create(&lines))
		return 0;
	int fd = memfd_create("lines", MFD_CLOEXEC);
	if (fd < 0 || write(fd, data, size) != (ssize_t)size || lseek(fd, 0, SEEK_SET))
		abort();
	lines_open(lines, fd, (struct lines_form){false, false}, 0, 1);
	while ((result = lines_next(lines, &line, &length)) == 1 || result == -E2BIG || result == -EAGAIN) {
		if (result == -EAGAIN && lines_read(lines) < 0)
			abort();
		if (result == 1 && (length > LINES_MAX || lines_place(lines)->number != ++number))
			abort();
		number += result == -E2BIG;
	}
	if (result && result != -EBADMSG)
		abort();
	close(fd);
	return 0;
}
