/*
 * remote: the connection to callhistoryd: a channel with the token and TLS of
 * the settings, and waiting for one call.
 */
#ifndef CALLHISTORY_CTL_REMOTE_H
#define CALLHISTORY_CTL_REMOTE_H

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/context.h"
#include "callhistoryctl/settings.h"
#include "rpc/queue.h"

struct remote;

/*
 * Opens a channel; does not connect yet, and the channel repeats nothing by itself. Reports what is wrong itself.
 * Returns 0 or an exit code.
 */
int remote_open(struct remote **out, const struct settings *settings);
void remote_close(struct remote *remote);

/* The services, owned by the remote; their stubs are generated. */
ProtobufCService *remote_history(struct remote *remote);
ProtobufCService *remote_ingest(struct remote *remote);

struct rpc_queue *remote_queue(struct remote *remote);

/* The value of the metadata `authorization`. A secret. */
const char *remote_authorization(const struct remote *remote);

/* When a request that starts now must be done, repeated attempts included (clock_monotonic_us() scale). */
int64_t remote_deadline_us(const struct remote *remote);

/* Sets up a context for one attempt: token and deadline included. */
void remote_context(struct remote *remote, struct context *context, struct arena *arena, int64_t deadline_us);

/* Runs the queue until *done; a signal ends the call early, closure included. */
void remote_wait(struct remote *remote, struct context *context, const bool *done);

/*
 * After attempt number `tries` of a request has failed: waits as long as is right and as the service asks for. Returns
 * whether to try again: not if the same request would fail again, if the deadline comes first, if a signal came, or if
 * no connection could be made and there has been no answer before (then waiting helps nobody who typed a wrong
 * address).
 */
bool remote_again(struct remote *remote, const struct context *context, int64_t deadline_us, unsigned tries);

/* Reports on standard error why a call failed. Returns EXIT_FAILED. */
int remote_failed(const struct remote *remote, const struct context *context);

#endif
