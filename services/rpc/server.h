/*
 * rpc/server: serves any ProtobufCService over gRPC Core.
 *
 * Per call, the server makes an arena and a context (see base/context.h), calls the admission hook, unpacks the request
 * on the arena and calls the service's function. The handler calls the closure exactly once, at once or later on the
 * same thread. The server then packs the response, sends it with status and details, and releases the arena. After
 * cancellation or deadline the answer is discarded, but the closure must still be called.
 *
 * A method that streams its answer is an ordinary call whose handler sends messages by context->send before the last
 * one. One message of a call is in the transport at a time, and counts for the budget meanwhile. When the server
 * drains, the message that is being sent is the last one, and the call ends as UNAVAILABLE.
 *
 * All functions belong to the queue's thread. Nothing here logs.
 */
#pragma once

#include <protobuf-c/protobuf-c.h>

#include "base/context.h"
#include "rpc/queue.h"

struct pem_files;
struct rpc_server;

/* What one finished call was like, for metrics and the access line. Pointers are valid during the callback only. */
struct rpc_call_report {
	const char *method; /* full name: "callhistory.v1.CallHistoryService/ListCalls"; "other" for unknown methods */
	enum status status;
	int64_t duration_us; /* from arrival to the answer's hand-over */
	size_t request_bytes, response_bytes;
	const struct context *context; /* NULL where there was no memory for one */
};

struct rpc_server_options {
	size_t max_message_bytes; /* request bodies above it: RESOURCE_EXHAUSTED. Default 4 MiB */
	size_t max_memory_bytes; /* limit of all connections' request bytes; beyond it streams are reset. Default 128 MiB */
	struct memory_budget
	    *budget;               /* of requests, their arenas and answers; shared, outlives the server. NULL: no limit */
	size_t max_metadata_bytes; /* default 16 KiB */
	uint32_t max_streams;      /* concurrent streams per connection; default 1024 */
	uint32_t max_in_flight; /* calls being handled; beyond it RESOURCE_EXHAUSTED with RetryInfo at once. Default 4096 */
	/* 0: never. gRPC adds 10 % jitter to ages, so that connections made together do not end together. */
	int64_t max_connection_idle_ms, max_connection_age_ms, max_connection_age_grace_ms;
	int64_t keepalive_ms;         /* interval between keepalive pings on an idle connection; 0: two hours */
	int64_t keepalive_timeout_ms; /* closes a connection whose ping is not answered in time; 0: 20 s */
	int64_t send_timeout_ms;      /* ends a stream whose client takes longer to read one message. Default 60 s */
	bool exclusive_port;          /* refuse a port that another program listens on (no SO_REUSEPORT) */
	/*
	 * TLS: certificate chain, key, and the authorities of client certificates, which are required if there are some.
	 * New connections follow the files. Must outlive the server. NULL: plaintext.
	 */
	struct pem_files *certificates;
	/*
	 * Admission: decides by the context's metadata whether a call is served, before its message is unpacked or
	 * inflated. Calls done(done_data) exactly once, at once or later on this thread; a context that has failed by then
	 * ends the call. on_cancel may be set meanwhile. Health and reflection are open to all. NULL: every call is
	 * admitted.
	 */
	void (*admit)(void *data, struct context *context, void (*done)(void *done_data), void *done_data);
	void *admit_data;
	/* Called once per finished call; NULL: none. */
	void (*report)(void *data, const struct rpc_call_report *report);
	/* Called once per call that arrives, with the same data and the report's name of the method; NULL: none. */
	void (*arrived)(void *data, const char *method);
	void *report_data;
};

/* Fills in the defaults. */
void rpc_server_options_init(struct rpc_server_options *options);

/* Makes a server that does not listen yet. Returns 0, -EINVAL or -ENOMEM. */
int rpc_server_create(struct rpc_server **out, struct rpc_queue *queue, const struct rpc_server_options *options);

/*
 * Adds a service under `name` (NULL: its descriptor's own full name; a name serves where a mirror of a public service,
 * with the same wire format, is registered in its place). Before rpc_server_start() only. An empty slot of the vtable
 * answers UNIMPLEMENTED. -EINVAL for descriptors without names (CODE_SIZE) and for names added twice.
 */
int rpc_server_add(struct rpc_server *server, ProtobufCService *service, const char *name);

/*
 * Serves grpc.reflection v1 and v1alpha from a packed google.protobuf.FileDescriptorSet, which must outlive the server,
 * and describes all that is added, health and reflection included. -EBADMSG when the set can't be read.
 */
int rpc_server_add_reflection(struct rpc_server *server, const uint8_t *descriptor_set, size_t length);

/* Serves grpc.health.v1 (Check, Watch), first as NOT_SERVING. */
int rpc_server_add_health(struct rpc_server *server);

/*
 * Lets health answer for a service of this name that another server of the program serves. Before rpc_server_start()
 * only.
 */
int rpc_server_add_health_of(struct rpc_server *server, const char *name);

/* Sets the health of the server and of all its services, and notifies Watch streams. */
void rpc_server_set_serving(struct rpc_server *server, bool serving);

/*
 * Listens on an address (base/address.h). *port is the port (0 for unix). May be called up to RPC_ADDRESSES_MAX times
 * before rpc_server_start(). -EADDRINUSE, -EADDRNOTAVAIL or -EINVAL.
 */
enum { RPC_ADDRESSES_MAX = 64 };
int rpc_server_listen(struct rpc_server *server, const char *address, int *port);

/* Checks texts for pem_files_create(). 0 or -EINVAL: they do not belong together. */
int rpc_certificates_check(const char *const *texts);

/* Starts to take calls. -EINVAL or -ENOMEM: the server can only be destroyed then. */
int rpc_server_start(struct rpc_server *server);

/* Calls that are being handled. */
uint32_t rpc_server_in_flight(const struct rpc_server *server);

/*
 * Begins the drain: GOAWAY on every connection, no new calls, Watch and reflection streams are ended; calls in flight
 * go on until `grace_until_us` and are then cancelled. Health must have been set to not serving before. Calling it
 * again only moves the end.
 */
void rpc_server_drain(struct rpc_server *server, int64_t grace_until_us);

/* Whether the drain is over: no call is left. Keep running the queue until then. */
bool rpc_server_drained(const struct rpc_server *server);

/*
 * Destroys the server: drains at once, cancelling all calls, and runs the queue until gRPC has released it. A handler
 * that has not called its closure yet may call it later: its context and arena live until then, and no report is made.
 * Not from inside rpc_queue_run(). Takes NULL.
 */
void rpc_server_destroy(struct rpc_server *server);
