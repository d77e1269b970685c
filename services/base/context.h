/*
 * context: deadline, identity, memory and outcome of one request, in servers and clients. It does not depend on gRPC.
 * Rule: the closure_data of every protobuf-c closure begins with a struct context. A NULL message means that the
 * request failed, and the context has the status. Every closure is called exactly once, also at teardown. On the
 * server, rpc makes the context: handlers read deadline and credentials, set the status with context_fail(), and may
 * set on_cancel. On the client, the caller makes it: it fills arena, deadline and metadata; rpc sets the status and
 * `cancel`. A context belongs to one thread.
 */
#pragma once

#include "base/arena.h"
#include "base/status.h"

#define CONTEXT_MAGIC UINT32_C(0x63747874)

/* The audit log line of a request that deletes calls. Strings are in the request's memory. */
struct context_audit {
	const char *project_code, *vbot_id; /* tenant, as sent or as the token has it */
	const char *ids;                    /* how many; NULL: none were given */
	const char *phone;                  /* masked; NULL: none */
	const char *end_time;               /* RFC 3339; NULL: none */
	bool dry_run;
	int64_t calls; /* that were deleted, or would be, if the request succeeds */
};

/* The field at fault (google.rpc.BadRequest.FieldViolation). The first fault ends all checks, so there is only one. */
struct field_violation {
	const char *field; /* NULL: none */
	const char *description;
};

struct ProtobufCMessage; /* of protobuf-c */

struct context {
	uint32_t magic; /* CONTEXT_MAGIC */

	/* Outcome. Strings live in the arena or are static. */
	enum status status;
	const char *message; /* one sentence without internals; NULL when OK */
	const char *reason;  /* ErrorInfo.reason, UPPER_SNAKE_CASE; NULL: the status's name */
	struct field_violation violation;
	int64_t retry_after_ms; /* RetryInfo; 0: none */

	/* Metadata of the request. NULL: absent. Not logged. */
	const char *authorization; /* the whole metadata value, "Bearer ..."; several are joined by ", " */
	const char *traceparent;   /* W3C trace context */
	const char *request_id;
	int64_t deadline_us; /* clock_monotonic_us() scale; CLOCK_NEVER: none */

	struct arena *arena; /* memory of this request; freed after the closure returns (server) */

	/*
	 * Server: true once the client has disconnected or the deadline has passed. rpc sets it and calls on_cancel once,
	 * if set.
	 */
	bool cancelled;
	void (*on_cancel)(struct context *context, void *data);
	void *on_cancel_data;

	/*
	 * Server: the client as admission has identified it (services/handlers: its token). Valid until the handler
	 * returns; NULL: none.
	 */
	const void *identity;

	/*
	 * Server: for methods whose answer is a stream. Sends a message before the last one, which is the closure's. The
	 * message is copied. Returns 0: sent(data) will be called exactly once, later, when the transport has taken the
	 * message, so that the next one may be made, or when the call has ended or is to end. In that case `cancelled` is
	 * set or the context has failed, and the handler must call the closure with NULL. Until sent() is called, neither
	 * send() nor the closure may be. Not 0: sent() is not called; call the closure with NULL. NULL: this is no server.
	 */
	int (*send)(struct context *context, const struct ProtobufCMessage *message, void (*sent)(void *data), void *data);

	/*
	 * Client: set by the caller of a method whose answer is a stream; called for each message, which is valid during
	 * that call only, as is what is allocated from the arena in it. The next message is read when it has returned. It
	 * may call `cancel`. The closure is called with NULL in any case: the stream is complete if the status is OK.
	 */
	void (*on_message)(struct context *context, const struct ProtobufCMessage *message);

	/* Client: rpc sets it while the call is in progress; calling it ends the call early, closure included. */
	void (*cancel)(struct context *context);
	void *rpc; /* rpc's own */

	/* Server: identity for the access line, set by the handler; NULL: unknown. Never the token. */
	const char *token_id;

	/* Server: set by the handler of a request that deletes; NULL: nothing to report. */
	const struct context_audit *audit;
};

/* Sets up an empty context on `arena`, with no deadline. */
void context_init(struct context *context, struct arena *arena);

/*
 * Sets a failure; the first one stays. `reason` is static text or NULL, `format` a literal. If the message cannot be
 * made, the failure is one of memory. Returns the negative status, for `return context_fail(...)`.
 */
int context_fail(struct context *context, enum status status, const char *reason, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/*
 * Sets INVALID_ARGUMENT with a violation of `field`, which must live as long as the context; the message is
 * "<field>: <description>". Returns the negative status.
 */
int context_fail_field(struct context *context, const char *field, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
