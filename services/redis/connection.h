/*
 * redis/connection: one connection to one server: socket, TLS, greeting, and the commands that wait for a reply. It
 * knows nothing of routes: the client gives it commands and takes replies. Private to the module.
 *
 * States and what ends them:
 *   WAITING     no socket; until wake_us (backoff)
 *   RESOLVING   the host's address is looked up; until wake_us
 *   CONNECTING  connect(2) is under way; until wake_us (connect timeout)
 *   SECURING    the TLS handshake is under way; until the same wake_us
 *   GREETING    AUTH, SELECT, INFO, COMMAND INFO, ROLE and PING are sent; until their replies, or wake_us
 *   READY       commands flow; until the connection breaks
 */
#pragma once

#include "redis/command.h"
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

/* A connection's commands, the oldest first. */
enum {
	COMMANDS_ANSWERED, /* have their reply, which is not delivered before a WAIT has its own */
	COMMANDS_AGAIN,    /* are sent again, because of their script: older than those that wait for a reply */
	COMMANDS_SENT,     /* wait for a reply */
	COMMANDS_NEW,
	COMMANDS_LISTS
};

enum { CONNECTION_TEXTS = 8 };

struct connection;
TAILQ_HEAD(connection_list, connection);

/* What all connections of a client have in common. */
struct connection_shared {
	struct connection_list connections;
	struct redis_options options; /* strings: see redis_create() */
	struct redis_url url;
	struct tls_context *tls; /* NULL: none */
	int epoll_fd;
	int64_t now_us;                   /* when redis_run() began */
	int64_t silence_us, reply_age_us; /* see redis_options; CLOCK_NEVER: no bound */
	int64_t ping_us;                  /* an idle connection is probed after this */
	struct command_pool pool;
	struct redis_stats stats;
	char last_error[160];
	struct redis *client;
};

/* A script whose text is sent on this connection, behind how many commands. */
struct connection_text {
	const struct redis_script *script;
	uint64_t number;
};

struct connection {
	TAILQ_ENTRY(connection) link;
	struct connection_shared *shared;
	void *owner; /* the client's */
	enum connection_kind kind;
	struct redis_address at;
	enum connection_state state;
	int fd;         /* -1: none */
	short interest; /* poll(2) events that epoll watches */
	struct resolver *resolver;
	struct sockaddr_storage address; /* the last one that the host had */
	socklen_t address_length;        /* 0: none yet */
	struct tls *tls;
	struct reply_reader *reader;

	struct command_list lists[COMMANDS_LISTS];
	struct connection_text texts[CONNECTION_TEXTS];
	uint64_t sent;     /* commands in all */
	struct buffer out; /* bytes of sent commands, of which `written` are written */
	size_t written;

	int64_t wake_us;     /* when the state ends by itself */
	int64_t look_us;     /* when an idle or resolving connection is looked at again */
	int64_t ready_us;    /* when READY began */
	int64_t byte_us;     /* when the last bytes came */
	int64_t readonly_us; /* when READONLY may break it again */
	unsigned attempt;    /* failed tries in a row */
	bool was_ready;
	bool acknowledging; /* a WAIT is new or sent */
};

/* Makes a connection; connecting begins in redis_connection_step(). NULL: out of memory. */
struct connection *redis_connection_create(struct connection_shared *shared, enum connection_kind kind,
                                           const struct redis_address *at, void *owner);

/*
 * Closes and frees it; its commands are parked, unless the client is being destroyed. Not from inside of its own
 * functions. Takes NULL.
 */
void redis_connection_destroy(struct connection *connection);

/* Takes one step of the state machine, without waiting: connects, greets and reads. Returns how much happened. */
int redis_connection_step(struct connection *connection);

/* Writes what is new, without waiting. Returns how much happened. */
int redis_connection_write(struct connection *connection);

/* Closes the connection; another one is made after the backoff. Returns 1. */
int redis_connection_break(struct connection *connection, const char *why);

/* Appends a command of the client's own, whose reply goes to `callback` (NULL: nowhere). NULL: out of memory. */
struct command *redis_connection_send(struct connection *connection, int argc, const char *const *argv,
                                      redis_callback *callback, void *data);

/* Since when a reply is outstanding and no byte has come; CLOCK_NEVER: none is. */
int64_t redis_connection_silent_since_us(const struct connection *connection);

/* When redis_connection_step() must be called next at the latest. */
int64_t redis_connection_next_timer_us(const struct connection *connection);

/*
 * A delay from `first_us`, doubled `tries` times, up to `most_us`; jittered down to a half, so that clients do not
 * come back in step.
 */
int64_t redis_connection_delay_us(int64_t first_us, int64_t most_us, unsigned tries);

/* ---- The greeting: greeting.c ------------------------------------------------------------------------------------ */

/* Sends the greeting; its replies end in redis_connection_greeted() or redis_connection_break(). Returns 1. */
int redis_greeting_begin(struct connection *connection);

/* The last reply came, and all is well. */
void redis_connection_greeted(struct connection *connection);

/* ---- What a reply or a failure means: router.c ------------------------------------------------------------------- */

/*
 * A command of the client's callers, or an acknowledgement, has its reply; or (status below 0, reply NULL) a caller's
 * command will have none. It is the first of COMMANDS_SENT; this moves or frees it, or breaks the connection, so that
 * it is sent again.
 */
void redis_router_replied(struct connection *connection, struct command *command, int status,
                          const struct redis_reply *reply);

/* The connection broke; COMMANDS_NEW has only commands that may be sent again, the other lists none. */
void redis_router_broken(struct connection *connection);
