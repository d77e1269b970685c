/*
 * bench_redis_raw: what Redis itself can do with the commands of a page and
 * of a count, from a client that only counts replies. The yardstick for
 * callhistoryd; knows the Redis protocol and nothing of the product.
 *
 *   bench_redis_raw --socket PATH --keys FILE --command page|count [--size 10] [--connections 64] [--depth 1]
 *                   [--seconds 3]
 *
 * One thread; every connection keeps `depth` commands under way. Keys of
 * sorted sets are chosen at random, one a line. Prints one JSON object.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "measure.h"

enum { CONNECTIONS_MAX = 1024, DEPTH_MAX = 1024, COMMAND_MAX = 512, REPLY_FIRST = 1 << 16 };

struct settings {
	const char *socket, *keys_file;
	int size, connections, depth;
	double seconds;
	bool count;
};

struct connection {
	int fd;
	char *in; /* what was read and is not yet understood */
	size_t in_length, in_room;
	char *out; /* commands not yet written */
	size_t out_length, out_done;
	bool wants_write;
	int64_t *start_us; /* ring of `depth` */
	unsigned first, under_way;
};

struct load {
	struct settings settings;
	struct lines keys;
	struct histogram histogram;
	uint64_t random, errors, bytes;
	int64_t end_us;
	int epoll;
};

static int number_option(const char *name, const char *text, int high)
{
	char *end;
	long value = strtol(text, &end, 10);
	if (*end || end == text || value < 1 || value > high)
		die("--%s: a number from 1 to %d is needed", name, high);
	return (int)value;
}

static void read_settings(struct settings *settings, int argc, char **argv)
{
	static const struct option options[] = {
	    {"socket", required_argument, NULL, 's'},      {"keys", required_argument, NULL, 'k'},
	    {"command", required_argument, NULL, 'c'},     {"size", required_argument, NULL, 'z'},
	    {"connections", required_argument, NULL, 'n'}, {"depth", required_argument, NULL, 'd'},
	    {"seconds", required_argument, NULL, 't'},     {NULL, 0, NULL, 0},
	};
	*settings = (struct settings){.size = 10, .connections = 64, .depth = 1, .seconds = 3};
	for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
		switch (option) {
		case 's':
			settings->socket = optarg;
			break;
		case 'k':
			settings->keys_file = optarg;
			break;
		case 'c':
			settings->count = !strcmp(optarg, "count");
			break;
		case 'z':
			settings->size = number_option("size", optarg, 100000);
			break;
		case 'n':
			settings->connections = number_option("connections", optarg, CONNECTIONS_MAX);
			break;
		case 'd':
			settings->depth = number_option("depth", optarg, DEPTH_MAX);
			break;
		case 't':
			settings->seconds = strtod(optarg, NULL);
			break;
		default:
			exit(2);
		}
	}
	if (!settings->socket || !settings->keys_file || !(settings->seconds > 0 && settings->seconds <= 3600))
		die("--socket, --keys and --seconds above 0 are needed");
}

/*
 * The end of the reply that begins at `at`; NULL when it is not all there yet. Replies are integers, errors, bulk strings and
 * arrays of bulk strings; *good is cleared for an error.
 */
static const char *skip_reply(const char *at, const char *end, bool *good)
{
	for (long left = 1; left > 0; left--) {
		const char *line = at < end ? memchr(at, '\n', (size_t)(end - at)) : NULL;
		if (!line)
			return NULL;
		if (*at == '*') {
			left += strtol(at + 1, NULL, 10);
		} else if (*at == '$') {
			long length = strtol(at + 1, NULL, 10);
			if (length >= 0) {
				if (end - (line + 1) < length + 2)
					return NULL;
				line += length + 2;
			}
		} else if (*at == '-') {
			*good = false;
		}
		at = line + 1;
	}
	return at;
}

static void append_command(struct load *load, struct connection *connection)
{
	const char *key = load->keys.line[random_next(&load->random) % load->keys.count];
	char *to = connection->out + connection->out_length;
	int length;
	if (load->settings.count) {
		length = snprintf(to, COMMAND_MAX, "*2\r\n$5\r\nZCARD\r\n$%zu\r\n%s\r\n", strlen(key), key);
	} else {
		char last[16];
		/* As callhistoryd does: one call more than the page. */
		int digits = snprintf(last, sizeof(last), "%d", load->settings.size);
		length = snprintf(to, COMMAND_MAX, "*4\r\n$6\r\nZRANGE\r\n$%zu\r\n%s\r\n$1\r\n0\r\n$%d\r\n%s\r\n",
		                  strlen(key), key, digits, last);
	}
	if (length >= COMMAND_MAX)
		die("a key is too long");
	connection->out_length += (size_t)length;
	unsigned depth = (unsigned)load->settings.depth;
	connection->start_us[(connection->first + connection->under_way++) % depth] = clock_monotonic_us();
}

static void flush(struct load *load, struct connection *connection)
{
	while (connection->out_done < connection->out_length) {
		ssize_t sent = write(connection->fd, connection->out + connection->out_done,
		                     connection->out_length - connection->out_done);
		if (sent < 0 && errno != EAGAIN && errno != EINTR)
			die("Redis has gone: %s", strerror(errno));
		if (sent < 0 && errno == EAGAIN)
			break;
		if (sent > 0)
			connection->out_done += (size_t)sent;
	}
	bool wants_write = connection->out_done < connection->out_length;
	if (!wants_write)
		connection->out_done = connection->out_length = 0;
	if (wants_write == connection->wants_write)
		return;
	connection->wants_write = wants_write;
	struct epoll_event event = {.events = EPOLLIN | (wants_write ? EPOLLOUT : 0), .data.ptr = connection};
	if (epoll_ctl(load->epoll, EPOLL_CTL_MOD, connection->fd, &event))
		die("epoll: %s", strerror(errno));
}

/* Keeps `depth` commands under way, as long as the time lasts. New ones wait until the last batch is written. */
static void refill(struct load *load, struct connection *connection)
{
	if (connection->out_length == 0 && clock_monotonic_us() < load->end_us)
		while (connection->under_way < (unsigned)load->settings.depth)
			append_command(load, connection);
	flush(load, connection);
}

static void take_replies(struct load *load, struct connection *connection)
{
	if (connection->in_room - connection->in_length < REPLY_FIRST / 2) {
		connection->in_room *= 2;
		connection->in = realloc(connection->in, connection->in_room);
		if (!connection->in)
			die("out of memory");
	}
	ssize_t got =
	    read(connection->fd, connection->in + connection->in_length, connection->in_room - connection->in_length);
	if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR))
		die("Redis has gone");
	if (got < 0)
		return;
	connection->in_length += (size_t)got;
	load->bytes += (uint64_t)got;
	const char *at = connection->in, *end = connection->in + connection->in_length, *next;
	bool good = true;
	int64_t now = clock_monotonic_us();
	while (connection->under_way > 0 && (next = skip_reply(at, end, &good))) {
		histogram_add(&load->histogram, now - connection->start_us[connection->first]);
		connection->first = (connection->first + 1) % (unsigned)load->settings.depth;
		connection->under_way--;
		load->errors += !good;
		good = true;
		at = next;
	}
	connection->in_length = (size_t)(end - at);
	memmove(connection->in, at, connection->in_length);
}

static void open_connection(struct load *load, struct connection *connection)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	if (strlen(load->settings.socket) >= sizeof(address.sun_path))
		die("%s: the path is too long", load->settings.socket);
	strcpy(address.sun_path, load->settings.socket);
	*connection = (struct connection){.in_room = REPLY_FIRST};
	connection->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (connection->fd < 0 || connect(connection->fd, (struct sockaddr *)&address, sizeof(address)) ||
	    fcntl(connection->fd, F_SETFL, O_NONBLOCK))
		die("%s: %s", load->settings.socket, strerror(errno));
	connection->in = malloc(connection->in_room);
	connection->out = malloc((size_t)load->settings.depth * COMMAND_MAX);
	connection->start_us = calloc((size_t)load->settings.depth, sizeof(int64_t));
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};
	if (!connection->in || !connection->out || !connection->start_us ||
	    epoll_ctl(load->epoll, EPOLL_CTL_ADD, connection->fd, &event))
		die("out of memory");
}

/* Runs until the time is over and no reply is due, or ten seconds more. Returns the time it took. */
static int64_t run(struct load *load, struct connection *connections)
{
	struct epoll_event events[64];
	int64_t start = clock_monotonic_us();
	load->end_us = start + (int64_t)(load->settings.seconds * 1e6);
	for (int i = 0; i < load->settings.connections; i++)
		refill(load, &connections[i]);
	for (bool due = true; due && clock_monotonic_us() < load->end_us + 10 * INT64_C(1000000);) {
		int count = epoll_wait(load->epoll, events, 64, 1000);
		for (int i = 0; i < count; i++) {
			if (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR))
				take_replies(load, events[i].data.ptr);
			refill(load, events[i].data.ptr);
		}
		if (clock_monotonic_us() < load->end_us)
			continue;
		due = false;
		for (int i = 0; i < load->settings.connections && !due; i++)
			due = connections[i].under_way > 0;
	}
	return clock_monotonic_us() - start;
}

int main(int argc, char **argv)
{
	struct load load = {.random = UINT64_C(0x9e3779b97f4a7c15)};
	read_settings(&load.settings, argc, argv);
	lines_read(&load.keys, load.settings.keys_file);
	load.epoll = epoll_create1(EPOLL_CLOEXEC);
	struct connection *connections = calloc((size_t)load.settings.connections, sizeof(*connections));
	if (load.epoll < 0 || !connections)
		die("out of memory");
	for (int i = 0; i < load.settings.connections; i++)
		open_connection(&load, &connections[i]);
	int64_t elapsed = run(&load, connections);
	measure_print(&load.histogram, load.errors, load.bytes, elapsed);
	for (int i = 0; i < load.settings.connections; i++) {
		close(connections[i].fd);
		free(connections[i].in);
		free(connections[i].out);
		free(connections[i].start_us);
	}
	free(connections);
	close(load.epoll);
	lines_free(&load.keys);
	return load.errors != 0;
}
