/*
 * rpc/server, inside: what server.c, server_call.c, stream.c, health.c and reflection.c share.
 *
 * Lives and owners. The server owns methods, services and all call objects. A call object is posted (waits inside gRPC
 * for a call), then handled until its closure has fired and gRPC has returned its tags, then free. If a closure has not
 * fired when the server is destroyed, the call object is an orphan that keeps the server's memory, but nothing of gRPC,
 * alive.
 */
#pragma once

#include <grpc/grpc.h>
#include <grpc/grpc_security.h>

#include "rpc/queue_internal.h"
#include "rpc/server.h"

#define RPC_CALL_MAGIC UINT32_C(0x7363616c)

/* Calls of a unary method that wait in gRPC at a time: more of them save nothing and cost memory at rest. */
enum { RPC_SERVER_POSTS = 16 };

/* The longest request, in bytes, of methods that need no token: health and reflection. */
enum { RPC_OPEN_MESSAGE_MAX = 4096 };

/* RetryInfo of calls that are refused because of a limit. */
enum { RPC_OVERLOAD_RETRY_MS = 1000 };

struct server_call;
struct rpc_stream;
struct health;
struct reflection;
struct certificates;

/* A method of a service that was added. `registered` is NULL for the catch-all method, which answers UNIMPLEMENTED. */
struct server_method {
	struct rpc_server *server;
	ProtobufCService *service;
	const ProtobufCMethodDescriptor *descriptor;
	unsigned index;
	const char *name; /* points into path: without the leading slash */
	char *path;
	void *registered;
	unsigned posts;   /* call objects that wait in gRPC at a time */
	unsigned missing; /* of them: could not be posted for want of memory */
	unsigned used;    /* of them: have become calls, and are posted anew in the next run */
	struct rpc_later renew;
	bool unlimited;                         /* not counted against max_in_flight: health and reflection */
	bool reads_on_demand;                   /* gRPC does not read the first message */
	bool (*open)(struct server_call *call); /* a stream: takes the call over, or fails it and returns false */
};

struct served_service {
	struct served_service *next;
	ProtobufCService *service;
	char *name;
	unsigned n_methods;
	struct server_method methods[];
};

struct server_call {
	struct context context; /* first: closure_data is this */
	uint32_t magic;         /* RPC_CALL_MAGIC while handled, 0 else */
	struct rpc_server *server;
	struct server_method *method;
	struct server_call *next; /* in the free list */
	struct rpc_tag arrived, closed, answered, sent;
	struct rpc_timer watch;        /* runs until the call ends, or does not end soon */
	LIST_ENTRY(server_call) entry; /* among the server's late calls */
	struct rpc_timer patience;     /* runs while a message before the last one is being sent */
	void (*on_sent)(void *data);
	void *on_sent_data;
	grpc_call *grpc;           /* NULL once released */
	struct rpc_stream *stream; /* of a method that is one */
	gpr_timespec deadline;
	grpc_metadata_array metadata;
	grpc_byte_buffer *payload;
	grpc_call_details details;
	int64_t start_us;
	size_t request_bytes;
	size_t charged;                   /* to the budget, for the request and the answer */
	size_t message_bytes, sent_bytes; /* of the message that is being sent, and of all before the last one */
	int cancelled;
	bool close_started, close_pending, answer_pending, send_pending;
	bool metadata_sent;
	bool unread; /* ended because the client does not read */
	bool late;   /* in the list */
	bool closure_fired;
	bool compressed; /* the request */
	bool held;       /* in use by a caller on the stack: not to be released */
	bool counted;
};

struct rpc_server {
	struct rpc_queue *queue;
	struct rpc_server_options options;
	grpc_server *grpc;
	struct served_service *services;
	struct server_method unknown;
	struct certificates *certificates;                       /* of each address with TLS */
	grpc_server_credentials *credentials[RPC_ADDRESSES_MAX]; /* of each address: gRPC fetches certificates for each */
	size_t n_credentials;
	struct health *health;
	struct reflection *reflection;
	LIST_HEAD(, server_call) late; /* have not ended soon; their deadlines are checked */
	struct rpc_timer deadlines;    /* runs while there are some */
	LIST_HEAD(, rpc_stream) streams;
	uint32_t n_streams;
	struct server_call *free_calls;
	struct arena **free_arenas;
	uint32_t n_free_arenas;
	uint32_t tags;    /* that gRPC will return, those of posted calls included, and timers of calls */
	uint32_t handled; /* call objects between arrival and release */
	uint64_t run;     /* of the queue, and how many calls have arrived in it */
	uint32_t run_calls;
	uint32_t in_flight; /* closures that have not fired */
	struct rpc_tag shut_down;
	struct rpc_timer grace;
	bool started, serving, draining, drained, destroyed;
};

/* server.c */
int rpc_server_add_methods(struct rpc_server *server, ProtobufCService *service, const char *name,
                           struct served_service **out);

/* server_call.c */
void rpc_server_post(struct server_method *method);

/* Posts anew what has become calls since the last run. */
void rpc_server_renew(struct rpc_later *later);
void rpc_server_call_free(struct server_call *call);
struct arena *rpc_server_take_arena(struct rpc_server *server);
void rpc_server_give_arena(struct rpc_server *server, struct arena *arena);
/* Starts a batch on the call; counted in server->tags until the tag's handler runs, which takes it off. */
bool rpc_server_batch(struct server_call *call, const grpc_op *ops, size_t count, struct rpc_tag *tag);
/* Ends the call when its deadline has passed. */
void rpc_server_watch_deadline(struct server_call *call);
void rpc_server_check_deadlines(struct rpc_timer *timer);
/* A stream has ended: reports the call and releases it. */
void rpc_server_call_done(struct server_call *call);
/* Frees the server's memory if it was destroyed and no closure is owed. */
void rpc_server_release(struct rpc_server *server);

/*
 * The operation that sends the initial metadata: which encodings requests may have. `encodings` lives until the batch
 * is started.
 */
grpc_op rpc_server_headers(grpc_metadata *encodings);

/* Trailing metadata of an outcome: details and request id. Returns how many; the slices are the caller's. */
enum { RPC_TRAILERS = 3 };
size_t rpc_server_trailers(struct context *context, grpc_metadata trailers[RPC_TRAILERS]);
grpc_slice rpc_server_message(const struct context *context);

/* health.c */
void rpc_health_destroy(struct health *health);

/* reflection.c */
void rpc_reflection_destroy(struct reflection *reflection);

/* Calls the drain() of every stream of the server: stream.c. */
void rpc_streams_drain(struct rpc_server *server);
