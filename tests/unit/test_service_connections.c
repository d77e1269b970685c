/*
 * callhistoryd/connections: one descriptor's number goes from thread to thread (the thread sanitizer sees how), a
 * connection without TLS is followed whatever its bytes are, and many requests come in turns.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "callhistoryd/connections.h"
#include "callhistoryd/offenders.h"

enum { ROUNDS = 100 };
enum turn { OTHER, WORKER };

/* Relaxed: turns must not order the threads' memory, since the kernel, which hands numbers on, does not either. */
static _Atomic int turn;
static int listener, numbers[2];

static void wait_for(enum turn mine)
{
	while (atomic_load_explicit(&turn, memory_order_relaxed) != (int)mine)
		usleep(10);
}

static void pass_to(enum turn next)
{
	atomic_store_explicit(&turn, (int)next, memory_order_relaxed);
}

/* As a worker: takes connections and closes them. */
static void *work(void *data)
{
	(void)data;
	connections_guard();
	for (int i = 0; i < ROUNDS; i++) {
		wait_for(WORKER);
		numbers[WORKER] = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
		close(numbers[WORKER]);
		pass_to(OTHER);
	}
	return NULL;
}

/* As a library's thread: opens what is no connection, and closes it. */
static void *open_and_close(void *data)
{
	(void)data;
	for (int i = 0; i < ROUNDS; i++) {
		wait_for(OTHER);
		numbers[OTHER] = open("/dev/null", O_RDONLY | O_CLOEXEC);
		close(numbers[OTHER]);
		pass_to(WORKER);
	}
	return NULL;
}

static int listen_on_loopback(struct sockaddr_in *address)
{
	socklen_t length = sizeof(*address);
	*address = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)address, length), 0);
	assert_int_equal(listen(fd, ROUNDS), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)address, &length), 0);
	return fd;
}

static void descriptors_are_reused_by_another_thread(void **state)
{
	(void)state;
	struct sockaddr_in address;
	struct connections_stats stats;
	int clients[ROUNDS];
	pthread_t worker, other;

	listener = listen_on_loopback(&address);
	for (int i = 0; i < ROUNDS; i++) {
		clients[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		assert_int_equal(connect(clients[i], (struct sockaddr *)&address, sizeof(address)), 0);
	}
	assert_int_equal(pthread_create(&worker, NULL, work, NULL), 0);
	assert_int_equal(pthread_create(&other, NULL, open_and_close, NULL), 0);
	pthread_join(worker, NULL);
	pthread_join(other, NULL);
	assert_int_equal(numbers[WORKER], numbers[OTHER]);
	connections_get_stats(&stats);
	assert_int_equal(stats.open, 0);
	assert_int_equal(stats.closed[CONNECTIONS_MOST], 0);
	for (int i = 0; i < ROUNDS; i++)
		close(clients[i]);
	close(listener);
}

static struct sockaddr_storage address_of(const char *text)
{
	struct sockaddr_storage address = {.ss_family = AF_INET6};
	assert_int_equal(inet_pton(AF_INET6, text, &((struct sockaddr_in6 *)&address)->sin6_addr), 1);
	return address;
}

/* How many of 100 connections at this time are admitted. */
static int admitted(struct offenders *offenders, const struct sockaddr_storage *address, int64_t now_us)
{
	int count = 0;
	for (int i = 0; i < 100; i++)
		count += offenders_admit(offenders, address, now_us);
	return count;
}

static void an_offender_makes_few_new_connections(void **state)
{
	(void)state;
	static struct offenders offenders;
	const struct sockaddr_storage mapped = address_of("::ffff:192.0.2.1"), other = address_of("::ffff:192.0.2.2"),
	                              one = address_of("2001:db8:0:1::1"), same = address_of("2001:db8:0:1::2"),
	                              unix_address = {.ss_family = AF_UNIX};
	const int64_t now_us = 1000000000, later_us = now_us + 1000000;
	assert_int_equal(admitted(&offenders, &mapped, now_us), 100);
	offenders_add(&offenders, &mapped, now_us);
	offenders_add(&offenders, &one, now_us);
	offenders_add(&offenders, &unix_address, now_us);
	assert_true(offenders_has(&offenders, &mapped, now_us) && offenders_has(&offenders, &same, now_us));
	assert_false(offenders_has(&offenders, &other, now_us) || offenders_has(&offenders, &unix_address, now_us));
	assert_int_equal(admitted(&offenders, &mapped, now_us), OFFENDERS_BURST);
	assert_int_equal(admitted(&offenders, &mapped, later_us), OFFENDERS_PER_SECOND);
	assert_int_equal(admitted(&offenders, &same, now_us), OFFENDERS_BURST);
	assert_int_equal(admitted(&offenders, &other, now_us), 100);
	assert_int_equal(admitted(&offenders, &unix_address, now_us), 100);
	assert_int_equal(admitted(&offenders, &mapped, now_us + OFFENDERS_REMEMBER_US), 100);
}

/* Sends bytes and reads them as gRPC does. Returns whether the connection is still open for it. */
static bool pass_bytes(int client, int fd, const void *bytes, size_t length)
{
	char data[65536];
	struct iovec part = {.iov_base = data, .iov_len = sizeof(data)};
	struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
	assert_int_equal(send(client, bytes, length, MSG_NOSIGNAL), length);
	for (size_t had = 0; had < length;) {
		ssize_t got = recvmsg(fd, &message, 0);
		if (got <= 0)
			return false;
		had += (size_t)got;
	}
	return true;
}

/* On a plaintext port beside ones with TLS, a read that begins as TLS would does not end the following. */
static void plaintext_is_followed_whatever_its_bytes_are(void **state)
{
	(void)state;
	static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", ping[] = "\0\0\x08\x06\0\0\0\0\0";
	static const uint8_t payload[8] = {0x16, 0x03, 0x01};
	static uint8_t settings[1000][9];
	struct sockaddr_in address;
	struct connections_stats stats;
	bool open = true;

	for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++)
		settings[i][3] = 4; /* the frame's type; its length is 0 */
	listener = listen_on_loopback(&address);
	int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(client, (struct sockaddr *)&address, sizeof(address)), 0);
	connections_guard();
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	assert_true(pass_bytes(client, fd, preface, strlen(preface)));
	assert_true(pass_bytes(client, fd, settings[0], sizeof(settings[0])));
	assert_true(pass_bytes(client, fd, ping, sizeof(ping) - 1));
	assert_true(pass_bytes(client, fd, payload, sizeof(payload)));
	for (int i = 0; open && i < 20; i++)
		open = pass_bytes(client, fd, settings, sizeof(settings));
	assert_false(open);
	connections_get_stats(&stats);
	assert_int_equal(stats.closed[RPC_FRAMES_WASTE], 1);
	close(fd);
	close(client);
	close(listener);
}

/* Reads as gRPC does, with the kernel's word on how many bytes are left. Returns how many came. */
static size_t read_turn(int fd, int *left)
{
	static char data[65536], control[CMSG_SPACE(sizeof(int))];
	struct iovec part = {.iov_base = data, .iov_len = sizeof(data)};
	struct msghdr message = {
	    .msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};
	ssize_t got = recvmsg(fd, &message, 0);
	const struct cmsghdr *said = CMSG_FIRSTHDR(&message);
	assert_true(got > 0 && said && said->cmsg_level == SOL_TCP && said->cmsg_type == TCP_CM_INQ);
	memcpy(left, CMSG_DATA(said), sizeof(*left));
	return (size_t)got;
}

/* A client sends many requests at once: each turn has some of them, and the epoll set names the connection again. */
static void requests_come_in_turns(void **state)
{
	(void)state;
	enum { REQUESTS = 900, BYTES = 18, ROUND = 128 }; /* each has three fields without names */
	static const char greeting[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0";
	static uint8_t requests[REQUESTS][BYTES];
	struct sockaddr_in address;
	const int on = 1;
	int left = 0, turns = 0;

	for (size_t i = 0; i < REQUESTS; i++)
		memcpy(requests[i], (uint8_t[]){0, 0, BYTES - 9, 1, 5, 0, 0, (uint8_t)(i >> 7), (uint8_t)(i << 1 | 1)}, 9);
	listener = listen_on_loopback(&address);
	int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), set = epoll_create1(EPOLL_CLOEXEC);
	assert_int_equal(connect(client, (struct sockaddr *)&address, sizeof(address)), 0);
	connections_guard();
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data.fd = fd};
	assert_int_equal(epoll_ctl(set, EPOLL_CTL_ADD, fd, &event), 0);
	assert_int_equal(setsockopt(fd, SOL_TCP, TCP_INQ, &on, sizeof(on)), 0);
	assert_int_equal(send(client, greeting, sizeof(greeting), MSG_NOSIGNAL), sizeof(greeting));
	assert_int_equal(send(client, requests, sizeof(requests), MSG_NOSIGNAL), sizeof(requests));
	for (size_t had = 0; had < sizeof(greeting) + sizeof(requests); turns++) {
		struct epoll_event ready;
		assert_int_equal(epoll_wait(set, &ready, 1, 10000), 1);
		assert_int_equal(ready.data.fd, fd);
		size_t got = read_turn(fd, &left);
		assert_int_equal(left, 0);
		assert_true(got <= (size_t)2 * ROUND * BYTES);
		had += got;
	}
	assert_true(turns >= REQUESTS / ROUND / 2);
	close(fd);
	close(client);
	close(set);
	close(listener);
}

static int prepare(void **state)
{
	const struct connections_options options = {.most = 2,
	                                            .most_per_address = 2,
	                                            .streams = 1000,
	                                            .request_bytes = 1 << 20,
	                                            .stream_bytes = 1 << 20,
	                                            .tls = true};
	(void)state;
	return connections_prepare(&options);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(descriptors_are_reused_by_another_thread),
	    cmocka_unit_test(an_offender_makes_few_new_connections),
	    cmocka_unit_test(plaintext_is_followed_whatever_its_bytes_are),
	    cmocka_unit_test(requests_come_in_turns),
	};
	return cmocka_run_group_tests(tests, prepare, NULL);
}
