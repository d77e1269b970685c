/*
 * redis/queue: commands without a reply, oldest first, with their bytes.
 *
 * The bytes of all of them stand in one run in the same order, with a mark up
 * to where they are written to the socket. So sending again after a broken
 * connection is moving the mark back to the front.
 */
#ifndef CALLHISTORY_REDIS_QUEUE_H
#define CALLHISTORY_REDIS_QUEUE_H

#include <stdbool.h>

#include "redis/redis.h"

struct command {
	redis_callback *callback; /* NULL: it has fired; the reply, if one comes, is dropped */
	void *data;
	int64_t deadline_us;
	int64_t start_us; /* when it was appended, for the latency */
	size_t length;    /* of its bytes */
	size_t tail;      /* scripts: offset in its bytes of what follows the digest */
	int arguments;    /* scripts: how many arguments in all, command name included */
	const struct redis_script *script;
	bool script_sent; /* scripts: it carries the whole script now */
	bool retried;     /* sent anew once because the server could not take it then */
};

struct queue {
	struct command *ring; /* owned; capacity is a power of two */
	size_t capacity, head, count;
	size_t live;                      /* of count: those whose callback has not fired */
	bool fired_unsent;                /* a callback was dropped since queue_drop_unsent() */
	char *bytes;                      /* owned */
	size_t size, begin, written, end; /* unanswered bytes: [begin, end), those before written are sent */
};

struct part {
	const char *data;
	size_t length;
};

/*
 * Appends a command in the Redis protocol: first the arguments in `first`, then those in argv (lengths NULL: NUL-terminated).
 * Sets command->length. 0, -ENOMEM, -EBUSY (too many bytes); the queue is unchanged on failure.
 */
int queue_push(struct queue *queue, struct command *command, const struct part *first, size_t first_count, int argc,
               const char *const *argv, const size_t *lengths);

/* Appends the oldest command once more, with `first` in place of its first `tail` bytes. The same results. */
int queue_push_head_again(struct queue *queue, const struct part *first, size_t first_count, size_t tail);

/* The i-th oldest command; i < count. */
struct command *queue_at(const struct queue *queue, size_t i);

/* Whether the oldest command is there and wholly sent, so that a reply can be its. */
bool queue_head_sent(const struct queue *queue);

/* Bytes of the oldest command. */
const char *queue_head_bytes(const struct queue *queue);

/* Takes the oldest command off. */
void queue_pop(struct queue *queue);

/* Marks a command as fired: nobody waits for its reply any more. */
void queue_fire(struct queue *queue, struct command *command);

/* Drops fired commands of which no byte is sent. The oldest commands keep their order; positions change. */
void queue_drop_unsent(struct queue *queue);

/* Drops commands whose callback has fired and marks the bytes of the others as not sent. */
void queue_rewind(struct queue *queue);

void queue_free(struct queue *queue);

#endif
