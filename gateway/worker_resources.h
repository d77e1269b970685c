/* worker_resources: a worker as its request handlers see it. For the worker's thread only. */
#pragma once

#include <protobuf-c/protobuf-c.h>

#include "compress.h"
#include "gateway.h"

/* A connection to the service: channel and stub, made together, since new certificates need a new channel. */
struct link {
	struct rpc_channel *channel; /* NULL: none */
	ProtobufCService *history;   /* the stub, for the functions of spliced.proto: calls stay packed */
	ProtobufCService *ingest;    /* the same */
};

struct worker {
	struct gateway *gateway;
	struct metrics *metrics; /* its own among the gateway's */
	struct compressor *compressor;
	uint64_t random; /* state of mix_next() */
	struct link link;
	bool closed; /* the grace period is over: no request may begin */

	/* The worker's own. */
	size_t index;
	struct rpc_queue *queue;
	struct link old_link; /* the previous link, until its calls finish */
	struct http *http;
	unsigned listener_generation, service_generation;
	int wake_fd;
	size_t in_flight, in_flight_max;
	int64_t tick_us;
	int64_t linger_until_us; /* 0: not draining yet */
};

/* Whether connections are to be closed after their answer. */
bool worker_is_draining(const struct worker *worker);

/*
 * Counts a request in flight and charges the memory that it and its answer may take; false beyond --max-in-flight or
 * --max-memory.
 */
bool worker_admit(struct worker *worker, size_t bytes);
void worker_release(struct worker *worker);

/* Charges more memory for an answer that has grown; false beyond --max-memory. */
bool worker_charge(struct worker *worker, size_t bytes);

/* Whether the gateway has started and does not drain. */
bool worker_is_ready(const struct worker *worker);

/* Whether the loops of all workers have run within the last five seconds. */
bool worker_all_alive(const struct worker *worker);
