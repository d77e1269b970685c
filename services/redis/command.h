/*
 * redis/command: a command and its bytes in the Redis protocol. Private to the module.
 *
 * A command is in one list: one of a connection's, or the parked ones. Sending it again is moving it to another list.
 */
#pragma once

#include <sys/queue.h>

#include "base/buffer.h"
#include "redis/redis.h"

TAILQ_HEAD(command_list, command);

/* All commands of a client, in the order in which they were made. */
struct command_pool {
	struct command_list commands;
	size_t count, bytes;
};

struct command {
	TAILQ_ENTRY(command) link, pool_link;
	struct command_pool *pool;
	struct command_list *list; /* NULL: none */
	redis_callback *callback;  /* NULL: it has fired or was withdrawn; the reply, if one comes, is dropped */
	void *data;
	const struct redis_reply *reply; /* that came, but is not delivered yet (see --redis-ack) */
	int64_t deadline_us;
	int64_t start_us;                  /* when it was given to the client, for the latency */
	int64_t sent_us;                   /* when it was sent last */
	int64_t not_before_us;             /* parked ones: when it may be sent again */
	const struct redis_script *script; /* NULL: none. Else its name and digest are written in front of the bytes */
	uint64_t number;                   /* of the transmission on its connection; 0: it waits to be sent */
	uint16_t slot;                     /* of its key; 0 outside of a cluster */
	uint16_t ask;                      /* node to send it to once, after ASKING; NODE_NONE: the owner of the slot */
	uint8_t tries;                     /* how often it was refused */
	bool write;                        /* it may change data */
	bool with_text;                    /* scripts: the text is sent instead of the digest */
	bool internal;                     /* the client's own: never sent again */
	bool acknowledgement;              /* WAIT or WAITAOF, for all before it */
	int arguments;                     /* scripts: how many in all, the command's name included */
	size_t length;
	char bytes[];
};

/*
 * Makes a command of `argc` arguments (lengths NULL: NUL-terminated), or of a script whose first `keys` arguments are
 * keys. 0, -ENOMEM, -EBUSY (the client's commands take too many bytes).
 */
int redis_command_create(struct command **out, struct command_pool *pool, const struct redis_script *script, int keys,
                         int argc, const char *const *argv, const size_t *lengths);

/* Takes a command out of its list and frees it; overwrites internal ones, which may have a password. */
void redis_command_free(struct command *command);

/* Moves a command to the end of a list. */
void redis_command_move(struct command *command, struct command_list *list);

/* Appends what is to be sent. */
void redis_command_write(const struct command *command, struct buffer *out);
