/*
 * rpc/channel: turns a remote address into a ProtobufCService, so that a caller calls the very functions that the
 * remote side implements.
 *
 * The closure_data of every call begins with a struct context that the caller made with context_init()
 * (base/context.h). deadline_us, authorization, traceparent and request_id of the context are sent; status, message,
 * reason, violation and retry_after_ms come back in it. The response message lives in the context's arena. The closure
 * is called from rpc_queue_run() or rpc_channel_destroy(), never from inside the call itself unless memory has run out.
 *
 * Where the answer of a method is a stream, the caller sets on_message of the context. Such a call is made once: only
 * the caller knows how to continue. At most one message is read ahead.
 *
 * Any other call that fails as UNAVAILABLE is tried again, with jittered backoff, until the context's deadline or the
 * number of attempts: all methods of this product may be repeated. A delay that the service demands is observed.
 *
 * All functions belong to the queue's thread. Nothing here logs.
 */
#pragma once

#include <protobuf-c/protobuf-c.h>

#include "base/context.h"
#include "rpc/queue.h"

struct rpc_channel;

/* The outcome of one attempt or of a whole call. The pointer is valid during the callback only. */
struct rpc_channel_report {
	const char *method; /* full name: "callhistory.v1.CallHistoryService/ListCalls" */
	enum status status;
	int64_t duration_us;
	size_t request_bytes, response_bytes; /* of the messages */
};

struct rpc_channel_options {
	size_t max_message_bytes; /* of responses; default 64 MiB */
	int attempts;             /* tries of one call altogether; default 5; 1: no retry */
	/* Interval of keepalive pings, and the time without an answer that closes the connection. Default 2000 each. */
	int64_t keepalive_ms, keepalive_timeout_ms;
	/* After this time without an answer to any of its calls, a target is skipped if there is another. Default 500. */
	int64_t silence_ms;
	/* Called at the start of each attempt, with the report's name of the method; NULL: none. */
	void (*attempt_started)(void *data, const char *method);
	/* Called at the end of each attempt and of each call, except those that rpc_channel_destroy() ends; NULL: none. */
	void (*report_attempt)(void *data, const struct rpc_channel_report *report);
	void (*report_call)(void *data, const struct rpc_channel_report *report);
	void *report_data;
	/* TLS: PEM texts. ca NULL: plaintext. cert and key: a client certificate. */
	const char *tls_ca, *tls_cert, *tls_key;
};

/* Fills in the defaults. */
void rpc_channel_options_init(struct rpc_channel_options *options);

/* Whether rpc_channel_create() takes this address. Nothing is looked up. */
bool rpc_channel_address_valid(const char *address);

/*
 * Makes a channel to "host:port", "unix:path", "dns:///name:port" or up to 16 "host:port" or "unix:path" with commas
 * (round robin over all that can be reached; names may resolve to several addresses). Does not connect yet. Returns 0,
 * -EINVAL, -ENOKEY for an encrypted private key, or -ENOMEM.
 */
int rpc_channel_create(struct rpc_channel **out, struct rpc_queue *queue, const char *address,
                       const struct rpc_channel_options *options);

/*
 * The remote service as a ProtobufCService; *out is owned by the channel and lives as long. `name` as in
 * rpc_server_add(). Pass it to the generated stubs. -EINVAL for a descriptor without names.
 */
int rpc_channel_service(struct rpc_channel *channel, const ProtobufCServiceDescriptor *descriptor, const char *name,
                        ProtobufCService **out);

/* Calls under way. */
uint32_t rpc_channel_in_flight(const struct rpc_channel *channel);

/* Whether a call that has ended had a connection to the service, even if that broke: the address is right. */
bool rpc_channel_reached(const struct rpc_channel *channel);

/*
 * Destroys the channel; calls under way end as CANCELLED, closures included, before it returns. Not from inside
 * on_message. Takes NULL.
 */
void rpc_channel_destroy(struct rpc_channel *channel);
