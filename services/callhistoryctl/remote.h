/*
 * remote: the way to callhistoryd: a channel with the token and TLS of the
 * settings, and waiting for one call.
 */
#ifndef CALLHISTORY_CTL_REMOTE_H
#define CALLHISTORY_CTL_REMOTE_H

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>

#include "base/context.h"
#include "callhistoryctl/settings.h"
#include "rpc/queue.h"

struct remote;

/* Whether the channel itself repeats calls that fail as UNAVAILABLE, or the caller does. */
enum remote_retry { REMOTE_RETRY, REMOTE_NO_RETRY };

/* Makes the way; does not connect yet. Says what is wrong itself. Returns 0 or an exit code. */
int remote_open(struct remote **out, const struct settings *settings, enum remote_retry retry);
void remote_close(struct remote *remote);

/* The services, owned by the remote; their stubs are generated. */
ProtobufCService *remote_history(struct remote *remote);
ProtobufCService *remote_ingest(struct remote *remote);

struct rpc_queue *remote_queue(struct remote *remote);

/* The value of the metadata `authorization`. A secret. */
const char *remote_authorization(const struct remote *remote);

/* Sets up a context for one call: token and deadline included. */
void remote_context(struct remote *remote, struct context *context, struct arena *arena);

/* Runs the queue until *done; a signal ends the call early, closure included. */
void remote_wait(struct remote *remote, struct context *context, const bool *done);

/* Says on standard error why a call failed. Returns EXIT_FAILED. */
int remote_failed(const struct remote *remote, const struct context *context);

#endif
