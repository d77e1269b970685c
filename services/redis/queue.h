/*
 * redis/queue: commands without a delivered reply, oldest first, with their bytes.
 *
 * The bytes of all of them are in one run in the same order, with a mark up to
 * where they are written to the socket. So sending again after a broken
 * connection is moving the mark back to the front.
 *
 * The oldest `answered` commands have their reply, which is not delivered yet
 * (see --redis-ack); all others wait for one.
 */
#ifndef CALLHISTORY_REDIS_QUEUE_H
#define CALLHISTORY_REDIS_QUEUE_H

#include <stdbool.h>

#include "redis/redis.h"

struct command {
	redis_callback *callback; /* NULL: it has fired; the reply, if one comes, is dropped */
	void *data;
	const struct redis_reply *reply; /* answered ones: it is valid while the connection's reader keeps it */
	int64_t deadline_us;
	int64_t start_us;      /* when it was appended first, for the latency */
	int64_t queued_us;     /* when it was appended to the queue it is in */
	int64_t not_before_us; /* parked ones: when it may be sent again */
	size_t length;         /* of its bytes */
	size_t tail;           /* scripts: offset in its bytes of what follows the digest */
	int arguments;         /* scripts: how many arguments in all, command name included */
	const struct redis_script *script;
	uint64_t number;      /* of the push to its queue */
	uint16_t slot;        /* of its key, in a cluster */
	uint16_t ask;         /* node that is to be asked once, one of the client's; NODE_NONE: the owner of the slot */
	uint8_t tries;        /* how often it was parked */
	bool write;           /* it may change data */
	bool script_sent;     /* scripts: it carries the whole script now */
	bool internal;        /* the client's own: never sent again */
	bool acknowledgement; /* WAIT or WAITAOF, for all before it */
};

struct queue {
	struct command *ring; /* owned; capacity is a power of two */
	size_t capacity, head, count;
	size_t answered, answered_bytes;  /* the oldest ones that have their reply */
	uint64_t pushed;                  /* commands in all */
	bool fired_unsent;                /* a callback was dropped since queue_drop_unsent() */
	char *bytes;                      /* owned */
	size_t size, begin, written, end; /* undelivered bytes: [begin, end), those before written are sent */
	size_t committed;                 /* bytes before it are written or must be written next as they are (TLS) */
};

struct part {
	const char *data;
	size_t length;
};

/*
 * Appends a command in the Redis protocol: first the arguments in `first`, then those in argv (lengths NULL: NUL-terminated).
 * Sets command->length and number. 0, -ENOMEM, -EBUSY (too many bytes); the queue is unchanged on failure.
 */
int queue_push(struct queue *queue, struct command *command, const struct part *first, size_t first_count, int argc,
               const char *const *argv, const size_t *lengths);

/* Appends a command whose bytes are the parts. The same results. */
int queue_push_bytes(struct queue *queue, const struct command *command, const struct part *parts, size_t count);

/* The i-th oldest command; i < count. */
struct command *queue_at(const struct queue *queue, size_t i);

/* The oldest command without a reply, NULL: none that is wholly sent, so that a reply could be its. */
struct command *queue_oldest_sent(const struct queue *queue);

/* Bytes of the oldest command without a reply. */
const char *queue_oldest_bytes(const struct queue *queue);

/* The oldest command without a reply has it now. Takes it off if its callback has fired and no older one is kept. */
void queue_answer(struct queue *queue);

/* Takes the oldest command off. */
void queue_pop(struct queue *queue);

/* Marks a command as fired: nobody waits for its reply any more. */
void queue_fire(struct queue *queue, struct command *command);

/* Drops fired commands of which no byte is sent. The others keep their order; positions change. */
void queue_drop_unsent(struct queue *queue);

/* Offers all commands, in order, to `take`, and drops those that it takes. It must not touch this queue. */
void queue_filter(struct queue *queue, bool (*take)(void *data, struct command *command, const char *bytes),
                  void *data);

/* For a new connection: drops fired and internal commands and marks all bytes as not sent, all replies as not there. */
void queue_rewind(struct queue *queue);

void queue_free(struct queue *queue);

#endif
