/*
 * worker: one thread that shares nothing: an HTTP server, an RPC queue with its channel, and what handlers need. All of
 * it runs on the worker's thread, except worker_create(), worker_wake() and worker_destroy().
 */
#pragma once

#include <protobuf-c/protobuf-c.h>

#include "admission.h"
#include "base/log.h"
#include "base/pem_files.h"
#include "compress.h"
#include "metrics.h"
#include "settings.h"

enum gateway_phase {
	GATEWAY_SERVING,
	GATEWAY_NOT_READY, /* /readyz is 503 so that balancers stop sending requests; everything else is served */
	GATEWAY_DRAINING,  /* no new connections; requests in flight finish */
};

/* The state of a worker; only the worker writes it. */
struct pulse {
	_Atomic int64_t beat_us; /* when its loop last ran; 0: not started, CLOCK_NEVER: ended */
	_Atomic int64_t busy_us; /* when a request last began */
};

/* What all workers share. main() owns it; only the atomics change once the workers run. */
struct gateway {
	const struct settings *settings;
	const struct log *log;
	struct metrics *metrics[SETTINGS_WORKERS_MAX]; /* one per worker */
	struct pulse pulses[SETTINGS_WORKERS_MAX];
	size_t workers;
	struct admission *admission;
	struct memory_budget memory;      /* of requests and answers */
	struct pem_files *listener_files; /* certificate, key; NULL: plain HTTP */
	struct pem_files *service_files;  /* CA, certificate, key; NULL: plaintext */
	_Atomic int phase;                /* enum gateway_phase */
	_Atomic size_t quiesced;          /* workers that have stopped listening */
	_Atomic int64_t grace_until_us;   /* end of the drain */
};

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
	bool closed;     /* the grace period is over: no request may begin */
	int64_t busy_us; /* when a request last began */

	/* The worker's own. */
	size_t index;
	struct rpc_queue *queue;
	struct link old_link; /* the previous link, until its calls finish */
	int listen_fd;        /* until the server has it; -1 then */
	struct http *http;
	unsigned listener_generation, service_generation;
	int wake_fd;
	size_t in_flight, in_flight_max;
	int64_t tick_us;
	int64_t linger_until_us; /* 0: not draining yet */
};

/*
 * Makes a worker that serves on `listen_fd`, which it then owns, also on failure. `gateway` outlives it. Returns 0 or a
 * negative errno with a sentence in error[0..size).
 */
int worker_create(struct worker **out, struct gateway *gateway, size_t index, int listen_fd, char *error, size_t size);

/* Serves until the gateway's drain is over. The argument is the worker; returns NULL: a thread's function. */
void *worker_run(void *worker);

/* Wakes the worker to look at the gateway's phase. From any thread. */
void worker_wake(struct worker *worker);

/* Takes NULL. worker_run() must have returned or never been called. */
void worker_destroy(struct worker *worker);

/* ---- For request handlers ---- */

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
