/* enoent: the first connect() to a TCP address fails as gRPC 1.51 sees it where another call has changed errno since. */
#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

int connect(int fd, const struct sockaddr *address, socklen_t length)
{
	static atomic_bool failed;
	if (address->sa_family != AF_UNIX && !atomic_exchange(&failed, true)) {
		errno = ENOENT;
		return -1;
	}
	return (int)syscall(SYS_connect, fd, address, length);
}
