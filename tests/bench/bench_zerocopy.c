/*
 * bench_zerocopy: whether MSG_ZEROCOPY would pay for answers of this size. One
 * thread sends messages over TCP on the loopback interface, as the gateway
 * does, plainly and with MSG_ZEROCOPY in turn, and another reads them.
 *
 *   bench_zerocopy [MESSAGES of each line, default 20000]
 *
 * Prints a table: CPU microseconds a message, of both threads together, the
 * better of five rounds; and how many of the sends the kernel copied after all.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/errqueue.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "measure.h"

enum { ROUNDS = 5, READ_SIZE = 1 << 16, WAIT_MS = 10000, MOST_BYTES = 1 << 29 };

/* Answers of pages of 10, 100 and 1,000. */
static const size_t sizes[] = {5700, 57000, 570000};

struct outcome {
	double cpu_us;
	unsigned long copied, completed;
};

static double cpu_us(void)
{
	struct rusage usage;
	getrusage(RUSAGE_SELF, &usage);
	return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e6 +
	       (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

static void *read_all(void *data)
{
	static char bytes[READ_SIZE];
	int fd = *(int *)data;
	while (read(fd, bytes, sizeof(bytes)) > 0)
		;
	return NULL;
}

/* Two ends of a connection on the loopback interface. */
static void connect_pair(int ends[2])
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t length = sizeof(address);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ends[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (listener < 0 || ends[0] < 0 || bind(listener, (struct sockaddr *)&address, sizeof(address)) ||
	    listen(listener, 1) || getsockname(listener, (struct sockaddr *)&address, &length) ||
	    connect(ends[0], (struct sockaddr *)&address, sizeof(address)))
		die("can't connect: %s", strerror(errno));
	ends[1] = accept(listener, NULL, NULL);
	if (ends[1] < 0)
		die("can't accept: %s", strerror(errno));
	close(listener);
}

/* Takes what the kernel says of finished zero-copy sends. Returns false when it says nothing. */
static bool take_completions(int fd, struct outcome *outcome)
{
	char control[128];
	struct msghdr message = {.msg_control = control, .msg_controllen = sizeof(control)};
	if (recvmsg(fd, &message, MSG_ERRQUEUE | MSG_DONTWAIT) < 0)
		return false;
	for (struct cmsghdr *each = CMSG_FIRSTHDR(&message); each; each = CMSG_NXTHDR(&message, each)) {
		struct sock_extended_err error;
		memcpy(&error, CMSG_DATA(each), sizeof(error));
		if (error.ee_origin != SO_EE_ORIGIN_ZEROCOPY)
			continue;
		const unsigned long count = error.ee_data - error.ee_info + 1;
		outcome->completed += count;
		outcome->copied += error.ee_code & SO_EE_CODE_ZEROCOPY_COPIED ? count : 0;
	}
	return true;
}

static void send_message(int fd, const char *bytes, size_t size, int flags, unsigned long *sends)
{
	while (size) {
		ssize_t sent = send(fd, bytes, size, flags);
		if (sent < 0)
			die("can't send: %s", strerror(errno));
		bytes += sent;
		size -= (size_t)sent;
		++*sends;
	}
}

static struct outcome measure(size_t size, unsigned long messages, bool zerocopy)
{
	struct outcome outcome = {0};
	int ends[2], on = 1;
	pthread_t reader;
	unsigned long sends = 0;
	char *bytes = calloc(1, size);
	connect_pair(ends);
	if (!bytes || pthread_create(&reader, NULL, read_all, &ends[1]))
		die("can't start");
	if (zerocopy && setsockopt(ends[0], SOL_SOCKET, SO_ZEROCOPY, &on, sizeof(on)))
		die("no SO_ZEROCOPY here: %s", strerror(errno));
	const double before = cpu_us();
	for (unsigned long i = 0; i < messages; ++i) {
		send_message(ends[0], bytes, size, zerocopy ? MSG_ZEROCOPY : 0, &sends);
		while (zerocopy && take_completions(ends[0], &outcome))
			;
	}
	struct pollfd events = {.fd = ends[0]};
	while (zerocopy && outcome.completed < sends && poll(&events, 1, WAIT_MS) > 0 &&
	       take_completions(ends[0], &outcome))
		;
	shutdown(ends[0], SHUT_WR);
	pthread_join(reader, NULL);
	outcome.cpu_us = (cpu_us() - before) / (double)messages;
	close(ends[0]);
	close(ends[1]);
	free(bytes);
	return outcome;
}

int main(int argc, char **argv)
{
	const unsigned long wanted = argc > 1 ? strtoul(argv[1], NULL, 10) : 20000;
	if (!wanted || wanted > 1000000)
		die("usage: bench_zerocopy [MESSAGES, 1 to 1000000]");
	printf("%10s %14s %14s %10s\n", "bytes", "send, us", "ZEROCOPY, us", "copied");
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); ++i) {
		const unsigned long most = MOST_BYTES / sizes[i], messages = wanted < most ? wanted : most;
		struct outcome best[2] = {{.cpu_us = 1e12}, {.cpu_us = 1e12}};
		for (int round = 0; round < ROUNDS * 2; ++round) {
			struct outcome outcome = measure(sizes[i], messages, round % 2);
			if (outcome.cpu_us < best[round % 2].cpu_us)
				best[round % 2] = outcome;
		}
		printf("%10zu %14.2f %14.2f %9.0f%%\n", sizes[i], best[0].cpu_us, best[1].cpu_us,
		       best[1].completed ? 100.0 * (double)best[1].copied / (double)best[1].completed : 0);
	}
	return 0;
}
