/*
 * redis/client: the object behind struct redis, and what the files that make
 * it up share. Private to the module.
 *
 *   redis.c     options, commands, the run step, deadlines, counters
 *   router.c    which connection a command goes to; parked commands; what each reply means
 *   cluster.c   keeps the map of a cluster's slots
 *   sentinel.c  keeps the master that the sentinels name
 *   script.c    scripts by digest
 *
 * Every command is in exactly one queue: that of a connection, or `parked`,
 * where it waits until a server can take it. Commands of a slot that has parked
 * ones are parked behind them, so that they keep their order.
 */
#ifndef CALLHISTORY_REDIS_CLIENT_H
#define CALLHISTORY_REDIS_CLIENT_H

#include "redis/connection.h"
#include "redis/slot.h"
#include "redis/topology.h"

enum { NODE_NONE = TOPOLOGY_NONE, NODES_MAX = 2 * TOPOLOGY_NODES_MAX };

/* A server that commands are sent to, or that is asked for the cluster's map. */
struct node {
	struct redis *redis;
	struct topology_node at;           /* id "": not known yet */
	bool seed;                         /* the URL names it: it is never forgotten */
	struct connection *connections[2]; /* by CONNECTION_READ and CONNECTION_WRITE; NULL: not needed yet */
	/*
	 * It broke, or was silent, or answered too late, at unconfirmed_us: it gets no commands until another server, asked later,
	 * says that it still owns its slots. A paused master that was replaced meanwhile does not know it.
	 */
	bool unconfirmed;
	int64_t unconfirmed_us;
	int64_t asked_us; /* when it was asked for the map last */
};

/* The map of a cluster, and its refresh. */
struct cluster {
	uint16_t owner[SLOT_COUNT]; /* index of the node; NODE_NONE */
	unsigned covered;
	struct topology *fresh; /* a map that is to be taken at the end of redis_run(); NULL: none */
	int64_t fresh_asked_us;
	struct node *asked;     /* who was asked; NULL: no refresh is under way */
	struct node *preferred; /* who is to be asked next; NULL: whoever is connected */
	int64_t asked_us, due_us, interval_us;
};

struct sentinel {
	struct redis *redis;
	struct connection *connection;
	char host[REDIRECT_HOST], port[REDIRECT_PORT]; /* the master it named; "": none */
	int64_t asked_us, answered_us;                 /* when that answer was asked for; 0: never */
};

struct redis {
	struct connection_shared shared;
	struct node *nodes[NODES_MAX]; /* one server, or the master that sentinels name: the first one */
	size_t node_count;
	struct cluster *cluster;    /* NULL: it is none */
	struct sentinel *sentinels; /* NULL: there are none; as many as the URL has endpoints */
	int64_t sentinel_due_us;
	int64_t confirmed_us; /* when the map or the master was confirmed last */

	struct queue parked;
	uint32_t parked_slots[2 * SLOT_COUNT / 32]; /* a bit for the reads of each slot, and one for its writes */
	int64_t release_us;                         /* when parked commands are tried again */
	int64_t deadline_us;                        /* no deadline of a live command is before it */
	size_t pending;                             /* commands whose callback has not fired */

	bool running;    /* inside redis_run(): callbacks may not enter it */
	bool destroying; /* nothing new is taken */
	char last_refusal[160];
};

/* Appends a command, its first arguments in `first`; what redis_command() and redis_eval() have in common. */
int redis_append(struct redis *redis, struct command *command, const char *key, size_t key_length,
                 const struct part *first, size_t first_count, int argc, const char *const *argv,
                 const size_t *lengths);

/* Finds a node by its address, or adds it. NULL: out of memory, or too many. */
struct node *router_node(struct redis *redis, const char *host, const char *port);

/* A node's connection of a kind, made when it is needed first. NULL: out of memory. */
struct connection *router_connect(struct node *node, enum connection_kind kind);

/* Closes a node's connections and frees it; its commands are parked. Not from inside a reply of one of them. Takes NULL. */
void router_forget(struct node *node, int64_t now_us);

/* The queue that a new command goes to; the parked one if no server can take it now. */
struct queue *router_queue(struct redis *redis, struct command *command, int64_t now_us);

/* Sends parked commands for which there is a server and whose time has come. */
int router_release(struct redis *redis, int64_t now_us);

/* For connection_shared. */
void router_replied(void *client, struct connection *connection, int64_t now_us, int status,
                    const struct redis_reply *reply);
void router_broken(void *client, struct connection *connection, int64_t now_us);

/* Asks for a new map, or for the master, as soon as the rate allows; `preferred` may be NULL. */
void router_refresh(struct redis *redis, int64_t now_us, struct node *preferred);

int cluster_create(struct redis *redis);
void cluster_step(struct redis *redis, int64_t now_us);
int cluster_take(struct redis *redis, int64_t now_us); /* at the end of redis_run(): takes a fresh map */
void cluster_destroy(struct redis *redis);

int sentinel_create(struct redis *redis);
int sentinel_step(struct redis *redis, int64_t now_us);
void sentinel_write(struct redis *redis, int64_t now_us);
int64_t sentinel_next_timer_us(const struct redis *redis);
void sentinel_destroy(struct redis *redis);

/* Answers NOSCRIPT: sends the oldest command again, with the script's text unless that is on its way. Whether that was done. */
bool script_resend(struct connection *connection, int64_t now_us);

#endif
