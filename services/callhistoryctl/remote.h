/*
 * remote: the connection to callhistoryd: a channel with the token and TLS of the settings, and waiting for one call.
 */
#pragma once

#include <protobuf-c/protobuf-c.h>

#include "base/context.h"
#include "callhistoryctl/settings.h"
#include "rpc/queue.h"

struct remote {
	const struct settings *settings;
	char *authorization;     /* value of the metadata of this name: "Bearer ..."; a secret */
	char *pem[3];            /* authorities, client certificate, its key; NULL: none */
	struct rpc_queue *queue; /* carries the calls; run it to receive answers */
	struct rpc_channel *channel;
	ProtobufCService *history, *ingest; /* the channel's; their stubs are generated */
};

/*
 * Opens a channel; does not connect yet, and the channel does not retry. Reports errors itself.
 * Returns 0 or an exit code. remote_close() also takes one that is all zero, or for which this has failed.
 */
int remote_open(struct remote *remote, const struct settings *settings);
void remote_close(struct remote *remote);

/*
 * Calls a method, with retries if they may help, until a response or the time limit. Resets the arena first. Returns
 * the response, in the arena, or NULL after having reported why there is none.
 */
const void *remote_ask(struct remote *remote, ProtobufCService *service, const char *method,
                       const ProtobufCMessage *message, struct arena *arena);

/*
 * Calls a method whose answer is a stream, and `take` for each message, which is valid during that call only; a result
 * other than 0 ends the call. Where the stream breaks and a retry may help, calls the method again with `message`, in
 * which take() has set where to continue. The time limit applies to each message. Resets the arena. Returns 0 when the
 * stream is complete, what take() has returned, or EXIT_FAILED after having reported why there is no more.
 */
int remote_stream(struct remote *remote, ProtobufCService *service, const char *method, const ProtobufCMessage *message,
                  struct arena *arena, int (*take)(void *data, const ProtobufCMessage *message), void *data);

/*
 * How long to wait, in microseconds, before a request that has failed `tries` times (at least 1) is sent again: a
 * random time that grows with the tries, at most 2 s, but never less than the service demands (RetryInfo, at most a
 * minute). -1: the same request would fail again.
 */
int64_t remote_wait_us(const struct context *context, unsigned tries);
