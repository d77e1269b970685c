/*
 * redis_server: a real Redis for a test, on a unix socket in a fresh folder,
 * with the project's own redis.conf. The functions are inline, so that a test
 * stays one file.
 */
#ifndef CALLHISTORY_TESTS_REDIS_SERVER_H
#define CALLHISTORY_TESTS_REDIS_SERVER_H

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "redis/redis.h"

enum { REDIS_SERVER_ARGUMENTS = 16, REDIS_SERVER_WAIT_MS = 20000 };

struct redis_server {
	pid_t pid; /* 0: not running */
	char folder[64];
	char socket[96];
	char url[128];
	const char *extra[REDIS_SERVER_ARGUMENTS]; /* further arguments, up to a NULL */
};

static inline void redis_server_exec(const struct redis_server *server)
{
	const char *program = getenv("REDIS_SERVER");
	const char *source = getenv("CALLHISTORY_SOURCE");
	char config[PATH_MAX];
	const char *argv[REDIS_SERVER_ARGUMENTS + 16];
	int count = 0;
	snprintf(config, sizeof(config), "%s/deploy/redis.conf", source ? source : ".");
	argv[count++] = program ? program : "redis-server";
	argv[count++] = config;
	const char *const fixed[] = {"--port",      "0", "--unixsocket", server->socket, "--dir", server->folder,
	                             "--daemonize", "no"};
	for (size_t i = 0; i < sizeof(fixed) / sizeof(fixed[0]); ++i)
		argv[count++] = fixed[i];
	for (size_t i = 0; i < REDIS_SERVER_ARGUMENTS && server->extra[i]; ++i)
		argv[count++] = server->extra[i];
	argv[count] = NULL;
	int null = open("/dev/null", O_RDWR);
	dup2(null, 0);
	dup2(null, 1);
	execvp(argv[0], (char *const *)(uintptr_t)argv);
	_exit(127);
}

/* Whether something accepts connections on the socket. */
static inline bool redis_server_accepts(const struct redis_server *server)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", server->socket);
	bool accepts = fd >= 0 && !connect(fd, (const struct sockaddr *)&address, sizeof(address));
	if (fd >= 0)
		close(fd);
	return accepts;
}

/* Starts the process, in the same folder when it ran before. Returns 0 once it accepts connections. */
static inline int redis_server_start(struct redis_server *server)
{
	if (!server->folder[0]) {
		const char *base = getenv("TMPDIR");
		snprintf(server->folder, sizeof(server->folder), "%s/callhistory-XXXXXX",
		         base && strlen(base) < 40 ? base : "/tmp");
		if (!mkdtemp(server->folder))
			return -errno;
		snprintf(server->socket, sizeof(server->socket), "%s/redis.sock", server->folder);
		snprintf(server->url, sizeof(server->url), "unix://%s", server->socket);
	}
	unlink(server->socket);
	server->pid = fork();
	if (server->pid < 0)
		return -errno;
	if (!server->pid)
		redis_server_exec(server);
	for (int i = 0; i < REDIS_SERVER_WAIT_MS / 5; ++i) {
		if (redis_server_accepts(server))
			return 0;
		poll(NULL, 0, 5);
	}
	return -ETIMEDOUT;
}

/* Ends the process the hard way, as a power failure would. */
static inline void redis_server_kill(struct redis_server *server)
{
	if (server->pid <= 0)
		return;
	kill(server->pid, SIGCONT);
	kill(server->pid, SIGKILL);
	waitpid(server->pid, NULL, 0);
	server->pid = 0;
}

static inline int redis_server_remove(const char *path, const struct stat *status, int type, struct FTW *walk)
{
	(void)status;
	(void)type;
	(void)walk;
	return remove(path);
}

/* Ends the process and removes its folder. */
static inline void redis_server_stop(struct redis_server *server)
{
	redis_server_kill(server);
	if (server->folder[0])
		nftw(server->folder, redis_server_remove, 16, FTW_DEPTH | FTW_PHYS);
	*server = (struct redis_server){0};
}

/* Runs the connection until *done is set or `limit_ms` have passed. Returns *done. */
static inline bool redis_server_run(struct redis *redis, const bool *done, int limit_ms)
{
	int64_t end_us = clock_monotonic_us() + (int64_t)limit_ms * 1000;
	while (!*done && clock_monotonic_us() < end_us) {
		if (redis_run(redis))
			continue;
		struct pollfd poll_fd = {.fd = redis_poll_fd(redis), .events = POLLIN};
		int64_t wait_us = redis_next_timer_us(redis) - clock_monotonic_us();
		int wait_ms = wait_us < 0 ? 0 : wait_us > 50000 ? 50 : (int)(wait_us / 1000) + 1;
		poll(&poll_fd, 1, wait_ms);
	}
	return *done;
}

#endif
