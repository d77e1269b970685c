/* callhistoryd/accept: the limit is lifted for the moment of one accept. */
#include "accept.h"

#include <errno.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/descriptors.h"

/* One for each thread that may need one at the same moment. */
enum { RESERVE = 64 };

void accept_prepare(void)
{
	descriptors_allow(RESERVE);
}

static int take(int listener, struct sockaddr *address, socklen_t *length, int flags)
{
	return (int)syscall(SYS_accept4, listener, address, length, flags);
}

/* Whether a connection was taken and closed. */
static bool refuse(int listener)
{
	descriptors_allow(0);
	int fd = take(listener, NULL, NULL, SOCK_CLOEXEC);
	if (fd >= 0)
		close(fd);
	descriptors_allow(RESERVE);
	return fd >= 0;
}

int accept4(int listener, struct sockaddr *address, socklen_t *length, int flags)
{
	for (;;) {
		int fd = take(listener, address, length, flags);
		if (fd >= 0 || (errno != EMFILE && errno != ENFILE))
			return fd;
		if (!refuse(listener)) {
			errno = EAGAIN;
			return -1;
		}
	}
}
