/*
 * fake_redis: servers that the test plays itself, between the steps of the client, on loopback ports. They greet, answer PING
 * and CLUSTER SLOTS by themselves; all other commands are written to a log, and their replies are what the test says.
 */
#ifndef CALLHISTORY_TESTS_FAKE_REDIS_H
#define CALLHISTORY_TESTS_FAKE_REDIS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "redis/redis.h"

enum { FAKE_CLIENTS = 16, FAKE_SERVERS = 4, FAKE_INPUT = 1 << 17, FAKE_LOG = 1 << 17, FAKE_STEPS = 20000 };

struct fake_client {
	int fd; /* 0: none */
	char input[FAKE_INPUT];
	size_t length;
};

/* A reply of the server's own that must not overtake those that the test owes the same connection. */
struct fake_deferred {
	int fd, owed;
	const char *text;
};

struct fake_server {
	int listener, port;
	struct fake_client clients[FAKE_CLIENTS];
	int accepted, slots_asked;
	bool mute;            /* it answers nothing, as a paused process */
	const char *greeting; /* the reply to PING; NULL: PONG */
	char log[FAKE_LOG];   /* "GET key|EVALSHA ...|" since the last fake_expect() */
	size_t log_length;
	int waiting[4096]; /* descriptors of commands without a reply, oldest first */
	size_t waiting_count;
	struct fake_deferred deferred[64];
	size_t deferred_count;
};

struct fake {
	struct fake_server servers[FAKE_SERVERS];
	struct redis *redis;
	char slots[4096]; /* what all of them reply to CLUSTER SLOTS */
};

static inline void fake_send(int fd, const char *text)
{
	(void)!send(fd, text, strlen(text), MSG_NOSIGNAL);
}

static inline void fake_listen(struct fake_server *server)
{
	struct sockaddr_in address = {
	    .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons((uint16_t)server->port)};
	const int on = 1;
	socklen_t length = sizeof(address);
	server->listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	setsockopt(server->listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	assert_int_equal(bind(server->listener, (const struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(server->listener, 16), 0);
	assert_int_equal(getsockname(server->listener, (struct sockaddr *)&address, &length), 0);
	server->port = ntohs(address.sin_port);
}

static inline void fake_close_clients(struct fake_server *server)
{
	for (int i = 0; i < FAKE_CLIENTS; ++i) {
		if (server->clients[i].fd)
			close(server->clients[i].fd);
		server->clients[i].fd = 0;
		server->clients[i].length = 0;
	}
	server->waiting_count = server->deferred_count = 0;
}

/* Refuses connections from now on, as a server that was killed. */
static inline void fake_kill(struct fake_server *server)
{
	close(server->listener);
	server->listener = -1;
	fake_close_clients(server);
}

/* Length of the first whole command in the text, 0: there is none; its arguments, joined by blanks, in `out`. */
static inline size_t fake_parse(const char *text, size_t length, char *out, size_t size)
{
	size_t used = 0;
	char *end;
	if (!memchr(text, '\n', length))
		return 0;
	long count = strtol(text + 1, &end, 10);
	const char *at = end + 2;
	out[0] = '\0';
	for (long i = 0; i < count; ++i) {
		if ((size_t)(at - text) >= length || !memchr(at, '\n', length - (size_t)(at - text)))
			return 0;
		long bytes = strtol(at + 1, &end, 10);
		at = end + 2;
		if ((size_t)(at - text) + (size_t)bytes + 2 > length)
			return 0;
		/* Long arguments, such as a script's text, are shortened. */
		used += (size_t)snprintf(out + used, size - used, "%s%.*s", i ? " " : "", bytes > 60 ? 60 : (int)bytes, at);
		at += bytes + 2;
	}
	return (size_t)(at - text);
}

/* What the server says by itself. */
static inline void fake_say(struct fake_server *server, int fd, const char *text)
{
	int owed = 0;
	for (size_t i = 0; i < server->waiting_count; ++i)
		owed += server->waiting[i] == fd;
	if (!owed) {
		fake_send(fd, text);
		return;
	}
	assert_true(server->deferred_count < 64);
	server->deferred[server->deferred_count++] = (struct fake_deferred){fd, owed, text};
}

static inline void fake_take(struct fake *fake, struct fake_server *server, int fd, const char *command)
{
	if (!strcmp(command, "PING")) {
		fake_say(server, fd, server->greeting ? server->greeting : "+PONG\r\n");
	} else if (!strcmp(command, "INFO") || !strncmp(command, "COMMAND", 7)) {
		fake_say(server, fd, "-NOPERM\r\n");
	} else if (!strcmp(command, "ROLE")) {
		fake_say(server, fd, "*1\r\n$6\r\nmaster\r\n");
	} else if (!strcmp(command, "CLUSTER SLOTS")) {
		++server->slots_asked;
		fake_say(server, fd, fake->slots);
	} else {
		server->log_length +=
		    (size_t)snprintf(server->log + server->log_length, FAKE_LOG - server->log_length, "%s|", command);
		assert_true(server->log_length < FAKE_LOG);
		server->waiting[server->waiting_count++] = fd;
	}
}

static inline void fake_serve(struct fake *fake, struct fake_server *server)
{
	char command[4096];
	int fd = server->listener < 0 ? -1 : accept4(server->listener, NULL, NULL, SOCK_NONBLOCK);
	for (int i = 0; i < FAKE_CLIENTS && fd >= 0; ++i) {
		if (server->clients[i].fd)
			continue;
		server->clients[i] = (struct fake_client){.fd = fd};
		++server->accepted;
		break;
	}
	for (int i = 0; i < FAKE_CLIENTS && !server->mute; ++i) {
		struct fake_client *client = &server->clients[i];
		if (!client->fd)
			continue;
		ssize_t length = recv(client->fd, client->input + client->length, FAKE_INPUT - client->length, 0);
		if (!length) {
			close(client->fd);
			client->fd = 0;
			client->length = 0;
			continue;
		}
		client->length += length > 0 ? (size_t)length : 0;
		size_t taken;
		while ((taken = fake_parse(client->input, client->length, command, sizeof(command)))) {
			fake_take(fake, server, client->fd, command);
			memmove(client->input, client->input + taken, client->length - taken);
			client->length -= taken;
		}
	}
}

static inline void fake_step(struct fake *fake)
{
	redis_run(fake->redis);
	for (int i = 0; i < FAKE_SERVERS; ++i)
		fake_serve(fake, &fake->servers[i]);
	poll(NULL, 0, 1);
}

#define FAKE_UNTIL(fake, condition)                                                                                    \
	do {                                                                                                               \
		for (int fake_i = 0; fake_i < FAKE_STEPS && !(condition); ++fake_i)                                            \
			fake_step(fake);                                                                                           \
		assert_true(condition);                                                                                        \
	} while (0)

/* Waits until the server has got the commands, in this order and nothing else; forgets them. */
static inline void fake_expect(struct fake *fake, int index, const char *log)
{
	struct fake_server *server = &fake->servers[index];
	for (int i = 0; i < FAKE_STEPS && strlen(server->log) < strlen(log); ++i)
		fake_step(fake);
	assert_string_equal(server->log, log);
	server->log_length = 0;
	server->log[0] = '\0';
}

static inline void fake_forget(struct fake *fake, int index)
{
	fake->servers[index].log_length = 0;
	fake->servers[index].log[0] = '\0';
}

/* Replies to the server's oldest command. */
static inline void fake_reply(struct fake *fake, int index, const char *text)
{
	struct fake_server *server = &fake->servers[index];
	assert_true(server->waiting_count > 0);
	int fd = server->waiting[0];
	fake_send(fd, text);
	memmove(server->waiting, server->waiting + 1, --server->waiting_count * sizeof(server->waiting[0]));
	size_t kept = 0;
	for (size_t i = 0; i < server->deferred_count; ++i) {
		struct fake_deferred deferred = server->deferred[i];
		if (deferred.fd == fd && !--deferred.owed)
			fake_send(fd, deferred.text);
		else
			server->deferred[kept++] = deferred;
	}
	server->deferred_count = kept;
	(void)fake;
}

/* The map: slots up to `border` belong to server 0, the others to server 1; with a border of 0 all to server 1. */
static inline void fake_map(struct fake *fake, int border)
{
	char first[512] = "", second[512];
	if (border)
		snprintf(first, sizeof(first), "*3\r\n:0\r\n:%d\r\n*3\r\n$9\r\n127.0.0.1\r\n:%d\r\n$2\r\nn0\r\n", border - 1,
		         fake->servers[0].port);
	snprintf(second, sizeof(second), "*3\r\n:%d\r\n:16383\r\n*3\r\n$9\r\n127.0.0.1\r\n:%d\r\n$2\r\nn1\r\n", border,
	         fake->servers[1].port);
	snprintf(fake->slots, sizeof(fake->slots), "*%d\r\n%s%s", border ? 2 : 1, first, second);
}

/* Servers and a client of them; `format` makes the URL of the first two ports. */
static inline struct fake *fake_create(const char *format, struct redis_options *options)
{
	struct fake *fake = calloc(1, sizeof(*fake));
	char url[256], error[256];
	assert_non_null(fake);
	for (int i = 0; i < FAKE_SERVERS; ++i)
		fake_listen(&fake->servers[i]);
	fake_map(fake, 8192);
	snprintf(url, sizeof(url), format, fake->servers[0].port, fake->servers[1].port, fake->servers[2].port);
	options->url = url;
	options->backoff_min_us = options->backoff_max_us = 2000;
	assert_int_equal(redis_create(&fake->redis, options, error, sizeof(error)), 0);
	return fake;
}

static inline void fake_destroy(struct fake *fake)
{
	redis_destroy(fake->redis);
	for (int i = 0; i < FAKE_SERVERS; ++i)
		fake_kill(&fake->servers[i]);
	free(fake);
}

#endif
