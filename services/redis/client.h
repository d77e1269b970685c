/*
 * redis/client: the object behind struct redis, and what the files that make it up share. Private to the module.
 *
 *   redis.c     commands, the run step, deadlines, counters
 *   router.c    which connection a command goes to; parked commands; what each reply means; NOSCRIPT
 *   cluster.c   keeps the map of a cluster's slots
 *   sentinel.c  keeps the master that the sentinels name
 *
 * One server, and the master that sentinels name, are the first node, which owns all slots. `parked` has the commands
 * that no server can take now. Commands of a slot that has parked ones are parked behind them, so that they keep their
 * order.
 */
#pragma once

#include "redis/connection.h"

enum { NODE_NONE = TOPOLOGY_NONE, NODES_MAX = 2 * TOPOLOGY_NODES_MAX };

/* A server that commands are sent to, or that is queried for the cluster's map. */
struct node {
	struct redis *redis;
	struct topology_node at;           /* no host: free for another server; id "": not known yet */
	bool seed;                         /* the URL names it: it is never forgotten */
	bool listed;                       /* in the newest map */
	struct connection *connections[2]; /* by CONNECTION_READ and CONNECTION_WRITE; NULL: not needed yet */
	/*
	 * Its connection broke, timed out or answered too late, at unconfirmed_us: it gets no commands until another
	 * server, queried later, reports that it still owns its slots. A paused master does not know that it was replaced.
	 */
	bool unconfirmed;
	int64_t unconfirmed_us;
	int64_t asked_us; /* when it was last queried for the map */
};

struct sentinel {
	struct redis *redis;
	struct connection *connection;
	struct redis_address named;    /* the master; host "": none */
	int64_t asked_us, answered_us; /* when the last query, and the one of this answer, was sent; 0: never */
};

/* When the cluster's map, or the master, is queried. */
struct refresh {
	int64_t asked_us, due_us, interval_us;
	struct node *asked;     /* the node whose map is awaited; NULL: none */
	struct node *preferred; /* the node to query next; NULL: any that is connected */
	struct topology *fresh; /* a map that takes effect at the end of redis_run(); NULL: none */
	int64_t fresh_asked_us;
	int64_t confirmed_us; /* when the map, or the master, was confirmed last; 0: never */
};

struct redis {
	struct connection_shared shared;
	struct node *nodes[NODES_MAX];
	size_t node_count;
	uint16_t owner[SLOT_COUNT]; /* index of the node; NODE_NONE */
	unsigned covered;           /* slots that have one */
	struct sentinel *sentinels; /* NULL: there are none; as many as the URL has endpoints */
	struct refresh refresh;

	struct command_list parked;
	bool parked_slots[SLOT_COUNT][2]; /* whether reads, or writes, of a slot are parked */
	int64_t release_us;               /* when parked commands are tried again */
	int64_t deadline_us;              /* no deadline of a live command is before it */
	int64_t paused_until_us;          /* until then no silence counts, and most commands do not expire */
	size_t pending;                   /* commands whose callback has not fired */

	bool running;       /* inside redis_run(): callbacks may not enter it */
	bool destroying;    /* nothing new is taken */
	bool has_abandoned; /* commands that wait to be sent have fired */
	char last_refusal[160];
};

/* Finds a node by its address, or makes one. Returns its index; NODE_NONE: out of memory, or too many. */
uint16_t redis_router_node(struct redis *redis, const struct redis_address *address);

/* A node's connection of a kind, made when it is needed first. NULL: out of memory. */
struct connection *redis_router_connect(struct node *node, enum connection_kind kind);

/* Closes a node's connections; their commands are parked. Not from inside a reply of one of them. */
void redis_router_disconnect(struct node *node);

/*
 * Puts a new command into the list of the connection that it goes to, or into the parked ones if no server can take it
 * now.
 */
void redis_router_take(struct redis *redis, struct command *command);

/* Sends parked commands for which there is a server and whose time has come. */
int redis_router_release(struct redis *redis);

/* Asks for a new map, or for the master, as soon as the rate allows; `preferred` may be NULL. */
void redis_router_refresh(struct redis *redis, struct node *preferred);

/* Prepares the client of a cluster, which has no map yet. 0 or -ENOMEM. */
int redis_cluster_create(struct redis *redis);

/* Queries a node for the map of slots when one is due. */
void redis_cluster_step(struct redis *redis);

/*
 * Replaces the map by one that was received. Only at the end of redis_run(), because it may close connections. Returns
 * whether there was a map that can be used.
 */
int redis_cluster_take(struct redis *redis);

/* Prepares the client of a master that sentinels name. 0 or -ENOMEM. */
int redis_sentinel_create(struct redis *redis);

/* Queries the sentinels for the master when that is due. */
void redis_sentinel_step(struct redis *redis);
