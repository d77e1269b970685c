/*
 * redis/connection: the object behind struct redis, and the steps of its
 * connection. Private to the room.
 *
 * States and what ends them:
 *   WAITING     no socket; until wake_us (backoff)
 *   CONNECTING  connect(2) is under way; until wake_us (connect timeout)
 *   GREETING    AUTH, SELECT and PING are sent; until their replies, or wake_us
 *   READY       commands flow; until the connection breaks
 */
#ifndef CALLHISTORY_REDIS_CONNECTION_H
#define CALLHISTORY_REDIS_CONNECTION_H

#include "base/buffer.h"
#include "redis/queue.h"
#include "redis/redis.h"
#include "redis/reply.h"
#include "redis/url.h"

enum connection_state { CONNECTION_WAITING, CONNECTION_CONNECTING, CONNECTION_GREETING, CONNECTION_READY };

struct redis {
	struct redis_options options; /* url is not kept there */
	struct redis_url url;
	enum connection_state state;
	int fd; /* -1: none */
	struct reply_reader *reader;
	struct queue queue;

	int64_t wake_us;     /* when the state ends by itself */
	int64_t deadline_us; /* no deadline of a live command is before it */
	int64_t ready_us;    /* when READY began */
	unsigned attempt;    /* failed tries in a row */
	uint64_t random;     /* state of the jitter's generator */

	struct buffer greeting;
	size_t greeting_written;
	int greeting_replies; /* still to come */

	bool running;    /* inside redis_run(): callbacks may not enter it */
	bool destroying; /* nothing new is taken */
	bool was_ready;
	struct redis_stats stats;
	char last_error[160], last_refusal[160];
};

/* Takes one step of the state machine, without waiting: connects, greets and reads. Returns how much happened. */
int connection_step(struct redis *redis, int64_t now_us);

/* Writes what is appended, without waiting and without commands that have expired. Returns how much happened. */
int connection_write(struct redis *redis, int64_t now_us);

/* Gives the connection up; unanswered commands stay queued and go out again on the next one. */
void connection_break(struct redis *redis, int64_t now_us, const char *why);

/* Gives one reply to the oldest command. */
void connection_dispatch(struct redis *redis, int64_t now_us, const struct redis_reply *reply);

/* Appends a command, its first arguments in `first`; what redis_command() and redis_eval() have in common. */
int redis_append(struct redis *redis, struct command *command, const struct part *first, size_t first_count, int argc,
                 const char *const *argv, const size_t *lengths, int64_t deadline_us, redis_callback *callback,
                 void *data);

/* Sends the oldest command again with the whole script. Whether that was done; the head is then off the queue. */
bool script_resend(struct redis *redis);

#endif
