/*
 * rpc/channel, inside: what channel.c and channel_call.c share.
 *
 * A call object is active from the stub's call to its closure. If the channel is destroyed before gRPC returns its
 * tags, the object is detached (channel NULL) and frees itself when the last tag arrives.
 */
#pragma once

#include <grpc/grpc.h>

#include "rpc/channel.h"
#include "rpc/queue_internal.h"

#define RPC_REMOTE_MAGIC UINT32_C(0x72656d6f)

enum { RPC_TARGETS = 16 };

struct remote_method {
	char *path;
	void *registered[RPC_TARGETS]; /* one for each of the channel's targets */
};

/* A remote service: rpc_channel_service() returns a pointer to `service`. */
struct remote_service {
	ProtobufCService service; /* first: invoke gets a pointer to it */
	uint32_t magic;           /* RPC_REMOTE_MAGIC */
	struct remote_service *next;
	struct rpc_channel *channel;
	char *name;
	unsigned n_methods;
	struct remote_method methods[];
};

struct channel_call {
	struct rpc_channel *channel;    /* NULL: detached */
	LIST_ENTRY(channel_call) entry; /* among the active or the free ones */
	struct context *context;
	ProtobufCClosure closure;
	void *closure_data;
	const struct remote_method *method;
	const ProtobufCMessageDescriptor *output;
	struct rpc_tag finished, received; /* of the attempt; of a message of a stream */
	bool attempting, receiving;        /* these tags are in gRPC */
	bool streams;                      /* the answer is a stream: context->on_message */
	size_t received_bytes;             /* of its messages */
	struct rpc_timer
	    timer;       /* backoff, a failure that is reported on the next run, or a look at a target that is silent */
	grpc_call *grpc; /* NULL between attempts */
	grpc_byte_buffer *request, *response;
	size_t request_bytes;
	grpc_metadata_array initial, trailing;
	grpc_status_code status;
	grpc_slice details;
	const char *trouble; /* gRPC's message of the last attempt that was repeated, in the context's arena; NULL: none */
	size_t target;       /* of the attempt */
	int attempts;        /* made so far */
	int64_t start_us, attempt_us;
	bool cancelled;
};

struct rpc_channel {
	struct rpc_queue *queue;
	struct rpc_channel_options options;
	/* gRPC balances over the addresses of one target; the channel does over several targets. */
	grpc_channel *targets[RPC_TARGETS];
	size_t n_targets, turn;
	/* Of each target: attempts in progress, and when it last answered one, or when the first of them began. */
	struct {
		uint32_t in_flight;
		int64_t answered_us;
		int64_t probe_us; /* not 0: it has not answered; from this time on, one call at a time may probe it */
	} states[RPC_TARGETS];
	uint64_t turn_runs; /* rpc_queue_runs() when the turn began */
	struct remote_service *services;
	LIST_HEAD(, channel_call) active, free_calls;
	uint32_t in_flight, n_free_calls;
	bool reached; /* there has been a connection */
};

/*
 * Makes the targets of channels, one for each part of a list with commas, so that calls can avoid a part that does not
 * answer. Literal addresses become "ipv4:" or "ipv6:", a name becomes "dns:///name:port", "unix:PATH" stays, and so
 * does an address that begins with one of these schemes, as one target. The caller frees each. Returns 0, -EINVAL (more
 * than RPC_TARGETS, too) or -ENOMEM.
 */
int rpc_address_targets(const char *address, char *targets[RPC_TARGETS], size_t *count);

/* The invoke function of every remote service. */
void rpc_channel_call_invoke(ProtobufCService *service, unsigned index, const ProtobufCMessage *input,
                             ProtobufCClosure closure, void *closure_data);

/* Ends all calls of a channel as CANCELLED, at once. */
void rpc_channel_calls_abandon(struct rpc_channel *channel);

/* Frees a call object that is in no list. */
void rpc_channel_call_free(struct channel_call *call);
