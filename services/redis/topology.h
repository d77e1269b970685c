/*
 * redis/topology: a cluster's slots: the one of a key, the errors MOVED and ASK, and the reply to CLUSTER SLOTS. Pure;
 * thread-safe.
 */
#pragma once

#include "redis/redis.h"

enum { SLOT_COUNT = 16384, TOPOLOGY_NODES_MAX = 512, TOPOLOGY_ID = 41, TOPOLOGY_NONE = 0xffff };

/*
 * The slot of a key: CRC16 (XMODEM) of its hash tag, the text between the first { and the next }, or of the whole key
 * if there is none.
 */
uint16_t redis_slot_of(const char *key, size_t length);

/* Where a server is; host "": nowhere. For a unix socket the host is its path, and the port is "". */
struct redis_address {
	char host[256]; /* without brackets */
	char port[6];   /* digits */
};

struct redirect {
	bool ask; /* else MOVED */
	uint16_t slot;
	struct redis_address to; /* host "": the host that sent the redirection */
};

/*
 * Parses "MOVED 3999 127.0.0.1:6381" and "ASK ...". 0, or -EINVAL: it is no such error, or one that names no usable
 * node; *out is then undefined.
 */
int redis_redirect_parse(struct redirect *out, const char *text, size_t length);

/*
 * Fills in an address. False when it is unusable: an unknown host ("?"), blanks or control characters, too long, or a
 * port outside 1 to 65535.
 */
bool redis_address_set(struct redis_address *out, const char *host, size_t length, int64_t port);

/* Whether host and port are equal. */
bool redis_address_equal(const struct redis_address *a, const struct redis_address *b);

struct topology_node {
	struct redis_address address;
	char id[TOPOLOGY_ID]; /* "": not in the reply */
	bool master;
};

struct topology {
	struct topology_node nodes[TOPOLOGY_NODES_MAX];
	size_t count;
	uint16_t owner[SLOT_COUNT]; /* index of the node; TOPOLOGY_NONE: none */
	unsigned covered;           /* slots that have an owner */
};

/*
 * Reads a reply; nodes that name no host get that of the server that replied, `host`. Nodes of unknown address are
 * left out, and their slots have no owner. 0 or -EPROTO; *out is then undefined.
 */
int redis_topology_read(struct topology *out, const struct redis_reply *reply, const char *host);
