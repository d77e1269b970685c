/*
 * link: a worker's connection to the service: channel and stub, made and
 * destroyed together, since new certificates need a new channel.
 */
#ifndef CALLHISTORY_GATEWAY_LINK_H
#define CALLHISTORY_GATEWAY_LINK_H

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>

#include "metrics.h"
#include "rpc/channel.h"
#include "rpc/queue.h"

struct link;

struct link_options {
	const char *address;
	const char *ca, *cert, *key;                            /* PEM texts; ca NULL: plaintext */
	struct metrics *metrics;                                /* counts its calls */
	int64_t keepalive_ms, keepalive_timeout_ms, silence_ms; /* as in rpc/channel.h */
};

/* Does not connect yet. Returns 0, -EINVAL or -ENOMEM. */
int link_create(struct link **out, struct rpc_queue *queue, const struct link_options *options);

/* Ends its calls, closures included. Takes NULL. */
void link_destroy(struct link *link);

/* The stub, for the functions of spliced.proto: calls come packed. */
ProtobufCService *link_history(const struct link *link);

/* Whether a call is under way. Takes NULL. */
bool link_is_busy(const struct link *link);

#endif
