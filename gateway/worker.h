/*
 * worker: one thread that shares nothing: an HTTP server, an RPC queue with its channel, and what handlers need. All of
 * it runs on the worker's thread, except worker_create(), worker_wake() and worker_destroy().
 */
#pragma once

#include "gateway.h"

struct worker;

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
