/*
 * redis/connection: one connection to one server: socket, TLS, greeting, and
 * the commands that wait for a reply. It knows nothing of routes: the client
 * gives it commands and takes replies. Private to the module.
 *
 * States and what ends them:
 *   WAITING     no socket; until wake_us (backoff)
 *   RESOLVING   the host's address is looked up; until wake_us
 *   CONNECTING  connect(2) is under way; until wake_us (connect timeout)
 *   SECURING    the TLS handshake is under way; until the same wake_us
 *   GREETING    AUTH, SELECT, INFO, ROLE and PING are sent; until their replies, or wake_us
 *   READY       commands flow; until the connection breaks
 */
#ifndef CALLHISTORY_REDIS_CONNECTION_H
#define CALLHISTORY_REDIS_CONNECTION_H

#include "base/buffer.h"
#include "redis/queue.h"
#include "redis/redirect.h"
#include "redis/redis.h"
#include "redis/reply.h"
#include "redis/resolve.h"
#include "redis/tls.h"
#include "redis/url.h"

enum connection_state {
	CONNECTION_WAITING,
	CONNECTION_RESOLVING,
	CONNECTION_CONNECTING,
	CONNECTION_SECURING,
	CONNECTION_GREETING,
	CONNECTION_READY
};

/* What a connection is for. */
enum connection_kind { CONNECTION_READ, CONNECTION_WRITE, CONNECTION_SENTINEL };

enum { CONNECTION_TEXTS = 8, CONNECTION_GREETINGS = 6 };

struct connection;

/* What all connections of a client have in common. */
struct connection_shared {
	struct redis_options options; /* strings: see redis_create() */
	struct redis_url url;
	struct tls_context *tls; /* NULL: none */
	int epoll_fd;
	uint64_t random;                  /* state of the jitter's generator */
	int64_t silence_us, reply_age_us; /* see redis_options; CLOCK_NEVER: no bound */
	int64_t ping_us;                  /* an idle connection is probed after this */
	struct redis_stats stats;
	char last_error[160];

	/*
	 * The oldest command of connection->queue has its reply, or (status below 0, reply NULL) will have none. The client answers
	 * it in the queue.
	 */
	void (*replied)(void *client, struct connection *connection, int64_t now_us, int status,
	                const struct redis_reply *reply);
	/* The connection broke; its queue has only commands that may be sent again. */
	void (*broken)(void *client, struct connection *connection, int64_t now_us);
	void *client;
};

/* A script whose text has been sent on this connection, as which push. */
struct connection_text {
	const struct redis_script *script;
	uint64_t number;
};

struct connection {
	struct connection_shared *shared;
	void *owner; /* the client's */
	enum connection_kind kind;
	char host[REDIRECT_HOST], port[REDIRECT_PORT];
	enum connection_state state;
	int fd;         /* -1: none */
	short interest; /* poll(2) events that epoll watches */
	struct resolver *resolver;
	struct sockaddr_storage address; /* the last one that the host had */
	socklen_t address_length;        /* 0: none yet */
	struct tls *tls;
	struct reply_reader *reader;
	struct queue queue;
	struct connection_text texts[CONNECTION_TEXTS];

	int64_t wake_us;     /* when the state ends by itself */
	int64_t look_us;     /* when an idle or resolving connection is looked at again */
	int64_t ready_us;    /* when READY began */
	int64_t byte_us;     /* when the last bytes came */
	int64_t readonly_us; /* when READONLY may break it again */
	unsigned attempt;    /* failed tries in a row */

	struct buffer greeting;
	size_t greeting_written;
	uint8_t greetings[CONNECTION_GREETINGS]; /* what was asked */
	int greeting_count, greeting_at;
	char refusal[32];

	bool was_ready;
	bool needs_acknowledgement; /* write commands are in the queue behind the last WAIT */
	bool awaits_acknowledgement;
};

/* Makes a connection; connecting begins in connection_step(). 0 or -ENOMEM. */
int connection_create(struct connection **out, struct connection_shared *shared, enum connection_kind kind,
                      const char *host, const char *port);

/* Closes and frees it; its commands must be gone. Takes NULL. */
void connection_destroy(struct connection *connection);

/* Takes one step of the state machine, without waiting: connects, greets and reads. Returns how much happened. */
int connection_step(struct connection *connection, int64_t now_us);

/* Writes what is appended, without waiting and without commands that have expired. Returns how much happened. */
int connection_write(struct connection *connection, int64_t now_us);

/* Closes the connection; another one is made after the backoff. */
void connection_break(struct connection *connection, int64_t now_us, const char *why);

/* Appends a command of the client's own, whose reply goes to `callback`. 0 or a negative errno. */
int connection_push_internal(struct connection *connection, int64_t now_us, int argc, const char *const *argv,
                             redis_callback *callback, void *data);

/* Whether its commands count as done only after WAIT or WAITAOF. */
bool connection_acknowledges(const struct connection *connection);

/* When connection_step() must be called next at the latest. */
int64_t connection_next_timer_us(const struct connection *connection);

uint64_t connection_random(struct connection_shared *shared);

/* A number from `most` / 2 to `most`, so that clients do not come back in step. */
int64_t connection_jitter_us(struct connection_shared *shared, int64_t most_us);

#endif
