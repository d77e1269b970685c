/*
 * rpc/server, inside: what server.c, server_call.c, health.c, reflection.c and certificates.c share.
 *
 * Lives and owners. The server owns methods, services and all call objects. A call object is posted (waits inside gRPC
 * for a call), then handled until its closure has fired and gRPC has returned its tags, then free. If a closure has not
 * fired when the server is destroyed, the call object is an orphan that keeps the server's memory, but nothing of gRPC,
 * alive.
 */
#pragma once

#include <grpc/grpc.h>
#include <grpc/grpc_security.h>

#include "base/pem_files.h"
#include "rpc/queue_internal.h"
#include "rpc/server.h"

#define RPC_CALL_MAGIC UINT32_C(0x7363616c)

/* Calls of a unary method that wait in gRPC at a time: more of them save nothing and cost memory at rest. */
enum { RPC_SERVER_POSTS = 16 };

/* The longest request, in bytes, of methods that need no token: health and reflection. */
enum { RPC_OPEN_MESSAGE_MAX = 4096 };

struct server_call;

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
	struct rpc_timer renew;
	bool unlimited; /* needs no token, and is not counted against max_in_flight: health and reflection */
	/*
	 * NULL unless the client's messages are a stream. Called for each message after rpc_server_receive() has asked gRPC
	 * for it, and with NULL when the client has sent the last one.
	 */
	void (*on_message)(struct server_call *call, const ProtobufCMessage *message);
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
	struct rpc_tag arrived, closed, answered, sent, received;
	LIST_ENTRY(server_call) entry; /* in server->waiting */
	struct rpc_timer patience;     /* runs while a message before the last one is being sent */
	void (*on_sent)(void *data);
	void *on_sent_data;
	LIST_ENTRY(server_call) stream_entry;        /* in server->streams */
	void (*advance)(struct server_call *stream); /* NULL: not in there */
	const char *watched;                         /* the service of a Watch stream, and its state that was sent last */
	int watched_state;
	grpc_call *grpc; /* NULL once released */
	gpr_timespec deadline;
	grpc_metadata_array metadata;
	grpc_byte_buffer *payload;
	grpc_call_details details;
	int64_t start_us;
	size_t request_bytes;
	size_t charged;                   /* to the budget, for the request and the answer */
	size_t message_bytes, sent_bytes; /* of the message that is being sent, and of all before the last one */
	int cancelled;
	bool close_started, close_pending, answer_pending, send_pending, receive_pending;
	bool metadata_sent;
	bool unread;  /* ended because the client does not read */
	bool waiting; /* in the list */
	bool closure_fired;
	bool compressed; /* a message of the client */
	bool held;       /* in use by a caller on the stack: not to be released */
	bool counted;
};

/* What one address knows of the certificate files. */
struct certificates {
	struct pem_files *files; /* certificate chain, key, authorities of clients */
	unsigned generation;     /* of the texts that gRPC has taken for this address */
};

struct rpc_server {
	struct rpc_queue *queue;
	struct rpc_server_options options;
	grpc_server *grpc;
	struct served_service *services;
	struct server_method unknown;
	/* Of each address: gRPC fetches certificates for each. */
	struct certificates certificates[RPC_ADDRESSES_MAX];
	grpc_server_credentials *credentials[RPC_ADDRESSES_MAX];
	size_t n_credentials;
	ProtobufCMessage *descriptors;    /* of reflection: a FileDescriptorSet; NULL: none */
	LIST_HEAD(, server_call) waiting; /* were not answered at once: see rpc_server_check_waiting() */
	struct rpc_timer check;           /* runs while there are some */
	LIST_HEAD(, server_call) streams; /* see rpc_server_stream() */
	uint32_t n_streams;
	struct server_call *free_calls;
	struct arena **free_arenas;
	uint32_t n_free_arenas;
	uint32_t tags;    /* that gRPC will return, those of posted calls included */
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
void rpc_server_renew(struct rpc_timer *timer);
void rpc_server_call_free(struct server_call *call);
struct arena *rpc_server_take_arena(struct rpc_server *server);
void rpc_server_give_arena(struct rpc_server *server, struct arena *arena);
/* Watches for the end of calls that are not answered soon, and ends those whose deadline has passed. */
void rpc_server_check_waiting(struct rpc_timer *timer);
/* Frees the server's memory if it was destroyed and no closure is owed. */
void rpc_server_release(struct rpc_server *server);

/*
 * Makes a call a stream that lives until its client or the drain ends it. advance() sends the next message, waits for a
 * message, or ends the stream. It is called at once, after each message that was sent, and by
 * rpc_server_advance_streams(): when health has changed or the drain begins; but not while a message is being sent. The
 * call is refused if there are too many streams.
 */
void rpc_server_stream(struct server_call *call, void (*advance)(struct server_call *call));
void rpc_server_advance_streams(struct rpc_server *server);

/* Sends a message of a stream. */
void rpc_server_stream_send(struct server_call *call, const ProtobufCMessage *message);

/* Ends a stream because of the drain. */
void rpc_server_stream_drain(struct server_call *call);

/* Waits for the client's next message, which is passed to method->on_message. Nothing if it already waits. */
void rpc_server_receive(struct server_call *call);

/* The closure of every call. */
void rpc_server_closure(const ProtobufCMessage *message, void *call);

/*
 * certificates.c: makes credentials of one address that follow the files; *certificates lives as long as the server.
 * NULL when out of memory.
 */
grpc_server_credentials *rpc_certificates_credentials(struct certificates *certificates, struct pem_files *files);
